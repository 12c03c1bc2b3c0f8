// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/monte_carlo.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/random.h"
#include "tenfold/base/strings.h"
#include "tenfold/base/threads.h"
#include "tenfold/systems/compute_trends/regression.h"

namespace tenfold::compute_trends {
namespace {

constexpr std::size_t kGrain = 4096;
constexpr std::uint64_t kWordsPerNormal = 4;  // what normal() uses: one Philox block a draw
constexpr std::uint64_t kSecondStreams = std::uint64_t{1}
                                         << 32;  // the second, independent matrix of pick-freeze

[[noreturn]] void throw_form(std::string_view text, std::string_view what) {
  throw Error(ErrorClass::kUsage,
              "range.bad_form",
              {.what = fmt::format("{} is neither a number nor a range", what),
               .seen = "'" + printable(text) + "'",
               .wanted = "3e11, 1e9..3e9 (90 % between), 0.3~2x (90 % within a factor) or 0.3~20%",
               .remedy = "write the number without spaces or thousands separators"});
}

double parse_positive(std::string_view text, std::string_view whole, std::string_view what) {
  std::string_view number = trim(text);
  double factor = 1.0;
  if (!number.empty()) {
    switch (number.back()) {
      case 'k':
        factor = 1e3;
        break;
      case 'M':
        factor = 1e6;
        break;
      case 'G':
      case 'B':
        factor = 1e9;
        break;
      case 'T':
        factor = 1e12;
        break;
    }
    if (factor != 1.0) number.remove_suffix(1);
  }
  const auto value = parse_double(number);
  if (!value) throw_form(whole, what);
  if (std::isfinite(*value * factor) && *value * factor > 0) return *value * factor;
  throw Error(ErrorClass::kUsage,
              "range.not_positive",
              {.what = fmt::format("{} must be above 0 and finite", what),
               .seen = "'" + printable(whole) + "'",
               .wanted = "a positive number",
               .remedy = "a log-normal range cannot hold 0 or negative numbers"});
}

// Exponent of input `i` in a single product.
double power_of(const Term& term, std::size_t i) {
  return static_cast<double>(std::count(term.inputs.begin(), term.inputs.end(), i));
}

// Standard normal draw number `sample` of an input: a pure function of its arguments.
double draw(std::uint64_t seed, std::uint64_t stream, std::size_t sample) {
  return random::Generator(seed, stream, sample * kWordsPerNormal).normal();
}

// log10 of the model's value from log10 of the inputs; the largest term is taken out so that nothing overflows.
double log_value(const Model& model, std::span<const double> log_inputs) {
  double largest = -std::numeric_limits<double>::infinity();
  std::vector<double> logs;
  logs.reserve(model.terms.size());
  for (const Term& term : model.terms) {
    double log_term = std::log10(term.factor);
    for (std::size_t i : term.inputs) log_term += log_inputs[i];
    logs.push_back(log_term);
    largest = std::max(largest, log_term);
  }
  double sum = 0.0;
  for (double log_term : logs) sum += std::pow(10.0, log_term - largest);
  return largest + std::log10(sum);
}

class Sampler {
 public:
  Sampler(const Model& model, const MonteCarloOptions& options) : model_(model), options_(options) {}

  // log10 of the result of every sample. `frozen`: this input from the second matrix, the others from the first;
  // nullopt with `second`: all from the second matrix.
  std::vector<double> run(std::optional<std::size_t> frozen, bool second) const {
    std::vector<double> results(options_.samples);
    parallel_for(options_.samples, kGrain, [&](std::size_t begin, std::size_t end) {
      std::vector<double> log_inputs(model_.inputs.size());
      for (std::size_t sample = begin; sample < end; ++sample) {
        for (std::size_t i = 0; i < log_inputs.size(); ++i) {
          const Uncertain& value = model_.inputs[i].value;
          const bool from_second = second || (frozen && *frozen == i);
          log_inputs[i] = std::log10(value.median);
          if (value.sigma > 0) {
            log_inputs[i] +=
                value.sigma * draw(options_.seed, i + (from_second ? kSecondStreams : 0), sample);
          }
        }
        results[sample] = log_value(model_, log_inputs);
      }
    });
    return results;
  }

