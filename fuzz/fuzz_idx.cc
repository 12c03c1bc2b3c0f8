// SPDX-License-Identifier: Apache-2.0
// IDX files, plain and gzip: an accepted array has exactly the bytes of its shape, within the limit; asking for the shape
// alone gives the same answer.
#include "fuzz/harness.h"
#include "tenfold/io/idx.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::uint64_t kLimit = 100'000;
  tenfold::io::IdxArray array;
  tenfold::io::IdxInfo info;
  const auto file = tenfold::io::InputFile::view(tenfold::fuzz::as_bytes(data, size), "input");
  const bool read = tenfold::fuzz::accepts([&] { array = tenfold::io::read_idx(file, kLimit); });
  const bool asked = tenfold::fuzz::accepts([&] { info = tenfold::io::idx_info(file, kLimit); });
  tenfold::fuzz::require(read == asked, "reading and asking agree");
  if (!read) return 0;
  tenfold::fuzz::require(array.data.size() <= kLimit, "the limit holds");
  tenfold::fuzz::require(tenfold::io::byte_count(array.dtype, array.shape) == array.data.size(),
                         "shape and data agree");
  tenfold::fuzz::require(array.dtype == info.dtype && array.shape == info.shape, "the shape is the same");
  return 0;
}
