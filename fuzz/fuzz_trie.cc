// SPDX-License-Identifier: Apache-2.0
// The trie of docids.safetensors: an accepted one can be walked everywhere, and each of its identifiers leads back to its document.
#include "fuzz/harness.h"
#include "tenfold/systems/dsi/runtime/docid_trie.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using tenfold::dsi::DocidTrie;
  using tenfold::fuzz::require;
  DocidTrie trie;
  const bool accepted = tenfold::fuzz::accepts([&] {
    trie = DocidTrie::open(tenfold::io::SafetensorsReader(
        tenfold::io::InputFile::view(tenfold::fuzz::as_bytes(data, size), "input")));
  });
  if (!accepted) return 0;
  const auto sequences = trie.sequences();
  for (std::uint32_t document = 0; document < trie.size(); ++document) {
    require(sequences[document].size() <= trie.depth(), "no sequence is longer than the trie is deep");
    require(trie.document_of(sequences[document]) == document, "an identifier leads to its document");
  }
  const DocidTrie again = DocidTrie::build(sequences);
  require(again.prefixes() == trie.prefixes(), "a trie built again from the identifiers is the same");
  return 0;
}
