// SPDX-License-Identifier: Apache-2.0
// The trie of docids.safetensors: an accepted one can be walked everywhere, and each of its identifiers leads back to its document. An
// input is a whole file, or, behind the letter 'a' and the number of documents, the numbers of its arrays, so that damage gets past the
// header.
#include <algorithm>
#include <cstring>
#include <vector>

#include "fuzz/harness.h"
#include "tenfold/base/file_system.h"
#include "tenfold/systems/dsi/runtime/docid_trie.h"

namespace {

using tenfold::dsi::DocidTrie;
using tenfold::fuzz::require;

class Bytes final : public tenfold::WritableFile {
 public:
  void write(std::span<const std::byte> bytes) override {
    content.insert(content.end(), bytes.begin(), bytes.end());
  }
  void sync() override {}
  void close() override {}
  std::vector<std::byte> content;
};

// A file of [documents] leaves and documents and of as many nodes as numbers are left for.
std::vector<std::byte> file_of_arrays(std::span<const std::uint32_t> numbers, std::size_t documents) {
  using tenfold::io::DType;
  documents = std::min(documents, numbers.size() / 2);
  const auto leaves = numbers.first(documents), by_leaf = numbers.subspan(documents, documents);
  auto nodes = numbers.subspan(2 * documents);
  nodes = nodes.first(nodes.size() / 4 * 4);
  const std::vector<tenfold::io::TensorView> tensors{
      {"nodes", DType::kU32, {nodes.size() / 4, 4}, std::as_bytes(nodes)},
      {"documents", DType::kU32, {documents}, std::as_bytes(by_leaf)},
      {"leaves", DType::kU32, {documents}, std::as_bytes(leaves)}};
  Bytes file;
  tenfold::io::write_safetensors(file, tensors);
  return file.content;
}

void check(std::span<const std::byte> file) {
  DocidTrie trie;
  const bool accepted = tenfold::fuzz::accepts([&] {
    trie = DocidTrie::open(tenfold::io::SafetensorsReader(tenfold::io::InputFile::view(file, "input")));
  });
  if (!accepted) return;
  const auto sequences = trie.sequences();
  for (std::uint32_t document = 0; document < trie.size(); ++document) {
    require(sequences[document].size() <= trie.depth(), "no sequence is longer than the trie is deep");
    require(trie.document_of(sequences[document]) == document, "an identifier leads to its document");
  }
  const DocidTrie again = DocidTrie::build(sequences);
  require(again.prefixes() == trie.prefixes(), "a trie built again from the identifiers is the same");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 || data[0] != 'a') {
    check(tenfold::fuzz::as_bytes(data, size));
    return 0;
  }
  std::vector<std::uint32_t> numbers((size - 2) / 4);
  if (!numbers.empty()) std::memcpy(numbers.data(), data + 2, 4 * numbers.size());
  check(file_of_arrays(numbers, data[1]));
  return 0;
}
