// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/repconc/index_part.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/base/version.h"
#include "tenfold/search/index_bundle.h"
#include "tenfold/systems/retrieval/runtime/documents.h"

namespace tenfold::repconc {
namespace {

constexpr std::uint64_t kCoarseSeed = 1;

Error bad_documents(const std::string& seen) {
  return Error(ErrorClass::kFile,
               "repconc.documents",
               {.what = "documents.jsonl does not fit the index",
                .seen = seen,
                .wanted = "one object with _id and text a row",
                .remedy = "run tenfold repconc index again"});
}

}  // namespace

search::CodeIndex build_codes(const Retriever& retriever,
                              const std::vector<float>& vectors,
                              std::int64_t lists) {
  const std::vector<std::uint8_t> codes = retriever.codes(vectors);
  if (lists == 0) {
    search::CodeIndex index(retriever.scoring);
    index.add_codes(codes);
    return index;
  }
  const search::Vectors rows = search::as_vectors(vectors, retriever.scoring.dimension());
  search::CodeIndex index(
      retriever.scoring,
      search::train_coarse(retriever.scoring, rows, static_cast<std::size_t>(lists), kCoarseSeed));
  index.add_codes(codes);
  return index;
}

void write_index(FileSystem& files,
                 const Path& target,
                 const Retriever& retriever,
                 const search::BeirCorpus& corpus,
                 const search::CodeIndex& index) {
  io::BundleWriter bundle(
      files, target, {.system = "repconc", .created_by = "tenfold " + std::string(version())});
  add_retriever_members(bundle, retriever);
  bundle.add(retrieval::kDocumentsMember, retrieval::documents_to_jsonl(corpus));
  search::add_index_members(bundle, index);
  bundle.commit();
}

OpenIndex open_index(const std::string& path) {
  return open_index(open_part(path, "index"));
}

OpenIndex open_index(const io::BundleReader& bundle) {
  OpenIndex open{.retriever = open_retriever(bundle),
                 .corpus = retrieval::read_documents(bundle),
                 .codes = std::move(search::open_index_members(bundle).index)};
  if (open.corpus.ids.size() != open.codes.size() ||
      open.codes.dimension() != open.retriever.scoring.dimension())
    throw bad_documents(fmt::format("{} texts, {} codes", open.corpus.ids.size(), open.codes.size()));
  for (const io::BundleMember& member : bundle.manifest().members)
    if (member.name.starts_with("index.")) open.code_file_bytes += member.size;
  return open;
}

search::FlatIndex exact_index(const std::vector<float>& vectors, std::size_t dimension) {
  search::FlatIndex index(dimension);
  index.add(search::as_vectors(vectors, dimension));
  return index;
}

}  // namespace tenfold::repconc
