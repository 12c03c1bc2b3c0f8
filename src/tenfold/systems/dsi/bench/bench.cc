// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/dsi/bench/bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>

#include "tenfold/base/clock.h"
#include "tenfold/base/error.h"
#include "tenfold/base/random.h"
#include "tenfold/base/threads.h"
#include "tenfold/io/bundle.h"
#include "tenfold/kernels/gemm.h"
#include "tenfold/report/peer_process.h"
#include "tenfold/systems/dsi/runtime/docid_searcher.h"

namespace tenfold::dsi {
namespace {

constexpr int kPeerLimitSeconds = 300;

double quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  const auto at = static_cast<std::size_t>(share * static_cast<double>(values.size()));
  return values.at(std::min(at, values.size() - 1));
}

struct Times {
  std::vector<double> wall, cpu;  // ms

  template <typename Work>
  void time(const Work& work) {
    const Stopwatch clock;
    work();
    wall.push_back(1e3 * clock.wall_seconds());
    cpu.push_back(1e3 * clock.cpu_seconds());
  }
};

// Bytes a second of a read in order of as much as the decoder's weights take.
double read_rate(std::size_t bytes) {
  const std::vector<std::uint64_t> values(bytes / 8, 1);
  double best = std::numeric_limits<double>::infinity();
  std::uint64_t sum = 0;
  for (int repeat = 0; repeat < 20; ++repeat) {
    const Stopwatch clock;
    std::uint64_t sums[8] = {};
    for (std::size_t i = 0; i + 8 <= values.size(); i += 8) {
      for (std::size_t j = 0; j < 8; ++j) sums[j] += values[i + j];
    }
    sum += std::accumulate(sums, sums + 8, std::uint64_t{0});
    best = std::min(best, clock.cpu_seconds());
  }
  check_internal(sum > 0, "nothing was read");
  return static_cast<double>(bytes) / best;
}

// The PyTorch port; given up with a note when it cannot run.
class Peer {
 public:
  explicit Peer(const BenchOptions& options) : note_("peer not asked for") {
    if (!options.peer || options.peer_script.empty()) return;
    try {
      process_ = std::make_unique<report::PeerProcess>(
          std::vector<std::string>{options.python, options.peer_script.string(), options.folder.string()});
      const auto hello = nlohmann::json::parse(process_->read_line(kPeerLimitSeconds));
      note_ = "PyTorch " + hello.at("torch").get<std::string>();
      ask({{"length", options.model.query_tokens}});
    } catch (const std::exception& error) {
      process_.reset();
      note_ = std::string("no peer (Debian's python3-torch and python3-numpy?): ") + error.what();
    }
  }

  bool runs() const { return process_ != nullptr; }
  const std::string& note() const { return note_; }

  // Times queries [first, first + count); the documents and log probabilities of each.
  using Found = std::vector<std::vector<std::pair<std::uint32_t, double>>>;
  Found search(int first, int count, int beams, Times& times) {
    const auto answer = ask({{"first", first}, {"count", count}, {"beams", beams}});
    times.wall.push_back(1e3 * answer.at("wall").get<double>());
    times.cpu.push_back(1e3 * answer.at("cpu").get<double>());
    return answer.at("found").get<Found>();
  }

 private:
  nlohmann::json ask(const nlohmann::json& request) {
    process_->write_line(request.dump());
    return nlohmann::json::parse(process_->read_line(kPeerLimitSeconds));
  }

