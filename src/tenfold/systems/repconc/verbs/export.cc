// SPDX-License-Identifier: Apache-2.0
// `tenfold repconc export`: the index as a file of Faiss.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/search/faiss_file.h"
#include "tenfold/systems/repconc/index_part.h"
#include "tenfold/systems/repconc/vector_retriever.h"
#include "tenfold/systems/repconc/verbs/vector_verbs.h"
#include "tenfold/systems/repconc/verbs/verbs.h"

namespace tenfold::repconc {
namespace {

struct ExportOptions {
  std::string path;

  void visit_fields(auto&& field) {
    field("path",
          path,
          {.help = "--out folder of a training run with an index, or an index",
           .positional = true,
           .required = true,
           .file = config::FileUse::kRunFolder});
  }
};

systems::Outcome run_export(const ExportOptions& options, systems::Context& context) {
  if (context.out.empty()) {
    throw Error(
        ErrorClass::kUsage,
        "export.no_target",
        {.what = "export does not know where to write", .wanted = "a folder", .remedy = "add --out DIR"});
  }
  const io::BundleReader bundle = open_part(options.path, "index");
  if (is_vector_bundle(bundle)) return export_vectors(bundle, context);
  const OpenIndex open = open_index(options.path);
  const auto* codes = dynamic_cast<const search::CodeIndex*>(open.codes.get());
  if (codes == nullptr) throw no_faiss_form("a graph over codes (--graph)", "an index without a graph");
  context.files->make_directories(context.out);
  const Path index = context.out / "index.faiss", ids = context.out / "ids.txt";
  search::write_faiss(*context.files, index, *codes);
  std::string lines;
  for (const std::string& id : open.corpus.ids) lines += id + "\n";
  write_file_atomically(*context.files, ids, lines);
  return systems::make_outcome(
      {{"faiss", index.string()}, {"ids", ids.string()}, {"documents", codes->size()}},
      fmt::format("{}: {} documents; row i has the id of line i + 1 of {}\n",
                  index.string(),
                  codes->size(),
                  ids.string()));
}

}  // namespace

systems::Verb make_export_verb() {
  return systems::served_as(
      systems::Served::kJob,
      systems::make_verb<ExportOptions>("export",
                                        "write an index as a file of Faiss",
                                        "DIR/index.faiss holds rotation, codewords and codes (IxPT with "
                                        "IxPq, IPfs, IwPQ or IwPf), DIR/ids.txt the id of "
                                        "each row. Queries come from the encoder of this program.",
                                        {},
                                        run_export));
}

}  // namespace tenfold::repconc
