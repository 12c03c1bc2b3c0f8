// SPDX-License-Identifier: Apache-2.0
// An options struct with every field type and two levels of nesting, for the tests of config.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tenfold/base/error.h"
#include "tenfold/config/field.h"

namespace tenfold::config {

struct InnerOptions {
  std::vector<double> betas = {0.9, 0.999};
  std::string name = "adam";

  void visit_fields(auto&& field) {
    field("betas", betas, {.help = "decay of the moments", .min = 0.0, .max = 1.0});
    field("name", name, {.help = "which optimiser", .choices = {"adam", "sgd"}, .required = true});
  }
};

struct OuterOptions {
  double learning_rate = 0.001;
  InnerOptions inner;

  void visit_fields(auto&& field) {
    field("learning_rate", learning_rate, {.help = "step size", .min = 0.0, .max = 10.0});
    field("inner", inner, {});
  }
};

struct SampleOptions {
  bool shuffle = true;
  std::int64_t steps = 100;
  double sigma = 0.15;
  double any = 0.0;
  std::string csv = "table.csv";
  std::string mode;
  std::optional<double> limit;
  std::vector<std::int64_t> sizes = {1, 2};
  std::vector<double> weights;
  std::vector<std::string> domains = {"vision"};
  std::string out;
  OuterOptions optimizer;

  void visit_fields(auto&& field) {
    field("shuffle", shuffle, {.help = "shuffle the rows"});
    field("steps", steps, {.help = "number of steps", .min = 1, .max = 1000});
    field("sigma", sigma, {.help = "noise of an estimate", .unit = "OOM", .min = 0.0, .max = 3.0});
    field("any", any, {.help = "a number without limits"});
    field("csv", csv, {.help = "table to read", .positional = true, .required = true});
    field("mode", mode, {.help = "how to fit", .choices = {"ols", "theil_sen", "quantile"}});
    field("limit", limit, {.help = "upper limit", .unit = "FLOP", .min = 0.0});
    field("sizes", sizes, {.help = "sizes of the layers", .max = 64});
    field("weights", weights, {.help = "weights of the terms"});
    field("domains", domains, {.help = "domains to keep", .choices = {"vision", "language", "games"}});
    field("out", out, {.help = "folder to write", .affects_result = false});
    field("optimizer", optimizer, {});
  }
};

inline const BoundField& field_of(const Fields& fields, std::string_view path) {
  const BoundField* field = fields.find(path);
  if (field == nullptr) throw std::logic_error("no such field in the sample");
  return *field;
}

// The configuration error that `action` throws; a test failure and an empty error when it throws none.
template <typename Action>
Error config_error_of(Action action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.error_class(), ErrorClass::kConfig);
    EXPECT_FALSE(error.text().remedy.empty()) << error.what();
    return error;
  }
  ADD_FAILURE() << "no error was thrown";
  return {ErrorClass::kInternal, "none", {}};
}

}  // namespace tenfold::config
