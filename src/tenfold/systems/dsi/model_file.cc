// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/dsi/model_file.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/base/version.h"
#include "tenfold/config/toml.h"
#include "tenfold/io/json.h"
#include "tenfold/search/bm25_bundle.h"
#include "tenfold/systems/dsi/runtime/docid_trie.h"
#include "tenfold/systems/retrieval/runtime/documents.h"
#include "tenfold/train/checkpoint.h"
#include "tenfold/train/tensor_file.h"

namespace tenfold::dsi {
namespace {

constexpr std::uint64_t kStateLimit = std::uint64_t{1} << 30;

[[noreturn]] void fail(std::string seen) {
  throw Error(ErrorClass::kFile,
              "dsi.model",
              {.what = "the parts of this model do not fit together",
               .seen = std::move(seen),
               .wanted = "a bundle that tenfold dsi wrote",
               .remedy = "train again"});
}

std::string state_json(const OpenModel& open) {
  nlohmann::json deleted = nlohmann::json::array();
  for (std::size_t i = 0; i < open.size(); ++i)
    if (!open.live.test(i)) deleted.push_back(i);
  return nlohmann::json({{"deleted", std::move(deleted)}, {"titles", open.corpus.titles}}).dump();
}

void read_state(const io::BundleReader& bundle, OpenModel& open) {
  const nlohmann::json state = io::parse_json(
      bundle.read_text("state.json", kStateLimit), "state.json", {.error_class = ErrorClass::kFile});
  open.live = search::Bitmap(open.size(), true);
  try {
    open.corpus.titles = state.at("titles").get<std::vector<std::string>>();
    for (const nlohmann::json& row : state.at("deleted")) {
      const auto document = row.get<std::size_t>();
      if (document >= open.size()) fail(fmt::format("deleted document {} of {}", document, open.size()));
      open.live.clear(document);
    }
  } catch (const nlohmann::json::exception&) {
    fail("state.json without deleted documents and titles");
  }
  if (open.corpus.titles.size() != open.size()) fail(fmt::format("{} titles", open.corpus.titles.size()));
}

void read_docids(const io::BundleReader& bundle, OpenModel& open) {
  open.scheme = open_scheme_member(bundle);
  if (is_atomic(open.options)) return;
  const DocidTrie trie = open_trie_member(bundle);
  if (trie.size() != open.size())
    fail(fmt::format("{} identifiers of {} documents", trie.size(), open.size()));
  std::vector<std::vector<std::uint32_t>> sequences;
  for (std::uint32_t document = 0; document < trie.size(); ++document)
    sequences.push_back(trie.sequence(document));
  open.docids = open.scheme->layout(std::move(sequences));
}

// Tensors whose names begin with `prefix`, without it.
train::TensorMap part_of(const train::TensorMap& tensors, const std::string& prefix) {
  train::TensorMap part;
  for (const auto& [name, tensor] : tensors)
    if (name.starts_with(prefix)) part[name.substr(prefix.size())] = tensor;
  return part;
}

void read_weights(const io::BundleReader& bundle, OpenModel& open) {
  const io::SafetensorsReader reader = bundle.open_tensors();
  const train::TensorMap tensors = train::read_tensors(reader);
  retrieval::Encoder encoder = retrieval::make_encoder(encoder_of(open.options), *open.vocabulary);
  if (const train::TensorMap dual = part_of(tensors, "dual."); !dual.empty()) {
    open.dual = retrieval::make_encoder(encoder_of(open.options), *open.vocabulary);
    train::copy_into(*open.dual, dual);
    open.dual->eval();
  }
  open.model = make_model(open.options, *open.vocabulary, open.documents, std::move(encoder), open.docids);
  train::copy_into(*open.model, part_of(tensors, "model."));
  open.model->eval();
}

}  // namespace

std::string OpenModel::docid(std::size_t document) const {
  return is_atomic(options) ? corpus.ids[document] : scheme->text(docids.sequences[document]);
}

void write_model(FileSystem& files, const Path& target, const OpenModel& open) {
  train::TensorMap tensors;
  for (const auto& [name, tensor] : train::module_tensors(*open.model)) tensors["model." + name] = tensor;
  if (!open.dual.is_empty())
    for (const auto& [name, tensor] : train::module_tensors(*open.dual)) tensors["dual." + name] = tensor;
  std::vector<torch::Tensor> copies;
  const std::vector<io::TensorView> views = train::tensor_views(tensors, copies);
  TrainOptions options = open.options;
  options.model.word_vectors.clear();  // they are in the weights
  if (target.has_parent_path()) files.make_directories(target.parent_path());
  io::BundleWriter bundle(
      files, target, {.system = "dsi", .created_by = "tenfold " + std::string(version())});
  bundle.add("config.toml", config::to_toml(config::Fields(options), "train"));
  open.vocabulary->add_members(bundle);
  bundle.add("weights.safetensors", [&](WritableFile& file) { io::write_safetensors(file, views, {}); });
  bundle.add(retrieval::kDocumentsMember, retrieval::documents_to_jsonl(open.corpus));
  bundle.add("state.json", state_json(open));
  search::add_words_member(bundle, open.words);
  add_scheme_member(bundle, *open.scheme);
  if (!is_atomic(open.options)) add_trie_member(bundle, DocidTrie::build(open.docids.packed()));
  bundle.commit();
}

OpenModel open_model(const io::BundleReader& bundle) {
  OpenModel open;
  config::apply_toml(config::Fields(open.options),
                     bundle.read_text("config.toml"),
                     "train",
                     {},
                     (bundle.path() / "config.toml").string());
  open.vocabulary = retrieval::open_vocabulary(bundle);
  open.corpus = retrieval::read_documents(bundle);
  open.documents = std::make_shared<const retrieval::TokenLists>((*open.vocabulary)(open.corpus.texts));
  read_state(bundle, open);
  read_docids(bundle, open);
  read_weights(bundle, open);
  if (open.model->documents() != static_cast<std::int64_t>(open.size()))
    fail(fmt::format("a model of {} documents, {} texts", open.model->documents(), open.size()));
  open.words = search::open_words_member(bundle);
  if (open.words.size() != open.size()) fail(fmt::format("BM25 of {} documents", open.words.size()));
  return open;
}

io::BundleReader open_part(const std::string& path) {
  const Path whole(path);
  const Path target = path_exists(whole / "manifest.json") ? whole : whole / "model";
  if (!path_exists(target / "manifest.json"))
    throw Error(ErrorClass::kFile,
                "dsi.no_model",
                {.what = printable(path, 400) + " holds no trained model",
                 .seen = path_exists(whole) ? "a folder without model/" : "nothing of this name",
                 .wanted = "the --out folder of `tenfold dsi train`",
                 .remedy = "run tenfold dsi train DATA --out DIR"});
  io::BundleReader bundle = io::BundleReader::open(target);
  if (bundle.manifest().system == "dsi") return bundle;
  throw Error(ErrorClass::kData,
              "run.other_system",
              {.what = printable(target.string(), 400) + " belongs to another system",
               .seen = bundle.manifest().system,
               .wanted = "dsi",
               .remedy = "use tenfold " + bundle.manifest().system + " with it"});
}

}  // namespace tenfold::dsi
