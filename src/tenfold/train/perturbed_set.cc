// SPDX-License-Identifier: Apache-2.0
#include "tenfold/train/perturbed_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/random.h"
#include "tenfold/base/strings.h"
#include "tenfold/base/threads.h"

namespace tenfold::train {
namespace {

constexpr std::size_t kPiece = 1 << 12;  // entries of each direction at a time

[[noreturn]] void throw_nothing_selected(std::span<const NamedParameter> parameters,
                                         const std::string& wanted) {
  std::vector<std::string> names;
  for (const NamedParameter& parameter : parameters) {
    names.push_back(parameter.name);
    for (const std::string& part : split(parameter.name, '.')) names.push_back(part);
  }
  const auto nearest = nearest_name(wanted, names);
  throw Error(ErrorClass::kConfig,
              "gradient.nothing_selected",
              {.what = "gradient.only selects no parameter",
               .seen = printable(wanted),
               .wanted = fmt::format("part of the name of one of {} parameters", parameters.size()),
               .remedy = nearest ? fmt::format("did you mean '{}'?", *nearest)
                                 : "list the names with named_parameters()"});
}

// Eight sums side by side: vectorises, and the order of additions is fixed.
double dot(const double* a, const double* b, std::size_t count) {
  double sums[8] = {};
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    for (std::size_t lane = 0; lane < 8; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  }
  for (; i < count; ++i) sums[i % 8] += a[i] * b[i];
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

// V^T V in double, summed in a fixed order.
std::vector<double> gram_matrix(std::span<const std::unique_ptr<Direction>> directions) {
  const std::size_t k = directions.size();
  std::vector<double> gram(k * k, 0.0);
  for (std::size_t tensor = 0; tensor < directions[0]->tensors().size(); ++tensor) {
    const auto entries = static_cast<std::size_t>(real_numel(directions[0]->tensors()[tensor].value));
    const std::size_t pieces = (entries + kPiece - 1) / kPiece;
    std::vector<double> partial(pieces * k * k, 0.0);
    parallel_for(entries, kPiece, [&](std::size_t begin, std::size_t end) {
      const std::size_t count = end - begin;
      std::vector<double> values(k * count);
      for (std::size_t j = 0; j < k; ++j)
        directions[j]->fill(tensor, begin, std::span(values).subspan(j * count, count));
      double* out = partial.data() + begin / kPiece * k * k;
      for (std::size_t a = 0; a < k; ++a) {
        for (std::size_t b = 0; b <= a; ++b) {
          out[a * k + b] = dot(values.data() + a * count, values.data() + b * count, count);
        }
      }
    });
    for (std::size_t piece = 0; piece < pieces; ++piece) {
      for (std::size_t i = 0; i < k * k; ++i) gram[i] += partial[piece * k * k + i];
    }
  }
  return gram;  // lower triangle
}

}  // namespace

std::vector<Perturbed> select_parameters(std::span<const NamedParameter> parameters,
                                         std::span<const std::string> only) {
  std::vector<bool> selected(parameters.size(), only.empty());
  for (const std::string& part : only) {
    bool any = false;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      if (part.empty() || parameters[i].name.find(part) == std::string::npos) continue;
      selected[i] = any = true;
    }
    if (!any) throw_nothing_selected(parameters, part);
  }
  std::vector<Perturbed> perturbed;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (selected[i] && parameters[i].value.numel() > 0) perturbed.push_back({i, parameters[i].value});
  }
  if (perturbed.empty()) {
    throw Error(ErrorClass::kConfig,
                "gradient.nothing_selected",
                {.what = "there is no parameter to perturb",
                 .seen = fmt::format("{} trainable parameters", parameters.size()),
                 .wanted = "at least one with requires_grad and entries",
                 .remedy = "register parameters in the module and leave requires_grad on"});
  }
  return perturbed;
}

BlockSize parse_block_size(std::string_view name) {
  static const std::vector<std::string> names = {"none", "tensor", "layer"};
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return static_cast<BlockSize>(found - names.begin());
  const auto nearest = nearest_name(name, names);
  throw Error(ErrorClass::kConfig,
              "gradient.unknown_block",
              {.what = "parameters cannot be perturbed in such blocks",
               .seen = printable(name),
               .wanted = join(names, ", "),
               .remedy = nearest ? fmt::format("did you mean '{}'?", *nearest) : "choose one of these"});
}

