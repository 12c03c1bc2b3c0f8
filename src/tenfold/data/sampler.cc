// SPDX-License-Identifier: Apache-2.0
#include "tenfold/data/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/random.h"

namespace tenfold::data {
namespace {

constexpr std::int64_t kMaxShuffledRows = std::numeric_limits<std::uint32_t>::max();
constexpr std::int64_t kMaxEpoch = std::int64_t{1} << 48;  // counting on from here overflows nothing

void require(bool condition, ErrorText text) {
  if (!condition) throw Error(ErrorClass::kConfig, "sampler.bad_option", std::move(text));
}

void check_options(std::int64_t rows, const SamplerOptions& options) {
  require(rows > 0,
          {.what = "the data set has no rows",
           .seen = std::to_string(rows),
           .wanted = "at least one",
           .remedy = "check the path and the split of the data"});
  require(!options.shuffle || rows <= kMaxShuffledRows,
          {.what = "the data set is too large to be shuffled",
           .seen = fmt::format("{} rows", rows),
           .wanted = fmt::format("at most {}", kMaxShuffledRows),
           .remedy = "split the data set"});
  require(options.batch_size > 0,
          {.what = "the batch size is not positive",
           .seen = std::to_string(options.batch_size),
           .wanted = "at least 1",
           .remedy = "set batch_size"});
  require(options.world_size > 0 && options.rank >= 0 && options.rank < options.world_size,
          {.what = "the rank is outside of the world",
           .seen = fmt::format("rank {} of {}", options.rank, options.world_size),
           .wanted = "0 <= rank < world_size",
           .remedy = "check RANK and WORLD_SIZE"});
  require(options.batch_size >= options.world_size,
          {.what = "the batch has fewer rows than there are ranks",
           .seen = fmt::format("{} rows for {} ranks", options.batch_size, options.world_size),
           .wanted = "at least one row a rank",
           .remedy = "raise batch_size or start fewer ranks"});
  require(!options.drop_last || rows >= options.batch_size,
          {.what = "no batch is left when the short last one is dropped",
           .seen = fmt::format("{} rows, batches of {}", rows, options.batch_size),
           .wanted = "at least as many rows as one batch has",
           .remedy = "lower batch_size or keep the last batch"});
}

// The permutations have a key of their own, apart from the draws of examples.
std::uint64_t shuffle_stream(std::int64_t epoch) {
  const auto bits = static_cast<std::uint64_t>(epoch);
  const auto words =
      random::philox4x32({static_cast<std::uint32_t>(bits), static_cast<std::uint32_t>(bits >> 32), 0, 0},
                         {0x73687566, 0x666C6500});  // "shuffle"
  return words[0] | (std::uint64_t{words[1]} << 32);
}

}  // namespace

Sampler::Sampler(std::int64_t rows, SamplerOptions options) : rows_(rows), options_(options) {
  check_options(rows, options);
}

std::int64_t Sampler::batches_per_epoch() const {
  const std::int64_t whole = rows_ / options_.batch_size;
  return whole + (!options_.drop_last && rows_ % options_.batch_size != 0 ? 1 : 0);
}

BatchPlan Sampler::next() {
  if (options_.shuffle) shuffle();
  BatchPlan plan{.epoch = state_.epoch, .batch = state_.batch};
  const std::int64_t first = state_.batch * options_.batch_size;
  plan.global_size = std::min(options_.batch_size, rows_ - first);
  const std::int64_t share = plan.global_size / options_.world_size;
  const std::int64_t larger = plan.global_size % options_.world_size;  // ranks with one row more
  const std::int64_t begin = first + options_.rank * share + std::min<std::int64_t>(options_.rank, larger);
  plan.ids.resize(static_cast<std::size_t>(share + (options_.rank < larger ? 1 : 0)));
  for (std::size_t i = 0; i < plan.ids.size(); ++i) {
    const std::int64_t row = begin + static_cast<std::int64_t>(i);
    plan.ids[i] = options_.shuffle ? order_[static_cast<std::size_t>(row)] : row;
  }
  if (++state_.batch == batches_per_epoch()) state_ = {.epoch = state_.epoch + 1, .batch = 0};
  return plan;
}

SamplerState Sampler::state() const {
  return state_;
}

void Sampler::restore(const SamplerState& state) {
  if (state.epoch < 0 || state.epoch > kMaxEpoch || state.batch < 0 || state.batch >= batches_per_epoch()) {
    throw Error(ErrorClass::kFile,
                "sampler.bad_state",
                {.what = "the saved position in the data does not fit this data set and batch size",
                 .seen = fmt::format("epoch {}, batch {}", state.epoch, state.batch),
                 .wanted = fmt::format(
                     "an epoch of 0 to {} and a batch of 0 to {}", kMaxEpoch, batches_per_epoch() - 1),
                 .remedy = "continue with the data and the batch size the run was started with"});
  }
  state_ = state;
}

void Sampler::shuffle() {
  if (shuffled_epoch_ == state_.epoch) return;
  order_.resize(static_cast<std::size_t>(rows_));
  random::permutation(options_.seed, shuffle_stream(state_.epoch), order_);
  shuffled_epoch_ = state_.epoch;
}

}  // namespace tenfold::data
