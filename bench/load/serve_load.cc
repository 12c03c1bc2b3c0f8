// SPDX-License-Identifier: Apache-2.0
// The server under load, on loopback: overhead, two workers against one, four times its capacity, a stop under load.
// usage: serve_load [--quick] [echo] [workers] [overload] [drain]     (all four when none is named)
// Prints a row for each measurement with its goal. Times are only reported; the exit code is 1 when an answer was wrong, a
// request was lost or the memory grew: that must not happen on any machine.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <functional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "bench/load/load_client.h"
#include "bench/load/served_child.h"

namespace tenfold::bench {
namespace {

constexpr double kModelMilliseconds = 2.0;

std::string infer_request() {
  const std::string body = R"({"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]}]})";
  return fmt::format(
      "POST /v2/models/load/infer HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
      "application/json\r\nContent-Length: {}\r\n\r\n{}",
      body.size(),
      body);
}

class Report {
 public:
  void row(const std::string& name, const LoadResult& result, double megabytes) const {
    fmt::print("{:<34} {:>9.0f} requests/s  p50 {:>8.0f} us  p99 {:>8.0f} us  RSS {:>6.1f} MB\n",
               name,
               result.rate(),
               1e6 * result.percentile(50),
               1e6 * result.percentile(99),
               megabytes);
    std::fflush(stdout);
  }
  void figure(const std::string& name, double value, const std::string& goal) const {
    fmt::print("  {:<48} {:>10.3f}   goal {}\n", name, value, goal);
    std::fflush(stdout);
  }
  void require(bool holds, const std::string& promise) {
    if (holds) return;
    fmt::print("  BROKEN: {}\n", promise);
    broken_ = true;
  }
  void require_answers(const LoadResult& result) {
    require(result.wrong == 0,
            fmt::format("every answer is 200, or 503 with Retry-After; {} are not", result.wrong));
    require(result.cut_off == 0, fmt::format("every request gets an answer; {} do not", result.cut_off));
    require(!result.accepted.empty(), "some requests are answered");
  }
  bool broken() const { return broken_; }

 private:
  bool broken_ = false;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.at(values.size() / 2);
}

// The server and all its threads on one core, the client on another.
void measure_echo(Report& report, bool quick) {
  ServedChild server({.workers = 1, .core = 0});
  const std::string request = infer_request();
  const double seconds = quick ? 0.5 : 3.0;
  run_load({.port = server.port(), .request = request, .connections = 4, .seconds = 0.3});
  std::vector<double> rates, middles, per_cpu;
  for (int round = 0; round < 5; ++round) {
    const LoadResult alone =
        run_load({.port = server.port(), .request = request, .connections = 1, .seconds = seconds});
    const double cpu = server.cpu_seconds();
    const LoadResult many =
        run_load({.port = server.port(), .request = request, .connections = 16, .seconds = seconds});
    per_cpu.push_back(static_cast<double>(many.accepted.size()) / std::max(0.01, server.cpu_seconds() - cpu));
    report.row("echo, 1 connection", alone, server.resident_megabytes());
    report.row("echo, 16 connections", many, server.resident_megabytes());
    report.require_answers(alone);
    report.require_answers(many);
    middles.push_back(1e6 * alone.percentile(50));
    rates.push_back(many.rate());
  }
  report.figure("p50 of one connection, us (median of 5)", median(middles), "<= 150");
  report.figure("requests/s of 16 connections (median of 5)", median(rates), ">= 20000 on one core");
  report.figure("requests a second of the server's CPU time", median(per_cpu), ">= 20000");
}

// Throughput of two workers over one, interleaved; the same of the processor time they got.
void compare_workers(Report& report, bool quick, bool asleep) {
  ServedChild one({.milliseconds = kModelMilliseconds, .asleep = asleep, .workers = 1});
  ServedChild two({.milliseconds = kModelMilliseconds, .asleep = asleep, .workers = 2});
  LoadOptions load{.request = infer_request(), .connections = 8, .seconds = quick ? 0.5 : 3.0};
  const std::string name = asleep ? "2 ms asleep" : "2 ms of computation";
  std::vector<double> ratios, cpu_ratios;
  for (int round = 0; round < 5; ++round) {
    load.port = one.port();
    const double cpu_one = one.cpu_seconds(), cpu_two = two.cpu_seconds();
    const LoadResult first = run_load(load);
    load.port = two.port();
    const LoadResult second = run_load(load);
    const double used_one = one.cpu_seconds() - cpu_one, used_two = two.cpu_seconds() - cpu_two;
    report.row(name + ", 1 worker", first, one.resident_megabytes());
    report.row(name + ", 2 workers", second, two.resident_megabytes());
    report.require_answers(first);
    report.require_answers(second);
    ratios.push_back(second.rate() / std::max(1e-9, first.rate()));
    cpu_ratios.push_back((used_two / second.seconds) / std::max(1e-9, used_one / first.seconds));
  }
  report.figure("throughput of 2 workers over 1 (median of 5)", median(ratios), ">= 1.7 on an idle machine");
  if (!asleep)
    report.figure("processor time that 2 workers got over 1", median(cpu_ratios), "2.0 on an idle machine");
}

