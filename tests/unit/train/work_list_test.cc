// SPDX-License-Identifier: Apache-2.0
// Pieces cover every value once.
#include "tenfold/train/work_list.h"

#include <gtest/gtest.h>

#include <vector>

namespace tenfold::train {
namespace {

TEST(WorkList, CoversEveryValueOnce) {
  const std::vector<std::size_t> sizes = {0, 1, 5, 32767, 32768, 32769, 0, 100000, 3, 3, 3, 70000, 0};
  const WorkList list(sizes);
  std::vector<std::vector<int>> seen;
  for (const std::size_t size : sizes) seen.emplace_back(size, 0);
  std::vector<int> calls(list.pieces().size(), 0);
  list.run([&](std::size_t index, const WorkList::Piece& piece) {
    ASSERT_LE(piece.size, WorkList::kPiece);
    ++calls[index];
    for (std::size_t i = 0; i < piece.size; ++i) ++seen[piece.array][piece.begin + i];
  });
  for (const auto& array : seen) {
    for (const int count : array) ASSERT_EQ(count, 1);
  }
  for (const int count : calls) EXPECT_EQ(count, 1);
}

TEST(WorkList, NothingToDoIsNoWork) {
  WorkList().run([](std::size_t, const WorkList::Piece&) { FAIL(); });
  WorkList(std::vector<std::size_t>{0, 0}).run([](std::size_t, const WorkList::Piece&) { FAIL(); });
}

}  // namespace
}  // namespace tenfold::train
