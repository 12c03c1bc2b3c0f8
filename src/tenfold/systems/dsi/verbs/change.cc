// SPDX-License-Identifier: Apache-2.0
// `tenfold dsi add` and `tenfold dsi delete`: a corpus that changes under a trained model.
#include "tenfold/systems/dsi/change.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "tenfold/search/beir.h"
#include "tenfold/systems/dsi/verbs/verbs.h"

namespace tenfold::dsi {
namespace {

struct AddVerbOptions {
  std::string path, corpus;
  AddOptions add;

  void visit_fields(auto&& field) {
    field("path",
          path,
          {.help = "--out folder of a training run, or a model",
           .positional = true,
           .required = true,
           .file = config::FileUse::kRunFolder});
    field("corpus",
          corpus,
          {.help = "folder with corpus.jsonl: the new documents",
           .required = true,
           .file = config::FileUse::kRead});
    add.visit_fields(field);
  }
};

struct DeleteOptions {
  std::string path;
  std::vector<std::string> ids;
  bool restore = false;

  void visit_fields(auto&& field) {
    field("path",
          path,
          {.help = "--out folder of a training run, or a model",
           .positional = true,
           .required = true,
           .file = config::FileUse::kRunFolder});
    field("ids", ids, {.help = "ids of documents, separated by commas", .required = true});
    field("restore", restore, {.help = "bring them back instead"});
  }
};

systems::Outcome run_add(const AddVerbOptions& options, systems::Context& context) {
  const io::BundleReader bundle = open_part(options.path);
  OpenModel open = open_model(bundle);
  const search::BeirCorpus documents = search::read_beir_corpus(options.corpus);
  const AddReport report = add_documents(open, documents, options.add, context.seed, context.stop);
  write_model(*context.files, bundle.path(), open);
  return systems::make_outcome({{"added", documents.ids.size()},
                                {"documents", open.live.count()},
                                {"method", report.method},
                                {"found_first", report.found_first},
                                {"milliseconds_each", report.milliseconds_each}},
                               fmt::format("{} documents added by {}, {:.2f} ms each; {:.1f} % of their "
                                           "views find them first; {} documents now\n",
                                           documents.ids.size(),
                                           report.method,
                                           report.milliseconds_each,
                                           100.0 * report.found_first,
                                           open.live.count()));
}

systems::Outcome run_delete(const DeleteOptions& options, systems::Context& context) {
  const io::BundleReader bundle = open_part(options.path);
  OpenModel open = open_model(bundle);
  set_live(open, options.ids, options.restore);
  write_model(*context.files, bundle.path(), open);
  return systems::make_outcome(
      {{options.restore ? "restored" : "deleted", options.ids.size()}, {"documents", open.live.count()}},
      fmt::format("{} documents {}; {} remain\n",
                  options.ids.size(),
                  options.restore ? "restored" : "deleted",
                  open.live.count()));
}

}  // namespace

systems::Verb make_add_verb() {
  return systems::served_as(systems::Served::kJob,
                            systems::make_verb<AddVerbOptions>(
                                "add",
                                "add documents to a trained model",
                                "With atomic identifiers a row is solved for each document in milliseconds "
                                "and nothing else changes "
                                "(--method row). --method train continues training on views of the new "
                                "documents and, for --replay times as many "
                                "examples, on views of the old ones, so that these are not forgotten.",
                                {},
                                run_add));
}

systems::Verb make_delete_verb() {
  return systems::served_as(systems::Served::kJob,
                            systems::make_verb<DeleteOptions>(
                                "delete",
                                "delete documents of a model, or bring them back",
                                "Nothing is trained: deleted documents are masked before the best are "
                                "chosen, and the others keep their scores to the bit.",
                                {},
                                run_delete));
}

}  // namespace tenfold::dsi
