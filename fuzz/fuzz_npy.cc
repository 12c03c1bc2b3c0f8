// SPDX-License-Identifier: Apache-2.0
// NumPy files: an accepted array has exactly the bytes of its shape, within the limit.
#include "fuzz/harness.h"
#include "tenfold/io/npy.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::uint64_t kLimit = 1000;
  tenfold::io::NpyArray array;
  const auto file = tenfold::io::InputFile::view(tenfold::fuzz::as_bytes(data, size), "input");
  if (!tenfold::fuzz::accepts([&] { array = tenfold::io::read_npy(file, kLimit); })) return 0;
  tenfold::fuzz::require(array.data.size() <= kLimit, "the limit holds");
  tenfold::fuzz::require(array.shape.size() <= tenfold::io::kMaxNpyRank, "the rank is limited");
  tenfold::fuzz::require(tenfold::io::byte_count(array.dtype, array.shape) == array.data.size(),
                         "shape and data agree");
  return 0;
}
