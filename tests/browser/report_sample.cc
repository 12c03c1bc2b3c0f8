// SPDX-License-Identifier: Apache-2.0
// Writes the sample report and its pictures into a folder: for the browser check, and for judging charts by eye.
#include <exception>
#include <iostream>

#include "tenfold/base/file_system.h"
#include "tenfold/report/gnuplot.h"
#include "tenfold/report/html.h"
#include "tests/unit/report/sample_charts.h"

int main(int argc, char** argv) try {
  using namespace tenfold;
  if (argc != 2) {
    std::cerr << "usage: report_sample FOLDER\n";
    return 2;
  }
  const Path folder = argv[1];
  FileSystem& files = real_file_system();
  files.make_directories(folder);
  write_file_atomically(files, folder / "report.html", report::to_html(report::samples::sample_report()));
  for (const report::Chart& chart : {report::samples::growth_chart(),
                                     report::samples::bar_chart(),
                                     report::samples::line_chart(),
                                     report::samples::hostile_chart()}) {
    write_file_atomically(files, folder / (chart.id + ".svg"), report::to_svg(chart));
    write_file_atomically(files, folder / (chart.id + "_800.svg"), report::to_svg(chart, {800, 520}));
    write_file_atomically(files, folder / (chart.id + ".png"), report::to_png(chart));
  }
  return 0;
} catch (const std::exception& error) {
  std::cerr << error.what() << "\n";
  return 1;
}
