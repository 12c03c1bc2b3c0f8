// SPDX-License-Identifier: Apache-2.0
// The operating system's files: readers that refuse what is not a file, atomic replacement, error classes.
#include "tenfold/base/file_system.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "tenfold/base/error.h"

namespace tenfold {
namespace {

class Files : public testing::Test {
 protected:
  Files() {
    std::string pattern = testing::TempDir() + "tenfold_files_XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~Files() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  Path at(std::string_view name) const { return folder_ / name; }

  Path make(std::string_view name, std::string_view content) const {
    std::ofstream(at(name), std::ios::binary) << content;
    return at(name);
  }

  std::size_t entries() const {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(folder_), std::filesystem::directory_iterator()));
  }

  // Class and code of the error, "no error" when none is thrown.
  template <typename Action>
  static std::string error_of(Action action) {
    try {
      action();
    } catch (const Error& error) {
      EXPECT_FALSE(error.text().seen.empty());
      EXPECT_FALSE(error.text().remedy.empty());
      return std::string(to_string(error.error_class())) + " " + error.code();
    }
    return "no error";
  }

  static std::string read_error(const Path& path) {
    const std::string text = error_of([&] { read_text_file(path); });
    EXPECT_EQ(error_of([&] { read_binary_file(path); }), text);
    return text;
  }
  static std::string write_error(const Path& path) {
    return error_of([&] { write_file_atomically(real_file_system(), path, "new"); });
  }

