// SPDX-License-Identifier: Apache-2.0
// Bundles made to reach outside their folder, to block, or to pass off other content. Each is refused with its code, and a
// trace of system calls shows that nothing outside was opened.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <string>
#include <utility>
#include <vector>

#include "tenfold/base/sha256.h"
#include "tenfold/io/bundle.h"
#include "tests/unit/io/text_test_util.h"

namespace tenfold::io {
namespace {

namespace fs = std::filesystem;

constexpr const char* kContent = "steps = 3\n";

void write_text(const Path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

std::string member_json(const std::string& name, const std::string& content = kContent) {
  return R"({"name":")" + name + R"(","size":)" + std::to_string(content.size()) + R"(,"sha256":")" +
         sha256_hex(content) + "\"}";
}

std::string manifest_json(const std::string& members, const std::string& version = "1") {
  return R"({"format_version":)" + version + R"(,"system":"trends","created_by":"test","members":[)" +
         members + "]}";
}

// A folder with a good manifest of one member, config.toml, and a secret file beside it.
class BundleAttack : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory(bundle_);
    write_text(secret_, kContent);  // what an attack wants to have read
    write_text(bundle_ / "manifest.json", manifest_json(member_json("config.toml")));
    write_text(bundle_ / "config.toml", kContent);
    ASSERT_EQ(open_and_read(), "no error");
  }

  std::string open_and_read() const {
    return error_of([&] {
      const BundleReader reader = BundleReader::open(bundle_);
      reader.verify_all();
    });
  }

  void replace_member(const std::function<void(const Path&)>& make) const {
    fs::remove(bundle_ / "config.toml");
    make(bundle_ / "config.toml");
  }

  TempFolder folder_;
  Path bundle_ = folder_ / "bundle";
  Path secret_ = folder_ / "secret";
};

TEST_F(BundleAttack, HostileMemberNamesAreRefused) {
  const std::vector<std::string> names = {"../secret",
                                          "../bundle/config.toml",
                                          "./config.toml",
                                          "config.toml/",
                                          "/etc/hostname",
                                          secret_.string(),
                                          "",
                                          ".",
                                          "..",
                                          "manifest.json",
                                          "CONFIG.TOML",
                                          "config.toml ",
                                          "config.toml\\u0000.safetensors",
                                          "con\\ufb01g.toml",
                                          "weights.pt",
                                          "sub/weights.safetensors",
                                          "..\\\\secret",
                                          "file:///etc/hostname",
                                          "/dev/zero",
                                          "/proc/self/mem"};
  for (const std::string& name : names) {
    write_text(bundle_ / "manifest.json", manifest_json(member_json(name)));
    EXPECT_EQ(open_and_read(), "file bundle.member_name") << name;
  }
}

TEST_F(BundleAttack, AMemberNamedTwiceIsRefused) {
  write_text(bundle_ / "manifest.json",
             manifest_json(member_json("config.toml") + "," + member_json("config.t\\u006fml")));
  EXPECT_EQ(open_and_read(), "file bundle.duplicate_member");
}

TEST_F(BundleAttack, AKeyOfTheManifestTwiceIsRefused) {
  std::string manifest = manifest_json(member_json("config.toml"));
  manifest.insert(1, R"("members":[],)");
  write_text(bundle_ / "manifest.json", manifest);
  EXPECT_EQ(open_and_read(), "file json.duplicate_key");
}

TEST_F(BundleAttack, ASymbolicLinkAsMemberIsRefusedEvenWithTheRightContent) {
  replace_member([&](const Path& path) { fs::create_symlink(secret_, path); });
  EXPECT_EQ(open_and_read(), "file file.symlink");
  replace_member([&](const Path& path) { fs::create_symlink("../secret", path); });
  EXPECT_EQ(open_and_read(), "file file.symlink");
  write_text(bundle_ / "inside", kContent);
  replace_member([&](const Path& path) { fs::create_symlink("inside", path); });
  EXPECT_EQ(open_and_read(), "file file.symlink");
  replace_member([&](const Path& path) { fs::create_symlink("/dev/zero", path); });
  EXPECT_EQ(open_and_read(), "file file.symlink");
}

