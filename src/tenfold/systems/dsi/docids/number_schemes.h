// SPDX-License-Identifier: Apache-2.0
// Identifiers that say nothing about their documents: one token each (arXiv 2202.06991, section 3.2, "unstructured atomic"), and
// random numbers in decimal digits ("naively structured string").
#pragma once

#include <string>
#include <vector>

#include "tenfold/systems/dsi/docids/digit_code.h"
#include "tenfold/systems/dsi/docids/docid_scheme.h"

namespace tenfold::dsi {

class AtomicScheme : public DocidScheme {
 public:
  using DocidScheme::DocidScheme;
  std::string text(std::span<const std::uint32_t> sequence) const override;

 protected:
  std::vector<std::vector<std::uint32_t>> fit(const DocidDocuments& documents) override;
  std::vector<std::vector<std::uint32_t>> extend(const DocidDocuments& documents,
                                                 const Docids& docids) const override;
  std::uint32_t tokens(std::size_t documents) const override { return static_cast<std::uint32_t>(documents); }
  void save(State&) const override {}
  void load(const io::SafetensorsReader&) override {}
};

// Numbers 0 to N - 1 in an order drawn from the seed: the order of a corpus would tell about its documents. New documents get the
// next numbers, in drawn order too.
class NaiveScheme : public DocidScheme {
 public:
  using DocidScheme::DocidScheme;
  std::string text(std::span<const std::uint32_t> sequence) const override;

 protected:
  std::vector<std::vector<std::uint32_t>> fit(const DocidDocuments& documents) override;
  std::vector<std::vector<std::uint32_t>> extend(const DocidDocuments& documents,
                                                 const Docids& docids) const override;
  std::uint32_t tokens(std::size_t) const override { return code_.tokens(); }
  void save(State&) const override {}
  void load(const io::SafetensorsReader&) override {}

 private:
  std::vector<std::vector<std::uint32_t>> numbers(std::uint64_t first, std::size_t count) const;
  DigitCode code_;
};

}  // namespace tenfold::dsi
