// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/memory_files.h"

#include <gtest/gtest.h>

#include "tenfold/base/error.h"

namespace tenfold::serve {
namespace {

void write(FileSystem& files, const Path& path, const std::string& text) {
  const auto file = files.create(path);
  file->write(std::as_bytes(std::span(text.data(), text.size())));
  file->sync();
  file->close();
}

TEST(MemoryFiles, KeepWhatIsWrittenAndNothingOnTheDisk) {
  MemoryFiles files;
  write_file_atomically(files, "/no/such/folder/a.txt", "one");
  EXPECT_EQ(files.files().at("/no/such/folder/a.txt"), "one");
  EXPECT_EQ(files.files().size(), 1u) << "the temporary file went";
  EXPECT_FALSE(std::filesystem::exists("/no/such/folder"));
}

TEST(MemoryFiles, AreBounded) {
  MemoryFiles files(10);
  write(files, "a", "12345");
  write(files, "a", "123456789");
  write(files, "b", "1");
  try {
    write(files, "c", "1");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "serve.result_too_large");
  }
  files.remove("a");
  files.remove("a");
  write(files, "c", "12345678");
  EXPECT_EQ(files.free_space("/"), 10u);
}

TEST(MemoryFiles, RenameAndExchange) {
  MemoryFiles files(10);
  write(files, "a", "one");
  write(files, "b", "two");
  files.exchange("a", "b");
  EXPECT_EQ(files.files().at("a"), "two");
  files.rename("a", "b");
  EXPECT_EQ(files.files().at("b"), "two");
  EXPECT_EQ(files.files().size(), 1u);
  write(files, "c", "1234567");
  EXPECT_THROW(files.rename("x", "y"), Error);
  EXPECT_THROW(files.exchange("x", "b"), Error);
  EXPECT_THROW(files.exchange("b", "x"), Error);
}

}  // namespace
}  // namespace tenfold::serve
