// SPDX-License-Identifier: Apache-2.0
// The rule of every harness: any input may be refused with tenfold::Error, but never with class internal, and no other
// exception may leave the library.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>

#include "tenfold/base/error.h"

namespace tenfold::fuzz {

inline std::string_view as_text(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

inline std::span<const std::byte> as_bytes(const std::uint8_t* data, std::size_t size) {
  return std::as_bytes(std::span(data, size));
}

// A broken promise of the parser: stops the fuzzer, which then keeps the input.
inline void require(bool condition, const char* promise) {
  if (condition) return;
  std::fprintf(stderr, "broken promise: %s\n", promise);
  std::abort();
}

// Runs `parse`; true when it accepted the input.
template <typename Parse>
bool accepts(const Parse& parse) {
  try {
    parse();
    return true;
  } catch (const Error& error) {
    require(error.error_class() != ErrorClass::kInternal, error.what());
    return false;
  }
}

}  // namespace tenfold::fuzz