void measure_workers(Report& report, bool quick) {
  compare_workers(report, quick, false);
  compare_workers(report, quick, true);  // without the machine's other programs in the figure
}

void measure_overload(Report& report, bool quick) {
  ServedChild server({.milliseconds = kModelMilliseconds, .workers = 1});
  LoadOptions load{.port = server.port(), .request = infer_request(), .connections = 4, .seconds = 1.0};
  const double capacity = run_load(load).rate();
  load.connections = 60;
  load.seconds = quick ? 5.0 : 30.0;
  load.rate = capacity;
  const LoadResult at_capacity = run_load(load);
  const double before = server.resident_megabytes();
  report.row(fmt::format("at capacity ({:.0f}/s arrive)", load.rate), at_capacity, before);
  load.rate = 4 * capacity;
  load.seconds = quick ? 10.0 : 60.0;
  const LoadResult over = run_load(load);
  const double after = server.resident_megabytes();
  report.row(fmt::format("4 x capacity ({:.0f}/s arrive)", load.rate), over, after);
  report.require_answers(at_capacity);
  report.require_answers(over);
  report.figure("p99 of accepted requests over that at capacity",
                over.percentile(99) / std::max(1e-9, at_capacity.percentile(99)),
                "<= 2");
  const auto sent = static_cast<double>(over.accepted.size() + over.refused);
  report.figure("sent over answered at capacity", sent / over.seconds / at_capacity.rate(), ">= 4");
  report.figure("refused with 503 and Retry-After", static_cast<double>(over.refused), "> 0");
  report.figure("memory after over before", after / before, "0.95 to 1.05");
  report.require(over.refused > 0, "what is too much is refused");
  report.require(after <= 1.05 * before, "the memory stays flat");
}

void measure_drain(Report& report, bool quick) {
  for (int round = 0; round < (quick ? 3 : 10); ++round) {
    ServedChild server({.milliseconds = kModelMilliseconds, .workers = 2});
    LoadResult result;
    LoadOptions load{.port = server.port(), .request = infer_request(), .connections = 16, .seconds = 20.0};
    std::thread client([&] { result = run_load(load); });
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    const ServedEnd end = server.stop();
    client.join();
    fmt::print("stop under load: {} answered, {} cut off, {} lost, exit {} after {:.2f} s\n",
               result.accepted.size(),
               result.cut_off,
               end.lost,
               end.exit_code,
               end.seconds);
    report.require_answers(result);
    report.require(end.lost == 0 && end.exit_code == 0, "a stop loses no accepted request");
    report.require(end.answered == result.accepted.size() + result.refused,
                   "client and server count the same answers");
    report.require(end.seconds <= 10.0, "it ends within the time for draining");
  }
}

int run(int argc, char** argv) {
  std::set<std::string> words(argv + 1, argv + argc);
  const bool quick = words.erase("--quick") > 0;
  const std::vector<std::pair<std::string, std::function<void(Report&, bool)>>> scenarios = {
      {"echo", measure_echo},
      {"workers", measure_workers},
      {"overload", measure_overload},
      {"drain", measure_drain}};
  Report report;
  double load = 0.0;
  ::getloadavg(&load, 1);
  fmt::print("load of the machine before: {:.2f} on {} cores\n", load, std::thread::hardware_concurrency());
  for (const auto& [name, measure] : scenarios) {
    if (words.empty() || words.contains(name)) measure(report, quick);
  }
  return report.broken() ? 1 : 0;
}

}  // namespace
}  // namespace tenfold::bench

int main(int argc, char** argv) {
  try {
    return tenfold::bench::run(argc, argv);
  } catch (const std::exception& failure) {
    fmt::print(stderr, "error: serve_load: {}\n", failure.what());
    return 1;
  }
}
