// SPDX-License-Identifier: Apache-2.0
// A stand-in for OpenBLAS: says it chose the kernel that FAKE_KERNEL names, or the one OPENBLAS_CORETYPE asks for.
#include <cstdlib>

extern "C" const char* openblas_get_corename() {
  if (const char* asked = std::getenv("OPENBLAS_CORETYPE")) return asked;
  const char* kernel = std::getenv("FAKE_KERNEL");
  return kernel != nullptr ? kernel : "Prescott";
}
