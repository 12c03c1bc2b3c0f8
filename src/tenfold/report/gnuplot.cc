// SPDX-License-Identifier: Apache-2.0
// Runs gnuplot on a script and judges what came back.
#include "tenfold/report/gnuplot.h"

#include <fmt/format.h>

#include <string_view>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/report/child_process.h"
#include "tenfold/report/gnuplot_script.h"

namespace tenfold::report {
namespace {

// gnuplot echoes the whole failed line before its reason: the last line is the reason.
std::string reason(std::string_view errors) {
  const std::string_view text = trim(errors);
  const std::size_t line = text.rfind('\n');
  return printable(trim(line == std::string_view::npos ? text : text.substr(line)), 1000);
}

// `--default-settings` keeps the user's ~/.gnuplot out: the picture depends on the chart alone.
std::string run_gnuplot(const Chart& chart,
                        PictureSize size,
                        PictureFormat format,
                        std::string_view beginning) {
  ChildResult result = run_child(
      {.arguments = {"gnuplot", "--default-settings"}, .input = gnuplot_script(chart, size, format)});
  const std::string what = fmt::format("chart {}: gnuplot drew no picture", chart.id);
  if (!result.found) {
    throw Error(ErrorClass::kResource,
                "report.no_gnuplot",
                {.what = what,
                 .seen = "no program `gnuplot` in PATH",
                 .wanted = "gnuplot 5.4 or newer",
                 .remedy = "install the package gnuplot-nox"});
  }
  if (result.timed_out) {
    throw Error(ErrorClass::kResource,
                "report.gnuplot_slow",
                {.what = what,
                 .seen = "still running after 60 seconds",
                 .wanted = "an answer within 60 seconds",
                 .remedy = "draw fewer points, or try again when the machine is less busy"});
  }
  if (result.exit_code != 0 || result.too_long || !result.output.starts_with(beginning)) {
    throw Error(ErrorClass::kInternal,
                "report.gnuplot_failed",
                {.what = what,
                 .seen = fmt::format("exit code {}, {} bytes, message: {}",
                                     result.exit_code,
                                     result.output.size(),
                                     reason(result.errors)),
                 .wanted = "a picture",
                 .remedy = "report the chart and this message as a bug"});
  }
  return std::move(result.output);
}

}  // namespace

std::string to_svg(const Chart& chart, PictureSize size) {
  return run_gnuplot(chart, size, PictureFormat::kSvg, "<?xml");
}

std::string to_png(const Chart& chart, PictureSize size) {
  return run_gnuplot(chart, size, PictureFormat::kPng, "\x89PNG\r\n\x1a\n");
}

std::string picture(const Chart& chart, const Path& file, PictureSize size) {
  check_picture_name(file);
  return to_lower(file.extension().string()) == ".svg" ? to_svg(chart, size) : to_png(chart, size);
}

void check_picture_name(const Path& file) {
  const std::string extension = to_lower(file.extension().string());
  if (extension == ".svg" || extension == ".png") return;
  throw Error(ErrorClass::kUsage,
              "report.picture_name",
              {.what = "the kind of picture is not known",
               .seen = printable(file.string(), 400),
               .wanted = "a name ending in .svg or .png",
               .remedy = "pass --file with such a name"});
}

}  // namespace tenfold::report