TEST_F(BundleAttack, AHardLinkAsMemberIsRefused) {
  replace_member([&](const Path& path) { fs::create_hard_link(secret_, path); });
  EXPECT_EQ(open_and_read(), "file file.hard_link");
}

TEST_F(BundleAttack, AFifoAsMemberIsRefusedWithoutBlocking) {
  replace_member([](const Path& path) { ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0); });
  ::alarm(20);  // a reader that blocks is killed
  EXPECT_EQ(open_and_read(), "file file.not_regular");
  ::alarm(0);
}

TEST_F(BundleAttack, AFolderOrSocketAsMemberIsRefused) {
  replace_member([](const Path& path) { fs::create_directory(path); });
  EXPECT_EQ(open_and_read(), "file file.not_regular");
  fs::remove(bundle_ / "config.toml");

  const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_GE(socket, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const fs::path before = fs::current_path();
  fs::current_path(bundle_);  // socket addresses are short
  std::string("config.toml").copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  fs::current_path(before);
  EXPECT_EQ(open_and_read(), "file file.not_regular");
  ::close(socket);
}

TEST_F(BundleAttack, ADeviceAsMemberIsRefused) {
  fs::remove(bundle_ / "config.toml");
  if (::mknod((bundle_ / "config.toml").c_str(), S_IFCHR | 0600, makedev(1, 5)) != 0) {
    GTEST_SKIP() << "this user may not make device files";
  }
  const std::string error = open_and_read();  // a mount with nodev refuses it before we can
  EXPECT_TRUE(error == "file file.not_regular" || error == "file file.no_permission") << error;
}

TEST_F(BundleAttack, TheManifestItselfMustBeAPlainFile) {
  const Path manifest = bundle_ / "manifest.json";
  fs::rename(manifest, folder_ / "manifest.json");
  fs::create_symlink("../manifest.json", manifest);
  EXPECT_EQ(open_and_read(), "file file.symlink");
  fs::remove(manifest);
  fs::create_hard_link(folder_ / "manifest.json", manifest);
  EXPECT_EQ(open_and_read(), "file file.hard_link");
  fs::remove(manifest);
  ASSERT_EQ(::mkfifo(manifest.c_str(), 0600), 0);
  ::alarm(20);
  EXPECT_EQ(open_and_read(), "file file.not_regular");
  ::alarm(0);
  fs::remove(manifest);
  EXPECT_EQ(open_and_read(), "file bundle.no_manifest");
  fs::create_directory(manifest);
  EXPECT_EQ(open_and_read(), "file file.not_regular");
  fs::remove(manifest);
  write_text(manifest, "");
  fs::resize_file(manifest, std::uint64_t{1} << 40);  // a hole of a terabyte
  EXPECT_EQ(open_and_read(), "file file.too_large");
}

TEST_F(BundleAttack, WhatIsNotAFolderIsRefusedWithoutBlocking) {
  const auto error_at = [](const Path& path) { return error_of([&] { BundleReader::open(path); }); };
  EXPECT_EQ(error_at(secret_), "file bundle.not_a_folder");
  const Path fifo = folder_ / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  ::alarm(20);
  EXPECT_EQ(error_at(fifo), "file bundle.not_a_folder");
  ::alarm(0);
  EXPECT_EQ(error_at(folder_ / "absent"), "file file.not_found");
}

TEST_F(BundleAttack, UnknownEntriesOfTheFolderAreIgnored) {
  ASSERT_EQ(::mkfifo((bundle_ / "notes").c_str(), 0600), 0);
  ASSERT_EQ(::mkfifo((bundle_ / "weights.safetensors").c_str(), 0600), 0);  // known name, not in the manifest
  fs::create_symlink("/dev/zero", bundle_ / "data.bin");
  ::alarm(20);
  const BundleReader reader = BundleReader::open(bundle_);
  ::alarm(0);
  EXPECT_EQ(reader.read_text("config.toml"), kContent);
  EXPECT_FALSE(reader.has("weights.safetensors"));
  EXPECT_EQ(error_of([&] { reader.open_tensors(); }), "file bundle.no_such_member");
  EXPECT_EQ(error_of([&] { reader.read_text("../secret"); }), "file bundle.no_such_member");
}

TEST_F(BundleAttack, AnotherContentMissingOrCutIsRefused) {
  write_text(bundle_ / "config.toml", "steps = 4\n");
  EXPECT_EQ(open_and_read(), "file bundle.hash_mismatch");
  write_text(bundle_ / "config.toml", "steps = 3");
  EXPECT_EQ(open_and_read(), "file bundle.size_mismatch");
  fs::remove(bundle_ / "config.toml");
  EXPECT_EQ(open_and_read(), "file bundle.member_missing");
}

TEST_F(BundleAttack, ANewerVersionIsRefusedWithTheRemedyWhateverElseTheManifestSays) {
  write_text(bundle_ / "manifest.json", R"({"format_version":2,"parts":{"a":1}})");
  EXPECT_EQ(open_and_read(), "file bundle.newer_version");
  EXPECT_NE(message_of([&] { BundleReader::open(bundle_); }).find("remedy: update tenfold"),
            std::string::npos);
}

TEST_F(BundleAttack, MalformedFieldsOfTheManifestAreRefused) {
  const std::string good = manifest_json(member_json("config.toml"));
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    return text;
  };
  const std::string hash = sha256_hex(kContent);
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "file json.syntax"},
      {"[]", "file bundle.manifest_field"},
      {"{}", "file bundle.manifest_field"},
      {good + "x", "file json.syntax"},
      {std::string("\xFF"), "file json.bad_utf8"},
      {with("\"format_version\":1", "\"format_version\":0"), "file bundle.manifest_field"},
      {with("\"format_version\":1", "\"format_version\":-1"), "file bundle.manifest_field"},
      {with("\"format_version\":1", "\"format_version\":1.0"), "file bundle.manifest_field"},
      {with("\"format_version\":1", "\"format_version\":\"1\""), "file bundle.manifest_field"},
      {with("\"trends\"", "\"Trends/..\""), "file bundle.manifest_field"},
      {with("\"trends\"", "\"\""), "file bundle.manifest_field"},
      {with("\"trends\"", "7"), "file bundle.manifest_field"},
      {with("\"trends\"", "\"" + std::string(65, 'a') + "\""), "file bundle.manifest_field"},
      {with("\"test\"", "\"" + std::string(257, 'a') + "\""), "file bundle.manifest_field"},
      {with("\"created_by\":\"test\",", ""), "file bundle.manifest_field"},
      {with("\"created_by\"", "\"extra\":1,\"created_by\""), "file bundle.manifest_field"},
      {with("\"size\":10", "\"size\":-10"), "file bundle.manifest_field"},
      {with("\"size\":10", "\"size\":10.5"), "file bundle.manifest_field"},
      {with("\"size\":10", "\"size\":18446744073709551616"), "file bundle.manifest_field"},
      {with("\"size\":10,", ""), "file bundle.manifest_field"},
      {with(hash, hash.substr(1)), "file bundle.member_hash"},
      {with(hash, hash + "0"), "file bundle.member_hash"},
      {with(hash, "G" + hash.substr(1)), "file bundle.member_hash"},
      {with(member_json("config.toml"), "[]"), "file bundle.manifest_field"},
      {with("[" + member_json("config.toml") + "]", "{}"), "file bundle.manifest_field"},
      {"{\"format_version\":" + std::string(100, '['), "file json.too_deep"},
  };
  for (const auto& [text, error] : cases) {
    write_text(bundle_ / "manifest.json", text);
    EXPECT_EQ(open_and_read(), error) << text;
  }
}

