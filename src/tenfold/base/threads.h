// SPDX-License-Identifier: Apache-2.0
// One thread setting for the process, and loops over it whose results do not depend on it.
#pragma once

#include <cstddef>
#include <functional>

namespace tenfold {

// Cores this process may run on (affinity mask and cgroup quota), at least 1.
int available_cores();

// Threads to use when the user says nothing: OMP_NUM_THREADS when it is a positive number, else available_cores(), divided
// by the ranks of a distributed run on this machine unless the process is bound to some of the cores already.
int default_thread_count();

// Number of threads used by parallel_for and handed to OpenMP; the program also hands it to LibTorch and
// BLAS.
void set_thread_count(int count);  // throws Error(kUsage) unless 1 <= count <= 1024
int thread_count();                // default_thread_count() until set

// Calls body(begin, end) on disjoint ranges that cover [0, count), each a multiple of `grain` long but for
// the last. Ranges depend on grain alone, never on the thread count. Exceptions of a body reach the caller
// (the first by range).
void parallel_for(std::size_t count,
                  std::size_t grain,
                  const std::function<void(std::size_t begin, std::size_t end)>& body);

}  // namespace tenfold
