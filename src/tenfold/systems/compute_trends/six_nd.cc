// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/six_nd.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/systems/compute_trends/regression.h"

namespace tenfold::compute_trends {
namespace {

std::string first_domain(const SystemRow& row) {
  const std::string first(trim(std::string_view(row.domain).substr(0, row.domain.find_first_of(",;"))));
  return first.empty() ? "(none)" : first;
}

// Quartiles are taken of the logarithm, so that they do not depend on which way round the ratio is.
SixNdGroup summarise(std::string domain, std::vector<double> log_ratios) {
  std::sort(log_ratios.begin(), log_ratios.end());
  const auto quantile = [&](double percent) {
    return std::pow(10.0, percentile_of_sorted(log_ratios, percent));
  };
  const auto near = std::count_if(log_ratios.begin(), log_ratios.end(), [](double value) {
    return std::abs(value) <= kLog10Of2 + 1e-12;
  });
  return {std::move(domain),
          log_ratios.size(),
          quantile(25),
          quantile(50),
          quantile(75),
          static_cast<double>(near) / static_cast<double>(log_ratios.size())};
}

}  // namespace

SixNdStudy six_nd_study(const Table& table, const SixNdOptions& options) {
  SixNdStudy study;
  std::map<std::string, std::vector<double>> by_domain;
  std::vector<double> all;
  for (const SystemRow& row : table.rows) {
    const bool usable = row.parameters && row.dataset_size && *row.parameters > 0 && *row.dataset_size > 0;
    if (!usable) {
      ++study.without_inputs;
      continue;
    }
    const bool has_epochs = options.use_epochs && row.epochs && *row.epochs > 0;
    study.with_epochs += has_epochs ? 1 : 0;
    const double log_count = std::log10(6.0) + std::log10(*row.parameters) + std::log10(*row.dataset_size) +
                             (has_epochs ? std::log10(*row.epochs) : 0.0);
    const double log_ratio = log_count - log10_flop(row);
    study.rows.push_back({row.name, row.line, first_domain(row), std::pow(10.0, log_ratio)});
    by_domain[first_domain(row)].push_back(log_ratio);
    all.push_back(log_ratio);
  }
  if (all.empty()) {
    throw Error(ErrorClass::kData,
                "six_nd.no_rows",
                {.what = table.source + ": 6 N D cannot be compared with the listed compute",
                 .seen = "no row with parameters and data set size",
                 .wanted = "the columns Parameters and Training dataset size (datapoints)",
                 .remedy = "use a table of Epoch AI, which has them"});
  }
  std::vector<double> rare;
  for (auto& [domain, values] : by_domain) {
    if (values.size() >= options.least_rows) {
      study.groups.push_back(summarise(domain, std::move(values)));
    } else {
      rare.insert(rare.end(), values.begin(), values.end());
    }
  }
  std::stable_sort(study.groups.begin(), study.groups.end(), [](const SixNdGroup& a, const SixNdGroup& b) {
    return a.n > b.n;
  });
  if (!rare.empty()) {
    study.groups.push_back(
        summarise(fmt::format("(fewer than {} systems)", options.least_rows), std::move(rare)));
  }
  study.groups.push_back(summarise("all", std::move(all)));
  return study;
}

}  // namespace tenfold::compute_trends
