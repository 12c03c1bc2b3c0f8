// SPDX-License-Identifier: Apache-2.0
// Identifiers from a tree of clusters: "semantic" (arXiv 2202.06991, section 3.2), "position" (NCI, arXiv 2206.02743, section 3.1), and
// "random_tree", the first with its identifiers shuffled among the documents.
#pragma once

#include <string>
#include <vector>

#include "tenfold/systems/dsi/docids/cluster_tree.h"
#include "tenfold/systems/dsi/docids/digit_code.h"
#include "tenfold/systems/dsi/docids/docid_scheme.h"

namespace tenfold::dsi {

// The digits down to a leaf, then the number within the leaf: in decimal digits, or for "position" in base c, so that one token suffices
// until documents are added to a full leaf. "position" keeps one level of tokens more than it uses.
class TreeScheme : public DocidScheme {
 public:
  explicit TreeScheme(const DocidOptions& options);
  std::string text(std::span<const std::uint32_t> sequence) const override;
  const ClusterTree& tree() const { return tree_; }

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
  ClusterTreeOptions tree_options_;
  std::uint32_t base_ = 10;  // of numbers within a leaf
  bool by_level_ = false;
  bool random_ = false;
  DigitCode code_;
  ClusterTree tree_;
};

}  // namespace tenfold::dsi
