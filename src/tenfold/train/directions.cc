// SPDX-License-Identifier: Apache-2.0
#include "tenfold/train/directions.h"

#include <ATen/Functions.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <numeric>
#include <string>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/random.h"
#include "tenfold/base/strings.h"
#include "tenfold/base/threads.h"

namespace tenfold::train {
namespace {

constexpr std::size_t kPiece = 1 << 12;  // entries drawn at a time: 16 KB, stays in L1
constexpr std::size_t kGrain = 1 << 16;  // entries a thread takes at a time
constexpr std::uint32_t kDomain[2] = {0x66776467u,
                                      0x64697231u};  // keeps directions apart from other users of a seed

const std::vector<std::string>& law_names() {
  static const std::vector<std::string> names = {"gaussian", "rademacher", "sphere", "rank1"};
  return names;
}

std::uint32_t low(std::uint64_t value) {
  return static_cast<std::uint32_t>(value);
}
std::uint32_t high(std::uint64_t value) {
  return static_cast<std::uint32_t>(value >> 32);
}

// Contiguous memory of a tensor seen as real numbers.
template <typename T>
T* real_data(const torch::Tensor& tensor) {
  return static_cast<T*>(tensor.data_ptr());
}

class RandomDirection final : public Direction {
 public:
  RandomDirection(DirectionLaw law, const DirectionKey& key, std::vector<Perturbed> tensors)
      : Direction(std::move(tensors)), law_(law), key_(key) {
    if (law_ == DirectionLaw::kSphere && numel() > 0) {
      scale_ = static_cast<float>(std::sqrt(static_cast<double>(numel()) / squared_length()));
    }
  }

  torch::Tensor draw(std::size_t i) const override {
    const torch::Tensor& value = tensors()[i].value;
    const auto count = static_cast<std::size_t>(real_numel(value));
    torch::Tensor real = at::empty({static_cast<std::int64_t>(count)}, at::kFloat);
    auto* data = real_data<float>(real);
    parallel_for(count, kGrain, [&](std::size_t begin, std::size_t end) {
      fill_floats(i, begin, {data + begin, end - begin});
    });
    const at::ScalarType type = c10::toRealValueType(value.scalar_type());
    if (type != at::kFloat) real = real.to(type);
    if (!value.is_complex()) return real.view(value.sizes());
    std::vector<std::int64_t> pairs = value.sizes().vec();
    pairs.push_back(2);
    return at::view_as_complex(real.view(pairs));
  }

  void add_to(std::size_t i, const torch::Tensor& target, double scale) const override {
    const at::ScalarType type = c10::toRealValueType(target.scalar_type());
    if (!target.is_contiguous() || target.is_conj() || (type != at::kFloat && type != at::kDouble)) {
      target.add_(draw(i), scale);
    } else if (type == at::kFloat) {
      add_pieces(i, real_data<float>(target), static_cast<float>(scale));
    } else {
      add_pieces(i, real_data<double>(target), scale);
    }
  }

  void fill(std::size_t i, std::uint64_t first, std::span<double> out) const override {
    std::array<float, kPiece> piece;
    for (std::size_t done = 0; done < out.size(); done += kPiece) {
      const std::size_t count = std::min(kPiece, out.size() - done);
      fill_floats(i, first + done, std::span(piece).first(count));
      std::copy_n(piece.begin(), count, out.begin() + static_cast<std::ptrdiff_t>(done));
    }
  }

 private:
  void fill_floats(std::size_t i, std::uint64_t first, std::span<float> out) const {
    const Perturbed& tensor = tensors()[i];
    switch (law_) {
      case DirectionLaw::kRankOne:
        if (tensor.value.dim() >= 2) return fill_rank_one(tensor, first, out);
        [[fallthrough]];
      case DirectionLaw::kRademacher:
        return kernels::fill_signs(direction_stream(key_, tensor.index, StreamUse::kEntries), first, out);
      case DirectionLaw::kGaussian:
      case DirectionLaw::kSphere:
        kernels::fill_normals(direction_stream(key_, tensor.index, StreamUse::kEntries), first, out);
        if (law_ == DirectionLaw::kSphere) {
          for (float& value : out) value *= scale_;
        }
    }
  }

