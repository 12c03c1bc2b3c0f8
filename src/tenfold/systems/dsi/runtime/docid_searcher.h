// SPDX-License-Identifier: Apache-2.0
// A generative index that answers: encoder, decoder and live trie together, for many threads at once.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <span>
#include <vector>

#include "tenfold/systems/dsi/runtime/beam_search.h"
#include "tenfold/systems/dsi/runtime/best_first.h"
#include "tenfold/systems/dsi/runtime/text_encoder.h"

namespace tenfold::dsi {

// Thread-safe. Large batches are divided among the threads of base/threads.h; a query's answer depends neither on the batch nor on them.
class DocidSearcher {
 public:
  // Without an encoder only memories can be searched. Throws as check_trie_fits(), and Error(kFile, "dsi.weights") when encoder and
  // decoder differ in dimension.
  DocidSearcher(std::optional<TextEncoder> encoder, DocidDecoder decoder, DocidTrie trie);
  ~DocidSearcher();
  DocidSearcher(const DocidSearcher&) = delete;
  DocidSearcher& operator=(const DocidSearcher&) = delete;

  const DocidDecoder& decoder() const { return decoder_; }
  const DocidTrie& trie() const { return live_.trie(); }
  bool reads_texts() const { return encoder_.has_value(); }
  std::size_t size() const;  // documents that are left

  // A document that is deleted is in no answer of a search that begins later. False: it was already so. Waits for running searches.
  // Throw Error(kData, "dsi.unknown_document").
  bool erase(std::uint32_t document);
  bool restore(std::uint32_t document);
  search::Bitmap erased() const;

  // One result a query. `filter`: a bit a document, null for no filter. Throws as BeamSearch::search(), TextEncoder::encode() and
  // LiveTrie::filtered(); Error(kUsage, "dsi.no_encoder").
  std::vector<BeamResult> search(std::span<const TokenList> texts,
                                 const BeamOptions& options,
                                 const search::Bitmap* filter = nullptr) const;
  std::vector<BeamResult> search(std::span<const QueryMemory> memories,
                                 const BeamOptions& options,
                                 const search::Bitmap* filter = nullptr) const;

  // The exact k best of one query.
  BestFirstResult search_exactly(TokenList text,
                                 const BestFirstOptions& options,
                                 const search::Bitmap* filter = nullptr) const;
  BestFirstResult search_exactly(const QueryMemory& memory,
                                 const BestFirstOptions& options,
                                 const search::Bitmap* filter = nullptr) const;

 private:
  struct Worker;  // buffers of one thread
  std::unique_ptr<Worker> borrow() const;
  void give_back(std::unique_ptr<Worker> worker) const;
  // Calls body(worker, begin, end) on parts of [0, count).
  template <typename Body>
  void for_parts(std::size_t count, const Body& body) const;
  const TextEncoder& encoder() const;

  std::optional<TextEncoder> encoder_;
  DocidDecoder decoder_;
  LiveTrie live_;
  mutable std::shared_mutex changes_;  // searches share it
  mutable std::mutex workers_mutex_;
  mutable std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace tenfold::dsi
