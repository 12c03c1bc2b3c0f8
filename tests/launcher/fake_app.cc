// SPDX-License-Identifier: Apache-2.0
// A stand-in for the real program: prints what the launcher prepared.
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>

extern "C" int tenfold_app_main(int argc, char** argv) {
  const auto text = [](const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr ? value : "unset";
  };
  const auto kernel = reinterpret_cast<const char* (*)()>(::dlsym(RTLD_DEFAULT, "openblas_get_corename"));
  std::printf("coretype=%s kernel=%s threads=%s spin=%s arguments=%d last=%s\n",
              text("OPENBLAS_CORETYPE"),
              kernel != nullptr ? kernel() : "none",
              text("OMP_NUM_THREADS"),
              text("GOMP_SPINCOUNT"),
              argc,
              argv[argc - 1]);
  return 23;
}
