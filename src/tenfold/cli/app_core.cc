// SPDX-License-Identifier: Apache-2.0
// Entry of libtenfold_app_core.so: the program without LibTorch.
#include "tenfold/cli/program.h"

extern "C" int tenfold_app_main(int argc, char** argv) {
  return tenfold::cli::run(tenfold::cli::core_program(), argc, argv);
}
