// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/repconc/retriever.h"

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/systems/repconc/codebook.h"
#include "tenfold/systems/repconc/quantizer_tensors.h"
#include "tenfold/systems/repconc/vector_retriever.h"
#include "tenfold/train/checkpoint.h"

namespace tenfold::repconc {
namespace {

std::vector<float> encode(retrieval::Encoder encoder, const retrieval::TokenLists& lists) {
  if (lists.size() == 0) return {};
  return floats_of(encoder->encode(lists));
}

void add_prefixed(train::TensorMap& to, const std::string& prefix, const train::TensorMap& from) {
  for (const auto& [name, tensor] : from) to[prefix + name] = tensor;
}

train::TensorMap with_prefix(const train::TensorMap& all, const std::string& prefix) {
  train::TensorMap part;
  for (const auto& [name, tensor] : all)
    if (name.starts_with(prefix)) part[name.substr(prefix.size())] = tensor;
  return part;
}

}  // namespace

std::vector<float> Retriever::encode_documents(const std::vector<std::string>& texts) const {
  return encode(documents, (*vocabulary)(texts));
}

std::vector<float> Retriever::encode_queries(const std::vector<std::string>& texts) const {
  return scaled(encode(queries, (*vocabulary)(texts)));
}

// R^T applied to the scaled blocks of R x: the index rotates again.
std::vector<float> Retriever::scaled(std::vector<float> vectors) const {
  if (!unit_blocks || vectors.empty()) return vectors;
  const Codebook codebook(scoring, 1.0, true);
  const c10::NoGradGuard no_grad;
  const auto d = static_cast<std::int64_t>(scoring.dimension());
  const torch::Tensor x = tensor_of(vectors, {static_cast<std::int64_t>(vectors.size()) / d, d});
  return floats_of(codebook->rotate_back(codebook->rotate(x)));
}

std::vector<float> Retriever::encode_query(const std::string& text) const {
  retrieval::TokenLists lists;
  lists.add(retrieval::query_tokens(*vocabulary, text));
  return scaled(encode(queries, lists));
}

std::vector<std::uint8_t> Retriever::codes(const std::vector<float>& vectors) const {
  const search::Vectors rows = search::as_vectors(vectors, assigning.dimension());
  std::vector<std::uint8_t> codes(rows.rows * assigning.code_bytes());
  assigning.encode(rows, codes);
  return codes;
}

void add_retriever_members(io::BundleWriter& bundle, const Retriever& retriever) {
  train::TensorMap tensors;
  add_prefixed(tensors, "documents.", train::module_tensors(*retriever.documents));
  add_prefixed(tensors, "queries.", train::module_tensors(*retriever.queries));
  if (!retriever.dense.is_empty()) add_prefixed(tensors, "dense.", train::module_tensors(*retriever.dense));
  tensors["rotation"] = rotation_of(retriever.scoring);
  if (retriever.unit_blocks) tensors["unit_blocks"] = at::ones({1}, at::kFloat);
  tensors["codewords_assigning"] = codewords_of(retriever.assigning);
  tensors["codewords_scoring"] = codewords_of(retriever.scoring);
  std::vector<torch::Tensor> copies;
  const std::vector<io::TensorView> views = train::tensor_views(tensors, copies);
  retriever.vocabulary->add_members(bundle);
  bundle.add("weights.safetensors", [&](WritableFile& file) {
    io::write_safetensors(file, views, retriever.documents->metadata());
  });
}

Retriever open_retriever(const io::BundleReader& bundle) {
  if (is_vector_bundle(bundle))
    throw Error(ErrorClass::kData,
                "repconc.vectors",
                {.what = "this model was made of vectors and has no encoder for texts",
                 .seen = printable(bundle.path().string(), 400),
                 .wanted = "a model of texts",
                 .remedy = "use the commands index, search, eval and export with vectors"});
  const std::shared_ptr<const retrieval::Vocabulary> vocabulary = retrieval::open_vocabulary(bundle);
  const io::SafetensorsReader reader = bundle.open_tensors();
  const train::TensorMap tensors = train::read_tensors(reader);
  const auto encoder_of = [&](const std::string& prefix) {
    return retrieval::open_encoder(with_prefix(tensors, prefix), reader.metadata(), *vocabulary);
  };
  Retriever retriever{.vocabulary = vocabulary,
                      .documents = encoder_of("documents."),
                      .queries = encoder_of("queries."),
                      .assigning = quantizer_of(tensors, "codewords_assigning"),
                      .scoring = quantizer_of(tensors, "codewords_scoring")};
  if (!with_prefix(tensors, "dense.").empty()) retriever.dense = encoder_of("dense.");
  retriever.unit_blocks = tensors.contains("unit_blocks");
  const auto dimension = static_cast<std::int64_t>(retriever.scoring.dimension());
  if (retriever.documents->dimension() != dimension || retriever.queries->dimension() != dimension ||
      retriever.assigning.dimension() != retriever.scoring.dimension() ||
      retriever.assigning.blocks() != retriever.scoring.blocks())
    throw retrieval::bad_weights("codewords that do not fit the encoder");
  return retriever;
}

io::BundleReader open_part(const std::string& path, const std::string& name) {
  const Path whole(path);
  const bool itself = path_exists(whole / "manifest.json");
  const Path target = itself ? whole : whole / name;
  if (!path_exists(target / "manifest.json")) {
    const bool index = name == "index";
    throw Error(
        ErrorClass::kFile,
        index ? "repconc.no_index" : "repconc.no_model",
        {.what = printable(path, 400) + (index ? " holds no index" : " holds no trained model"),
         .seen = path_exists(whole) ? "a folder without " + name + "/" : "nothing of this name",
         .wanted = "the --out folder of `tenfold repconc train`" + std::string(index ? ", indexed" : ""),
         .remedy = index ? "run tenfold repconc index DIR --corpus DATA"
                         : "run tenfold repconc train DATA --out DIR"});
  }
  io::BundleReader bundle = io::BundleReader::open(target);
  if (bundle.manifest().system == "repconc") return bundle;
  throw Error(ErrorClass::kData,
              "run.other_system",
              {.what = printable(target.string(), 400) + " belongs to another system",
               .seen = bundle.manifest().system,
               .wanted = "repconc",
               .remedy = "use tenfold " + bundle.manifest().system + " with it"});
}

}  // namespace tenfold::repconc
