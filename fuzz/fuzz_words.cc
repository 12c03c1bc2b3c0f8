// SPDX-License-Identifier: Apache-2.0
// Word indexes of bundles (words.safetensors): an accepted one finds only documents it has, for each of its words, and goes on growing.
#include <algorithm>
#include <string>
#include <vector>

#include "fuzz/harness.h"
#include "tenfold/search/bm25_bundle.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tenfold;
  fuzz::accepts([&] {
    search::Bm25Index index =
        search::read_words(io::SafetensorsReader(io::InputFile::view(fuzz::as_bytes(data, size), "input")));
    std::string query;
    const auto parts = index.parts();
    for (std::size_t word = 0; word < std::min<std::size_t>(parts.words.size(), 50); ++word)
      query += parts.words[word] + " ";
    const std::size_t documents = index.size();
    for (const auto& hit : index.search(query, 5)) {
      fuzz::require(hit.row < documents && hit.score > 0, "a hit is a document of the index");
    }
    const std::vector<std::string> more = {query};
    index.add(more);
    fuzz::require(index.size() == documents + 1, "a document more");
    index.search(query, 5);
  });
  return 0;
}
