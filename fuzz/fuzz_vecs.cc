// SPDX-License-Identifier: Apache-2.0
// Vector files: rows times dimension is the number of values, and a range of rows is that part of the whole. The first
// byte chooses the type, the second and third the range.
#include <algorithm>

#include "fuzz/harness.h"
#include "tenfold/io/vecs.h"

namespace {

template <typename T>
void check(std::span<const std::byte> bytes, std::uint64_t first, std::uint64_t count) {
  using tenfold::fuzz::accepts;
  using tenfold::fuzz::require;
  const auto file = tenfold::io::InputFile::view(bytes, "input");
  tenfold::io::VecsMatrix<T> part;
  const bool part_accepted = accepts([&] {
    part = tenfold::io::read_vecs<T>(file, {.first_row = first, .max_rows = count, .max_bytes = 4096});
  });
  tenfold::io::VecsMatrix<T> whole;
  if (!accepts([&] { whole = tenfold::io::read_vecs<T>(file, {.max_bytes = 4096}); })) return;
  require(part_accepted, "a range of an accepted file is accepted");
  require(whole.values.size() == whole.rows * whole.dimension,
          "rows times dimension is the number of values");
  require(whole.rows == tenfold::io::count_vecs_rows<T>(file),
          "the number of rows is known without reading them");
  require(part.rows == std::min(count, whole.rows - std::min(first, whole.rows)), "the range has its rows");
  for (std::uint64_t i = 0; i < part.rows; ++i) {
    const auto a = std::as_bytes(part.row(i));
    const auto b = std::as_bytes(whole.row(first + i));
    require(std::equal(a.begin(), a.end(), b.begin(), b.end()), "a row is the same by both ways");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const auto bytes = tenfold::fuzz::as_bytes(data + 3, size - 3);
  if (data[0] % 3 == 0) check<float>(bytes, data[1], data[2]);
  if (data[0] % 3 == 1) check<std::int32_t>(bytes, data[1], data[2]);
  if (data[0] % 3 == 2) check<std::uint8_t>(bytes, data[1], data[2]);
  return 0;
}
