// SPDX-License-Identifier: Apache-2.0
// JSON lines: strict reading with line numbers, limits, and a writer that survives being killed.
#include "tenfold/io/jsonl.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/unit/io/text_test_util.h"

namespace tenfold::io {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<nlohmann::json> values_of(std::string_view text, const JsonlOptions& options = {}) {
  MemorySource source(text, "m.jsonl");
  JsonlReader reader(source, options);
  std::vector<nlohmann::json> values;
  nlohmann::json value;
  while (reader.next(value)) values.push_back(value);
  return values;
}

std::string refusal(std::string_view text, const JsonlOptions& options = {}) {
  return error_of([&] { values_of(text, options); });
}

void write_text(const Path& path, std::string_view text) {
  write_file_atomically(real_file_system(), path, text);
}

TEST(Jsonl, ReadsValuesWithLineNumbers) {
  MemorySource source("{\"step\":1}\r\n\n  \n{\"step\":2, \"t\":\"\xC3\xA4\"}");
  JsonlReader reader(source);
  nlohmann::json value;
  ASSERT_TRUE(reader.next(value));
  EXPECT_EQ(value.at("step"), 1);
  EXPECT_EQ(reader.line(), 1u);
  EXPECT_EQ(reader.text(), "{\"step\":1}");
  EXPECT_TRUE(reader.line_has_end());
  ASSERT_TRUE(reader.next(value));
  EXPECT_EQ(value.at("t"), "\xC3\xA4");
  EXPECT_EQ(reader.line(), 4u);
  EXPECT_FALSE(reader.line_has_end());
  EXPECT_FALSE(reader.next(value));
  EXPECT_FALSE(reader.next(value)) << "the end stays the end";
}

TEST(Jsonl, ReadsThroughEveryBufferSplit) {
  std::string text;
  for (int i = 0; i < 50; ++i) text += "{\"i\": " + std::to_string(i) + "}" + (i % 3 == 0 ? "\r\n" : "\n");
  for (std::size_t step = 1; step < 20; ++step) {
    DripSource source(text, step);
    JsonlReader reader(source);
    nlohmann::json value;
    for (int i = 0; i < 50; ++i) {
      ASSERT_TRUE(reader.next(value));
      ASSERT_EQ(value.at("i"), i);
    }
    EXPECT_FALSE(reader.next(value));
  }
}

TEST(Jsonl, RefusesWhatIsNotStrictJsonWithTheLine) {
  const std::string good = "{\"a\":1}\n";
  for (const std::string& bad : {std::string("{'a':1}"),
                                 std::string("{\"a\":1,}"),
                                 std::string("{\"a\":NaN}"),
                                 std::string("{\"a\":1} {\"a\":2}"),
                                 std::string("{\"a\":01}"),
                                 std::string("{\"a\":1 // x\n}"),
                                 std::string("{\"a\":"),
                                 std::string("\xEF\xBB\xBF{}")}) {
    EXPECT_EQ(refusal(good + bad + "\n"), "data json.syntax") << bad;
    EXPECT_THAT(message_of([&] { values_of(good + bad + "\n"); }), HasSubstr("m.jsonl line 2"));
  }
  EXPECT_EQ(refusal("{\"a\":1,\"a\":2}\n"), "data json.duplicate_key");
  EXPECT_EQ(refusal("{\"a\":\"\xFF\"}\n"), "data json.bad_utf8");
}

TEST(Jsonl, RefusesOtherValuesThanObjectsUnlessAllowed) {
  EXPECT_EQ(refusal("[1]\n"), "data jsonl.not_an_object");
  EXPECT_EQ(refusal("3\n"), "data jsonl.not_an_object");
  EXPECT_THAT(values_of("[1]\n3\nnull\n", {.objects_only = false}),
              ElementsAre(nlohmann::json({1}), nlohmann::json(3), nlohmann::json()));
}

TEST(Jsonl, KeepsItsLimits) {
  EXPECT_EQ(refusal("{\"a\":10}\n", {.line_bytes = 8}), "no error");
  EXPECT_EQ(refusal("{\"a\":100}\n", {.line_bytes = 8}), "resource jsonl.line_too_long");
  EXPECT_EQ(refusal("{}\n{}\n{}\n", {.lines = 2}), "resource jsonl.too_many_lines");
  EXPECT_EQ(refusal("{\"a\":[[1]]}\n", {.depth = 3}), "no error");
  EXPECT_EQ(refusal("{\"a\":[[[1]]]}\n", {.depth = 3}), "data json.too_deep");
  EXPECT_EQ(refusal(std::string(100'000, '['), {.objects_only = false}), "data json.too_deep");
}

TEST(Jsonl, WritesWholeLines) {
  TempFolder folder;
  JsonlWriter writer = JsonlWriter::create(real_file_system(), folder / "m.jsonl");
  writer.append("{\"step\":1}");
  writer.append("{}");
  EXPECT_EQ(read_text_file(folder / "m.jsonl"), "{\"step\":1}\n{}\n") << "nothing may wait in a buffer";
  writer.sync();
  writer.close();
}

TEST(Jsonl, RefusesToWriteLinesItCouldNotRead) {
  TempFolder folder;
  JsonlWriter writer = JsonlWriter::create(real_file_system(), folder / "m.jsonl");
  EXPECT_EQ(error_of([&] { writer.append("{\n}"); }), "internal internal.broken_invariant");
  EXPECT_EQ(error_of([&] { writer.append("3"); }), "internal internal.broken_invariant");
  EXPECT_EQ(read_text_file(folder / "m.jsonl"), "");
}

TEST(Jsonl, ResumesAfterATornLine) {
  TempFolder folder;
  write_text(folder / "m.jsonl", "{\"step\":1}\n{\"step\":2}\n{\"ste");
  JsonlWriter writer = JsonlWriter::resume(real_file_system(), folder / "m.jsonl");
  writer.append("{\"step\":3}");
  writer.close();
  EXPECT_EQ(read_text_file(folder / "m.jsonl"), "{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n");
  EXPECT_FALSE(std::filesystem::exists(folder / "m.jsonl.tmp"));
}

TEST(Jsonl, ResumesFromACheckpointByDroppingLaterLines) {
  TempFolder folder;
  write_text(folder / "m.jsonl", "{\"step\":1}\n{\"step\":2}\n{\"step\":3}");
  const auto until_two = [](const nlohmann::json& line) { return line.at("step") <= 2; };
  JsonlWriter writer = JsonlWriter::resume(real_file_system(), folder / "m.jsonl", until_two);
  writer.append("{\"step\":9}");
  EXPECT_EQ(read_text_file(folder / "m.jsonl"), "{\"step\":1}\n{\"step\":2}\n{\"step\":9}\n");
  EXPECT_THAT(values_of(read_text_file(folder / "m.jsonl")).back().at("step"), 9);
}

TEST(Jsonl, ResumesAFileThatIsNotThereOrEmpty) {
  TempFolder folder;
  JsonlWriter::resume(real_file_system(), folder / "new.jsonl").append("{}");
  EXPECT_EQ(read_text_file(folder / "new.jsonl"), "{}\n");
  write_text(folder / "empty.jsonl", "");
  JsonlWriter::resume(real_file_system(), folder / "empty.jsonl").append("{}");
  EXPECT_EQ(read_text_file(folder / "empty.jsonl"), "{}\n");
}

TEST(Jsonl, LeavesADamagedFileAsItWas) {
  TempFolder folder;
  const std::string text = "{\"step\":1}\nbroken\n{\"step\":3}\n";
  write_text(folder / "m.jsonl", text);
  EXPECT_EQ(error_of([&] { JsonlWriter::resume(real_file_system(), folder / "m.jsonl"); }),
            "data json.syntax");
  EXPECT_EQ(read_text_file(folder / "m.jsonl"), text);
  EXPECT_FALSE(std::filesystem::exists(folder / "m.jsonl.tmp"));
}

// Hands every call on to the real file system, but fails at the one with number `fail_at`.
class FailingFileSystem final : public FileSystem {
 public:
  explicit FailingFileSystem(int fail_at) : fail_at_(fail_at) {}
  std::unique_ptr<WritableFile> create(const Path& path) override {
    count();
    return std::make_unique<File>(*this, real_file_system().create(path));
  }
  void rename(const Path& from, const Path& to) override {
    count();
    real_file_system().rename(from, to);
  }
  void exchange(const Path& a, const Path& b) override { real_file_system().exchange(a, b); }
  void remove(const Path& path) override { real_file_system().remove(path); }
  void make_directories(const Path& path) override { real_file_system().make_directories(path); }
  void sync_directory(const Path& path) override {
    count();
    real_file_system().sync_directory(path);
  }
  std::uint64_t free_space(const Path& path) override { return real_file_system().free_space(path); }
  int calls() const { return calls_; }

 private:
  class File final : public WritableFile {
   public:
    File(FailingFileSystem& owner, std::unique_ptr<WritableFile> real)
        : owner_(owner), real_(std::move(real)) {}
    void write(std::span<const std::byte> bytes) override {
      owner_.count();
      real_->write(bytes);
    }
    void sync() override {
      owner_.count();
      real_->sync();
    }
    void close() override { real_->close(); }

   private:
    FailingFileSystem& owner_;
    std::unique_ptr<WritableFile> real_;
  };

  void count() {
    if (++calls_ == fail_at_)
      throw Error(ErrorClass::kResource, "file.no_space", {.what = "the disk is full"});
  }

  int fail_at_;
  int calls_ = 0;
};

TEST(Jsonl, ResumeLosesNothingWhenAnyOperationFails) {
  TempFolder folder;
  const std::string text = "{\"step\":1}\n{\"step\":2}\n";
  FailingFileSystem counting(0);
  write_text(folder / "m.jsonl", text);
  JsonlWriter::resume(counting, folder / "m.jsonl");
  ASSERT_EQ(counting.calls(), 6) << "create, two lines, sync, rename, sync of the folder";
  for (int fail_at = 1; fail_at <= counting.calls(); ++fail_at) {
    write_text(folder / "m.jsonl", text);
    FailingFileSystem failing(fail_at);
    EXPECT_EQ(error_of([&] { JsonlWriter::resume(failing, folder / "m.jsonl"); }), "resource file.no_space");
    EXPECT_EQ(read_text_file(folder / "m.jsonl"), text) << fail_at;
    EXPECT_FALSE(std::filesystem::exists(folder / "m.jsonl.tmp")) << fail_at;
  }
}

TEST(Jsonl, ResumeReportsAPathThatCannotBeLookedUpAsAFileError) {
  TempFolder folder;
  const auto resume = [&](const Path& path) {
    return error_of([&] { JsonlWriter::resume(real_file_system(), path); });
  };
  EXPECT_EQ(resume(folder / std::string(300, 'n')), "file file.bad_path");
  std::filesystem::create_symlink("loop", folder / "loop");
  EXPECT_EQ(resume(folder / "loop"), "file file.bad_path");
}

TEST(Jsonl, ResumeNamesTheFileAndNotItsTemporary) {
  TempFolder folder;
  write_text(folder / "m.jsonl", "{\"step\":1}\n");
  std::filesystem::create_directory(folder / "m.jsonl.tmp");
  const std::string message =
      message_of([&] { JsonlWriter::resume(real_file_system(), folder / "m.jsonl"); });
  EXPECT_THAT(message, HasSubstr("m.jsonl"));
  EXPECT_THAT(message, testing::Not(HasSubstr(".tmp")));
}

}  // namespace
}  // namespace tenfold::io
