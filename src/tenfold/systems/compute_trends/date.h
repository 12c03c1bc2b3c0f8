// SPDX-License-Identifier: Apache-2.0
// Calendar days as the tables write them, the decimal years the fits use, and periods given on the command
// line.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

namespace tenfold::compute_trends {

struct Date {
  int year = 0;
  int month = 1;
  int day = 1;
  auto operator<=>(const Date&) const = default;
};

// Day of the year, 1 to 366 (Gregorian calendar).
int day_of_year(const Date& date);

// year + (day_of_year - 1) / 365.25: off by less than 0.003 years in leap years (specification section 7).
double decimal_year(const Date& date);

// The day a decimal year falls on, rounded to the nearest day: the inverse of decimal_year() for years 1 to
// 9999.
Date date_of_decimal_year(double year);

// Whole days from `from` to `to`; negative when `to` is earlier.
int days_between(const Date& from, const Date& to);

std::string to_string(const Date& date);  // "2012-09-30"

// Reads yyyy-mm-dd, dd-mm-yyyy, yyyy-mm, yyyy (a missing day or month is 1); '/' and '.' may stand for '-',
// and an ISO time of day after the date ("2012-09-30T00:00:00", "2012-09-30 00:00") is ignored. The day comes
// before the month when the year comes last. Throws Error(kData, "date.bad_form" or "date.not_in_calendar")
// for month or day 00, 31 February, years of two digits and anything else; `place` ("systems.csv line 12")
// opens the message.
Date parse_date(std::string_view text, std::string_view place);

// "3/4/2019": read as 3 April, and written for 4 March in the United States. Dots and dashes are not used there.
bool day_and_month_may_swap(std::string_view text);

// Days a fit looks at: from <= day < until and day <= to. An empty bound does not limit.
struct Period {
  std::optional<Date> from;
  std::optional<Date> until;
  std::optional<Date> to;

  bool contains(const Date& date) const;
};

// The bounds as typed: a year, a month or a day; empty text: no bound. "--to 2010" takes in the whole year
// 2010,
// "--from 2010" and "--until 2010" speak of its first day. Throws Error(kUsage, "period.bad_bound" or
// "period.reversed").
Period parse_period(std::string_view from, std::string_view until, std::string_view to);

// "1952-01-01 <= date < 2010-01-01"; "all dates" without bounds.
std::string to_string(const Period& period);

}  // namespace tenfold::compute_trends
