// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/repconc/runtime/text_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/io/safetensors.h"
#include "tenfold/search/index_bundle.h"
#include "tenfold/systems/retrieval/runtime/documents.h"
#include "tenfold/systems/retrieval/runtime/vocabulary.h"

namespace tenfold::repconc {
namespace {

constexpr float kNormEpsilon = 1e-5F;  // of LayerNorm

// y = W x + b; W: [rows, x.size()], b: [rows] or empty.
std::vector<float> affine(const std::vector<float>& weight,
                          const std::vector<float>& bias,
                          const std::vector<float>& x) {
  const std::size_t rows = weight.size() / x.size();
  std::vector<float> y(rows);
  for (std::size_t i = 0; i < rows; ++i) {
    float sum = bias.empty() ? 0.0F : bias[i];
    for (std::size_t j = 0; j < x.size(); ++j) sum += weight[i * x.size() + j] * x[j];
    y[i] = sum;
  }
  return y;
}

// f(text) = normalise(P h + W2 gelu(W1 LayerNorm(h) + b1) + b2), h = sum of the words' weighted vectors.
class BagOfWords {
 public:
  explicit BagOfWords(const io::SafetensorsReader& tensors, std::size_t words) {
    const auto read = [&](const char* name) {
      return tensors.read_as<float>(std::string("queries.") + name);
    };
    table_ = read("table");
    weights_ = read("word_weights");
    project_ = read("project.weight");
    norm_weight_ = read("norm.weight");
    norm_bias_ = read("norm.bias");
    inner_ = read("inner.weight");
    inner_bias_ = read("inner.bias");
    outer_ = read("outer.weight");
    outer_bias_ = read("outer.bias");
    const std::size_t width = norm_weight_.size(), hidden = inner_bias_.size(), d = outer_bias_.size();
    const bool fits = width > 0 && hidden > 0 && d > 0 && table_.size() == words * width &&
                      weights_.size() == words && project_.size() == d * width &&
                      norm_bias_.size() == width && inner_.size() == hidden * width &&
                      outer_.size() == d * hidden;
    if (fits) return;
    throw Error(
        ErrorClass::kFile,
        "repconc.weights",
        {.what = "weights.safetensors does not hold the encoder of this vocabulary",
         .seen = fmt::format("{} words, width {}, {} hidden units, dimension {}", words, width, hidden, d),
         .wanted = "tensors that fit together",
         .remedy = "run tenfold repconc index again"});
  }

  std::size_t dimension() const { return outer_bias_.size(); }

  std::vector<float> operator()(const std::vector<std::int64_t>& words) const {
    const std::size_t width = norm_weight_.size();
    std::vector<float> h(width);
    for (const std::int64_t word : words) {
      const auto row = static_cast<std::size_t>(word);
      for (std::size_t j = 0; j < width; ++j) h[j] += weights_[row] * table_[row * width + j];
    }
    std::vector<float> y = affine(project_, outer_bias_, h);
    std::vector<float> inner = affine(inner_, inner_bias_, normalised(h));
    for (float& value : inner) value *= 0.5F * (1.0F + std::erf(value / std::sqrt(2.0F)));  // gelu
    const std::vector<float> second = affine(outer_, {}, inner);
    double squares = 0.0;
    for (std::size_t i = 0; i < y.size(); ++i) {
      y[i] += second[i];
      squares += static_cast<double>(y[i]) * y[i];
    }
    const auto length = static_cast<float>(std::max(std::sqrt(squares), 1e-12));
    for (float& value : y) value /= length;
    return y;
  }

 private:
  std::vector<float> normalised(const std::vector<float>& h) const {
    double mean = 0.0, variance = 0.0;
    for (const float value : h) mean += value / static_cast<double>(h.size());
    for (const float value : h) variance += (value - mean) * (value - mean) / static_cast<double>(h.size());
    const double scale = 1.0 / std::sqrt(variance + kNormEpsilon);
    std::vector<float> x(h.size());
    for (std::size_t j = 0; j < h.size(); ++j)
      x[j] = static_cast<float>((h[j] - mean) * scale) * norm_weight_[j] + norm_bias_[j];
    return x;
  }

