// SPDX-License-Identifier: Apache-2.0
// A chart as a gnuplot script: pure text, nothing is run here.
#pragma once

#include <string>
#include <string_view>

#include "tenfold/report/chart.h"
#include "tenfold/report/gnuplot.h"

namespace tenfold::report {

enum class PictureFormat { kSvg, kPng };

// A double-quoted gnuplot string that prints `text` literally on one line: everything that gnuplot could read as more
// than a letter (quotes, back-quotes, backslash, macros, formats, markup) is written as an octal escape.
std::string gnuplot_quote(std::string_view text);

// Data stands in datablocks, texts only inside gnuplot_quote. Throws what make_layout() throws.
std::string gnuplot_script(const Chart& chart, PictureSize size, PictureFormat format);

}  // namespace tenfold::report
