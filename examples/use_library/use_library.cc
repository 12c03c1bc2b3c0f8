// SPDX-License-Identifier: Apache-2.0
// Two things the library does without LibTorch: the growth of training compute from the embedded table, and a look
// into a safetensors file. usage: use_library [FILE.safetensors]
#include <fmt/format.h>

#include <cstdio>
#include <vector>

#include "tenfold/base/error.h"
#include "tenfold/base/version.h"
#include "tenfold/io/safetensors.h"
#include "tenfold/systems/compute_trends/bootstrap.h"
#include "tenfold/systems/compute_trends/table.h"

namespace {

void print_trend(const char* from, const char* until) {
  namespace trends = tenfold::compute_trends;
  const trends::Selection selection =
      trends::select(trends::embedded_table(), {.period = trends::parse_period(from, until, "")});
  std::vector<double> years, log10_flops;
  for (const trends::SystemRow& row : selection.rows) {
    years.push_back(row.decimal_year);
    log10_flops.push_back(trends::log10_flop(row));
  }
  const trends::Fit fit = trends::fit_line(years, log10_flops);
  const trends::BootstrapReport interval =
      trends::bootstrap(years, log10_flops, {.resamples = 2000, .seed = 1});
  fmt::print("{} to {}: {} systems, {:.2f} orders of magnitude a year, doubling time {:.1f} months {}\n",
             from,
             until,
             fit.n,
             fit.line.b,
             fit.doubling_months.value_or(0.0),
             trends::interval_text(interval.doubling));
}

// A file with two tensors, as another program would have written it.
void write_sample(const tenfold::Path& path) {
  const std::vector<float> weight = {1, 2, 3, 4, 5, 6};
  const std::vector<float> bias = {0.5F, -0.5F};
  const std::vector<tenfold::io::TensorView> tensors = {
      {"weight", tenfold::io::DType::kF32, {2, 3}, std::as_bytes(std::span(weight))},
      {"bias", tenfold::io::DType::kF32, {2}, std::as_bytes(std::span(bias))}};
  tenfold::io::write_safetensors(tenfold::real_file_system(), path, tensors, {{"made_by", "use_library"}});
}

void print_tensors(const tenfold::Path& path) {
  const auto reader = tenfold::io::SafetensorsReader::open(path);
  for (const std::string& name : reader.names()) {
    const tenfold::io::TensorInfo info = reader.info(name);
    fmt::print("{}: {} [{}], {} bytes\n",
               name,
               tenfold::io::to_string(info.dtype),
               fmt::join(info.shape, ", "),
               info.bytes);
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    fmt::print("Tenfold {}\n", tenfold::version());
    print_trend("1952", "2010");
    print_trend("2010", "2022");
    if (argc < 2) write_sample("sample.safetensors");
    print_tensors(argc < 2 ? "sample.safetensors" : argv[1]);
  } catch (const tenfold::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return error.exit_code();
  }
  return 0;
}