  // Entry (r, c) of [size(0), the rest] is a_r b_c.
  void fill_rank_one(const Perturbed& tensor, std::uint64_t first, std::span<float> out) const {
    const std::uint64_t columns = real_numel(tensor.value) / static_cast<std::uint64_t>(tensor.value.size(0));
    const kernels::RandomStream row_stream = direction_stream(key_, tensor.index, StreamUse::kRows);
    const kernels::RandomStream column_stream = direction_stream(key_, tensor.index, StreamUse::kColumns);
    std::vector<float> column_signs(std::min<std::uint64_t>(columns, kPiece));
    const bool fits = columns <= kPiece;  // else drawn for each row, as part of it
    if (fits) kernels::fill_signs(column_stream, 0, column_signs);
    for (std::size_t done = 0; done < out.size();) {
      const std::uint64_t row = (first + done) / columns;
      const std::uint64_t column = (first + done) % columns;
      const std::size_t count = std::min<std::uint64_t>(columns - column, out.size() - done);
      const std::span<float> part = out.subspan(done, count);
      if (fits) {
        std::copy_n(column_signs.begin() + static_cast<std::ptrdiff_t>(column), count, part.begin());
      } else {
        kernels::fill_signs(column_stream, column, part);
      }
      float sign = 1.0f;
      kernels::fill_signs(row_stream, row, {&sign, 1});
      if (sign < 0) std::transform(part.begin(), part.end(), part.begin(), std::negate<>());
      done += count;
    }
  }

  template <typename T>
  void add_pieces(std::size_t i, T* data, T scale) const {
    const auto total = static_cast<std::size_t>(real_numel(tensors()[i].value));
    parallel_for(total, kGrain, [&](std::size_t begin, std::size_t end) {
      std::array<float, kPiece> piece;
      for (std::size_t at = begin; at < end; at += kPiece) {
        const std::size_t count = std::min(kPiece, end - at);
        fill_floats(i, at, std::span(piece).first(count));
        for (std::size_t k = 0; k < count; ++k) data[at + k] += scale * static_cast<T>(piece[k]);
      }
    });
  }

  // |v|^2 of the normals before scaling, summed in an order that does not depend on threads.
  double squared_length() const {
    double total = 0.0;
    for (std::size_t i = 0; i < tensors().size(); ++i) {
      const auto count = static_cast<std::size_t>(real_numel(tensors()[i].value));
      std::vector<double> partial((count + kGrain - 1) / kGrain);
      parallel_for(count, kGrain, [&](std::size_t begin, std::size_t end) {
        std::array<float, kPiece> piece;
        double sum = 0.0;
        for (std::size_t at = begin; at < end; at += kPiece) {
          const std::span<float> part = std::span(piece).first(std::min(kPiece, end - at));
          fill_floats(i, at, part);
          for (const float value : part) sum += static_cast<double>(value) * value;
        }
        partial[begin / kGrain] = sum;
      });
      total = std::accumulate(partial.begin(), partial.end(), total);
    }
    return total;
  }

  DirectionLaw law_;
  DirectionKey key_;
  float scale_ = 1.0f;  // sphere
};

class GivenDirection final : public Direction {
 public:
  GivenDirection(std::vector<Perturbed> tensors, std::vector<torch::Tensor> given)
      : Direction(std::move(tensors)), given_(std::move(given)) {}

  torch::Tensor draw(std::size_t i) const override {
    return given_[i].defined() ? given_[i].clone() : at::zeros_like(tensors()[i].value);
  }
  void add_to(std::size_t i, const torch::Tensor& target, double scale) const override {
    if (given_[i].defined()) target.add_(given_[i], scale);
  }
  void fill(std::size_t i, std::uint64_t first, std::span<double> out) const override {
    std::fill(out.begin(), out.end(), 0.0);
    if (!given_[i].defined()) return;
    const torch::Tensor real =
        given_[i].is_complex() ? at::view_as_real(given_[i].resolve_conj()) : given_[i];
    const torch::Tensor part =
        real.reshape({-1})
            .narrow(0, static_cast<std::int64_t>(first), static_cast<std::int64_t>(out.size()))
            .to(at::kDouble)
            .contiguous();
    std::copy_n(part.data_ptr<double>(), out.size(), out.begin());
  }

