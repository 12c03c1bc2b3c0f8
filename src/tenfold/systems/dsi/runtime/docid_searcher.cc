// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/dsi/runtime/docid_searcher.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/threads.h"

namespace tenfold::dsi {
namespace {

// Queries decoded together by one thread: the weights are read once for all of them while their rows still fit into the cache.
constexpr std::size_t kQueriesAtOnce = 4;

}  // namespace

struct DocidSearcher::Worker {
  Worker(const DocidDecoder& decoder, const DocidTrie& trie) : beam(decoder, trie), exact(decoder, trie) {}

  EncoderBuffers encoder;
  BeamSearch beam;
  BestFirstSearch exact;
};

DocidSearcher::DocidSearcher(std::optional<TextEncoder> encoder, DocidDecoder decoder, DocidTrie trie)
    : encoder_(std::move(encoder)), decoder_(std::move(decoder)), live_(std::move(trie)) {
  check_trie_fits(live_.trie(), decoder_);
  if (encoder_ && encoder_->dimension() != decoder_.dimension())
    fail_weights("encoder and decoder differ in dimension",
                 fmt::format("{} and {}", encoder_->dimension(), decoder_.dimension()),
                 "the same");
}

DocidSearcher::~DocidSearcher() = default;

std::size_t DocidSearcher::size() const {
  const std::shared_lock lock(changes_);
  return live_.size();
}

bool DocidSearcher::erase(std::uint32_t document) {
  const std::unique_lock lock(changes_);
  return live_.erase(document);
}

bool DocidSearcher::restore(std::uint32_t document) {
  const std::unique_lock lock(changes_);
  return live_.restore(document);
}

search::Bitmap DocidSearcher::erased() const {
  const std::shared_lock lock(changes_);
  return live_.erased();
}

std::unique_ptr<DocidSearcher::Worker> DocidSearcher::borrow() const {
  const std::lock_guard lock(workers_mutex_);
  if (workers_.empty()) return std::make_unique<Worker>(decoder_, live_.trie());
  auto worker = std::move(workers_.back());
  workers_.pop_back();
  return worker;
}

void DocidSearcher::give_back(std::unique_ptr<Worker> worker) const {
  const std::lock_guard lock(workers_mutex_);
  workers_.push_back(std::move(worker));
}

const TextEncoder& DocidSearcher::encoder() const {
  if (encoder_) return *encoder_;
  throw Error(ErrorClass::kUsage,
              "dsi.no_encoder",
              {.what = "this index cannot read texts by itself",
               .seen = "no encoder",
               .wanted = "an encoder of T5",
               .remedy = "give the memory of the query"});
}

template <typename Body>
void DocidSearcher::for_parts(std::size_t count, const Body& body) const {
  const auto threads = static_cast<std::size_t>(thread_count());
  const std::size_t grain = std::clamp<std::size_t>((count + threads - 1) / threads, 1, kQueriesAtOnce);
  parallel_for(count, grain, [&](std::size_t begin, std::size_t end) {
    // After an error the worker is dropped with its buffers.
    std::unique_ptr<Worker> worker = borrow();
    body(*worker, begin, end);
    give_back(std::move(worker));
  });
}

std::vector<BeamResult> DocidSearcher::search(std::span<const TokenList> texts,
                                              const BeamOptions& options,
                                              const search::Bitmap* filter) const {
  const std::shared_lock lock(changes_);
  const LeafSet filtered = filter == nullptr ? LeafSet() : live_.filtered(*filter);
  std::vector<BeamResult> results(texts.size());
  const TextEncoder& reader = encoder();
  for_parts(texts.size(), [&](Worker& worker, std::size_t begin, std::size_t end) {
    reader.encode(texts.subspan(begin, end - begin), worker.encoder);
    std::vector<DecodingQuery> queries;
    for (std::size_t i = 0; i < end - begin; ++i) {
      const kernels::ConstRows memory = worker.encoder.memory(i);
      queries.push_back({{memory.data, memory.stride, worker.encoder.tokens(i)},
                         filter == nullptr ? &live_.live() : &filtered});
    }
    auto part = worker.beam.search(queries, options);
    std::move(part.begin(), part.end(), results.begin() + static_cast<std::ptrdiff_t>(begin));
  });
  return results;
}

std::vector<BeamResult> DocidSearcher::search(std::span<const QueryMemory> memories,
                                              const BeamOptions& options,
                                              const search::Bitmap* filter) const {
  const std::shared_lock lock(changes_);
  const LeafSet filtered = filter == nullptr ? LeafSet() : live_.filtered(*filter);
  std::vector<BeamResult> results(memories.size());
  for_parts(memories.size(), [&](Worker& worker, std::size_t begin, std::size_t end) {
    std::vector<DecodingQuery> queries;
    for (std::size_t i = begin; i < end; ++i)
      queries.push_back({memories[i], filter == nullptr ? &live_.live() : &filtered});
    auto part = worker.beam.search(queries, options);
    std::move(part.begin(), part.end(), results.begin() + static_cast<std::ptrdiff_t>(begin));
  });
  return results;
}

BestFirstResult DocidSearcher::search_exactly(TokenList text,
                                              const BestFirstOptions& options,
                                              const search::Bitmap* filter) const {
  const TextEncoder& reader = encoder();
  EncoderBuffers buffers;
  reader.encode({&text, 1}, buffers);
  const kernels::ConstRows memory = buffers.memory(0);
  return search_exactly(QueryMemory{memory.data, memory.stride, buffers.tokens(0)}, options, filter);
}

BestFirstResult DocidSearcher::search_exactly(const QueryMemory& memory,
                                              const BestFirstOptions& options,
                                              const search::Bitmap* filter) const {
  const std::shared_lock lock(changes_);
  const LeafSet filtered = filter == nullptr ? LeafSet() : live_.filtered(*filter);
  std::unique_ptr<Worker> worker = borrow();
  const DecodingQuery query{memory, filter == nullptr ? &live_.live() : &filtered};
  BestFirstResult result = worker->exact.search(query, options);
  give_back(std::move(worker));
  return result;
}

}  // namespace tenfold::dsi
