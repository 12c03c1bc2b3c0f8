// SPDX-License-Identifier: Apache-2.0
// One row an estimator: what a new one has to add, beside its name in GradientOptions::visit_fields.
#include "tenfold/train/gradient_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/train/activity_perturbation.h"
#include "tenfold/train/forward_gradient.h"
#include "tenfold/train/mezo.h"
#include "tenfold/train/sharpness.h"

namespace tenfold::train {
namespace {

using Factory = std::unique_ptr<GradientEstimator> (*)(const GradientOptions&, GradientHooks);

struct Row {
  std::string name;
  Factory make;
};

const std::vector<Row>& rows() {
  static const std::vector<Row> rows = {
      {"backprop", [](const GradientOptions&, GradientHooks) { return make_backprop(); }},
      {"sam", [](const GradientOptions& options, GradientHooks) { return make_sharpness_aware(options); }},
      {"forward",
       [](const GradientOptions& options, GradientHooks hooks) {
         return make_forward_gradient(options, std::move(hooks.guess));
       }},
      {"activity",
       [](const GradientOptions& options, GradientHooks) { return make_activity_perturbation(options); }},
      {"mezo",
       [](const GradientOptions& options, GradientHooks hooks) {
         return make_mezo(options, std::move(hooks.guess));
       }},
  };
  return rows;
}

}  // namespace

std::unique_ptr<GradientEstimator> make_gradient_estimator(const GradientOptions& options,
                                                           GradientHooks hooks) {
  std::vector<std::string> names;
  for (const Row& row : rows()) {
    if (row.name == options.name) return row.make(options, std::move(hooks));
    names.push_back(row.name);
  }
  const auto nearest = nearest_name(options.name, names);
  throw Error(ErrorClass::kConfig,
              "gradient.unknown",
              {.what = "there is no such gradient estimator",
               .seen = printable(options.name),
               .wanted = join(names, ", "),
               .remedy = nearest ? fmt::format("did you mean '{}'?", *nearest) : "choose one of these"});
}

}  // namespace tenfold::train
