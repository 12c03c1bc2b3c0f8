// SPDX-License-Identifier: Apache-2.0
// The choice of an estimator by options: every name works, every wrong one says which was meant.
#include "tenfold/train/gradient_options.h"

#include <gtest/gtest.h>

#include "tenfold/base/error.h"
#include "tenfold/config/field.h"
#include "tests/unit/train/estimator_cases.h"

namespace tenfold::train {
namespace {

Error error_of(const GradientOptions& options) {
  try {
    make_gradient_estimator(options);
  } catch (const Error& error) {
    return error;
  }
  return Error(ErrorClass::kInternal, "no error", {});
}

TEST(GradientOptions, EveryChoiceOfTheFieldListMakesAnEstimatorOfThatName) {
  GradientOptions options;
  const config::Fields fields(options);
  const config::BoundField* name = fields.find("name");
  ASSERT_NE(name, nullptr);
  for (const std::string& choice : name->info.choices) {
    GradientOptions chosen;
    chosen.name = choice;
    EXPECT_EQ(make_gradient_estimator(chosen)->name(), choice);
  }
}

TEST(GradientOptions, DefaultsPassTheirOwnChecks) {
  GradientOptions options;
  config::check_all(config::Fields(options));
}

TEST(GradientOptions, WrongNamesAreAnsweredWithTheNearest) {
  const Error name = error_of({.name = "forwrad"});
  EXPECT_EQ(name.code(), "gradient.unknown");
  EXPECT_NE(name.text().remedy.find("'forward'"), std::string::npos);
  const Error direction = error_of({.name = "forward", .direction = "gausian"});
  EXPECT_EQ(direction.code(), "gradient.unknown_direction");
  EXPECT_NE(direction.text().remedy.find("'gaussian'"), std::string::npos);
  const Error combine = error_of({.name = "mezo", .combine = "ortogonal"});
  EXPECT_EQ(combine.code(), "gradient.unknown_combine");
  EXPECT_NE(combine.text().remedy.find("'orthogonal'"), std::string::npos);
  const Error block = error_of({.name = "mezo", .block = "tensors"});
  EXPECT_EQ(block.code(), "gradient.unknown_block");
  EXPECT_NE(block.text().remedy.find("'tensor'"), std::string::npos);
}

TEST(GradientOptions, RefusesWhatDoesNotGoTogether) {
  EXPECT_EQ(error_of({.name = "forward", .combine = "orthogonal", .block = "layer"}).code(),
            "gradient.bad_combination");
  EXPECT_EQ(error_of({.name = "forward", .direction = "guess", .block = "tensor"}).code(),
            "gradient.bad_combination");
  EXPECT_EQ(error_of({.name = "forward", .direction = "guess"}).code(), "gradient.no_guess");
  EXPECT_EQ(error_of({.name = "forward", .tangents = 0}).code(), "gradient.bad_tangents");
}

}  // namespace
}  // namespace tenfold::train
