// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/dsi/docids/tree_scheme.h"

#include <algorithm>

#include "tenfold/base/random.h"

namespace tenfold::dsi {
namespace {

constexpr std::uint64_t kShuffleStream = 0x73687566;
constexpr std::uint64_t kLeafStream = 0x6c656166;
constexpr std::uint64_t kMostLevels = 4096;

std::size_t or_default(std::int64_t value, std::size_t otherwise) {
  return value == 0 ? otherwise : static_cast<std::size_t>(value);
}

}  // namespace

TreeScheme::TreeScheme(const DocidOptions& options)
    : DocidScheme(options),
      by_level_(options.scheme == "position"),
      random_(options.scheme == "random_tree") {
  tree_options_ = {.branches = std::max<std::size_t>(2, or_default(options.branches, by_level_ ? 30 : 10)),
                   .leaf = or_default(options.leaf, by_level_ ? 30 : 100),
                   .depth = static_cast<std::size_t>(options.depth),
                   .iterations = static_cast<std::size_t>(options.iterations),
                   .seed = seed()};
  if (by_level_) base_ = static_cast<std::uint32_t>(std::max<std::size_t>(2, tree_options_.leaf));
  code_.block = std::max(base_, static_cast<std::uint32_t>(tree_options_.branches));
}

std::string TreeScheme::text(std::span<const std::uint32_t> sequence) const {
  return digits_text(code_.decode(sequence));
}

std::vector<std::vector<std::uint32_t>> TreeScheme::fit(const DocidDocuments& documents) {
  std::vector<std::uint32_t> leaf_of;
  tree_ = ClusterTree::build(documents.embeddings, tree_options_, leaf_of);
  const std::vector<Digits> paths = tree_.paths();
  std::vector<Digits> digits;
  digits.reserve(leaf_of.size());
  std::vector<std::uint64_t> next(tree_.size(), 0);
  std::size_t longest = 0;
  for (const std::uint32_t leaf : leaf_of) {
    digits.push_back(paths[leaf]);
    append_number(next[leaf]++, base_, digits.back());
    longest = std::max(longest, digits.back().size());
  }
  if (by_level_) code_.levels = static_cast<std::uint32_t>(longest + 1);
  std::vector<std::uint32_t> order(digits.size());
  for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  if (random_) random::permutation(seed(), kShuffleStream, order);
  std::vector<std::vector<std::uint32_t>> sequences;
  sequences.reserve(digits.size());
  for (const std::uint32_t i : order) sequences.push_back(code_.encode(digits[i]));
  return sequences;
}

std::vector<std::vector<std::uint32_t>> TreeScheme::extend(const DocidDocuments& documents,
                                                           const Docids& docids) const {
  search::check_vectors(documents.embeddings, tree_.dimension, "documents");
  ClusterDescent descent(tree_);
  const std::vector<Digits> paths = tree_.paths();
  std::vector<std::uint64_t> next(tree_.size(), 0);
  std::vector<std::uint32_t> leaves;  // of the documents there are
  for (const auto& sequence : docids.sequences) {
    const Digits digits = code_.decode(sequence);
    std::size_t used = 0;
    const std::uint32_t leaf = tree_.leaf_at(digits, used);
    next[leaf] = std::max(next[leaf], parse_number(std::span(digits).subspan(used), base_) + 1);
    descent.count(leaf);
    leaves.push_back(leaf);
  }
  if (leaves.empty()) fail_bad_docid("there are no identifiers to add to");
  random::Generator draws(seed(), kLeafStream, leaves.size());
  std::vector<std::vector<std::uint32_t>> sequences;
  for (std::size_t i = 0; i < documents.count; ++i) {
    const std::uint32_t leaf = random_ ? leaves[draws.below(static_cast<std::uint32_t>(leaves.size()))]
                                       : descent.leaf_for(documents.embeddings.row(i));
    Digits digits = paths[leaf];
    append_number(next[leaf]++, base_, digits);
    sequences.push_back(code_.encode(digits));
    descent.count(leaf);
  }
  return sequences;
}

void TreeScheme::save(State& state) const {
  state.put_number("levels", code_.levels);
  state.put_number("dimension", tree_.dimension);
  state.put<std::uint8_t>("kinds", {tree_.size()}, tree_.kinds);
  state.put<std::uint32_t>("children", {tree_.size(), tree_.branches}, tree_.children);
  const std::uint64_t width = tree_.branches * tree_.dimension;
  state.put<float>("centroids", {tree_.centroids.size() / width, width}, tree_.centroids);
}

void TreeScheme::load(const io::SafetensorsReader& file) {
  code_.levels = static_cast<std::uint32_t>(scheme_number(file, "levels", kMostLevels));
  tree_.branches = tree_options_.branches;
  tree_.dimension = scheme_number(file, "dimension", std::uint64_t{1} << 24);
  tree_.kinds = file.read_as<std::uint8_t>("kinds");
  tree_.children = file.read_as<std::uint32_t>("children");
  tree_.centroids = file.read_as<float>("centroids");
  if (by_level_ != (code_.levels != 0) || tree_.dimension == 0)
    fail_damaged_scheme(
        "levels and dimension are not those of the scheme", "0", "at least 1, levels by position only");
  tree_.check();
}

}  // namespace tenfold::dsi
