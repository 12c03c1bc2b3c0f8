// SPDX-License-Identifier: Apache-2.0
// Memory and loops of the fused layers: arrays on cache lines that only grow, and parallel loops over LibTorch's threads.
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace tenfold::forward_gradient {

// An array that starts on a cache line, of zeros at first. Elements are plain numbers.
template <typename T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t size) { grow(size); }

  // At least `size` elements; when more memory is needed, all are zero afterwards, else they stay.
  void grow(std::size_t size) {
    if (size <= size_) return;
    const std::size_t bytes = size * sizeof(T);
    data_.reset();
    data_.reset(static_cast<T*>(::operator new(bytes, kAlignment)));
    size_ = size;
    std::fill_n(data_.get(), size, T{});
  }
  void release() {
    data_.reset();
    size_ = 0;
  }
  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  T& operator[](std::size_t i) { return data_.get()[i]; }
  T operator[](std::size_t i) const { return data_.get()[i]; }
  std::size_t size() const { return size_; }
  std::size_t bytes() const { return size_ * sizeof(T); }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Delete {
    void operator()(T* data) const { ::operator delete(data, kAlignment); }
  };
  std::unique_ptr<T, Delete> data_;
  std::size_t size_ = 0;
};

// One part of a buffer for each thread.
template <typename T>
class ThreadBuffer {
 public:
  // Before the parallel loop.
  void prepare(std::size_t size_per_thread) {
    stride_ = (size_per_thread + 63) / 64 * 64;
    buffer_.grow(stride_ * static_cast<std::size_t>(at::get_num_threads()));
  }
  // Inside of it.
  T* own() { return buffer_.data() + stride_ * static_cast<std::size_t>(at::get_thread_num()); }
  std::size_t bytes() const { return buffer_.bytes(); }

 private:
  Buffer<T> buffer_;
  std::size_t stride_ = 0;
};

// body(i) for i in [0, count), each by one thread.
template <typename Body>
void parallel_each(std::size_t count, const Body& body) {
  at::parallel_for(0, static_cast<std::int64_t>(count), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) body(static_cast<std::size_t>(i));
  });
}

inline std::ptrdiff_t stride_of(std::size_t value) {
  return static_cast<std::ptrdiff_t>(value);
}

inline constexpr std::size_t round_up(std::size_t value, std::size_t unit) {
  return (value + unit - 1) / unit * unit;
}

}  // namespace tenfold::forward_gradient
