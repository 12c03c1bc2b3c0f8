// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/repconc/verbs/vector_verbs.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>
#include <vector>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/io/safetensors.h"
#include "tenfold/report/table.h"
#include "tenfold/search/faiss_file.h"
#include "tenfold/systems/repconc/stages.h"
#include "tenfold/systems/repconc/vector_data.h"
#include "tenfold/systems/repconc/vector_retriever.h"
#include "tenfold/train/checkpoint.h"

namespace tenfold::repconc {
namespace {

constexpr std::size_t kDocumentsAsked = 1000;
constexpr std::array<std::size_t, 3> kDepths = {1, 10, 100};

search::Vectors as_rows(const std::vector<float>& values, std::size_t dimension) {
  return search::as_vectors(values, dimension);
}

// One query, or all of a file; mapped.
std::vector<float> queries_of(const VectorSearch& request, const OpenVectorIndex& open) {
  if (request.queries.empty()) {
    if (request.row < 0)
      throw Error(ErrorClass::kUsage,
                  "search.no_query",
                  {.what = "there is nothing to look for",
                   .wanted = "--queries FILE of vectors, or --row of a document",
                   .remedy = "an index of vectors takes vectors"});
    return open.codes.decode(static_cast<std::size_t>(request.row));
  }
  const VectorSet set = read_vector_file(request.queries, "queries", open.retriever.dimension());
  if (request.row < 0) return open.retriever.map_queries(set.view());
  if (static_cast<std::size_t>(request.row) >= set.rows)
    throw Error(ErrorClass::kData,
                "index.no_such_row",
                {.what = "the file of queries has no such row",
                 .seen = std::to_string(request.row),
                 .wanted = fmt::format("0 to {}", set.rows - 1),
                 .remedy = "choose another --row"});
  return open.retriever.map_queries(set.view().slice(static_cast<std::size_t>(request.row), 1));
}

// Rows of `set` for which `kept` is true.
template <typename Kept>
VectorSet rows_of(const VectorSet& set, const Kept& kept) {
  VectorSet part{.values = {}, .rows = 0, .dimension = set.dimension};
  for (std::size_t i = 0; i < set.rows; ++i) {
    if (!kept(i)) continue;
    const std::span<const float> row = set.view().row(i);
    part.values.insert(part.values.end(), row.begin(), row.end());
    ++part.rows;
  }
  return part;
}

VectorSet evaluation_queries(const TrainOptions& trained,
                             const std::string& path,
                             const VectorSet& documents) {
  if (!path.empty()) return read_vector_file(path, "queries", documents.dimension);
  if (!trained.vectors.queries.empty()) {
    const VectorSet all = read_vector_file(trained.vectors.queries, "queries", documents.dimension);
    VectorSet kept = rows_of(all, [&](std::size_t i) { return is_held_out(i, trained.vectors.valid_share); });
    if (kept.rows > 0) return kept;
  }
  return rows_of(documents, [](std::size_t i) { return i < kDocumentsAsked; });
}

// Share of the k exact neighbours that are among the k found, mean over queries.
double recall(const std::vector<search::Hits>& exact, const std::vector<search::Hits>& found, std::size_t k) {
  double sum = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    const std::size_t count = std::min(k, exact[i].size());
    std::size_t common = 0;
    for (std::size_t a = 0; a < count; ++a)
      common += static_cast<std::size_t>(
          std::any_of(found[i].begin(),
                      found[i].begin() + static_cast<std::ptrdiff_t>(std::min(k, found[i].size())),
                      [&](const search::Hit& hit) { return hit.row == exact[i][a].row; }));
    sum += static_cast<double>(common) / static_cast<double>(count);
  }
  return sum / static_cast<double>(exact.size());
}

// Whether the nearest document is among the 100 found.
double nearest_recall(const std::vector<search::Hits>& exact, const std::vector<search::Hits>& found) {
  double sum = 0;
  for (std::size_t i = 0; i < exact.size(); ++i)
    sum += std::any_of(
        found[i].begin(), found[i].end(), [&](const search::Hit& hit) { return hit.row == exact[i][0].row; });
  return sum / static_cast<double>(exact.size());
}

class Evaluation {
 public:
  Evaluation(const VectorSet& documents, const VectorSet& queries)
      : documents_(documents),
        queries_(queries),
        exact_(exact_hits(documents, queries.view(), kDepths.back())) {
    table_ = {
        .title = fmt::format(
            "{} queries, {} documents of dimension {}", queries.rows, documents.rows, documents.dimension),
        .columns = {"method", "bytes a document", "recall@1", "recall@10", "recall@100", "nearest in 100"}};
  }

