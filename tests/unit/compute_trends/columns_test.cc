// SPDX-License-Identifier: Apache-2.0
// Columns: known layouts by name and unit, the user's own description, helpful errors.
#include "tenfold/systems/compute_trends/columns.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tenfold/base/error.h"

namespace tenfold::compute_trends {
namespace {

using Header = std::vector<std::string>;

Error error_of(const Header& header, std::string_view spec = "") {
  try {
    recognise_columns(header, spec, "f.csv");
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "accepted";
  return Error(ErrorClass::kInternal, "none", {});
}

TEST(Columns, RecognisesEpochAi) {
  const Header header = {"Model",
                         "Publication date",
                         "Domain",
                         "Organization",
                         "Organization categorization",
                         "Parameters",
                         "Training compute (FLOP)",
                         "Training dataset",
                         "Training dataset size (datapoints)",
                         "Citations",
                         "Notability criteria",
                         "Training hardware",
                         "Hardware quantity",
                         "Training time (hours)",
                         "Hardware utilization (MFU)",
                         "Training compute estimation method",
                         "Confidence",
                         "Epochs"};
  const ColumnMap map = recognise_columns(header, "", "f.csv");
  EXPECT_EQ(map.layout, Layout::kEpoch);
  EXPECT_EQ(map.unit, ComputeUnit::kFlop);
  EXPECT_EQ(map[Field::kName], 0u);
  EXPECT_EQ(map[Field::kDate], 1u);
  EXPECT_EQ(map[Field::kOrganization], 3u);
  EXPECT_EQ(map[Field::kFlop], 6u);
  EXPECT_EQ(map[Field::kDatasetSize], 8u);
  EXPECT_EQ(map[Field::kHardware], 11u);
  EXPECT_EQ(map[Field::kHardwareQuantity], 12u);
  EXPECT_EQ(map[Field::kTrainingHours], 13u);
  EXPECT_EQ(map[Field::kUtilisation], 14u);
  EXPECT_EQ(map[Field::kMethod], 15u);
  EXPECT_EQ(map[Field::kEpochs], 17u);
  EXPECT_TRUE(map.warnings.empty());
}

TEST(Columns, RecognisesOurWorldInDataOf2022WithItsUnitAndIgnoresYear) {
  const Header header = {
      "Entity", "Code", "Day", "Computation used in training AI systems (petaFLOPs)", "Year", "Domain"};
  const ColumnMap map = recognise_columns(header, "", "f.csv");
  EXPECT_EQ(map.layout, Layout::kOurWorldInData);
  EXPECT_EQ(map.unit, ComputeUnit::kPetaflop);
  EXPECT_EQ(map[Field::kDate], 2u);
  EXPECT_EQ(map[Field::kFlop], 3u);
}

TEST(Columns, RecognisesOurWorldInDataOf2023WithItsUnit) {
  const ColumnMap map =
      recognise_columns(Header{"Entity", "Code", "year", "Day", "Trainingcompute", "Domain"}, "", "f.csv");
  EXPECT_EQ(map.unit, ComputeUnit::kPetaflop);
  EXPECT_EQ(map[Field::kDate], 3u);
  EXPECT_EQ(map[Field::kFlop], 4u);
}

TEST(Columns, RecognisesThePaper) {
  const Header header = {"System",
                         "Organization(s)",
                         "Author(s)",
                         "Publication date",
                         "Year",
                         "Task",
                         "Citations",
                         "Parameters",
                         "Training compute (FLOPs)",
                         "Training dataset"};
  const ColumnMap map = recognise_columns(header, "", "f.csv");
  EXPECT_EQ(map.layout, Layout::kPaper);
  EXPECT_EQ(map[Field::kOrganization], 1u);
  EXPECT_EQ(map[Field::kDate], 3u);
  EXPECT_EQ(map[Field::kFlop], 8u);
  EXPECT_EQ(map[Field::kDomain], std::nullopt);
}

TEST(Columns, TakesTheUnitFromTheBrackets) {
  const auto unit_of = [](const char* compute) {
    return recognise_columns(Header{"name", "date", compute}, "", "f.csv").unit;
  };
  EXPECT_EQ(unit_of("Training compute (FLOP)"), ComputeUnit::kFlop);
  EXPECT_EQ(unit_of("Training compute (petaFLOP)"), ComputeUnit::kPetaflop);
  EXPECT_EQ(unit_of("Training compute (petaflop/s-days)"), ComputeUnit::kPetaflopPerSecondDay);
  EXPECT_EQ(unit_of("compute (exaFLOP)"), ComputeUnit::kExaflop);
  EXPECT_EQ(unit_of("log10 FLOP"), ComputeUnit::kLog10Flop);
  EXPECT_EQ(unit_of("training_flop"), ComputeUnit::kFlop);
  EXPECT_EQ(unit_of("training_computation_petaflop"), ComputeUnit::kPetaflop);
}

TEST(Columns, WarnsWhenNoUnitIsNamed) {
  const ColumnMap map = recognise_columns(Header{"name", "date", "Training compute"}, "", "f.csv");
  EXPECT_EQ(map.unit, ComputeUnit::kFlop);
  ASSERT_EQ(map.warnings.size(), 1u);
  EXPECT_NE(map.warnings[0].find("no unit"), std::string::npos);
}

TEST(Columns, DoesNotTakeCostForCompute) {
  const Header header = {"name", "date", "Training compute cost (2023 USD)", "Training compute (FLOP)"};
  EXPECT_EQ(recognise_columns(header, "", "f.csv")[Field::kFlop], 3u);
}

TEST(Columns, ConvertsUnits) {
  EXPECT_DOUBLE_EQ(to_flop(2.0, ComputeUnit::kFlop), 2.0);
  EXPECT_DOUBLE_EQ(to_flop(470.0, ComputeUnit::kPetaflop), 4.7e17);
  EXPECT_DOUBLE_EQ(to_flop(1.0, ComputeUnit::kPetaflopPerSecondDay), 1e15 * 86400.0);
  EXPECT_DOUBLE_EQ(to_flop(3.0, ComputeUnit::kExaflop), 3e18);
  EXPECT_NEAR(to_flop(23.497, ComputeUnit::kLog10Flop) / 3.14051e23, 1.0, 1e-5);
}

TEST(Columns, TakesTheUsersDescriptionFirst) {
  const Header header = {"Id", "When", "Effort, total", "Kind", "Training compute (FLOP)"};
  const ColumnMap map =
      recognise_columns(header, "name=Id, date=When,flop=Effort, total,domain=Kind,unit=petaFLOP", "f.csv");
  EXPECT_EQ(map[Field::kName], 0u);
  EXPECT_EQ(map[Field::kFlop], 2u);
  EXPECT_EQ(map[Field::kDomain], 3u);
  EXPECT_EQ(map.unit, ComputeUnit::kPetaflop);
  ASSERT_EQ(map.uses.size(), 4u);
  EXPECT_EQ(map.uses[2].header, "Effort, total");
  EXPECT_EQ(map.uses[2].unit, "petaFLOP");
}

TEST(Columns, MissingColumnShowsHeadersAndTheNearest) {
  const Error error = error_of({"System", "Publication date", "Training compte (FLOP)"});
  EXPECT_EQ(error.error_class(), ErrorClass::kData);
  EXPECT_EQ(error.code(), "columns.missing");
  EXPECT_NE(error.text().what.find("line 1"), std::string::npos);
  EXPECT_NE(error.text().seen.find("'Training compte (FLOP)'"), std::string::npos);
  EXPECT_NE(error.text().remedy.find("did you mean 'Training compte (FLOP)'"), std::string::npos);
  EXPECT_EQ(error_of({"Publication date", "FLOP"}).code(), "columns.missing");
  EXPECT_EQ(error_of({"System", "FLOP"}).code(), "columns.missing");
}

TEST(Columns, RefusesWrongDescriptions) {
  const Header header = {"System", "Publication date", "FLOP"};
  EXPECT_EQ(error_of(header, "Compute").code(), "columns.bad_spec");
  EXPECT_EQ(error_of(header, "flops=FLOP").code(), "columns.bad_spec");
  EXPECT_NE(error_of(header, "flops=FLOP").text().remedy.find("did you mean flop?"), std::string::npos);
  EXPECT_EQ(error_of(header, "unit=joule").code(), "columns.bad_spec");
  const Error unknown = error_of(header, "flop=FLOPS");
  EXPECT_EQ(unknown.code(), "columns.unknown_header");
  EXPECT_EQ(unknown.error_class(), ErrorClass::kUsage);
  EXPECT_NE(unknown.text().remedy.find("'FLOP'"), std::string::npos);
}

TEST(Columns, SaysThatTheFieldsAreSeparatedByOtherThanCommas) {
  const Error error = error_of({"name;date;Training compute (FLOP)"});
  EXPECT_EQ(error.code(), "columns.separator");
  EXPECT_EQ(error.error_class(), ErrorClass::kData);
  EXPECT_NE(error.text().remedy.find("instead of ';'"), std::string::npos) << error.text().remedy;
  EXPECT_NE(error_of({"name\tdate\tTraining compute (FLOP)"}).text().remedy.find("'tab'"), std::string::npos);
  EXPECT_EQ(error_of({"comment"}).code(), "columns.missing");
}

}  // namespace
}  // namespace tenfold::compute_trends
