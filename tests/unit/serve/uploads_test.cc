// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/uploads.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <set>

namespace tenfold::serve {
namespace {

std::string content(const Path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Uploads, IdsCannotBeGuessedFromEachOther) {
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) ids.insert(random_id());
  EXPECT_EQ(ids.size(), 1000u);
  EXPECT_EQ(ids.begin()->size(), 32u);
  EXPECT_EQ(ids.begin()->find_first_not_of("0123456789abcdef"), std::string::npos);
}

TEST(Uploads, NamesAreHarmless) {
  EXPECT_EQ(safe_name("sales table.csv", "x"), "sales-table.csv");
  EXPECT_EQ(safe_name("../../etc/passwd", "x"), "etc-passwd");
  EXPECT_EQ(safe_name("...hidden", "x"), "hidden");
  EXPECT_EQ(safe_name("/", "x"), "x");
  EXPECT_EQ(safe_name("", "x"), "x");
  EXPECT_EQ(safe_name("\xff\xfe", "x"), "x");
  EXPECT_EQ(safe_name("a\nb\"c", "x"), "a-b-c");
  EXPECT_EQ(safe_name(std::string(100, 'a'), "x").size(), 64u);
}

TEST(Uploads, AreKeptInAFolderOfThisUser) {
  UploadStore store;
  struct stat info {};
  ASSERT_EQ(::stat(store.folder().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
  const UploadPtr upload = store.store("a b.csv", "x,y\n1,2\n");
  EXPECT_EQ(upload->file(), store.folder() / upload->id() / "a-b.csv");
  EXPECT_EQ(content(upload->file()), "x,y\n1,2\n");
  EXPECT_EQ(upload->bytes(), 8u);
}

TEST(Uploads, GoWithTheirLastOwner) {
  UploadStore store;
  UploadPtr upload = store.store("a.csv", "1");
  const Path file = upload->file();
  EXPECT_EQ(store.find(upload->id()), nullptr) << "not kept, not reachable";
  store.keep(upload);
  const std::string id = upload->id();
  upload.reset();
  EXPECT_TRUE(std::filesystem::exists(file));
  EXPECT_EQ(store.find(id)->file(), file);
  EXPECT_TRUE(store.forget(id));
  EXPECT_FALSE(store.forget(id));
  EXPECT_FALSE(std::filesystem::exists(file));
  EXPECT_FALSE(std::filesystem::exists(file.parent_path()));
}

TEST(Uploads, TheOldestMakeRoomForNewOnes) {
  UploadStore store({.count = 3, .bytes = 100});
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) {
    const UploadPtr upload = store.store("a", std::string(20, 'x'));
    ids.push_back(upload->id());
    store.keep(upload);
  }
  ASSERT_EQ(store.all().size(), 3u);
  EXPECT_EQ(store.all().front()->id(), ids[4]);
  EXPECT_EQ(store.find(ids[1]), nullptr);
  store.keep(store.store("large", std::string(90, 'x')));
  EXPECT_EQ(store.all().size(), 1u) << "20 + 90 bytes are too many";
  store.keep(store.store("larger", std::string(900, 'x')));
  EXPECT_EQ(store.all().size(), 1u) << "the newest stays";
}

TEST(Uploads, OneInUseOutlivesItsPlace) {
  UploadStore store({.count = 1, .bytes = 100});
  const UploadPtr used = store.store("a", "1");
  store.keep(used);
  store.keep(store.store("b", "2"));
  EXPECT_EQ(store.find(used->id()), nullptr);
  EXPECT_EQ(content(used->file()), "1");
}

TEST(Uploads, NothingIsLeftBehind) {
  Path folder;
  {
    UploadStore store;
    folder = store.folder();
    store.keep(store.store("a", "1"));
  }
  EXPECT_FALSE(std::filesystem::exists(folder));
}

}  // namespace
}  // namespace tenfold::serve
