// SPDX-License-Identifier: Apache-2.0
// A FileSystem for tests whose N-th operation fails. Loop N from 1 until a run succeeds, and assert the number of
// operations: a new unsafe write then shows up as a failed expectation.
#pragma once

#include <csignal>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tenfold/base/error.h"
#include "tenfold/base/file_system.h"

namespace tenfold::faults {

enum class Fault {
  kNone,
  kNoSpace,     // ENOSPC: Error(kResource, "file.no_space")
  kIo,          // EIO: Error(kFile, "file.io")
  kShortWrite,  // a write stores half of its bytes, then fails as ENOSPC; another operation fails as EIO
  kKill,        // SIGKILL to the whole process just before the operation; use it in a forked child
};

struct FaultPlan {
  Fault fault = Fault::kNone;
  std::uint64_t at = 0;     // number of the operation, from 1
  bool persistent = false;  // all later operations fail too, as after the loss of a disk
};

// Every call that reaches the file system is one operation: create, write, sync, close, rename, exchange, remove,
// make_directories, sync_directory, free_space. Syncs are counted but not done: no test outlives a power loss, and
// hundreds of them would take minutes on some disks.
class FaultyFileSystem : public FileSystem {
 public:
  explicit FaultyFileSystem(FaultPlan plan = {}, FileSystem& inner = real_file_system())
      : plan_(plan), inner_(inner) {}

  std::uint64_t operations() const { return journal_.size(); }
  // "create weights.safetensors", in order; failed operations included.
  const std::vector<std::string>& journal() const { return journal_; }

  std::unique_ptr<WritableFile> create(const Path& path) override {
    enter("create", path);
    return std::make_unique<File>(*this, inner_.create(path), path);
  }
  void rename(const Path& from, const Path& to) override {
    enter("rename", to);
    inner_.rename(from, to);
  }
  void exchange(const Path& a, const Path& b) override {
    enter("exchange", b);
    inner_.exchange(a, b);
  }
  void remove(const Path& path) override {
    enter("remove", path);
    inner_.remove(path);
  }
  void make_directories(const Path& path) override {
    enter("make_directories", path);
    inner_.make_directories(path);
  }
  void sync_directory(const Path& path) override { enter("sync_directory", path); }
  std::uint64_t free_space(const Path& path) override {
    enter("free_space", path);
    return inner_.free_space(path);
  }

 private:
  class File final : public WritableFile {
   public:
    File(FaultyFileSystem& owner, std::unique_ptr<WritableFile> inner, Path path)
        : owner_(owner), inner_(std::move(inner)), path_(std::move(path)) {}

    void write(std::span<const std::byte> bytes) override {
      if (owner_.count("write", path_)) {
        if (owner_.plan_.fault == Fault::kShortWrite) inner_->write(bytes.first(bytes.size() / 2));
        owner_.fail("write", path_, owner_.plan_.fault != Fault::kIo);
      }
      inner_->write(bytes);
    }
    void sync() override { owner_.enter("sync", path_); }
    void close() override {
      owner_.enter("close", path_);
      inner_->close();
    }

   private:
    FaultyFileSystem& owner_;
    std::unique_ptr<WritableFile> inner_;
    Path path_;
  };

  // Counts one operation; true when it must fail.
  bool count(const std::string& operation, const Path& path) {
    journal_.push_back(operation + " " + path.filename().string());
    const bool due = plan_.fault != Fault::kNone &&
                     (plan_.persistent ? journal_.size() >= plan_.at : journal_.size() == plan_.at);
    if (due && plan_.fault == Fault::kKill) std::raise(SIGKILL);
    return due;
  }

  void enter(const std::string& operation, const Path& path) {
    if (count(operation, path)) fail(operation, path, plan_.fault == Fault::kNoSpace);
  }

  [[noreturn]] void fail(const std::string& operation, const Path& path, bool no_space) const {
    throw Error(no_space ? ErrorClass::kResource : ErrorClass::kFile,
                no_space ? "file.no_space" : "file.io",
                {.what = "cannot " + operation + " " + path.string(),
                 .seen = no_space ? "No space left on device" : "Input/output error",
                 .remedy = "injected by a test"});
  }

  FaultPlan plan_;
  FileSystem& inner_;
  std::vector<std::string> journal_;
};

}  // namespace tenfold::faults
