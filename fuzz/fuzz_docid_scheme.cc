// SPDX-License-Identifier: Apache-2.0
// The scheme of docid_scheme.safetensors: an accepted one writes itself again, names any sequence or refuses it, and takes new documents.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "fuzz/harness.h"
#include "tenfold/systems/dsi/docids/docid_scheme.h"

namespace {

using tenfold::dsi::DocidScheme;

class Bytes final : public tenfold::WritableFile {
 public:
  void write(std::span<const std::byte> bytes) override {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  void sync() override {}
  void close() override {}
  std::span<const std::byte> all() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

std::unique_ptr<DocidScheme> read(std::span<const std::byte> bytes) {
  return tenfold::dsi::read_docid_scheme(
      tenfold::io::SafetensorsReader(tenfold::io::InputFile::view(bytes, "input")));
}

// Identifiers of one more document behind `sequences`, when the scheme has such; vectors of a width it may have.
void extend(const DocidScheme& scheme, std::vector<std::vector<std::uint32_t>> sequences) {
  const std::vector<std::string> titles{"old river"};
  const std::vector<float> vector{0.5f, -1.0f};
  auto docids = scheme.layout(std::move(sequences));
  const std::size_t before = docids.sequences.size();
  const bool added = tenfold::fuzz::accepts([&] {
    scheme.add({.count = 1, .titles = titles, .embeddings = tenfold::search::as_vectors(vector, 2)}, docids);
  });
  tenfold::fuzz::require(docids.sequences.size() == before + (added ? 1 : 0), "all or nothing is added");
  if (!added) return;
  for (const std::uint32_t token : docids.sequences.back())
    tenfold::fuzz::require(token < docids.tokens, "a token of the vocabulary");
  scheme.text(docids.sequences.back());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::unique_ptr<DocidScheme> scheme;
  if (!tenfold::fuzz::accepts([&] { scheme = read(tenfold::fuzz::as_bytes(data, size)); })) return 0;
  Bytes first, second;
  scheme->write(first);
  read(first.all())->write(second);
  tenfold::fuzz::require(std::ranges::equal(first.all(), second.all()),
                         "what was read writes the same again");
  extend(*scheme, {});
  for (std::uint32_t a = 0; a < 14; ++a)
    for (std::uint32_t b = 0; b < 14; ++b) extend(*scheme, {{a, b, 0}});
  return 0;
}
