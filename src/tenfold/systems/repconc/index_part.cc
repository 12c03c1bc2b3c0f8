// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/repconc/index_part.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/base/version.h"
#include "tenfold/search/bm25_bundle.h"
#include "tenfold/search/graph_index.h"
#include "tenfold/search/index_bundle.h"
#include "tenfold/systems/retrieval/runtime/documents.h"

namespace tenfold::repconc {
namespace {

constexpr std::uint64_t kCoarseSeed = 1;
constexpr const char* kWordsMember = "words.safetensors";

Error bad_documents(const std::string& seen) {
  return Error(ErrorClass::kFile,
               "repconc.documents",
               {.what = "the members of the index do not fit together",
                .seen = seen,
                .wanted = "the same number of each",
                .remedy = "run tenfold repconc index again"});
}

}  // namespace

search::CodeIndex build_codes(const Retriever& retriever,
                              const std::vector<float>& vectors,
                              std::int64_t lists) {
  const search::Vectors rows = search::as_vectors(vectors, retriever.scoring.dimension());
  auto index = empty_index(retriever.scoring, rows, {.lists = lists});
  index->add_codes(retriever.codes(vectors));
  return std::move(dynamic_cast<search::CodeIndex&>(*index));
}

void check_layout(const IndexLayout& layout) {
  const char* wrong = layout.lists > 0 && layout.graph > 0       ? "lists and a graph over the codes"
                      : layout.graph == 1                        ? "a graph of one neighbour"
                      : layout.coarse_graph && layout.lists == 0 ? "a graph of centroids without lists"
                                                                 : nullptr;
  if (wrong == nullptr) return;
  throw Error(ErrorClass::kConfig,
              "index.layout",
              {.what = "an index cannot be laid out like this",
               .seen = wrong,
               .wanted = "--lists N, also with --coarse-graph, or --graph N from 2 on, or none",
               .remedy = "leave one of them out"});
}

std::unique_ptr<search::CodedIndex> empty_index(const search::ProductQuantizer& quantizer,
                                                const search::Vectors& rows,
                                                const IndexLayout& layout) {
  check_layout(layout);
  if (layout.graph > 0)
    return std::make_unique<search::GraphIndex>(quantizer, search::GraphOptions{.neighbors = layout.graph});
  if (layout.lists == 0) return std::make_unique<search::CodeIndex>(quantizer);
  auto index = std::make_unique<search::CodeIndex>(
      quantizer, search::train_coarse(quantizer, rows, static_cast<std::size_t>(layout.lists), kCoarseSeed));
  if (layout.coarse_graph) index->link_coarse();
  return index;
}

std::unique_ptr<search::CodedIndex> build_index(const Retriever& retriever,
                                                const std::vector<float>& vectors,
                                                const IndexLayout& layout) {
  const search::Vectors rows = search::as_vectors(vectors, retriever.scoring.dimension());
  auto index = empty_index(retriever.scoring, rows, layout);
  index->add_codes(retriever.codes(vectors));
  return index;
}

void write_index(FileSystem& files, const Path& target, const IndexContents& contents) {
  io::BundleWriter bundle(
      files, target, {.system = "repconc", .created_by = "tenfold " + std::string(version())});
  add_retriever_members(bundle, contents.retriever);
  bundle.add(retrieval::kDocumentsMember, retrieval::documents_to_jsonl(contents.corpus));
  search::add_index_members(bundle, contents.codes, contents.counts);
  if (contents.words != nullptr)
    search::add_words_member(bundle, *contents.words);
  else
    search::add_words_member(bundle, search::Bm25Index(contents.corpus.texts));
  bundle.commit();
}

OpenIndex open_index(const std::string& path) {
  return open_index(open_part(path, "index"));
}

OpenIndex open_index(const io::BundleReader& bundle) {
  OpenIndex open{.retriever = open_retriever(bundle),
                 .corpus = retrieval::read_documents(bundle),
                 .codes = search::open_coded_index(bundle),
                 .words = std::nullopt,
                 .counts = search::read_training_counts(bundle)};
  if (bundle.has(kWordsMember)) open.words = search::open_words_member(bundle);
  const std::size_t worded = open.words ? open.words->size() : open.codes->size();
  if (open.corpus.ids.size() != open.codes->size() || worded != open.codes->size() ||
      open.codes->dimension() != open.retriever.scoring.dimension())
    throw bad_documents(fmt::format(
        "{} texts, {} codes, {} documents of the words", open.corpus.ids.size(), open.codes->size(), worded));
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
