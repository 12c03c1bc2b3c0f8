// SPDX-License-Identifier: Apache-2.0
// Runs a harness on every file of a folder, without libFuzzer: the committed corpus as an ordinary test.
// usage: replay_<parser> FOLDER
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <vector>

#include "tenfold/base/file_system.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

// Harnesses with a mutator of their own refer to libFuzzer's; a replay mutates nothing.
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* /*data*/, std::size_t size, std::size_t /*max_size*/) {
  return size;
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  std::vector<tenfold::Path> files;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (const tenfold::Path& file : files) {
    std::printf("%s\n", file.filename().c_str());
    std::fflush(stdout);  // the last line names the input that ended the program
    const std::vector<std::byte> bytes = tenfold::read_binary_file(file);
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  }
  std::printf("%zu inputs\n", files.size());
  return files.empty() ? 1 : 0;
}
