// SPDX-License-Identifier: Apache-2.0
#include "tenfold/data/subset.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/sha256.h"

namespace tenfold::data {
namespace {

constexpr std::uint64_t kSplitStream = 0x73706C6974;  // "split"

[[noreturn]] void refuse(std::string seen, std::string wanted) {
  throw Error(ErrorClass::kConfig,
              "split.bad_option",
              {.what = "the data cannot be split like this",
               .seen = std::move(seen),
               .wanted = std::move(wanted),
               .remedy = "change valid_fraction, test_fraction or limit"});
}

std::int64_t share(std::int64_t rows, double fraction) {
  if (fraction == 0.0) return 0;
  return std::max<std::int64_t>(1, std::llround(fraction * static_cast<double>(rows)));
}

}  // namespace

Subset::Subset(std::shared_ptr<const Dataset> whole, std::vector<std::int64_t> rows)
    : whole_(std::move(whole)), rows_(std::move(rows)) {
  check_rows(rows_, whole_->size());
}

Batch Subset::get(std::span<const std::int64_t> ids, const DrawKey& key) const {
  check_rows(ids, size());
  std::vector<std::int64_t> rows;
  rows.reserve(ids.size());
  for (const std::int64_t id : ids) rows.push_back(rows_[static_cast<std::size_t>(id)]);
  Batch batch = whole_->get(rows, key);
  batch.ids.assign(ids.begin(), ids.end());
  return batch;
}

std::string Subset::fingerprint() const {
  Sha256 hash;
  hash.update("subset of " + whole_->fingerprint() + "\n");
  hash.update(std::as_bytes(std::span(rows_)));
  return hash.hex_digest();
}

SplitRows split_rows(std::int64_t rows, const SplitOptions& options) {
  for (const double fraction : {options.valid_fraction, options.test_fraction}) {
    if (!(fraction >= 0.0 && fraction <= 1.0)) refuse(fmt::format("a fraction of {}", fraction), "0 to 1");
  }
  if (rows < 1 || rows > std::numeric_limits<std::uint32_t>::max()) {
    refuse(fmt::format("{} rows", rows), "1 to 4294967295 rows");
  }
  if (options.limit < 0) refuse(fmt::format("a limit of {} rows", options.limit), "0 or more");
  const std::int64_t test = share(rows, options.test_fraction);
  const std::int64_t valid = share(rows, options.valid_fraction);
  if (test + valid >= rows) {
    refuse(fmt::format("{} rows, {} of them for validation and {} for the test", rows, valid, test),
           "at least one row left for training");
  }
  const std::int64_t kept =
      options.limit > 0 ? std::min(options.limit, rows - test - valid) : rows - test - valid;
  std::vector<std::uint32_t> order(static_cast<std::size_t>(rows));
  random::permutation(options.seed, kSplitStream, order);
  const auto part = [&](std::int64_t begin, std::int64_t end) {
    std::vector<std::int64_t> chosen(order.begin() + begin, order.begin() + end);
    std::sort(chosen.begin(), chosen.end());
    return chosen;
  };
  return {.train = part(test + valid, test + valid + kept),
          .valid = part(test, test + valid),
          .test = part(0, test)};
}

}  // namespace tenfold::data