  void add(const std::string& method, const VectorRetriever& retriever) {
    const VectorCodes codes(retriever, documents_.view(), {});
    const std::vector<float> asked = retriever.map_queries(queries_.view());
    const auto found = codes.search(as_rows(asked, documents_.dimension), {.k = kDepths.back()});
    nlohmann::json object = {{"method", method}, {"bytes_per_document", codes.code_bytes()}};
    std::vector<std::string> cells = {method, std::to_string(codes.code_bytes())};
    for (const std::size_t k : kDepths) {
      const double value = recall(exact_, found, k);
      object[fmt::format("recall@{}", k)] = value;
      cells.push_back(fmt::format("{:.3f}", value));
    }
    object["nearest_in@100"] = nearest_recall(exact_, found);
    cells.push_back(fmt::format("{:.3f}", object["nearest_in@100"].get<double>()));
    table_.rows.push_back(std::move(cells));
    rows_.push_back(std::move(object));
  }

  systems::Outcome outcome() const {
    nlohmann::json metrics = rows_.back();
    metrics.erase("method");
    return systems::make_outcome(
        {{"split", "vectors"}, {"n", queries_.rows}, {"metrics", metrics}, {"rows", rows_}},
        report::to_terminal(table_));
  }

 private:
  const VectorSet& documents_;
  const VectorSet& queries_;
  std::vector<search::Hits> exact_;
  report::Table table_;
  nlohmann::json rows_ = nlohmann::json::array();
};

}  // namespace

systems::Outcome index_vectors(const io::BundleReader& model,
                               const VectorIndexing& how,
                               const Path& target,
                               systems::Context& context) {
  const VectorRetriever retriever = open_vector_retriever(model);
  const std::string path = how.corpus.empty() ? options_of(model).data.path : how.corpus;
  const VectorSet documents = read_vector_file(path, "documents", retriever.dimension());
  const VectorCodes codes(retriever, documents.view(), how.layout);
  write_vector_index(*context.files, target, retriever, codes);
  const std::uint64_t bytes = open_vector_index(io::BundleReader::open(target)).code_file_bytes;
  const double each = static_cast<double>(bytes) / static_cast<double>(documents.rows);
  return systems::make_outcome(
      {{"index", target.string()},
       {"documents", documents.rows},
       {"kind", codes.product_codes() ? codes.product_codes()->kind() : "rabitq"},
       {"code_bytes", codes.code_bytes()},
       {"file_bytes", bytes},
       {"bytes_per_document", each}},
      fmt::format("{}: {} documents, {} bytes a code, {:.1f} bytes a document with codebooks\n",
                  target.string(),
                  documents.rows,
                  codes.code_bytes(),
                  each));
}

systems::Outcome add_vectors(const io::BundleReader& index,
                             const VectorChange& change,
                             const Path& target,
                             systems::Context& context) {
  if (change.others || change.add.empty())
    throw Error(ErrorClass::kConfig,
                "index.only_adds",
                {.what = "vectors are named by their rows, so none can be taken out of an index",
                 .seen = "--update, --remove or --compact",
                 .wanted = "--add FILE of vectors",
                 .remedy = "make the index of the other vectors anew"});
  OpenVectorIndex open = open_vector_index(index);
  const VectorSet added = read_vector_file(change.add, "documents", open.retriever.dimension());
  open.codes.add(open.retriever, added.view());
  write_vector_index(*context.files, target, open.retriever, open.codes);
  return systems::make_outcome(
      {{"index", target.string()}, {"documents", open.codes.size()}, {"added", added.rows}},
      fmt::format("{}: {} documents, {} added\n", target.string(), open.codes.size(), added.rows));
}

