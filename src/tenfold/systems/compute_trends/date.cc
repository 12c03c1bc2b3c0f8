// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/date.h"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <cmath>
#include <vector>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"

namespace tenfold::compute_trends {
namespace {

using std::chrono::sys_days;

constexpr std::string_view kForms = "yyyy-mm-dd, dd-mm-yyyy, yyyy-mm or yyyy";

std::chrono::year_month_day to_chrono(const Date& date) {
  return std::chrono::year(date.year) / std::chrono::month(static_cast<unsigned>(date.month)) /
         std::chrono::day(static_cast<unsigned>(date.day));
}

Date from_chrono(sys_days days) {
  const std::chrono::year_month_day ymd(days);
  return {static_cast<int>(ymd.year()),
          static_cast<int>(static_cast<unsigned>(ymd.month())),
          static_cast<int>(static_cast<unsigned>(ymd.day()))};
}

[[noreturn]] void throw_form(std::string_view text, std::string_view place) {
  throw Error(ErrorClass::kData,
              "date.bad_form",
              {.what = fmt::format("{}: not a date", place),
               .seen = "'" + printable(text) + "'",
               .wanted = std::string(kForms) + " with a year of four digits",
               .remedy = "write the date in one of these forms"});
}

// 1 to 4 digits as a number; nullopt for anything else.
std::optional<int> digits(std::string_view text) {
  if (text.empty() || text.size() > 4) return std::nullopt;
  int value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

// The text without an ISO time of day behind the date.
std::string_view without_time(std::string_view text) {
  const std::size_t end = text.find_first_of("T ");
  if (end == std::string_view::npos || end < 8 || text.find(':', end) == std::string_view::npos) return text;
  return text.substr(0, end);
}

struct Parsed {
  Date date;
  int parts = 0;  // 1: year, 2: year and month, 3: a day
};

Parsed parse_parts(std::string_view text, std::string_view place) {
  std::string unified(without_time(trim(text)));
  for (char& c : unified) {
    if (c == '/' || c == '.') c = '-';
  }
  const std::vector<std::string> fields = split(unified, '-');
  if (fields.size() > 3) throw_form(text, place);
  std::array<int, 3> numbers = {0, 1, 1};
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const auto number = digits(fields[i]);
    if (!number) throw_form(text, place);
    numbers[i] = *number;
  }
  const bool year_first = fields.front().size() == 4;
  const bool year_last = fields.size() == 3 && fields.back().size() == 4 && !year_first;
  if (!year_first && !year_last) throw_form(text, place);
  for (std::size_t i = year_first ? 1 : 0; i < fields.size() - (year_last ? 1 : 0); ++i) {
    if (fields[i].size() > 2) throw_form(text, place);
  }
  Date date{numbers[0], numbers[1], numbers[2]};
  if (year_last) date = {numbers[2], numbers[1], numbers[0]};
  if (date.year == 0 || !to_chrono(date).ok()) {
    throw Error(
        ErrorClass::kData,
        "date.not_in_calendar",
        {.what = fmt::format("{}: no such day", place),
         .seen = "'" + printable(text) + "'",
         .wanted = "a month from 01 to 12 and a day of that month",
         .remedy = "correct the date; an unknown month or day is left out (\"2012\" or \"2012-09\")"});
  }
  return {date, static_cast<int>(fields.size())};
}

std::optional<Date> parse_bound(std::string_view text, std::string_view flag, bool last_day) {
  if (trim(text).empty()) return std::nullopt;
  Parsed parsed;
  try {
    parsed = parse_parts(text, flag);
  } catch (const Error& error) {
    throw Error(ErrorClass::kUsage,
                "period.bad_bound",
                {.what = fmt::format("{} is not a date", flag),
                 .seen = error.text().seen,
                 .wanted = std::string(kForms),
                 .remedy = fmt::format("for example {} 2010 or {} 2022-02-11", flag, flag)});
  }
  if (last_day && parsed.parts == 1) parsed.date = {parsed.date.year, 12, 31};
  if (last_day && parsed.parts == 2) {
    const auto last = to_chrono(parsed.date).year() / to_chrono(parsed.date).month() / std::chrono::last;
    parsed.date = from_chrono(sys_days(last));
  }
  return parsed.date;
}

}  // namespace

int day_of_year(const Date& date) {
  return days_between({date.year, 1, 1}, date) + 1;
}

double decimal_year(const Date& date) {
  return date.year + (day_of_year(date) - 1) / 365.25;
}

Date date_of_decimal_year(double year) {
  const double whole = std::floor(year);
  const sys_days first(to_chrono({static_cast<int>(whole), 1, 1}));
  return from_chrono(first + std::chrono::days(std::lround((year - whole) * 365.25)));
}

int days_between(const Date& from, const Date& to) {
  return static_cast<int>((sys_days(to_chrono(to)) - sys_days(to_chrono(from))).count());
}

std::string to_string(const Date& date) {
  return fmt::format("{:04}-{:02}-{:02}", date.year, date.month, date.day);
}

bool day_and_month_may_swap(std::string_view text) {
  const std::vector<std::string> fields = split(without_time(trim(text)), '/');
  if (fields.size() != 3 || fields[2].size() != 4 || fields[0] == fields[1]) return false;
  const auto day = digits(fields[0]), month = digits(fields[1]);
  return day && month && *day <= 12 && *month <= 12;
}

Date parse_date(std::string_view text, std::string_view place) {
  return parse_parts(text, place).date;
}

bool Period::contains(const Date& date) const {
  return (!from || *from <= date) && (!until || date < *until) && (!to || date <= *to);
}

Period parse_period(std::string_view from, std::string_view until, std::string_view to) {
  const Period period{parse_bound(from, "--from", false),
                      parse_bound(until, "--until", false),
                      parse_bound(to, "--to", true)};
  const bool reversed = period.from && ((period.until && *period.until <= *period.from) ||
                                        (period.to && *period.to < *period.from));
  if (reversed) {
    throw Error(ErrorClass::kUsage,
                "period.reversed",
                {.what = "the period holds no day",
                 .seen = to_string(period),
                 .wanted = "--from before --until, and not after --to",
                 .remedy = "swap the bounds"});
  }
  return period;
}

std::string to_string(const Period& period) {
  std::string text = "date";
  if (period.from) text = to_string(*period.from) + " <= date";
  if (period.until) text += " < " + to_string(*period.until);
  if (period.to) text += (period.until ? ", date <= " : " <= ") + to_string(*period.to);
  return text == "date" ? "all dates" : text;
}

}  // namespace tenfold::compute_trends