 private:
  const Model& model_;
  const MonteCarloOptions& options_;
};

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double variance(const std::vector<double>& values) {
  const double middle = mean(values);
  double sum = 0.0;
  for (double value : values) sum += (value - middle) * (value - middle);
  return sum / static_cast<double>(values.size());
}

std::vector<VarianceShare> exact_shares(const Model& model) {
  std::vector<VarianceShare> shares;
  double total = 0.0;
  for (std::size_t i = 0; i < model.inputs.size(); ++i) {
    const double sd = model.inputs[i].value.sigma * power_of(model.terms.front(), i);
    if (sd > 0) shares.push_back({model.inputs[i].name, sd * sd});
    total += sd * sd;
  }
  for (VarianceShare& share : shares) share.share /= total;
  return shares;
}

// S_i = mean(f(B) (f(A with column i of B) - f(A))) / V.
std::vector<VarianceShare> sampled_shares(const Model& model,
                                          const Sampler& sampler,
                                          const std::vector<double>& first) {
  const double total = variance(first);
  std::vector<VarianceShare> shares;
  if (total <= 0) return shares;
  std::vector<double> second = sampler.run(std::nullopt, true);
  const double centre = mean(second);  // does not change the expectation and lowers the noise
  for (std::size_t i = 0; i < model.inputs.size(); ++i) {
    if (model.inputs[i].value.sigma <= 0) continue;
    const std::vector<double> mixed = sampler.run(i, false);
    double sum = 0.0;
    for (std::size_t k = 0; k < first.size(); ++k) sum += (second[k] - centre) * (mixed[k] - first[k]);
    shares.push_back(
        {model.inputs[i].name, std::clamp(sum / static_cast<double>(first.size()) / total, 0.0, 1.0)});
  }
  return shares;
}

}  // namespace

double Uncertain::low() const {
  return median * std::pow(10.0, -kNormal95 * sigma);
}

double Uncertain::high() const {
  return median * std::pow(10.0, kNormal95 * sigma);
}

Uncertain from_range(double low, double high) {
  const double log_low = std::log10(low), log_high = std::log10(high);
  if (low == high) return {low, 0.0};
  return {std::pow(10.0, (log_low + log_high) / 2), (log_high - log_low) / (2 * kNormal95)};
}

Uncertain parse_uncertain(std::string_view text, std::string_view what) {
  const std::string_view whole = trim(text);
  if (const std::size_t dots = whole.find(".."); dots != std::string_view::npos) {
    const double low = parse_positive(whole.substr(0, dots), whole, what);
    const double high = parse_positive(whole.substr(dots + 2), whole, what);
    if (low <= high) return from_range(low, high);
    throw Error(ErrorClass::kUsage,
                "range.reversed",
                {.what = fmt::format("{}: the range runs backwards", what),
                 .seen = "'" + printable(whole) + "'",
                 .wanted = "the smaller number first",
                 .remedy = "swap the two"});
  }
  const std::size_t tilde = whole.find('~');
  if (tilde == std::string_view::npos) return {parse_positive(whole, whole, what), 0.0};
  const double median = parse_positive(whole.substr(0, tilde), whole, what);
  std::string_view spread = trim(whole.substr(tilde + 1));
  const bool is_percent = spread.ends_with('%');
  if (!is_percent && !spread.ends_with('x')) throw_form(whole, what);
  spread.remove_suffix(1);
  const double given = parse_positive(spread, whole, what);
  const double factor = is_percent ? 1.0 + given / 100.0 : given;
  if (factor < 1.0) throw_form(whole, what);
  return {median, std::log10(factor) / kNormal95};
}

double median_value(const Model& model) {
  std::vector<double> log_inputs;
  for (const Input& input : model.inputs) log_inputs.push_back(std::log10(input.value.median));
  return std::pow(10.0, log_value(model, log_inputs));
}

Distribution propagate(const Model& model, const MonteCarloOptions& options) {
  if (options.samples < 100 || options.samples > 10'000'000) {
    throw Error(ErrorClass::kUsage,
                "monte_carlo.samples",
                {.what = "the number of samples cannot be used",
                 .seen = std::to_string(options.samples),
                 .wanted = "100 to 10000000",
                 .remedy = "100000 gives the ends of the interval to about 1 %"});
  }
  check_internal(!model.terms.empty(), "a model has at least one term");
  Distribution result;
  result.samples = options.samples;
  result.seed = options.seed;
  const bool certain = std::all_of(
      model.inputs.begin(), model.inputs.end(), [](const Input& input) { return input.value.sigma <= 0; });
  if (certain) {
    result.median = result.low = result.high = median_value(model);
    result.shares_exact = true;
    return result;
  }
  const Sampler sampler(model, options);
  const std::vector<double> first = sampler.run(std::nullopt, false);
  result.shares_exact = model.terms.size() == 1;
  result.shares = result.shares_exact ? exact_shares(model) : sampled_shares(model, sampler, first);
  std::stable_sort(result.shares.begin(),
                   result.shares.end(),
                   [](const VarianceShare& a, const VarianceShare& b) { return a.share > b.share; });
  if (!result.shares.empty()) result.dominant = result.shares.front().input;
  result.sigma = std::sqrt(variance(first));
  std::vector<double> sorted = first;
  std::sort(sorted.begin(), sorted.end());
  result.median = std::pow(10.0, percentile_of_sorted(sorted, 50.0));
  result.low = std::pow(10.0, percentile_of_sorted(sorted, 5.0));
  result.high = std::pow(10.0, percentile_of_sorted(sorted, 95.0));
  return result;
}

}  // namespace tenfold::compute_trends
