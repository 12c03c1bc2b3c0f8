// SPDX-License-Identifier: Apache-2.0
// Dates: the forms tables use, days that do not exist, decimal years, periods.
#include "tenfold/systems/compute_trends/date.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "tenfold/base/error.h"

namespace tenfold::compute_trends {
namespace {

Error error_of(const std::string& text) {
  try {
    parse_date(text, "systems.csv line 12");
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << text << " was accepted";
  return Error(ErrorClass::kInternal, "none", {});
}

TEST(Date, ReadsTheFourForms) {
  EXPECT_EQ(parse_date("2012-09-30", "x"), (Date{2012, 9, 30}));
  EXPECT_EQ(parse_date("30-09-2012", "x"), (Date{2012, 9, 30}));
  EXPECT_EQ(parse_date("2012-09", "x"), (Date{2012, 9, 1}));
  EXPECT_EQ(parse_date("2012", "x"), (Date{2012, 1, 1}));
}

TEST(Date, ReadsOtherSeparatorsAndTimes) {
  EXPECT_EQ(parse_date("2012/09/30", "x"), (Date{2012, 9, 30}));
  EXPECT_EQ(parse_date("30.09.2012", "x"), (Date{2012, 9, 30}));
  EXPECT_EQ(parse_date(" 2012-09-30T10:20:00 ", "x"), (Date{2012, 9, 30}));
  EXPECT_EQ(parse_date("2012-9-3", "x"), (Date{2012, 9, 3}));
}

TEST(Date, RefusesDaysThatDoNotExist) {
  for (const char* text : {"2012-00-10",
                           "2012-10-00",
                           "00-01-2012",
                           "2012-13-01",
                           "2019-02-29",
                           "31-02-2020",
                           "2012-00",
                           "0000-01-01",
                           "2100-02-29"}) {
    const Error error = error_of(text);
    EXPECT_EQ(error.error_class(), ErrorClass::kData) << text;
    EXPECT_EQ(error.code(), "date.not_in_calendar") << text;
    EXPECT_NE(std::string(error.what()).find("line 12"), std::string::npos) << text;
    EXPECT_NE(error.text().seen.find(text), std::string::npos);
  }
}

TEST(Date, AcceptsLeapDays) {
  EXPECT_EQ(parse_date("2020-02-29", "x"), (Date{2020, 2, 29}));
  EXPECT_EQ(parse_date("29-02-2000", "x"), (Date{2000, 2, 29}));
}

TEST(Date, RefusesOtherForms) {
  for (const char* text : {"12-09-30",
                           "12",
                           "1/2/12",
                           "Sept 2012",
                           "2012-09-30-01",
                           "20120930",
                           "-2012-09-30",
                           "",
                           "2012-",
                           "2012-+9-01",
                           "2012--01",
                           "nan",
                           "1e3",
                           "2012-009-01"}) {
    EXPECT_EQ(error_of(text).code(), "date.bad_form") << text;
  }
}

// Python: date(y, m, d).timetuple().tm_yday
TEST(Date, DecimalYearCountsDaysOfTheYear) {
  EXPECT_DOUBLE_EQ(decimal_year({1952, 1, 1}), 1952.0);
  EXPECT_EQ(day_of_year({2012, 9, 30}), 274);
  EXPECT_DOUBLE_EQ(decimal_year({2012, 9, 30}), 2012 + 273 / 365.25);
  EXPECT_EQ(day_of_year({2020, 12, 31}), 366);
  EXPECT_LT(decimal_year({2020, 12, 31}), 2021.0);
  EXPECT_EQ(day_of_year({1900, 12, 31}), 365);
}

TEST(Date, DecimalYearGoesBackToTheDay) {
  for (const Date& date :
       {Date{1952, 1, 1}, Date{2012, 9, 30}, Date{2020, 2, 29}, Date{2020, 12, 31}, Date{2021, 1, 1}}) {
    EXPECT_EQ(date_of_decimal_year(decimal_year(date)), date) << to_string(date);
  }
}

TEST(Date, CountsDaysBetweenDates) {
  EXPECT_EQ(days_between({2020, 2, 28}, {2020, 3, 1}), 2);
  EXPECT_EQ(days_between({2020, 1, 1}, {1952, 1, 1}), -24837);  // Our World in Data's offset of Theseus
}

TEST(Period, FromIsInUntilIsOutToIsIn) {
  const Period period = parse_period("1952", "2010", "");
  EXPECT_TRUE(period.contains({1952, 1, 1}));
  EXPECT_FALSE(period.contains({1951, 12, 31}));
  EXPECT_TRUE(period.contains({2009, 12, 31}));
  EXPECT_FALSE(period.contains({2010, 1, 1}));
  const Period to = parse_period("", "", "2022-02-11");
  EXPECT_TRUE(to.contains({2022, 2, 11}));
  EXPECT_FALSE(to.contains({2022, 2, 12}));
}

TEST(Period, ToTakesInTheWholeYearOrMonth) {
  EXPECT_EQ(parse_period("", "", "2010").to, (Date{2010, 12, 31}));
  EXPECT_EQ(parse_period("", "", "2020-02").to, (Date{2020, 2, 29}));
  EXPECT_EQ(parse_period("2020-02", "", "").from, (Date{2020, 2, 1}));
}

TEST(Period, WithoutBoundsHoldsEverything) {
  EXPECT_TRUE(parse_period("", " ", "").contains({9999, 12, 31}));
  EXPECT_EQ(to_string(parse_period("", "", "")), "all dates");
  EXPECT_EQ(to_string(parse_period("1952", "2010", "")), "1952-01-01 <= date < 2010-01-01");
}

TEST(Period, RefusesBoundsThatAreNoDatesAsWrongUsage) {
  try {
    parse_period("2010-00", "", "");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.error_class(), ErrorClass::kUsage);
    EXPECT_EQ(error.code(), "period.bad_bound");
    EXPECT_NE(error.text().what.find("--from"), std::string::npos);
  }
}

TEST(Period, RefusesAnEmptyPeriod) {
  for (auto [from, until, to] :
       {std::array{"2010", "2010", ""}, std::array{"2010", "1952", ""}, std::array{"2011", "", "2010"}}) {
    try {
      parse_period(from, until, to);
      FAIL() << from << until << to;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), "period.reversed");
    }
  }
}

TEST(Date, KnowsWhenDayAndMonthMaySwap) {
  for (const char* text : {"3/4/2019", "03/04/2019", " 1/12/2020 "})
    EXPECT_TRUE(day_and_month_may_swap(text)) << text;
  for (const char* text :
       {"13/4/2019", "4/4/2019", "3.4.2019", "03-04-2019", "2019/03/04", "2019", "a/b/2019", ""})
    EXPECT_FALSE(day_and_month_may_swap(text)) << text;
}

}  // namespace
}  // namespace tenfold::compute_trends
