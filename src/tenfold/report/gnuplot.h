// SPDX-License-Identifier: Apache-2.0
// Chart files by the program gnuplot, run as a child process that reads its script from a pipe.
#pragma once

#include <string>

#include "tenfold/base/file_system.h"
#include "tenfold/report/chart.h"

namespace tenfold::report {

struct PictureSize {
  int width = 1000;  // pixels
  int height = 640;
};

// The SVG text or PNG bytes of a chart; the same chart gives the same bytes with the same gnuplot. Throws what
// check() throws, Error(kUsage, "report.picture_size") unless both sides are 200 to 8000 pixels, Error(kResource,
// "report.no_gnuplot") with the package to install, Error(kResource, "report.gnuplot_slow") after 60 seconds, or
// Error(kInternal, "report.gnuplot_failed") with gnuplot's message.
std::string to_svg(const Chart& chart, PictureSize size = {});
std::string to_png(const Chart& chart, PictureSize size = {});

// to_svg() or to_png() by the ending of the file's name. Throws Error(kUsage, "report.picture_name") for another ending.
std::string picture(const Chart& chart, const Path& file, PictureSize size = {});

// That error alone, before the work whose picture it is.
void check_picture_name(const Path& file);

}  // namespace tenfold::report
