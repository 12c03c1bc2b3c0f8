// SPDX-License-Identifier: Apache-2.0
// Entry of libtenfold_app.so: the whole program.
#include "tenfold/cli/program.h"

extern "C" int tenfold_app_main(int argc, char** argv) {
  return tenfold::cli::run(tenfold::cli::full_program(), argc, argv);
}
