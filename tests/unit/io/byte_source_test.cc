// SPDX-License-Identifier: Apache-2.0
#include "tenfold/io/byte_source.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "tests/unit/io/text_test_util.h"

namespace tenfold::io {
namespace {

// The streaming reader and the readers of base open files in one place, so they refuse for the same reasons.
TEST(FileSource, RefusesWhatTheReadersOfBaseRefuse) {
  TempFolder folder;
  const Path socket_path = folder / "socket";
  const int listener = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(socket_path.string().size(), sizeof address.sun_path);
  std::copy_n(socket_path.c_str(), socket_path.string().size(), address.sun_path);
  ASSERT_EQ(::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  std::filesystem::create_symlink("loop", folder / "loop");
  for (const Path& path :
       {socket_path, folder / "loop", folder / std::string(300, 'a'), folder / "none", folder.path()}) {
    const std::string wanted = error_of([&] { read_text_file(path); });
    EXPECT_EQ(error_of([&] { FileSource source(path); }), wanted) << path;
    EXPECT_NE(wanted, "file file.io") << path;
  }
  ::close(listener);
}

TEST(FileSource, StopsAtTheLimitWhenTheFileGrows) {
  TempFolder folder;
  const Path path = folder / "log";
  write_file_atomically(real_file_system(), path, std::string(8, 'a'));
  FileSource source(path, 10);
  std::filesystem::resize_file(path, 100);
  std::string buffer(64, '\0');
  EXPECT_EQ(error_of([&] { source.read(std::span(buffer.data(), buffer.size())); }), "file file.too_large");
}

}  // namespace
}  // namespace tenfold::io
