// SPDX-License-Identifier: Apache-2.0
// Cuts many arrays of very different sizes into pieces and works through them in parallel. Internal to train/.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

namespace tenfold::train {

// Pieces depend on the sizes alone, never on the thread count: at most kPiece values each, and short arrays share a task, so
// that a model of a thousand small tensors costs few hand-overs.
class WorkList {
 public:
  static constexpr std::size_t kPiece = 32768;

  struct Piece {
    std::size_t array = 0;
    std::size_t begin = 0;
    std::size_t size = 0;
  };

  WorkList() = default;
  explicit WorkList(std::span<const std::size_t> sizes);

  std::span<const Piece> pieces() const { return pieces_; }
  // Calls body(index of the piece, piece) for all pieces, from several threads.
  void run(const std::function<void(std::size_t index, const Piece& piece)>& body) const;

 private:
  std::vector<Piece> pieces_;
  std::vector<std::size_t> tasks_{0};  // task i: pieces tasks_[i] to tasks_[i + 1]
};

}  // namespace tenfold::train
