// SPDX-License-Identifier: Apache-2.0
// Identifiers by residual quantisation (Chen et al., "Approximate nearest neighbor search by residual vector quantization", Sensors 2010; as
// identifiers: RIPOR, arXiv 2311.09134): level by level the nearest codeword of what the levels before left over.
#pragma once

#include <string>
#include <vector>

#include "tenfold/systems/dsi/docids/digit_code.h"
#include "tenfold/systems/dsi/docids/docid_scheme.h"

namespace tenfold::dsi {

// The first document with its codes has no more tokens; the next ones get a number in base K behind. One level of tokens is kept more
// than used.
class ResidualScheme : public DocidScheme {
 public:
  explicit ResidualScheme(const DocidOptions& options);
  std::string text(std::span<const std::uint32_t> sequence) const override;

 protected:
  bool reads_embeddings() const override { return true; }
  std::vector<std::vector<std::uint32_t>> fit(const DocidDocuments& documents) override;
  std::vector<std::vector<std::uint32_t>> extend(const DocidDocuments& documents,
                                                 const Docids& docids) const override;
  std::uint32_t tokens(std::size_t) const override { return code_.tokens(); }
  std::vector<std::uint32_t> level_begins() const override { return code_.level_begins(); }
  void save(State& state) const override;
  void load(const io::SafetensorsReader& file) override;

 private:
  std::span<const float> codebook(std::size_t level) const;
  std::vector<Digits> codes_of(const search::Vectors& rows) const;

  DigitCode code_;
  std::size_t levels_ = 0;  // of codes
  std::size_t dimension_ = 0;
  std::vector<float> codewords_;  // [levels, K or the number of documents, dimension]
};

}  // namespace tenfold::dsi