// --- proof by a trace of system calls ---

constexpr const char* kTraced = "TENFOLD_TRACED_BUNDLES";
constexpr const char* kBegin = "/tenfold-trace-begin";
constexpr const char* kEnd = "/tenfold-trace-end";

// Runs only as the traced child: opens every bundle in the folder that the variable names, between two marks.
TEST(BundleTrace, DISABLED_Child) {
  const char* folder = std::getenv(kTraced);
  ASSERT_NE(folder, nullptr);
  std::vector<Path> bundles;
  for (const auto& entry : fs::directory_iterator(folder)) bundles.push_back(entry.path());
  sha256_hex("");  // OpenSSL reads its own configuration at the first use
  ::access(kBegin, F_OK);
  for (const Path& bundle : bundles) {
    error_of([&] { BundleReader::open(bundle).verify_all(); });
  }
  ::access(kEnd, F_OK);
}

void make_hostile_bundles(const Path& folder, const Path& canary) {
  const auto make = [&](const std::string& name, const std::string& manifest) {
    fs::create_directory(folder / name);
    write_text(folder / name / "manifest.json", manifest);
    return folder / name;
  };
  make("dots", manifest_json(member_json("../canary")));
  make("absolute", manifest_json(member_json(canary.string())));
  make("nul", manifest_json(member_json("config.toml\\u0000")));
  const Path link = make("link", manifest_json(member_json("config.toml")));
  fs::create_symlink(canary, link / "config.toml");
  const Path fifo = make("fifo", manifest_json(member_json("config.toml")));
  ASSERT_EQ(::mkfifo((fifo / "config.toml").c_str(), 0600), 0);
  const Path good = make("good", manifest_json(member_json("config.toml")));
  write_text(good / "config.toml", kContent);
  fs::create_symlink(canary, good / "unknown");
  const Path outside = make("manifest_link", "");
  fs::remove(outside / "manifest.json");
  fs::create_symlink(canary, outside / "manifest.json");
}

