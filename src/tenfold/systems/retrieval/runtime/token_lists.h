// SPDX-License-Identifier: Apache-2.0
// Token numbers of many texts, one text after the other. No LibTorch.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tenfold::retrieval {

struct TokenLists {
  std::vector<std::int64_t> tokens;
  std::vector<std::int64_t> begins = {0};  // [texts + 1]

  std::size_t size() const { return begins.size() - 1; }
  std::span<const std::int64_t> operator[](std::size_t text) const {
    return std::span(tokens).subspan(static_cast<std::size_t>(begins[text]),
                                     static_cast<std::size_t>(begins[text + 1] - begins[text]));
  }
  void add(std::span<const std::int64_t> text) {
    tokens.insert(tokens.end(), text.begin(), text.end());
    begins.push_back(static_cast<std::int64_t>(tokens.size()));
  }
};

}  // namespace tenfold::retrieval
