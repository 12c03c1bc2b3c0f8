// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/compare.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <tuple>
#include <utility>

namespace tenfold::compute_trends {
namespace {

constexpr int kWordsDays = 7;  // a shared word or two mean the same system only when published together

// A possible pair; better ones sort first.
struct Candidate {
  std::size_t a = 0;
  std::size_t b = 0;
  Likeness likeness = Likeness::kNone;
  int days = 0;
  double log_ratio = 0.0;

  auto key() const {
    // Equal names: the nearest date decides. Alike names: the nearest compute says more than the date.
    const bool same = likeness == Likeness::kSame;
    const double by_date = std::abs(days);
    return std::tuple(
        -static_cast<int>(likeness), same ? by_date : log_ratio, same ? log_ratio : by_date, a, b);
  }
};

bool agrees(double a, double b, double tolerance) {
  return std::abs(b / a - 1.0) <= tolerance;
}

// Is `b` the value `a` written with `digits` significant digits? A half may have gone either way.
bool is_rounded_form(double a, double b, int digits) {
  const double unit = std::pow(10.0, std::floor(std::log10(b) + 1e-12) - digits + 1);
  const bool has_few_digits = std::abs(b / unit - std::round(b / unit)) < 1e-6;
  return has_few_digits && std::abs(a - b) <= 0.5 * unit * (1.0 + 1e-9);
}

// Published tables round to two or three digits: 1.56e18 in one is 1.6e18 in the other.
bool differs_by_rounding(double a, double b) {
  return is_rounded_form(a, b, 2) || is_rounded_form(b, a, 2) || is_rounded_form(a, b, 3) ||
         is_rounded_form(b, a, 3);
}

class Matcher {
 public:
  Matcher(const Table& a, const Table& b, const CompareOptions& options)
      : a_(a), b_(b), options_(options), used_a_(a.rows.size()), used_b_(b.rows.size()) {}

  TableDifference run() {
    result_.source_a = a_.source;
    result_.source_b = b_.source;
    result_.rows_a = a_.rows.size();
    result_.rows_b = b_.rows.size();
    take(same_names());
    take(alike_names());
    for (std::size_t i = 0; i < a_.rows.size(); ++i) {
      if (!used_a_[i]) result_.only_a.push_back(a_.rows[i]);
    }
    for (std::size_t j = 0; j < b_.rows.size(); ++j) {
      if (!used_b_[j]) result_.only_b.push_back(b_.rows[j]);
    }
    std::sort(result_.matched.begin(), result_.matched.end(), [](const MatchedPair& x, const MatchedPair& y) {
      return std::tie(x.a.date, x.a.line) < std::tie(y.a.date, y.a.line);
    });
    return std::move(result_);
  }

 private:
  Candidate candidate(std::size_t i, std::size_t j, Likeness likeness) const {
    const SystemRow &a = a_.rows[i], &b = b_.rows[j];
    return {i, j, likeness, days_between(a.date, b.date), std::abs(log10_flop(b) - log10_flop(a))};
  }

  std::vector<Candidate> same_names() const {
    std::map<std::string, std::vector<std::size_t>> by_name;
    for (std::size_t j = 0; j < b_.rows.size(); ++j) by_name[squeezed_name(b_.rows[j].name)].push_back(j);
    std::vector<Candidate> candidates;
    for (std::size_t i = 0; i < a_.rows.size(); ++i) {
      const auto found = by_name.find(squeezed_name(a_.rows[i].name));
      if (found == by_name.end()) continue;
      for (std::size_t j : found->second) candidates.push_back(candidate(i, j, Likeness::kSame));
    }
    return candidates;
  }

  std::vector<Candidate> alike_names() const {
    std::vector<Candidate> candidates;
    // Rows are in order of date: only those within the wider window are looked at.
    std::size_t first = 0;
    for (std::size_t i = 0; i < a_.rows.size(); ++i) {
      const Date& date = a_.rows[i].date;
      while (first < b_.rows.size() && days_between(b_.rows[first].date, date) > options_.same_compute_days)
        ++first;
      if (used_a_[i]) continue;
      for (std::size_t j = first; j < b_.rows.size(); ++j) {
        if (days_between(date, b_.rows[j].date) > options_.same_compute_days) break;
        if (used_b_[j]) continue;
        Candidate pair = candidate(i, j, name_likeness(a_.rows[i].name, b_.rows[j].name));
        if (pair.likeness == Likeness::kNone) pair.likeness = Likeness::kFigures;
        if (is_allowed(pair)) candidates.push_back(pair);
      }
    }
    return candidates;
  }

  bool is_allowed(const Candidate& pair) const {
    const SystemRow &a = a_.rows[pair.a], &b = b_.rows[pair.b];
    const int days = std::abs(pair.days);
    const bool same_compute =
        agrees(a.flop, b.flop, options_.tolerance) || differs_by_rounding(a.flop, b.flop);
    if (pair.likeness == Likeness::kFigures) return days == 0 && same_compute;
    if (same_compute) return true;
    if (pair.likeness == Likeness::kWords) return days <= kWordsDays;
    // "GShard (600B)" and "GShard (dense)" are two systems: both have a bracket and it differs.
    const bool both_bracketed =
        a.name.find('(') != std::string::npos && b.name.find('(') != std::string::npos;
    return days <= options_.near_name_days && (pair.likeness == Likeness::kSpelling || !both_bracketed);
  }

  void take(std::vector<Candidate> candidates) {
    std::sort(candidates.begin(), candidates.end(), [](const Candidate& x, const Candidate& y) {
      return x.key() < y.key();
    });
    for (const Candidate& pair : candidates) {
      if (used_a_[pair.a] || used_b_[pair.b]) continue;
      used_a_[pair.a] = true;
      used_b_[pair.b] = true;
      add(pair);
    }
  }

  void add(const Candidate& pair) {
    MatchedPair match{a_.rows[pair.a], b_.rows[pair.b]};
    match.likeness = pair.likeness;
    match.ratio = match.b.flop / match.a.flop;
    match.compute_differs = !agrees(match.a.flop, match.b.flop, options_.tolerance);
    match.is_rounding = match.compute_differs && differs_by_rounding(match.a.flop, match.b.flop);
    match.days = pair.days;
    result_.same += !match.compute_differs && match.days == 0 ? 1 : 0;
    result_.compute_differs += match.compute_differs ? 1 : 0;
    result_.rounding += match.is_rounding ? 1 : 0;
    result_.date_differs += match.days != 0 ? 1 : 0;
    result_.renamed += match.likeness != Likeness::kSame ? 1 : 0;
    result_.matched.push_back(std::move(match));
  }

  const Table& a_;
  const Table& b_;
  const CompareOptions& options_;
  std::vector<bool> used_a_, used_b_;
  TableDifference result_;
};

}  // namespace

TableDifference compare_tables(const Table& a, const Table& b, const CompareOptions& options) {
  return Matcher(a, b, options).run();
}

std::vector<TableDifference> compare_snapshots(std::span<const Table> tables, const CompareOptions& options) {
  std::vector<TableDifference> differences;
  for (std::size_t i = 1; i < tables.size(); ++i)
    differences.push_back(compare_tables(tables[0], tables[i], options));
  return differences;
}

}  // namespace tenfold::compute_trends
