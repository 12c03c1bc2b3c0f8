// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/retrieval/word_vectors.h"

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <fstream>
#include <tuple>
#include <vector>

#include "tenfold/base/error.h"
#include "tenfold/base/random.h"
#include "tenfold/base/strings.h"

namespace tenfold::retrieval {
namespace {

constexpr double kShare = 0.7;  // of each of the two vectors that are mixed: sqrt(1/2)

[[noreturn]] void fail(const char* code, std::string what, std::string seen, std::string wanted) {
  throw Error(ErrorClass::kData,
              code,
              {.what = std::move(what),
               .seen = std::move(seen),
               .wanted = std::move(wanted),
               .remedy = "give a file of word vectors in GloVe's text form"});
}

// The numbers behind a word; false when the line has none.
bool parse_numbers(std::string_view text, std::vector<float>& numbers) {
  numbers.clear();
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    while (at < end && *at == ' ') ++at;
    if (at == end) break;
    float value = 0;
    const auto [next, error] = std::from_chars(at, end, value);
    if (error != std::errc() || !std::isfinite(value)) return false;
    numbers.push_back(value);
    at = next;
  }
  return !numbers.empty();
}

// Weighted sums of the vectors of each token.
struct Sums {
  torch::Tensor vectors;        // [V, dimension]
  std::vector<double> weights;  // of each token
  std::vector<int> forms;
};

Sums read_sums(const std::string& path, const Vocabulary& vocabulary) {
  std::ifstream file(path);
  if (!file)
    throw Error(ErrorClass::kFile,
                "file.not_found",
                {.what = "cannot read " + printable(path, 400), .remedy = "check the path"});
  Sums sums;
  sums.weights.assign(vocabulary.size(), 0.0);
  sums.forms.assign(vocabulary.size(), 0);
  std::vector<float> numbers;
  std::string line;
  for (std::size_t number = 1; std::getline(file, line); ++number) {
    const std::size_t space = line.find(' ');
    if (space == std::string::npos || space == 0)
      fail("word_vectors.line",
           fmt::format("line {} is no word vector", number),
           printable(line, 80),
           "a word and numbers");
    const std::vector<std::int64_t> tokens = vocabulary(std::string_view(line).substr(0, space));
    if (tokens.size() != 1) continue;
    if (!parse_numbers(std::string_view(line).substr(space), numbers))
      fail("word_vectors.line",
           fmt::format("line {} has no numbers", number),
           printable(line, 80),
           "a word and numbers");
    const auto dimension = static_cast<std::int64_t>(numbers.size());
    if (!sums.vectors.defined())
      sums.vectors = at::zeros({static_cast<std::int64_t>(vocabulary.size()), dimension});
    if (sums.vectors.size(1) != dimension)
      fail("word_vectors.line",
           fmt::format("line {} has another number of numbers", number),
           fmt::format("{}", dimension),
           fmt::format("{}", sums.vectors.size(1)));
    const auto token = static_cast<std::size_t>(tokens.front());
    const double weight = 1.0 / (1 + sums.forms[token]++);
    sums.weights[token] += weight;
    float* to = sums.vectors.data_ptr<float>() + tokens.front() * dimension;
    for (std::int64_t i = 0; i < dimension; ++i)
      to[i] += static_cast<float>(weight) * numbers[static_cast<std::size_t>(i)];
  }
  return sums;
}

// [from, to] with orthonormal rows, a function of the seed.
torch::Tensor random_map(std::int64_t from, std::int64_t to, std::uint64_t seed) {
  torch::Tensor normal = at::empty({to, from}, at::kFloat);
  random::Generator draws(seed, 0x776f7264);
  for (std::int64_t i = 0; i < normal.numel(); ++i)
    normal.data_ptr<float>()[i] = static_cast<float>(draws.normal());
  return std::get<0>(at::linalg_qr(normal)).t().contiguous();
}

}  // namespace

std::int64_t start_from_word_vectors(const std::string& path,
                                     const Vocabulary& vocabulary,
                                     std::uint64_t seed,
                                     BagEncoderImpl& encoder) {
  const c10::NoGradGuard no_grad;
  const Sums sums = read_sums(path, vocabulary);
  std::vector<std::int64_t> known;
  for (std::size_t token = 0; token < sums.weights.size(); ++token)
    if (sums.weights[token] > 0) known.push_back(static_cast<std::int64_t>(token));
  if (known.empty())
    fail("word_vectors.none",
         "no word of the file is in the vocabulary",
         printable(path, 400),
         "words of the documents");
  const torch::Tensor table = encoder.table();
  const std::int64_t dimension = sums.vectors.size(1), width = table.size(1);
  if (dimension > width)
    fail("word_vectors.width",
         "the word vectors are longer than the encoder's",
         fmt::format("{} numbers", dimension),
         fmt::format("at most {}", width));
  const torch::Tensor rows = at::tensor(known, at::kLong);
  torch::Tensor vectors = sums.vectors.index_select(0, rows);
  vectors = vectors / vectors.norm(2, {1}, true).clamp_min(1e-12);
  vectors = vectors - vectors.mean(0, true);
  vectors = vectors / vectors.norm(2, {1}, true).clamp_min(1e-12);
  const torch::Tensor random = table.index_select(0, rows);
  const torch::Tensor mapped =
      at::mm(vectors, random_map(dimension, width, seed)) * random.norm(2, {1}).mean();
  table.index_copy_(0, rows, kShare * random + kShare * mapped);
  return static_cast<std::int64_t>(known.size());
}

}  // namespace tenfold::retrieval