  std::unique_ptr<report::PeerProcess> process_;
  std::string note_;
};

class Bench {
 public:
  explicit Bench(const BenchOptions& options)
      : options_(options),
        sequences_(bench_docids(options.model.documents)),
        trie_(DocidTrie::build(sequences_)) {
    write_inputs();
    const auto file = io::SafetensorsReader::open(options_.folder / "model.safetensors");
    encoder_ = TextEncoder::open(file, {});
    searcher_ = std::make_unique<DocidSearcher>(TextEncoder(*encoder_), DocidDecoder::open(file, {}), trie_);
    int8_ = std::make_unique<DocidSearcher>(
        TextEncoder(*encoder_), DocidDecoder::open(file, {.weights = "int8"}), trie_);
    bfloat16_ = std::make_unique<DocidSearcher>(TextEncoder::open(file, {.weights = "bfloat16"}),
                                                DocidDecoder::open(file, {.weights = "bfloat16"}),
                                                trie_);
    peer_ = std::make_unique<Peer>(options_);
    beam_ = {.beams = options_.beams, .k = options_.beams};
    peak_ = kernels::gemm_peak(false);
    peak_bf16_ = kernels::gemm_peak(true);
    read_ = read_rate(searcher_->decoder().weight_bytes());
  }
  ~Bench() {
    peer_.reset();
    for (const Path& path : written_) {
      try {
        options_.files->remove(path);
      } catch (const std::exception&) {  // a file in the temporary folder may stay
      }
    }
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  std::vector<BenchRow> run() {
    std::vector<BenchRow> rows;
    const auto add = [&](const char* name, BenchRow (Bench::*measure)()) {
      if (std::find(options_.rows.begin(), options_.rows.end(), name) == options_.rows.end()) return;
      if (options_.progress) options_.progress(name);
      rows.push_back((this->*measure)());
      rows.back().name = name;
      rows.back().repeats = options_.repeats;
    };
    add("one", &Bench::one);
    add("one_bfloat16", &Bench::one_bfloat16);
    add("one_int8", &Bench::one_int8);
    add("batch", &Bench::batch);
    add("batch_bfloat16", &Bench::batch_bfloat16);
    add("batch_threads", &Bench::batch_threads);
    add("encode", &Bench::encode);
    add("cache", &Bench::cache);
    add("filter", &Bench::filter);
    add("exact", &Bench::exact);
    add("delete", &Bench::deletes);
    add("build", &Bench::build);
    add("open", &Bench::open);
    return rows;
  }

 private:
  void write_inputs() {
    parameters_ = write_bench_weights(*options_.files, path("model.safetensors"), options_.model);
    const int count = std::max(options_.queries, options_.batch);
    queries_ = bench_queries(static_cast<std::size_t>(count), options_.model);
    texts_.assign(queries_.begin(), queries_.end());
    std::vector<std::uint32_t> all;
    for (const auto& query : queries_) all.insert(all.end(), query.begin(), query.end());
    write("queries", std::as_bytes(std::span(all)));
    write("docids.tokens", std::as_bytes(std::span(sequences_.tokens)));
    write("docids.ends", std::as_bytes(std::span(sequences_.ends)));
  }
  Path path(const std::string& name) {
    written_.push_back(options_.folder / name);
    return written_.back();
  }
  void write(const std::string& name, std::span<const std::byte> bytes) {
    write_file_atomically(*options_.files,
                          path(name),
                          std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  }
  std::span<const TokenList> texts(int first, int count) const {
    return std::span(texts_).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
  }

  // A pass over weights with some rows takes the time of its products or that of reading the weights, whichever is longer.
  double pass(double rows, double flop_per_row, WeightFormat format = WeightFormat::kFloat32) const {
    const double peak = format == WeightFormat::kBfloat16 ? peak_bf16_ : peak_;
    const double bytes = format == WeightFormat::kFloat32 ? 4 : format == WeightFormat::kBfloat16 ? 2 : 1;
    return 1e3 * std::max(rows * flop_per_row / peak, flop_per_row / 2.0 * bytes / read_);
  }
  // ms of `count` queries at once: the encoder, the keys and values of its output, and one pass a step over all hypotheses.
  double floor_of(int count, WeightFormat format) const {
    const DocidDecoder& decoder = searcher_->decoder();
    BeamSearch search(decoder, trie_);
    EncoderBuffers buffers;
    const double tokens = static_cast<double>(options_.model.query_tokens) * count;
    const WeightFormat encoder_format = format == WeightFormat::kInt8 ? WeightFormat::kFloat32 : format;
    double total = pass(tokens, encoder_->flop_per_token(), encoder_format) +
                   pass(tokens, decoder.flop_per_memory_row(), format);
    encoder_->encode(texts(0, count), buffers);
    std::vector<DecodingQuery> queries;
    for (int i = 0; i < count; ++i) {
      const auto at = static_cast<std::size_t>(i);
      queries.push_back({{buffers.memory(at).data, buffers.memory(at).stride, buffers.tokens(at)}});
    }
    search.search(queries, beam_);
    for (const std::size_t rows : search.rows_of_steps())
      total += pass(static_cast<double>(rows), decoder.flop_per_row(), format);
    return total;
  }

  void fill(BenchRow& row, const Times& ours, const Times& peer = {}) const {
    row.ours = quantile(ours.wall, 0.5);
    row.ours_cpu = quantile(ours.cpu, 0.5);
    row.p99 = quantile(ours.wall, 0.99);
    row.p99_cpu = quantile(ours.cpu, 0.99);
    row.peer_note = peer_->note();
    if (!peer.wall.empty()) {
      row.peer = quantile(peer.wall, 0.5);
      row.peer_cpu = quantile(peer.cpu, 0.5);
      row.ratio = *row.peer / row.ours;
      row.ratio_cpu = *row.peer_cpu / row.ours_cpu;
    }
    if (row.floor) row.share_of_floor = *row.floor / row.ours_cpu;
  }

  // Beams of equal probability may differ; a few of many documents, by rounding.
  static void check_same(const std::vector<BeamResult>& ours, const Peer::Found& peer) {
    std::size_t same = 0, all = 0;
    for (std::size_t query = 0; query < ours.size(); ++query) {
      for (const FoundDocid& hit : ours[query].found) {
        ++all;
        for (const auto& [document, log_probability] : peer.at(query))
          same += document == hit.document && std::abs(log_probability - double{hit.log_probability}) < 1e-3
                      ? 1
                      : 0;
      }
    }
    if (100 * same >= 99 * all) return;
    throw Error(ErrorClass::kData,
                "dsi.peer_differs",
                {.what = "the PyTorch port finds other documents",
                 .seen = fmt::format("{} of {} the same", same, all),
                 .wanted = "at least 99 per cent",
                 .remedy = "report this: one of the two is wrong"});
  }

  BenchRow timed_queries(const DocidSearcher& searcher, int count, bool with_peer) {
    BenchRow row;
    Times ours, peer;
    const int calls = count == 1 ? options_.queries : 1;
    std::vector<std::vector<BeamResult>> results(static_cast<std::size_t>(calls));
    // Some calls of ours, then the same of the peer, in turn: both sides find their weights in the cache. The first round warms up.
    for (int repeat = 0; repeat <= options_.repeats; ++repeat) {
      Times mine, others;
      for (int call = 0; call < calls; ++call)
        mine.time(
            [&] { results[static_cast<std::size_t>(call)] = searcher.search(texts(call, count), beam_); });
      for (int call = 0; call < calls && with_peer && peer_->runs(); ++call) {
        const Peer::Found found = peer_->search(call, count, options_.beams, others);
        if (&searcher == searcher_.get()) check_same(results[static_cast<std::size_t>(call)], found);
      }
      if (repeat == 0) continue;
      for (auto [to, from] : {std::pair{&ours, &mine}, std::pair{&peer, &others}}) {
        to->wall.insert(to->wall.end(), from->wall.begin(), from->wall.end());
        to->cpu.insert(to->cpu.end(), from->cpu.begin(), from->cpu.end());
      }
    }
    const WeightFormat format = &searcher == bfloat16_.get() ? WeightFormat::kBfloat16
                                : &searcher == int8_.get()   ? WeightFormat::kInt8
                                                             : WeightFormat::kFloat32;
    row.floor = floor_of(count, format);
    row.floor_note = fmt::format("products at {:.0f} GFLOP/s, weights at {:.0f} GB/s",
                                 (format == WeightFormat::kBfloat16 ? peak_bf16_ : peak_) / 1e9,
                                 read_ / 1e9);
    fill(row, ours, peer);
    row.rate = 1e3 * count / row.ours;
    row.rate_unit = "queries/s";
    return row;
  }

  BenchRow one() {
    BenchRow row = timed_queries(*searcher_, 1, true);
    row.what = fmt::format("one query, {} beams, {} documents, {:.1f}M parameters",
                           options_.beams,
                           trie_.size(),
                           static_cast<double>(parameters_) / 1e6);
    one_cpu_ = row.ours_cpu;
    return row;
  }
  // Share of the documents that float32 finds too. Random weights spread probabilities thin, which is hard on rounding.
  void beside_float32(const DocidSearcher& searcher, BenchRow& row) const {
    const auto wanted = searcher_->search(texts(0, options_.queries), beam_);
    const auto seen = searcher.search(texts(0, options_.queries), beam_);
    std::size_t same = 0, all = 0;
    for (std::size_t query = 0; query < wanted.size(); ++query) {
      for (const FoundDocid& hit : wanted[query].found) {
        ++all;
        same += std::count_if(seen[query].found.begin(),
                              seen[query].found.end(),
                              [&](const FoundDocid& other) { return other.document == hit.document; });
      }
    }
    row.beside_ratio = static_cast<double>(same) / static_cast<double>(all);
    row.beside_what = "share of documents that float32 finds too";
  }
  BenchRow one_bfloat16() {
    BenchRow row = timed_queries(*bfloat16_, 1, true);
    row.what = "one query, weights and activations in bfloat16";
    beside_float32(*bfloat16_, row);
    return row;
  }
  BenchRow one_int8() {
    BenchRow row = timed_queries(*int8_, 1, true);
    row.what = "one query, decoder in 8 bits";
    beside_float32(*int8_, row);
    return row;
  }
  void beside_one(BenchRow& row) {
    row.beside = one_time();
    row.beside_what = "queries/s by those of one query after the other on one thread";
    row.beside_ratio = *row.beside * options_.batch / (row.threads == 1 ? row.ours_cpu : row.ours);
  }
  BenchRow batch() {
    BenchRow row = timed_queries(*searcher_, options_.batch, true);
    row.what = fmt::format("{} queries at once", options_.batch);
    beside_one(row);
    return row;
  }
  BenchRow batch_bfloat16() {
    BenchRow row = timed_queries(*bfloat16_, options_.batch, true);
    row.what = fmt::format("{} queries at once in bfloat16", options_.batch);
    beside_one(row);
    return row;
  }
  BenchRow batch_threads() {
    const int before = thread_count();
    set_thread_count(available_cores());
    BenchRow row = timed_queries(*searcher_, options_.batch, false);
    row.threads = available_cores();
    set_thread_count(before);
    row.what = fmt::format("{} queries at once, all cores", options_.batch);
    row.share_of_floor = *row.floor / row.ours / row.threads;
    beside_one(row);
    return row;
  }
  double one_time() {
    if (one_cpu_ == 0.0) one();
    return one_cpu_;
  }

  BenchRow encode() {
    BenchRow row{.what = fmt::format("encoder, {} tokens", options_.model.query_tokens)};
    Times times;
    EncoderBuffers buffers;
    for (int i = 0; i < options_.repeats * options_.queries; ++i)
      times.time([&] { encoder_->encode(texts(i % options_.queries, 1), buffers); });
    row.floor = pass(static_cast<double>(options_.model.query_tokens), encoder_->flop_per_token());
    fill(row, times);
    row.rate = 1e3 / row.ours;
    row.rate_unit = "texts/s";
    return row;
  }

  // Five positions of `beams` hypotheses; without the cache all earlier positions are computed again at each.
  void decode(DecoderSession& session, const QueryMemory& memory, bool cached) const {
    constexpr std::uint32_t kDepth = 5;
    const auto beams = static_cast<std::size_t>(options_.beams);
    const std::vector<std::uint32_t> tokens(beams, 1), queries(beams, 0);
    std::vector<std::uint32_t> paths(beams * kDepth);
    session.begin({&memory, 1}, beams, beams * kDepth * kDepth);
    for (std::uint32_t t = 0; t < kDepth; ++t) {
      for (std::uint32_t position = cached ? t : 0; position <= t; ++position)
        session.step({tokens, queries, std::vector<std::uint32_t>(beams, position), paths, kDepth});
      session.compute_logits(0, searcher_->decoder().tokens());
    }
  }
  BenchRow cache() {
    BenchRow row{.what = "five steps of all beams", .beside_what = "without the cache of keys and values"};
    Times with, without;
    EncoderBuffers buffers;
    encoder_->encode(texts(0, 1), buffers);
    const QueryMemory memory{buffers.memory(0).data, buffers.memory(0).stride, buffers.tokens(0)};
    DecoderSession session(searcher_->decoder());
    for (int i = 0; i < options_.repeats * options_.queries; ++i) {
      with.time([&] { decode(session, memory, true); });
      without.time([&] { decode(session, memory, false); });
    }
    fill(row, with);
    row.beside = quantile(without.cpu, 0.5);
    row.beside_ratio = *row.beside / row.ours_cpu;
    return row;
  }

  BenchRow filter() {
    BenchRow row{.what = "one query, filter that allows 1 % of the documents",
                 .beside_what = "without a filter"};
    search::Bitmap allowed(trie_.size());
    random::Generator draws(1, 1);
    while (allowed.count() < trie_.size() / 100)
      allowed.set(draws.below(static_cast<std::uint32_t>(trie_.size())));
    Times with, without;
    for (int i = 0; i < options_.repeats * options_.queries; ++i) {
      with.time([&] { searcher_->search(texts(i % options_.queries, 1), beam_, &allowed); });
      without.time([&] { searcher_->search(texts(i % options_.queries, 1), beam_); });
    }
    fill(row, with);
    row.beside = quantile(without.cpu, 0.5);
    row.beside_ratio = *row.beside / row.ours_cpu;
    return row;
  }

  BenchRow exact() {
    BenchRow row{.what = "one query, exact best-first search"};
    Times times;
    std::size_t expanded = 0;
    for (int i = 0; i < options_.queries; ++i) {
      const TokenList text = texts_[static_cast<std::size_t>(i)];
      times.time([&] { expanded += searcher_->search_exactly(text, {.k = beam_.k}).expanded; });
    }
    fill(row, times);
    row.rate = static_cast<double>(expanded) / options_.queries;
    row.rate_unit = "prefixes a query";
    return row;
  }

  BenchRow deletes() {
    BenchRow row{.what = "one delete", .unit = "us"};
    Times times;
    random::Generator draws(2, 1);
    std::vector<std::uint32_t> deleted;
    for (int i = 0; i < 1000; ++i) {
      deleted.push_back(draws.below(static_cast<std::uint32_t>(trie_.size())));
      times.time([&] { searcher_->erase(deleted.back()); });
    }
    for (const std::uint32_t document : deleted) searcher_->restore(document);
    for (double& time : times.wall) time *= 1e3;
    for (double& time : times.cpu) time *= 1e3;
    fill(row, times);
    return row;
  }

  BenchRow build() {
    BenchRow row{.what = fmt::format("trie of {} random identifiers of 8 tokens", options_.built)};
    random::Generator draws(3, 1);
    DocidSequences sequences;  // eight tokens of 1 to 256 each
    for (std::size_t i = 0; i < options_.built; ++i) {
      std::uint32_t sequence[9] = {};
      for (std::size_t j = 0; j < 8; ++j) sequence[j] = 1 + (draws.next_u32() >> 24);
      sequences.add(sequence);
    }
    Times times;
    DocidTrie trie;
    for (int repeat = 0; repeat < options_.repeats; ++repeat)
      times.time([&] { trie = DocidTrie::build(sequences); });
    fill(row, times);
    row.rate = 1e3 * static_cast<double>(options_.built) / row.ours_cpu;
    row.rate_unit = "identifiers/s of CPU time";
    row.floor_note =
        fmt::format("{:.1f} bytes a node",
                    static_cast<double>(trie.bytes()) / static_cast<double>(trie.prefixes() + trie.size()));
    return row;
  }

  BenchRow open() {
    BenchRow row{.what = "open a bundle of weights and trie, hashes verified"};
    const Path bundle = options_.folder / "bundle";
    const std::string weights = read_text_file(options_.folder / "model.safetensors");
    io::BundleWriter writer(*options_.files, bundle, {.system = "dsi", .created_by = "bench"});
    writer.add("weights.safetensors", weights);
    add_trie_member(writer, trie_);
    writer.commit();
    Times times;
    for (int repeat = 0; repeat < options_.repeats; ++repeat) {
      times.time([&] {
        const io::BundleReader reader = io::BundleReader::open(bundle);
        const io::SafetensorsReader tensors = reader.open_tensors();
        const DocidSearcher opened(
            TextEncoder::open(tensors, {}), DocidDecoder::open(tensors, {}), open_trie_member(reader));
      });
    }
    io::remove_bundle(*options_.files, bundle);
    fill(row, times);
    return row;
  }

  const BenchOptions& options_;
  DocidSequences sequences_;
  DocidTrie trie_;
  std::vector<std::vector<std::uint32_t>> queries_;
  std::vector<TokenList> texts_;
  std::vector<Path> written_;
  std::size_t parameters_ = 0;
  std::optional<TextEncoder> encoder_;
  std::unique_ptr<DocidSearcher> searcher_, bfloat16_, int8_;
  std::unique_ptr<Peer> peer_;
  BeamOptions beam_;
  double peak_ = 0, peak_bf16_ = 0, read_ = 0, one_cpu_ = 0;
};

}  // namespace

std::vector<std::string> bench_row_names() {
  return {"one",
          "one_bfloat16",
          "one_int8",
          "batch",
          "batch_bfloat16",
          "batch_threads",
          "encode",
          "cache",
          "filter",
          "exact",
          "delete",
          "build",
          "open"};
}

std::vector<BenchRow> bench_dsi(const BenchOptions& options) {
  if (options.beams < 1 || options.batch < 1 || options.repeats < 1 || options.queries < 1 ||
      options.model.documents < 1)
    throw Error(ErrorClass::kUsage,
                "bench.bad_size",
                {.what = "nothing to time",
                 .seen = "a size below 1",
                 .wanted = "beams, batch, repeats, queries and documents of at least 1",
                 .remedy = "change the options"});
  return Bench(options).run();
}

}  // namespace tenfold::dsi
