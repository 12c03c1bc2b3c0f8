// SPDX-License-Identifier: Apache-2.0
// Indexes of bundles: an accepted one can be searched, by lists, by a graph or by a scan, and finds its own rows only; it can be compacted
// and added to. The first four bytes are the length of index.safetensors, what follows that is index.codes.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "fuzz/harness.h"
#include "tenfold/search/index_bundle.h"

namespace {

using tenfold::fuzz::accepts;
using tenfold::fuzz::require;

void check_hits(const tenfold::search::VectorIndex& index, const std::vector<float>& query) {
  const auto found = index.search({query.data(), 1, query.size()}, {.k = 3, .probes = 2});
  for (const auto& hit : found[0])
    require(hit.row < index.size() && !index.removed().test(hit.row), "a hit is a row of the index");
}

template <typename Index>
void use(Index& index) {
  if (index.dimension() > 4096) return;
  const std::vector<float> query(index.dimension(), 0.5f);
  check_hits(index, query);
  require(index.codes().size() == index.size() * index.quantizer().code_bytes(), "a code a row");
  if (!accepts([&] { index.add({query.data(), 1, query.size()}); })) return;
  check_hits(index, query);
  index.compact();
  require(index.live() == index.size(), "compacting leaves no removed row");
  check_hits(index, query);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tenfold;
  std::uint32_t length = 0;
  if (size < sizeof length) return 0;
  std::memcpy(&length, data, sizeof length);
  const auto bytes = fuzz::as_bytes(data + sizeof length, size - sizeof length);
  const auto header = bytes.first(std::min<std::size_t>(length, bytes.size()));
  const io::InputFile::Mapping codes{bytes.subspan(header.size()), nullptr};
  const auto tensors = [&] { return io::SafetensorsReader(io::InputFile::view(header, "input")); };
  accepts([&] {
    auto members = search::parse_index(tensors(), codes);
    use(members.index);
  });
  accepts([&] {
    auto index = search::parse_graph_index(tensors(), codes);
    use(index);
  });
  return 0;
}
