// SPDX-License-Identifier: Apache-2.0
// Atomic writing under injected faults: whichever operation fails, a file is wholly old or wholly new.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tenfold/base/error.h"
#include "tenfold/base/file_system.h"
#include "tests/support/faulty_file_system.h"

namespace tenfold {
namespace {

using faults::Fault;
using faults::FaultyFileSystem;

// create, three writes, sync, close, rename, sync_directory: a new operation must be placed in these tests.
constexpr std::uint64_t kOperations = 8;
constexpr std::uint64_t kRename = 7;
const std::string kOld = "old content";
const std::string kNew = "new first, new second, new third";

class AtomicWrite : public testing::Test {
 protected:
  AtomicWrite() {
    std::string pattern = testing::TempDir() + "tenfold_faults_XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~AtomicWrite() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  Path target() const { return folder_ / "f"; }

  void write_old() const { std::ofstream(target(), std::ios::binary) << kOld; }

  void write_new(FileSystem& files) const {
    write_file_atomically(files, target(), [](WritableFile& file) {
      for (const std::string_view piece : {"new first, ", "new second, ", "new third"}) {
        file.write(std::as_bytes(std::span(piece.data(), piece.size())));
      }
    });
  }

  std::vector<std::string> entries() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }

 private:
  Path folder_;
};

TEST_F(AtomicWrite, SyncsBeforeItRenamesAndTheFolderAfterwards) {
  FaultyFileSystem files;
  write_new(files);
  ASSERT_EQ(files.operations(), kOperations);
  std::vector<std::string> names;
  for (const std::string& line : files.journal()) names.push_back(line.substr(0, line.find(' ')));
  EXPECT_EQ(names,
            (std::vector<std::string>{
                "create", "write", "write", "write", "sync", "close", "rename", "sync_directory"}));
  EXPECT_EQ(files.journal()[kRename - 1], "rename f");
  EXPECT_EQ(read_text_file(target()), kNew);
}

TEST_F(AtomicWrite, KeepsTheOldContentAndNoTemporaryFileWhicheverOperationFails) {
  for (const Fault fault : {Fault::kNoSpace, Fault::kIo, Fault::kShortWrite}) {
    for (const bool persistent : {false, true}) {
      for (std::uint64_t at = 1; at <= kOperations; ++at) {
        write_old();
        FaultyFileSystem files({.fault = fault, .at = at, .persistent = persistent});
        EXPECT_THROW(write_new(files), Error) << at;
        // Only the sync of the folder comes after the new content is in place.
        EXPECT_EQ(read_text_file(target()), at <= kRename ? kOld : kNew) << at;
        EXPECT_EQ(entries(), std::vector<std::string>{"f"}) << at;
      }
    }
  }
}

TEST_F(AtomicWrite, MakesNoFileWhenAFirstWriteFails) {
  for (std::uint64_t at = 1; at <= kRename; ++at) {
    FaultyFileSystem files({.fault = Fault::kShortWrite, .at = at});
    EXPECT_THROW(write_new(files), Error);
    EXPECT_TRUE(entries().empty()) << at;
  }
}

TEST_F(AtomicWrite, ReportsTheFirstFailureWithItsClass) {
  for (const auto& [fault, code] : {std::pair{Fault::kNoSpace, 6}, std::pair{Fault::kIo, 5}}) {
    FaultyFileSystem files({.fault = fault, .at = 3, .persistent = true});
    try {
      write_new(files);
      FAIL() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), code);
      EXPECT_EQ(error.text().remedy, "injected by a test");
      EXPECT_NE(error.text().what.find("write"), std::string::npos);
    }
  }
}

TEST_F(AtomicWrite, SucceedsWhenRepeatedAfterAFailure) {
  write_old();
  FaultyFileSystem files({.fault = Fault::kIo, .at = 5});
  EXPECT_THROW(write_new(files), Error);
  write_new(files);
  EXPECT_EQ(read_text_file(target()), kNew);
  EXPECT_EQ(entries().size(), 1u);
}

TEST_F(AtomicWrite, KillLeavesTheOldOrTheNewContentWhole) {
  for (std::uint64_t at = 1; at <= kOperations; ++at) {
    write_old();
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      FaultyFileSystem files({.fault = Fault::kKill, .at = at});
      write_new(files);
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << at;
    EXPECT_EQ(read_text_file(target()), at <= kRename ? kOld : kNew) << at;
  }
}

TEST_F(AtomicWrite, WritersInOneProcessDoNotShareATemporaryName) {
  FaultyFileSystem files;
  write_file_atomically(files, target(), [&](WritableFile& outer) {
    write_file_atomically(files, target(), "inner");
    outer.write(std::as_bytes(std::span("outer", 5)));
  });
  EXPECT_EQ(read_text_file(target()), "outer");
  EXPECT_EQ(entries().size(), 1u);
}

}  // namespace
}  // namespace tenfold
