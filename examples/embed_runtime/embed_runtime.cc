// SPDX-License-Identifier: Apache-2.0
// A search engine inside a program of one's own, without LibTorch: opens the index that `tenfold repconc index` wrote and answers the
// lines of standard input. usage: embed_runtime INDEX [K]
#include <fmt/format.h>

#include <iostream>
#include <string>

#include "tenfold/base/error.h"
#include "tenfold/systems/repconc/runtime/text_index.h"

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: embed_runtime INDEX [K]\n");
    return 2;
  }
  try {
    const auto index = tenfold::repconc::TextIndex::open(argv[1]);
    const std::size_t k = argc > 2 ? std::stoul(argv[2]) : 3;
    fmt::print("{} documents in {} bytes each\n", index.size(), index.code_bytes());
    for (std::string line; std::getline(std::cin, line);) {
      try {
        for (const auto& found : index.search(line, k))
          fmt::print("{:.4f} {} {}\n", found.score, found.id, found.text);
      } catch (const tenfold::Error& error) {  // a bad query is no reason to end
        fmt::print("{}\n", error.what());
      }
    }
  } catch (const tenfold::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return error.exit_code();
  }
  return 0;
}
