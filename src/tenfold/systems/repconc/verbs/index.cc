// SPDX-License-Identifier: Apache-2.0
// `tenfold repconc index`: documents to codes.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tenfold/base/error.h"
#include "tenfold/base/log.h"
#include "tenfold/systems/repconc/index_change.h"
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
  std::string path, corpus, add, update, remove;
  bool compact = false;
  IndexLayout layout;

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
    layout.visit_fields(field);
    field("add",
          add,
          {.help = "folder with corpus.jsonl of documents to add to the index that is there; of an index of "
                   "vectors: file of vectors",
           .file = config::FileUse::kRead});
    field("update",
          update,
          {.help = "the same for other texts of documents that are there", .file = config::FileUse::kRead});
    field("remove",
          remove,
          {.help = "file with the ids of documents to remove, one a line", .file = config::FileUse::kRead});
    field("compact", compact, {.help = "give the space of removed and replaced documents back"});
  }
  bool changes() const { return !add.empty() || !update.empty() || !remove.empty() || compact; }
};

nlohmann::json to_json(const search::DriftReport& drift) {
  return {{"documents", drift.rows},
          {"enough", drift.enough},
          {"drifted", drift.drifted},
          {"error_ratio", drift.error_ratio},
          {"entropy_loss", drift.entropy_loss},
          {"reason", drift.reason}};
}

void check_change(const IndexOptions& options) {
  if (options.corpus.empty() && options.layout.lists == 0 && options.layout.graph == 0 &&
      !options.layout.coarse_graph)
    return;
  throw Error(ErrorClass::kUsage,
              "index.build_or_change",
              {.what = "an index is either made anew or changed",
               .seen = "--add, --update, --remove or --compact beside options of a new index",
               .wanted = "one of the two",
               .remedy = "leave --corpus, --lists, --coarse-graph and --graph out: an index keeps its form"});
}

// Alone: several processes would write the same bundle.
systems::Outcome change(const IndexOptions& options, systems::Context& context) {
  check_change(options);
  const io::BundleReader bundle = open_part(options.path, "index");
  const Path target = context.out.empty() ? bundle.path() : context.out;
  if (is_vector_bundle(bundle))
    return add_vectors(
        bundle,
        {.add = options.add, .others = !options.update.empty() || !options.remove.empty() || options.compact},
        target,
        context);
  OpenIndex open = open_index(bundle);
  IndexChange wanted{.added = {}, .updated = {}, .removed = {}, .compact = options.compact};
  if (!options.add.empty()) wanted.added = search::read_beir_corpus(options.add);
  if (!options.update.empty()) wanted.updated = search::read_beir_corpus(options.update);
  if (!options.remove.empty()) wanted.removed = read_ids(options.remove);
  const IndexChangeReport report = change_index(open, wanted);
  if (report.drift.drifted) log::warning("{}", report.drift.reason);
  write_index(*context.files,
              target,
              {.retriever = open.retriever,
               .corpus = open.corpus,
               .codes = *open.codes,
               .words = open.words ? &*open.words : nullptr,
               .counts = open.counts ? &*open.counts : nullptr});
  return systems::make_outcome({{"index", target.string()},
                                {"documents", open.codes->live()},
                                {"rows", open.codes->size()},
                                {"added", report.added},
                                {"updated", report.updated},
                                {"removed", report.removed},
                                {"forgotten", report.forgotten},
                                {"drift", to_json(report.drift)}},
                               fmt::format("{}: {} documents; {} added, {} updated, {} removed{}\n",
                                           target.string(),
                                           open.codes->live(),
                                           report.added,
                                           report.updated,
                                           report.removed,
                                           report.drift.drifted ? "; they no longer fit the codewords" : ""));
}

search::BeirCorpus corpus_of(const IndexOptions& options, const io::BundleReader& bundle) {
  const std::string path = options.corpus.empty() ? options_of(bundle).data.path : options.corpus;
  return path.empty() ? retrieval::make_demo_corpus().corpus : search::read_beir_corpus(path);
}

systems::Outcome run_index(const IndexOptions& options, systems::Context& context) {
  if (options.changes()) return change(options, context);
  check_layout(options.layout);
  const io::BundleReader bundle = open_part(options.path, "model");
  const Path target = context.out.empty() ? Path(options.path) / "index" : context.out;
  if (is_vector_bundle(bundle))
    return index_vectors(bundle, {options.corpus, options.layout}, target, context);
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
  const auto index = build_index(retriever, vectors, options.layout);
  const search::CodeCounts counts =
      search::count_codes(retriever.assigning, search::as_vectors(vectors, retriever.assigning.dimension()));
  write_index(
      *context.files, target, {.retriever = retriever, .corpus = corpus, .codes = *index, .counts = &counts});
  communicator->barrier();
  const std::uint64_t bytes = open_index(target.string()).code_file_bytes;
  const double each = static_cast<double>(bytes) / static_cast<double>(corpus.ids.size());
  nlohmann::json object = {{"index", target.string()},
                           {"documents", corpus.ids.size()},
                           {"kind", index->kind()},
                           {"code_bytes", index->quantizer().code_bytes()},
                           {"file_bytes", bytes},
                           {"bytes_per_document", each}};
  return systems::make_outcome(
      std::move(object),
      fmt::format("{}: {} documents, {} bytes a code, {:.1f} bytes a document with codebooks\n",
                  target.string(),
                  corpus.ids.size(),
                  index->quantizer().code_bytes(),
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
          "Codes are the nearest codewords, without the constraint of training. --add, --update and --remove "
          "change the documents of the index that is there; its codewords stay, and a warning says when new "
          "documents no longer fit them. With tenfold launch -n N "
          "each process "
          "encodes its share of the documents.",
          {},
          run_index));
}

}  // namespace tenfold::repconc
