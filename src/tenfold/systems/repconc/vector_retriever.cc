// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/repconc/vector_retriever.h"

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/base/threads.h"
#include "tenfold/base/version.h"
#include "tenfold/search/index_bundle.h"
#include "tenfold/search/product_quantizer.h"
#include "tenfold/search/rabitq.h"
#include "tenfold/search/top_k.h"
#include "tenfold/systems/repconc/quantizer_tensors.h"
#include "tenfold/train/checkpoint.h"

namespace tenfold::repconc {
namespace {

constexpr std::size_t kRowsAtOnce = 4096;  // of a scan
constexpr const char* kCodes = "codes";    // of RaBitQ, in index.safetensors

using Metadata = std::map<std::string, std::string>;

const search::ProductQuantizer* product_of(const search::Quantizer& quantizer) {
  return dynamic_cast<const search::ProductQuantizer*>(&quantizer);
}

double number_of(const Metadata& metadata, const std::string& name) {
  const auto found = metadata.find(name);
  const auto number = found == metadata.end() ? std::nullopt : parse_double(found->second);
  if (!number) throw retrieval::bad_weights("no number " + name);
  return *number;
}

void put_rabitq(const search::Rabitq& quantizer, train::TensorMap& tensors, Metadata& metadata) {
  const auto d = static_cast<std::int64_t>(quantizer.dimension());
  tensors["rotation"] = tensor_of(quantizer.parts().rotation, {d, d});
  tensors["centre"] = tensor_of(quantizer.parts().centre, {d});
  metadata["bits"] = std::to_string(quantizer.parts().bits);
}

std::shared_ptr<const search::Quantizer> rabitq_of(const train::TensorMap& tensors,
                                                   const Metadata& metadata) {
  const torch::Tensor& centre = member(tensors, "centre", 1);
  const double bits = number_of(metadata, "bits");
  if (bits != 1 && bits != 2 && bits != 4 && bits != 8)
    throw retrieval::bad_weights("another number of bits");
  return std::make_shared<search::Rabitq>(
      search::RabitqParts{.dimension = static_cast<std::size_t>(centre.size(0)),
                          .bits = static_cast<std::size_t>(bits),
                          .rotation = floats_of(member(tensors, "rotation", 2)),
                          .centre = floats_of(centre)});
}

std::shared_ptr<const search::Quantizer> product_with(const search::ProductQuantizer& quantizer,
                                                      double anisotropy) {
  search::ProductQuantizerParts parts = quantizer.parts();
  parts.anisotropy = anisotropy;
  return std::make_shared<search::ProductQuantizer>(std::move(parts));
}

std::shared_ptr<VectorEncoderImpl> query_map_of(const train::TensorMap& tensors, std::size_t dimension) {
  train::TensorMap own;
  for (const auto& [name, tensor] : tensors)
    if (name.starts_with("queries.")) own[name.substr(8)] = tensor;
  if (own.empty()) return nullptr;
  const torch::Tensor& inner = member(own, "inner.weight", 2);
  auto made = std::make_shared<VectorEncoderImpl>(
      at::empty({0, static_cast<std::int64_t>(dimension)}), 0, inner.size(0));
  train::copy_into(*made, own);
  return made;
}

}  // namespace

std::vector<float> VectorRetriever::map_queries(search::Vectors rows) const {
  torch::Tensor x =
      at::empty({static_cast<std::int64_t>(rows.rows), static_cast<std::int64_t>(rows.dimension)});
  for (std::size_t i = 0; i < rows.rows; ++i)
    std::copy_n(rows.row(i).data(), rows.dimension, x.data_ptr<float>() + i * rows.dimension);
  const c10::NoGradGuard no_grad;
  return floats_of(queries ? queries->map_queries(x) : x);
}

void add_vector_members(io::BundleWriter& bundle, const VectorRetriever& retriever) {
  train::TensorMap tensors;
  Metadata metadata = {{"content", "vectors"}};
  if (const auto* assigning = product_of(*retriever.assigning)) {
    tensors["rotation"] = rotation_of(*assigning);
    tensors["codewords_assigning"] = codewords_of(*assigning);
    tensors["codewords_scoring"] = codewords_of(*product_of(*retriever.scoring));
    metadata["anisotropy"] = fmt::format("{}", assigning->parts().anisotropy);
  } else {
    put_rabitq(dynamic_cast<const search::Rabitq&>(*retriever.assigning), tensors, metadata);
  }
  if (retriever.queries)
    for (const auto& [name, tensor] : train::module_tensors(*retriever.queries))
      tensors["queries." + name] = tensor;
  std::vector<torch::Tensor> copies;
  const std::vector<io::TensorView> views = train::tensor_views(tensors, copies);
  bundle.add("weights.safetensors",
             [&](WritableFile& file) { io::write_safetensors(file, views, metadata); });
}

bool is_vector_bundle(const io::BundleReader& bundle) {
  const auto& members = bundle.manifest().members;
  return std::none_of(members.begin(), members.end(), [](const io::BundleMember& member) {
    return member.name == "vocabulary.json";
  });
}

VectorRetriever open_vector_retriever(const io::BundleReader& bundle) {
  const io::SafetensorsReader reader = bundle.open_tensors();
  const train::TensorMap tensors = train::read_tensors(reader);
  const Metadata metadata = reader.metadata();
  VectorRetriever retriever;
  if (tensors.contains("centre")) {
    retriever.assigning = retriever.scoring = rabitq_of(tensors, metadata);
  } else {
    retriever.assigning =
        product_with(quantizer_of(tensors, "codewords_assigning"), number_of(metadata, "anisotropy"));
    retriever.scoring = product_with(quantizer_of(tensors, "codewords_scoring"), 1.0);
  }
  if (retriever.assigning->dimension() != retriever.scoring->dimension() ||
      retriever.assigning->code_bytes() != retriever.scoring->code_bytes())
    throw retrieval::bad_weights("two sets of codewords that do not fit together");
  retriever.queries = query_map_of(tensors, retriever.dimension());
  return retriever;
}

VectorCodes::VectorCodes(const VectorRetriever& retriever,
                         search::Vectors documents,
                         const IndexLayout& layout) {
  check_layout(layout);
  if (const search::ProductQuantizer* scoring = product_of(*retriever.scoring)) {
    index_ = empty_index(*scoring, documents, layout);
  } else {
    if (layout.lists > 0 || layout.graph > 0)
      throw Error(ErrorClass::kConfig,
                  "index.lists",
                  {.what = "codes of RaBitQ have neither lists nor a graph",
                   .seen = fmt::format("{} lists, {} neighbours", layout.lists, layout.graph),
                   .wanted = "0 of both",
                   .remedy = "leave --lists and --graph out, or train with another method"});
    quantizer_ = retriever.scoring;
  }
  add(retriever, documents);
}

void VectorCodes::add(const VectorRetriever& retriever, search::Vectors documents) {
  std::vector<std::uint8_t> codes(documents.rows * retriever.assigning->code_bytes());
  retriever.assigning->encode(documents, codes);
  if (index_)
    index_->add_codes(codes);
  else
    codes_.insert(codes_.end(), codes.begin(), codes.end());
}

void VectorCodes::own_codes() {
  if (index_) index_->own_codes();
}

VectorCodes::VectorCodes(std::shared_ptr<const search::Quantizer> quantizer, std::vector<std::uint8_t> codes)
    : quantizer_(std::move(quantizer)), codes_(std::move(codes)) {}

VectorCodes::VectorCodes(std::unique_ptr<search::CodedIndex> index) : index_(std::move(index)) {}

std::size_t VectorCodes::size() const {
  return index_ ? index_->size() : codes_.size() / code_bytes();
}

std::size_t VectorCodes::code_bytes() const {
  return index_ ? index_->quantizer().code_bytes() : quantizer_->code_bytes();
}

search::Hits VectorCodes::scan(std::span<const float> query, std::size_t k) const {
  search::TopK best(k);
  std::vector<float> scores(kRowsAtOnce);
  for (std::size_t begin = 0; begin < size(); begin += kRowsAtOnce) {
    const std::size_t count = std::min(kRowsAtOnce, size() - begin);
    quantizer_->score(query,
                      std::span(codes_).subspan(begin * code_bytes(), count * code_bytes()),
                      std::span(scores).first(count));
    for (std::size_t i = 0; i < count; ++i)
      best.add({.row = static_cast<std::uint32_t>(begin + i), .score = scores[i]});
  }
  return best.take();
}

std::vector<search::Hits> VectorCodes::search(search::Vectors queries,
                                              const search::SearchRequest& request) const {
  if (index_) return index_->search(queries, request);
  search::check_vectors(queries, quantizer_->dimension(), "queries");
  std::vector<search::Hits> hits(queries.rows);
  parallel_for(queries.rows, 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) hits[i] = scan(queries.row(i), request.k);
  });
  return hits;
}