std::vector<Block> make_blocks(std::span<const NamedParameter> parameters,
                               const std::vector<Perturbed>& selected,
                               BlockSize size) {
  std::vector<Block> blocks;
  std::vector<std::string> owners;
  double total = 0.0;
  for (const Perturbed& tensor : selected) {
    total += static_cast<double>(real_numel(tensor.value));
    const std::string& name = parameters[tensor.index].name;
    std::string owner;
    if (size == BlockSize::kTensor) owner = name;
    if (size == BlockSize::kLayer)
      owner = name.substr(0, name.find_last_of('.') == std::string::npos ? 0 : name.find_last_of('.'));
    const auto found = std::find(owners.begin(), owners.end(), owner);
    if (found == owners.end()) {
      owners.push_back(owner);
      blocks.push_back({{tensor}, 1.0});
    } else {
      blocks[static_cast<std::size_t>(found - owners.begin())].tensors.push_back(tensor);
    }
  }
  for (Block& block : blocks) {
    double entries = 0.0;
    for (const Perturbed& tensor : block.tensors) entries += static_cast<double>(real_numel(tensor.value));
    block.probability = entries / total;
  }
  return blocks;
}

const Block& choose_block(std::span<const Block> blocks, const DirectionKey& key) {
  const kernels::RandomStream stream = direction_stream(key, 0, StreamUse::kBlock);
  random::Generator generator(stream.seed, stream.stream);
  double left = generator.uniform();
  for (const Block& block : blocks) {
    if (left < block.probability) return block;
    left -= block.probability;
  }
  return blocks.back();  // rounding
}

std::vector<double> mean_coefficients(std::span<const double> slopes) {
  std::vector<double> coefficients(slopes.begin(), slopes.end());
  for (double& c : coefficients) c /= static_cast<double>(slopes.size());
  return coefficients;
}

Projection orthogonal_projection(std::span<const std::unique_ptr<Direction>> directions,
                                 std::span<const double> slopes) {
  constexpr double kDependent = 1e-10;  // share of |v|^2 outside the span of the directions before it
  const std::size_t k = directions.size();
  const std::vector<double> gram = gram_matrix(directions);
  std::vector<double> lower(k * k, 0.0);  // Cholesky factor; rows of dropped directions stay zero
  std::vector<std::size_t> kept;
  for (std::size_t j = 0; j < k; ++j) {
    double pivot = gram[j * k + j];
    for (const std::size_t i : kept) {
      double entry = gram[j * k + i];
      for (const std::size_t m : kept) {
        if (m >= i) break;
        entry -= lower[j * k + m] * lower[i * k + m];
      }
      lower[j * k + i] = entry / lower[i * k + i];
      pivot -= lower[j * k + i] * lower[j * k + i];
    }
    if (!(pivot > kDependent * gram[j * k + j])) continue;
    lower[j * k + j] = std::sqrt(pivot);
    kept.push_back(j);
  }
  if (kept.empty()) {
    throw Error(ErrorClass::kData,
                "gradient.zero_direction",
                {.what = "no direction to project the gradient on",
                 .seen = fmt::format("{} directions, all zero", k),
                 .wanted = "at least one that is not zero",
                 .remedy = "return a non-zero guess"});
  }
  Projection projection{std::vector<double>(k, 0.0), k - kept.size()};
  std::vector<double>& c = projection.coefficients;
  for (const std::size_t j : kept) {  // L y = d
    c[j] = slopes[j];
    for (const std::size_t m : kept) {
      if (m >= j) break;
      c[j] -= lower[j * k + m] * c[m];
    }
    c[j] /= lower[j * k + j];
  }
  for (auto j = kept.rbegin(); j != kept.rend(); ++j) {  // L^T c = y
    for (auto m = kept.rbegin(); m != j; ++m) c[*j] -= lower[*m * k + *j] * c[*m];
    c[*j] /= lower[*j * k + *j];
  }
  return projection;
}

}  // namespace tenfold::train
