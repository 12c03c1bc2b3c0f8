// SPDX-License-Identifier: Apache-2.0
// `tenfold repconc index`: documents to codes.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tenfold/base/error.h"
#include "tenfold/systems/repconc/index_part.h"
#include "tenfold/systems/repconc/shards.h"
#include "tenfold/systems/repconc/stages.h"
#include "tenfold/systems/repconc/vector_retriever.h"
#include "tenfold/systems/repconc/verbs/vector_verbs.h"
#include "tenfold/systems/repconc/verbs/verbs.h"
#include "tenfold/systems/retrieval/demo_corpus.h"

namespace tenfold::repconc {
namespace {

struct IndexOptions {
  std::string path, corpus;
  std::int64_t lists = 0;

  void visit_fields(auto&& field) {
    field("path",
          path,
          {.help = "--out folder of a training run",
           .positional = true,
           .required = true,
           .file = config::FileUse::kRunFolder});
    field("corpus",
          corpus,
          {.help = "folder with corpus.jsonl, or a file of vectors; default: what the model was trained on",
           .file = config::FileUse::kRead});
    field("lists",
          lists,
          {.help = "inverted lists; 0: none, every search reads all codes", .min = 0, .max = 1e7});
  }
};

search::BeirCorpus corpus_of(const IndexOptions& options, const io::BundleReader& bundle) {
  const std::string path = options.corpus.empty() ? options_of(bundle).data.path : options.corpus;
  return path.empty() ? retrieval::make_demo_corpus().corpus : search::read_beir_corpus(path);
}

systems::Outcome run_index(const IndexOptions& options, systems::Context& context) {
  const io::BundleReader bundle = open_part(options.path, "model");
  const Path target = context.out.empty() ? Path(options.path) / "index" : context.out;
  if (is_vector_bundle(bundle)) return index_vectors(bundle, options.corpus, options.lists, target, context);
  Retriever retriever = open_retriever(bundle);
  retriever.dense = nullptr;  // searching does not need it
  const search::BeirCorpus corpus = corpus_of(options, bundle);
  const auto communicator = train::make_communicator(train::communicator_options_from_environment());
  const std::vector<float> vectors = encode_in_shards(
      *communicator,
      corpus.texts.size(),
      retriever.scoring.dimension(),
      [&](std::size_t begin, std::size_t end) {
        return retriever.encode_documents({corpus.texts.begin() + static_cast<std::ptrdiff_t>(begin),
                                           corpus.texts.begin() + static_cast<std::ptrdiff_t>(end)});
      });
  if (communicator->rank() != 0) {  // rank 0 writes for all
    communicator->barrier();
    systems::Outcome outcome = systems::make_outcome(nlohmann::json::object(), "");
    outcome.shown = false;
    return outcome;
  }
  const search::CodeIndex index = build_codes(retriever, vectors, options.lists);
  write_index(*context.files, target, retriever, corpus, index);
  communicator->barrier();
  const std::uint64_t bytes = open_index(target.string()).code_file_bytes;
  const double each = static_cast<double>(bytes) / static_cast<double>(corpus.ids.size());
  nlohmann::json object = {{"index", target.string()},
                           {"documents", corpus.ids.size()},
                           {"kind", index.kind()},
                           {"code_bytes", index.quantizer().code_bytes()},
                           {"file_bytes", bytes},
                           {"bytes_per_document", each}};
  return systems::make_outcome(
      std::move(object),
      fmt::format("{}: {} documents, {} bytes a code, {:.1f} bytes a document with codebooks\n",
                  target.string(),
                  corpus.ids.size(),
                  index.quantizer().code_bytes(),
                  each));
}

}  // namespace

systems::Verb make_index_verb() {
  return systems::served_as(
      systems::Served::kJob,
      systems::make_verb<IndexOptions>(
          "index",
          "encode documents into an index of codes",
          "Writes the bundle DIR/index (or --out), which `search` reads alone: codes, texts and the encoder. "
          "Codes are the nearest codewords, without the constraint of training. With tenfold launch -n N "
          "each process "
          "encodes its share of the documents.",
          {},
          run_index));
}

}  // namespace tenfold::repconc