 private:
  std::vector<torch::Tensor> given_;
};

std::string shape_text(const torch::Tensor& tensor) {
  return fmt::format("[{}]", fmt::join(tensor.sizes(), ", "));
}

}  // namespace

std::string_view to_string(DirectionLaw law) {
  return law_names()[static_cast<std::size_t>(law)];
}

DirectionLaw parse_direction_law(std::string_view name) {
  const auto found = std::find(law_names().begin(), law_names().end(), name);
  if (found != law_names().end()) return static_cast<DirectionLaw>(found - law_names().begin());
  const auto nearest = nearest_name(name, law_names());
  throw Error(ErrorClass::kConfig,
              "gradient.unknown_direction",
              {.what = "there is no such law of random directions",
               .seen = printable(name),
               .wanted = join(law_names(), ", "),
               .remedy = nearest ? fmt::format("did you mean '{}'?", *nearest) : "choose one of these"});
}

kernels::RandomStream direction_stream(const DirectionKey& key, std::uint64_t tensor, StreamUse use) {
  const EstimateKey& estimate = key.estimate;
  const auto place = random::philox4x32(
      {low(estimate.step), high(estimate.step), low(estimate.micro_batch), high(estimate.micro_batch)},
      {low(estimate.seed), high(estimate.seed)});
  const auto name = random::philox4x32({place[0] ^ low(key.tangent),
                                        place[1] ^ high(key.tangent),
                                        place[2] ^ low(tensor),
                                        place[3] ^ (high(tensor) << 8) ^ static_cast<std::uint32_t>(use)},
                                       {kDomain[0], kDomain[1]});
  return {.seed = name[0] | std::uint64_t{name[1]} << 32, .stream = name[2] | std::uint64_t{name[3]} << 32};
}

std::uint64_t real_numel(const torch::Tensor& tensor) {
  return static_cast<std::uint64_t>(tensor.numel()) * (tensor.is_complex() ? 2 : 1);
}

Direction::Direction(std::vector<Perturbed> tensors) : tensors_(std::move(tensors)) {
  for (const Perturbed& tensor : tensors_) {
    if (!tensor.value.is_floating_point() && !tensor.value.is_complex()) {
      throw Error(ErrorClass::kData,
                  "gradient.unsupported_dtype",
                  {.what = fmt::format("parameter {} cannot be perturbed", tensor.index),
                   .seen = c10::toString(tensor.value.scalar_type()),
                   .wanted = "a floating-point or complex tensor",
                   .remedy = "leave it out with gradient.only, or clear its requires_grad"});
    }
    numel_ += real_numel(tensor.value);
  }
}

std::unique_ptr<Direction> random_direction(DirectionLaw law,
                                            const DirectionKey& key,
                                            std::vector<Perturbed> tensors) {
  return std::make_unique<RandomDirection>(law, key, std::move(tensors));
}

std::unique_ptr<Direction> given_direction(std::vector<Perturbed> tensors, std::vector<torch::Tensor> given) {
  const auto fail = [](std::string what, std::string seen, std::string wanted) {
    throw Error(ErrorClass::kData,
                "gradient.bad_guess",
                {.what = std::move(what),
                 .seen = std::move(seen),
                 .wanted = std::move(wanted),
                 .remedy = "return one tensor a parameter from the guess, undefined where it has none"});
  };
  if (given.size() != tensors.size()) {
    fail("the guess has another number of tensors than the model",
         std::to_string(given.size()),
         std::to_string(tensors.size()));
  }
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (!given[i].defined()) continue;
    const torch::Tensor& value = tensors[i].value;
    const std::string place = fmt::format("the guess of parameter {} does not fit", tensors[i].index);
    if (!given[i].sizes().equals(value.sizes())) fail(place, shape_text(given[i]), shape_text(value));
    if (given[i].is_complex() && !value.is_complex()) fail(place, "complex values", "real values");
    if (!at::isfinite(given[i]).all().item<bool>())
      fail(place, "a value that is not finite", "finite values");
    given[i] = given[i].detach().to(value.scalar_type());
  }
  return std::make_unique<GivenDirection>(std::move(tensors), std::move(given));
}

}  // namespace tenfold::train
