// SPDX-License-Identifier: Apache-2.0
// How much memory the opening or refusing of a file takes, as the growth of the resident set's high-water mark in a child
// process of its own.
#pragma once

#include <cstdint>

#include "tenfold/base/file_system.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TENFOLD_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TENFOLD_SANITIZED 1
#endif
#endif

namespace tenfold::io {

struct Measured {
  std::uint64_t growth = 0;  // bytes
  char code[64] = "";        // of the error; "accepted"
};

using Opening = void (*)(const Path& path);

// Takes the measurement now; an Opening calls it while what it opened is still in memory.
void note_memory();

Measured measure_here(Opening opening, const Path& path);

// A forked child starts with its high-water mark at its present size. It refuses `warm_up` first, which pays for the pages of
// code and of the unwinder.
Measured measure_in_child(Opening opening, const Path& path, const Path& warm_up);

}  // namespace tenfold::io