  std::vector<float> table_, weights_, project_, norm_weight_, norm_bias_, inner_, inner_bias_, outer_,
      outer_bias_;
};

// As Retriever::encode_query() does for centroid cosine: blocks of R q to length 1 / sqrt(M), then R^T, for the index rotates again.
void scale_blocks(const search::ProductQuantizer& quantizer, std::vector<float>& query) {
  const std::size_t d = quantizer.dimension(), blocks = quantizer.blocks(), width = quantizer.width();
  std::vector<float> rotated = quantizer.rotate(search::Vectors(query.data(), 1, d));
  for (std::size_t m = 0; m < blocks; ++m) {
    double squares = 0.0;
    for (std::size_t j = m * width; j < (m + 1) * width; ++j)
      squares += static_cast<double>(rotated[j]) * rotated[j];
    const double length = std::max(std::sqrt(squares), 1e-12) * std::sqrt(static_cast<double>(blocks));
    for (std::size_t j = m * width; j < (m + 1) * width; ++j)
      rotated[j] = static_cast<float>(rotated[j] / length);
  }
  if (!quantizer.has_rotation()) {
    query = std::move(rotated);
    return;
  }
  const std::vector<float>& rotation = quantizer.parts().rotation;
  for (std::size_t j = 0; j < d; ++j) {
    double sum = 0.0;
    for (std::size_t i = 0; i < d; ++i) sum += static_cast<double>(rotation[i * d + j]) * rotated[i];
    query[j] = static_cast<float>(sum);
  }
}

}  // namespace

struct TextIndex::State {
  std::shared_ptr<const retrieval::Vocabulary> vocabulary;
  std::optional<BagOfWords> encoder;
  search::BeirCorpus corpus;
  std::unique_ptr<search::CodedIndex> codes;
  bool unit_blocks = false;  // queries are scaled block by block
};

TextIndex::TextIndex(std::unique_ptr<const State> state) : state_(std::move(state)) {}
TextIndex::TextIndex(TextIndex&&) noexcept = default;
TextIndex& TextIndex::operator=(TextIndex&&) noexcept = default;
TextIndex::~TextIndex() = default;

TextIndex TextIndex::open(const Path& folder) {
  const io::BundleReader bundle = io::BundleReader::open(folder);
  std::shared_ptr<const retrieval::Vocabulary> vocabulary = retrieval::open_vocabulary(bundle);
  const io::SafetensorsReader tensors = bundle.open_tensors();
  std::optional<BagOfWords> encoder;
  if (tensors.contains("queries.word_weights")) encoder.emplace(tensors, vocabulary->size());
  auto state = std::make_unique<State>(State{.vocabulary = std::move(vocabulary),
                                             .encoder = std::move(encoder),
                                             .corpus = retrieval::read_documents(bundle),
                                             .codes = search::open_coded_index(bundle),
                                             .unit_blocks = tensors.contains("unit_blocks")});
  const bool fits = state->corpus.ids.size() == state->codes->size() &&
                    (!state->encoder || state->encoder->dimension() == state->codes->dimension());
  if (!fits) {
    throw Error(
        ErrorClass::kFile,
        "repconc.documents",
        {.what = "the members of the index do not fit together",
         .seen = fmt::format("{} texts, {} codes, vectors of {} numbers",
                             state->corpus.ids.size(),
                             state->codes->size(),
                             state->encoder ? state->encoder->dimension() : state->codes->dimension()),
         .wanted = fmt::format("a text for every code, vectors of {} numbers", state->codes->dimension()),
         .remedy = "run tenfold repconc index again"});
  }
  return TextIndex(std::move(state));
}

std::size_t TextIndex::size() const {
  return state_->codes->live();
}
std::size_t TextIndex::dimension() const {
  return state_->codes->dimension();
}
std::size_t TextIndex::code_bytes() const {
  return state_->codes->quantizer().code_bytes();
}
bool TextIndex::encodes_texts() const {
  return state_->encoder.has_value();
}

std::vector<float> TextIndex::encode(std::string_view text) const {
  if (!state_->encoder) {
    throw Error(ErrorClass::kData,
                "repconc.needs_libtorch",
                {.what = "the encoder of this index does not run without LibTorch",
                 .seen = "a transformer",
                 .wanted = "a bag of words (encoder.kind = bag)",
                 .remedy = "search with the query's vector, or through tenfold serve"});
  }
  std::vector<float> query = (*state_->encoder)(retrieval::query_tokens(*state_->vocabulary, text));
  if (state_->unit_blocks) scale_blocks(state_->codes->quantizer(), query);
  return query;
}

std::vector<FoundDocument> TextIndex::search(std::string_view text, std::size_t k) const {
  return search(encode(text), k);
}

std::vector<FoundDocument> TextIndex::search(const std::vector<float>& query, std::size_t k) const {
  std::vector<FoundDocument> found;
  const search::Vectors row(query.data(), 1, query.size());
  const search::Hits hits = state_->codes->search(row, {.k = k}).front();
  for (const search::Hit& hit : hits)
    found.push_back({state_->corpus.ids[hit.row], state_->corpus.texts[hit.row], hit.score});
  return found;
}

}  // namespace tenfold::repconc