std::vector<float> VectorCodes::decode(std::size_t row) const {
  if (row >= size())
    throw Error(ErrorClass::kData,
                "index.no_such_row",
                {.what = "the index has no such document",
                 .seen = std::to_string(row),
                 .wanted = fmt::format("0 to {}", size() - 1),
                 .remedy = "choose another row"});
  const search::Quantizer& quantizer = index_ ? index_->quantizer() : *quantizer_;
  const std::vector<std::uint8_t> all = index_ ? index_->packed_codes() : codes_;
  std::vector<float> values(quantizer.dimension());
  quantizer.decode(std::span(all).subspan(row * code_bytes(), code_bytes()), values);
  return values;
}

void write_vector_index(FileSystem& files,
                        const Path& target,
                        const VectorRetriever& retriever,
                        const VectorCodes& codes) {
  io::BundleWriter bundle(
      files, target, {.system = "repconc", .created_by = "tenfold " + std::string(version())});
  add_vector_members(bundle, retriever);
  if (codes.product_codes() != nullptr) {
    search::add_index_members(bundle, *codes.product_codes(), nullptr);
  } else {
    const std::vector<io::TensorView> views = {{.name = kCodes,
                                                .dtype = io::DType::kU8,
                                                .shape = {codes.size(), codes.code_bytes()},
                                                .data = std::as_bytes(std::span(codes.other_codes()))}};
    bundle.add("index.safetensors", [&](WritableFile& file) { io::write_safetensors(file, views); });
  }
  bundle.commit();
}

OpenVectorIndex open_vector_index(const io::BundleReader& bundle) {
  VectorRetriever retriever = open_vector_retriever(bundle);
  const auto codes_of = [&] {
    if (product_of(*retriever.scoring) != nullptr) {
      std::unique_ptr<search::CodedIndex> index = search::open_coded_index(bundle);
      if (index->dimension() != retriever.dimension())
        throw retrieval::bad_weights("an index of another dimension");
      return VectorCodes(std::move(index));
    }
    const io::SafetensorsReader reader = bundle.open_tensors("index.safetensors");
    const std::vector<std::uint64_t> shape = reader.info(kCodes).shape;
    if (shape.size() != 2 || shape[1] != retriever.scoring->code_bytes())
      throw retrieval::bad_weights("codes of another length");
    return VectorCodes(retriever.scoring, reader.read_as<std::uint8_t>(kCodes));
  };
  OpenVectorIndex open{.retriever = retriever, .codes = codes_of()};
  for (const io::BundleMember& member : bundle.manifest().members)
    if (member.name.starts_with("index.")) open.code_file_bytes += member.size;
  return open;
}

}  // namespace tenfold::repconc