 private:
  Path folder_;
};

TEST_F(Files, ReadersGiveTheExactBytes) {
  const std::string content("a\0b\r\n\xFF end", 10);
  const Path path = make("f", content);
  EXPECT_EQ(read_text_file(path), content);
  const std::vector<std::byte> bytes = read_binary_file(path);
  ASSERT_EQ(bytes.size(), content.size());
  EXPECT_EQ(std::memcmp(bytes.data(), content.data(), bytes.size()), 0);
}

TEST_F(Files, ReadersTakeAnEmptyFile) {
  EXPECT_EQ(read_text_file(make("empty", "")), "");
  EXPECT_TRUE(read_binary_file(at("empty")).empty());
}

TEST_F(Files, ReadersFollowASymbolicLinkToAFile) {
  make("f", "content");
  std::filesystem::create_symlink("f", at("link"));
  EXPECT_EQ(read_text_file(at("link")), "content");
}

TEST_F(Files, MissingFileIsNamed) {
  EXPECT_EQ(read_error(at("none")), "file file.not_found");
  EXPECT_EQ(read_error(make("f", "x") / "child"), "file file.not_found");
  std::filesystem::create_symlink("nowhere", at("dangling"));
  EXPECT_EQ(read_error(at("dangling")), "file file.not_found");
  try {
    read_text_file(at("none"));
  } catch (const Error& error) {
    EXPECT_NE(error.text().what.find(at("none").string()), std::string::npos);
  }
}

TEST_F(Files, LimitIsInclusiveAndCheckedBeforeReading) {
  make("f", "12345");
  EXPECT_EQ(read_text_file(at("f"), 5), "12345");
  EXPECT_EQ(error_of([&] { read_text_file(at("f"), 4); }), "file file.too_large");
  EXPECT_EQ(error_of([&] { read_binary_file(at("f"), 0); }), "file file.too_large");
  try {
    read_text_file(at("f"), 4);
  } catch (const Error& error) {
    EXPECT_EQ(error.text().seen, "5 bytes");
    EXPECT_EQ(error.text().wanted, "at most 4 bytes");
  }
}

TEST_F(Files, SparseFileOfATerabyteIsRefusedWithoutMemory) {
  make("sparse", "");
  if (::truncate(at("sparse").c_str(), off_t{1} << 40) != 0) GTEST_SKIP() << "no sparse files here";
  EXPECT_EQ(read_error(at("sparse")), "file file.too_large");
}

TEST_F(Files, FifoIsRefusedWithoutWaitingForAWriter) {
  ASSERT_EQ(::mkfifo(at("fifo").c_str(), 0600), 0);
  EXPECT_EQ(read_error(at("fifo")), "file file.not_regular");
}

TEST_F(Files, FolderDeviceAndSocketAreRefused) {
  EXPECT_EQ(read_error(at("")), "file file.not_regular");
  EXPECT_EQ(read_error("/dev/null"), "file file.not_regular");
  EXPECT_EQ(read_error("/dev/zero"), "file file.not_regular");
  const int listener = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_GE(listener, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(at("s").string().size(), sizeof address.sun_path);
  std::strcpy(address.sun_path, at("s").c_str());
  ASSERT_EQ(::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(read_error(at("s")), "file file.not_regular");
  EXPECT_EQ(write_error(at("s")), "file file.not_regular");
  ::close(listener);
}

TEST_F(Files, CircularLinkAndOverlongNameAreBadPaths) {
  std::filesystem::create_symlink("b", at("a"));
  std::filesystem::create_symlink("a", at("b"));
  EXPECT_EQ(read_error(at("a")), "file file.bad_path");
  EXPECT_EQ(write_error(at("a") / "f"), "file file.bad_path");
  EXPECT_EQ(read_error(at(std::string(300, 'n'))), "file file.bad_path");
  EXPECT_EQ(write_error(at(std::string(300, 'n'))), "file file.bad_path");
}

TEST_F(Files, UnreadableFileIsAPermissionError) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read every file";
  make("secret", "x");
  std::filesystem::permissions(at("secret"), std::filesystem::perms::none);
  EXPECT_EQ(read_error(at("secret")), "file file.no_permission");
}

TEST_F(Files, FolderWithoutRightsIsAPermissionErrorAndNotAForeignException) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may enter every folder";
  std::filesystem::create_directory(at("closed"));
  std::filesystem::permissions(at("closed"), std::filesystem::perms::none);
  EXPECT_EQ(read_error(at("closed") / "f"), "file file.no_permission");
  EXPECT_EQ(write_error(at("closed") / "f"), "file file.no_permission");
  std::filesystem::permissions(at("closed"), std::filesystem::perms::owner_all);
}

TEST_F(Files, ReadOnlyPlaceIsAPermissionErrorEvenForRoot) {
  if (!std::filesystem::is_directory("/sys/kernel")) GTEST_SKIP() << "/sys is not mounted here";
  EXPECT_EQ(write_error("/sys/kernel/tenfold_test"), "file file.no_permission");
}

TEST_F(Files, TooManyOpenFilesIsAResourceError) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP()
      << "the undefined-behaviour sanitizer needs a pipe of its own and reports a wrong type without one";
#endif
  make("f", "x");
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{.rlim_cur = 0, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const std::string reading = read_error(at("f")), writing = write_error(at("f"));
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(reading, "resource file.system_limit");
  EXPECT_EQ(writing, "resource file.system_limit");
  EXPECT_EQ(read_text_file(at("f")), "x");
}

TEST_F(Files, FullDiskIsAResourceError) {
  if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "/dev/full is missing";
  const std::unique_ptr<WritableFile> file = real_file_system().create("/dev/full");
  const std::byte bytes[4] = {};
  EXPECT_EQ(error_of([&] { file->write(bytes); }), "resource file.no_space");
}

TEST_F(Files, FileSizeLimitIsReportedAndLeavesNothing) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{.rlim_cur = 1000, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string seen =
      error_of([&] { write_file_atomically(real_file_system(), at("f"), std::string(5000, 'x')); });
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(seen, "file file.io");
  EXPECT_EQ(entries(), 0u);
}

TEST_F(Files, WriterAppendsPiecesInOrder) {
  const std::unique_ptr<WritableFile> file = real_file_system().create(at("f"));
  for (const std::string_view piece : {"one ", "", "two"}) {
    file->write(std::as_bytes(std::span(piece.data(), piece.size())));
  }
  file->sync();
  file->close();
  EXPECT_EQ(read_text_file(at("f")), "one two");
  EXPECT_EQ(error_of([&] { file->close(); }), "file file.io");
}

TEST_F(Files, CreateTruncatesAndGivesUsualRights) {
  make("old", "a long old content");
  real_file_system().create(at("old"))->close();
  EXPECT_EQ(read_text_file(at("old")), "");
  const mode_t mask = ::umask(022);
  real_file_system().create(at("new"))->close();
  ::umask(mask);
  EXPECT_EQ(static_cast<int>(std::filesystem::status(at("new")).permissions()), 0644);
}

TEST_F(Files, CreateRefusesAMissingFolder) {
  EXPECT_EQ(error_of([&] { real_file_system().create(at("none") / "f"); }), "file file.not_found");
  EXPECT_EQ(write_error(at("none") / "f"), "file file.not_found");
  EXPECT_EQ(write_error(""), "file file.not_found");
}

TEST_F(Files, RenameReplacesAndReportsAMissingSource) {
  make("from", "1");
  make("to", "2");
  real_file_system().rename(at("from"), at("to"));
  EXPECT_EQ(read_text_file(at("to")), "1");
  EXPECT_EQ(error_of([&] { real_file_system().rename(at("from"), at("to")); }), "file file.not_found");
}

TEST_F(Files, ExchangeSwapsFilesAndFoldersInOneStep) {
  make("a", "1");
  make("b", "2");
  try {
    real_file_system().exchange(at("a"), at("b"));
  } catch (const Error& error) {
    ASSERT_EQ(error.code(), "file.cannot_exchange");
    GTEST_SKIP() << error.what();
  }
  EXPECT_EQ(read_text_file(at("a")), "2");
  EXPECT_EQ(read_text_file(at("b")), "1");
  std::filesystem::create_directory(at("folder"));
  make("folder/inside", "3");
  real_file_system().exchange(at("a"), at("folder"));
  EXPECT_EQ(read_text_file(at("a") / "inside"), "3");
  EXPECT_EQ(read_text_file(at("folder")), "2");
  EXPECT_EQ(error_of([&] { real_file_system().exchange(at("a"), at("none")); }), "file file.not_found");
}

TEST_F(Files, RemoveTakesFilesAndEmptyFoldersOnly) {
  make("f", "1");
  real_file_system().remove(at("f"));
  real_file_system().make_directories(at("a") / "b");
  EXPECT_EQ(error_of([&] { real_file_system().remove(at("a")); }), "file file.io");
  real_file_system().remove(at("a") / "b");
  real_file_system().remove(at("a"));
  EXPECT_EQ(entries(), 0u);
  EXPECT_EQ(error_of([&] { real_file_system().remove(at("f")); }), "file file.not_found");
}

TEST_F(Files, MakeDirectoriesMakesParentsAndMayBeRepeated) {
  real_file_system().make_directories(at("a") / "b" / "c");
  real_file_system().make_directories(at("a") / "b" / "c");
  EXPECT_TRUE(std::filesystem::is_directory(at("a") / "b" / "c"));
  make("file", "");
  EXPECT_EQ(error_of([&] { real_file_system().make_directories(at("file") / "x"); }), "file file.not_found");
}

TEST_F(Files, SyncDirectoryTakesFoldersOnly) {
  real_file_system().sync_directory(at(""));
  real_file_system().sync_directory("");  // the working folder
  EXPECT_EQ(error_of([&] { real_file_system().sync_directory(at("none")); }), "file file.not_found");
}

TEST_F(Files, FreeSpaceIsThatOfTheFileSystemOfThePath) {
  const std::uint64_t ours = real_file_system().free_space(at(""));
  const std::filesystem::space_info space = std::filesystem::space(at(""));
  EXPECT_LE(ours, space.capacity);
  EXPECT_GT(real_file_system().free_space(""), 0u);
  EXPECT_EQ(error_of([&] { real_file_system().free_space(at("none")); }), "file file.not_found");
}

TEST_F(Files, AtomicWriteMakesAndReplacesAFileAndLeavesNoOther) {
  write_file_atomically(real_file_system(), at("f"), "first");
  EXPECT_EQ(read_text_file(at("f")), "first");
  write_file_atomically(real_file_system(), at("f"), "");
  EXPECT_EQ(read_text_file(at("f")), "");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(Files, AtomicWriteTakesARelativeName) {
  const Path before = std::filesystem::current_path();
  std::filesystem::current_path(at(""));
  write_file_atomically(real_file_system(), "plain_name", "content");
  std::filesystem::current_path(before);
  EXPECT_EQ(read_text_file(at("plain_name")), "content");
}

TEST_F(Files, AtomicWriteReplacesALinkAndNeverWritesThroughIt) {
  make("target", "target's");
  std::filesystem::create_symlink("target", at("link"));
  write_file_atomically(real_file_system(), at("link"), "new");
  EXPECT_EQ(read_text_file(at("target")), "target's");
  EXPECT_EQ(read_text_file(at("link")), "new");
  EXPECT_FALSE(std::filesystem::is_symlink(at("link")));
  std::filesystem::create_symlink("nowhere", at("dangling"));
  write_file_atomically(real_file_system(), at("dangling"), "new");
  EXPECT_EQ(read_text_file(at("dangling")), "new");
  EXPECT_FALSE(std::filesystem::exists(at("nowhere")));
}

TEST_F(Files, AtomicWriteRefusesAFolderAFifoAndADevice) {
  std::filesystem::create_directory(at("folder"));
  EXPECT_EQ(write_error(at("folder")), "file file.not_regular");
  ASSERT_EQ(::mkfifo(at("fifo").c_str(), 0600), 0);
  EXPECT_EQ(write_error(at("fifo")), "file file.not_regular");
  EXPECT_TRUE(std::filesystem::is_fifo(at("fifo")));
  // Root could replace the name itself: a link stands in for the device here, so a bug costs no /dev/null.
  std::filesystem::create_symlink("/dev/null", at("null"));
  EXPECT_EQ(write_error(at("null")), "file file.not_regular");
  EXPECT_TRUE(std::filesystem::is_symlink(at("null")));
  EXPECT_EQ(entries(), 3u);
}

TEST_F(Files, AtomicWriteRefusesALinkToAnOpenDescriptorAsDevStdoutIs) {
  const int descriptor = ::open(make("redirected", "").c_str(), O_WRONLY | O_CLOEXEC);
  ASSERT_GE(descriptor, 0);
  std::filesystem::create_symlink("/proc/self/fd/" + std::to_string(descriptor), at("stdout"));
  if (std::filesystem::is_regular_file(at("stdout"))) {
    EXPECT_EQ(write_error(at("stdout")), "file file.not_regular");
    EXPECT_TRUE(std::filesystem::is_symlink(at("stdout")));
  }
  ::close(descriptor);
}

TEST_F(Files, AtomicWritePassesTheExceptionOfItsWriterOnAndKeepsTheOldContent) {
  make("f", "old");
  EXPECT_THROW(write_file_atomically(real_file_system(),
                                     at("f"),
                                     [](WritableFile& file) {
                                       const std::byte bytes[3] = {};
                                       file.write(bytes);
                                       throw 7;
                                     }),
               int);
  EXPECT_EQ(read_text_file(at("f")), "old");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(Files, AtomicWriteNamesTheTargetAndNotTheTemporaryFile) {
  try {
    write_file_atomically(real_file_system(), at("nodir/x.svg"), "text");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "file.not_found");
    EXPECT_TRUE(error.text().what.ends_with("nodir/x.svg")) << error.text().what;
  }
}

TEST_F(Files, PathExistsTellsAbsenceFromAPathThatCannotBeLookedUp) {
  EXPECT_FALSE(path_exists(at("absent")));
  EXPECT_FALSE(path_exists(at("absent/below")));
  EXPECT_TRUE(path_exists(make("f", "text")));
  EXPECT_EQ(error_of([&] { path_exists(at(std::string(300, 'n'))); }), "file file.bad_path");
}

}  // namespace
}  // namespace tenfold
