// SPDX-License-Identifier: Apache-2.0
#include "tenfold/search/ranking_metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "tenfold/base/error.h"
#include "tenfold/base/random.h"
#include "tenfold/base/threads.h"

namespace tenfold::search {
namespace {

constexpr std::uint64_t kBootstrapStream = 0x626f6f74;

int grade_of(const Judgements& judgements, std::uint32_t row) {
  for (const Judgement& judgement : judgements) {
    if (judgement.row == row) return judgement.grade;
  }
  return 0;
}

std::span<const Hit> first(std::span<const Hit> ranking, std::size_t cutoff) {
  return ranking.first(std::min(cutoff, ranking.size()));
}

double discounted(double grade, std::size_t place) {
  return grade / std::log2(static_cast<double>(place) + 2);
}

}  // namespace

double reciprocal_rank(std::span<const Hit> ranking, const Judgements& judgements, std::size_t cutoff) {
  const auto top = first(ranking, cutoff);
  for (std::size_t i = 0; i < top.size(); ++i) {
    if (grade_of(judgements, top[i].row) > 0) return 1.0 / static_cast<double>(i + 1);
  }
  return 0;
}

double recall(std::span<const Hit> ranking, const Judgements& judgements, std::size_t cutoff) {
  const auto relevant = std::count_if(
      judgements.begin(), judgements.end(), [](const Judgement& judgement) { return judgement.grade > 0; });
  if (relevant == 0) return 0;
  const auto top = first(ranking, cutoff);
  const auto found =
      std::count_if(top.begin(), top.end(), [&](Hit hit) { return grade_of(judgements, hit.row) > 0; });
  return static_cast<double>(found) / static_cast<double>(relevant);
}

double hit_rate(std::span<const Hit> ranking, const Judgements& judgements, std::size_t cutoff) {
  return reciprocal_rank(ranking, judgements, cutoff) > 0 ? 1 : 0;
}

double ndcg(std::span<const Hit> ranking, const Judgements& judgements, std::size_t cutoff) {
  std::vector<int> grades;
  for (const Judgement& judgement : judgements) grades.push_back(std::max(judgement.grade, 0));
  std::sort(grades.begin(), grades.end(), std::greater<>());
  double ideal = 0, sum = 0;
  for (std::size_t i = 0; i < std::min(cutoff, grades.size()); ++i) ideal += discounted(grades[i], i);
  const auto top = first(ranking, cutoff);
  for (std::size_t i = 0; i < top.size(); ++i) {
    sum += discounted(std::max(grade_of(judgements, top[i].row), 0), i);
  }
  return ideal > 0 ? sum / ideal : 0;
}

double RankingScores::mean(const std::string& metric) const {
  const std::vector<double>& values = per_query.at(metric);
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

RankingScores score_rankings(std::span<const Hits> rankings, std::span<const Judgements> judgements) {
  check_internal(rankings.size() == judgements.size(), "one ranking a query");
  if (rankings.empty()) {
    throw Error(ErrorClass::kData,
                "evaluation.no_queries",
                {.what = "there is no query to evaluate", .remedy = "choose a split that has labels"});
  }
  RankingScores scores{.queries = rankings.size()};
  for (std::size_t i = 0; i < rankings.size(); ++i) {
    scores.per_query["hits@1"].push_back(hit_rate(rankings[i], judgements[i], 1));
    scores.per_query["mrr@10"].push_back(reciprocal_rank(rankings[i], judgements[i], 10));
    scores.per_query["ndcg@10"].push_back(ndcg(rankings[i], judgements[i], 10));
    scores.per_query["recall@10"].push_back(recall(rankings[i], judgements[i], 10));
    scores.per_query["recall@100"].push_back(recall(rankings[i], judgements[i], 100));
  }
  return scores;
}

PairedDifference paired_bootstrap(std::span<const double> a,
                                  std::span<const double> b,
                                  const BootstrapOptions& options) {
  if (a.size() != b.size() || a.empty() || options.samples == 0 ||
      !(options.level > 0 && options.level < 1)) {
    throw Error(
        ErrorClass::kUsage,
        "evaluation.bootstrap",
        {.what = "two rankers cannot be compared by the bootstrap",
         .seen = fmt::format(
             "{} and {} queries, {} samples, level {}", a.size(), b.size(), options.samples, options.level),
         .wanted = "the same queries for both, at least one sample, a level between 0 and 1"});
  }
  std::vector<double> differences(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) differences[i] = b[i] - a[i];
  const auto count = static_cast<double>(a.size());
  std::vector<double> means(options.samples);
  parallel_for(options.samples, 64, [&](std::size_t begin, std::size_t end) {
    for (std::size_t sample = begin; sample < end; ++sample) {
      random::Generator generator(options.seed, kBootstrapStream + sample);
      double sum = 0;
      for (std::size_t i = 0; i < differences.size(); ++i) {
        sum += differences[generator.below(static_cast<std::uint32_t>(differences.size()))];
      }
      means[sample] = sum / count;
    }
  });
  std::sort(means.begin(), means.end());
  const double tail = (1 - options.level) / 2;
  const auto at = [&](double share) {
    return means[static_cast<std::size_t>(std::lround(share * static_cast<double>(means.size() - 1)))];
  };
  double below = 0;
  for (const double mean : means) below += mean < 0 ? 1.0 : mean == 0 ? 0.5 : 0.0;
  return {.mean = std::accumulate(differences.begin(), differences.end(), 0.0) / count,
          .low = at(tail),
          .high = at(1 - tail),
          .share_below_0 = below / static_cast<double>(means.size())};
}

}  // namespace tenfold::search