systems::Outcome search_vectors(const io::BundleReader& index, const VectorSearch& request) {
  if (!request.text.empty())
    throw Error(ErrorClass::kData,
                "repconc.vectors",
                {.what = "this index was made of vectors and has no encoder for texts",
                 .seen = printable(request.text),
                 .wanted = "--queries FILE of vectors, or --row of a document",
                 .remedy = "encode the text with what encoded the documents"});
  const OpenVectorIndex open = open_vector_index(index);
  const std::vector<float> queries = queries_of(request, open);
  const auto found = open.codes.search(as_rows(queries, open.retriever.dimension()), request.request);
  nlohmann::json results = nlohmann::json::array();
  report::Table table{.title = fmt::format("{} queries", found.size()),
                      .columns = {"query", "place", "document", "score"}};
  for (std::size_t i = 0; i < found.size(); ++i) {
    const std::int64_t query = request.row >= 0 ? request.row : static_cast<std::int64_t>(i);
    nlohmann::json hits = nlohmann::json::array();
    for (std::size_t place = 0; place < found[i].size(); ++place) {
      const search::Hit& hit = found[i][place];
      hits.push_back({{"row", hit.row}, {"score", hit.score}});
      table.rows.push_back({std::to_string(query),
                            std::to_string(place + 1),
                            std::to_string(hit.row),
                            fmt::format("{:.4f}", hit.score)});
    }
    results.push_back({{"query", query}, {"hits", std::move(hits)}});
  }
  return systems::make_outcome({{"documents", open.codes.size()},
                                {"bytes_per_document", open.codes.code_bytes()},
                                {"results", std::move(results)}},
                               report::to_terminal(table));
}

systems::Outcome eval_vectors(const io::BundleReader& model, const std::string& queries) {
  const TrainOptions trained = options_of(model);
  const VectorRetriever retriever = open_vector_retriever(model);
  const VectorSet documents = read_vector_file(trained.data.path, "documents", retriever.dimension());
  const VectorSet asked = evaluation_queries(trained, queries, documents);
  Evaluation evaluation(documents, asked);
  if (retriever.queries)
    evaluation.add(trained.vectors.method,
                   {.assigning = retriever.assigning, .scoring = retriever.assigning});
  evaluation.add(retriever.queries ? "trained with queries" : trained.vectors.method, retriever);
  return evaluation.outcome();
}

Error no_faiss_form(std::string seen, std::string wanted) {
  return Error(ErrorClass::kConfig,
               "export.no_faiss_form",
               {.what = "this kind of index is not written for Faiss",
                .seen = std::move(seen),
                .wanted = std::move(wanted),
                .remedy = "make an index of the wanted kind for the export"});
}

systems::Outcome export_vectors(const io::BundleReader& index, systems::Context& context) {
  const OpenVectorIndex open = open_vector_index(index);
  const search::CodedIndex* any = open.codes.product_codes();
  if (any == nullptr) throw no_faiss_form("codes by rabitq", "pq, opq or anisotropic (--vectors.method)");
  const auto* codes = dynamic_cast<const search::CodeIndex*>(any);
  if (codes == nullptr) throw no_faiss_form("a graph over codes (--graph)", "an index without a graph");
  context.files->make_directories(context.out);
  const Path file = context.out / "index.faiss", map = context.out / "query_map.safetensors";
  search::write_faiss(*context.files, file, *codes);
  nlohmann::json object = {{"faiss", file.string()}, {"documents", open.codes.size()}};
  std::string text = fmt::format("{}: {} documents\n", file.string(), open.codes.size());
  if (open.retriever.queries) {
    std::vector<torch::Tensor> copies;
    io::write_safetensors(
        *context.files, map, train::tensor_views(train::module_tensors(*open.retriever.queries), copies));
    object["query_map"] = map.string();
    text += fmt::format("{}: q + outer gelu(inner q) before a search\n", map.string());
  }
  return systems::make_outcome(std::move(object), std::move(text));
}

}  // namespace tenfold::repconc