TEST(BundleTrace, NothingOutsideTheFoldersIsOpenedWhateverTheBundlesName) {
  if (std::system("strace -V > /dev/null 2>&1") != 0) GTEST_SKIP() << "strace is not installed";
  const TempFolder folder;
  const Path bundles = folder / "bundles";
  const Path canary = folder / "canary";
  const Path log = folder / "trace.txt";
  fs::create_directory(bundles);
  ASSERT_EQ(::mkfifo(canary.c_str(), 0600), 0);  // opening it to read blocks for ever
  make_hostile_bundles(bundles, canary);
  ::setenv(kTraced, bundles.c_str(), 1);
  const std::string self = fs::read_symlink("/proc/self/exe").string();
  // Leak checking cannot run under a tracer.
  const std::string command =
      "ASAN_OPTIONS=detect_leaks=0 timeout 60 strace -f -s 4096 -e trace=file -o " + log.string() + " " +
      self + " --gtest_also_run_disabled_tests --gtest_filter=BundleTrace.DISABLED_Child > /dev/null 2>&1";
  const int status = std::system(command.c_str());
  ::unsetenv(kTraced);
  std::ifstream trace(log);
  const std::string text{std::istreambuf_iterator<char>(trace), {}};
  const std::size_t begin = text.find(kBegin);
  const std::size_t end = text.find(kEnd);
  if (begin == std::string::npos) GTEST_SKIP() << "strace may not trace here";
  ASSERT_NE(end, std::string::npos) << "the reader did not come to its end";
  ASSERT_EQ(status, 0);

  const std::regex opens_folder("open(at)?\\((AT_FDCWD, )?\"" + bundles.string() +
                                "/[a-z_]+\", [^)]*O_DIRECTORY");
  const std::regex opens_member(R"re(openat\([0-9]+, "(manifest\.json|config\.toml)", [^)]*O_NOFOLLOW)re");
  const std::regex inspects_descriptor(R"re((newfstatat|fstatat64|statx)\([0-9]+, "", )re");
  std::size_t folders = 0;
  std::size_t members = 0;
  std::istringstream lines(text.substr(begin, end - begin));
  std::string line;
  std::getline(lines, line);  // the rest of the first mark
  while (std::getline(lines, line)) {
    if (line.find(kEnd) != std::string::npos || line.ends_with("access(\"")) break;
    const bool folder_opened = std::regex_search(line, opens_folder);
    const bool member_opened = std::regex_search(line, opens_member);
    folders += folder_opened ? 1 : 0;
    members += member_opened ? 1 : 0;
    EXPECT_TRUE(folder_opened || member_opened || std::regex_search(line, inspects_descriptor)) << line;
  }
  EXPECT_EQ(folders, 7u);
  EXPECT_EQ(
      members,
      7u + 4u);  // 7 manifests; config.toml of link and fifo once, of good when opened and when verified
}

}  // namespace
}  // namespace tenfold::io
