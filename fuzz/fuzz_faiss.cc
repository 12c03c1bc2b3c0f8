// SPDX-License-Identifier: Apache-2.0
// Index files of Faiss: whatever is accepted can be searched, and written and read again with the same codes.
#include "fuzz/harness.h"
#include "tenfold/search/faiss_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using tenfold::search::FaissIndex;
  FaissIndex index;
  if (!tenfold::fuzz::accepts(
          [&] { index = tenfold::search::parse_faiss(tenfold::fuzz::as_bytes(data, size), "input"); }))
    return 0;
  if (!index.codes || index.codes->dimension() > 4096) return 0;
  const std::vector<float> query(index.codes->dimension(), 0.5f);
  const auto hits = index.codes->search({query.data(), 1, query.size()}, {.k = 3, .probes = 2});
  for (const auto& hit : hits[0])
    tenfold::fuzz::require(hit.row < index.codes->size(), "a hit is a row of the index");
  tenfold::fuzz::require(
      index.codes->codes().size() == index.codes->size() * index.codes->quantizer().code_bytes(),
      "a code a row");
  return 0;
}
