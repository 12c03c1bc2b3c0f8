// SPDX-License-Identifier: Apache-2.0
// Pieces of arrays.
#include "tenfold/train/work_list.h"

#include <algorithm>

#include "tenfold/base/threads.h"

namespace tenfold::train {

WorkList::WorkList(std::span<const std::size_t> sizes) {
  std::size_t in_task = 0;
  for (std::size_t array = 0; array < sizes.size(); ++array) {
    for (std::size_t begin = 0; begin < sizes[array]; begin += kPiece) {
      const std::size_t size = std::min(kPiece, sizes[array] - begin);
      if (in_task + size > kPiece && in_task > 0) {
        tasks_.push_back(pieces_.size());
        in_task = 0;
      }
      pieces_.push_back({array, begin, size});
      in_task += size;
    }
  }
  if (in_task > 0) tasks_.push_back(pieces_.size());
}

void WorkList::run(const std::function<void(std::size_t, const Piece&)>& body) const {
  parallel_for(tasks_.size() - 1, 1, [&](std::size_t first, std::size_t last) {
    for (std::size_t i = tasks_[first]; i < tasks_[last]; ++i) body(i, pieces_[i]);
  });
}

}  // namespace tenfold::train
