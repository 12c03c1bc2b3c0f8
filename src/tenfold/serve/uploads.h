// SPDX-License-Identifier: Apache-2.0
// Files that clients sent: in a private folder of the server, under names that nobody can guess, bounded in number and
// size, gone when the server ends.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/base/file_system.h"

namespace tenfold::serve {

// 32 hexadecimal digits from the system's generator. Throws Error(kResource, "serve.no_randomness").
std::string random_id();

// "sales table.csv" -> "sales-table.csv": letters, digits, '.', '_' and '-', at most 64, not hidden. `fallback` when
// nothing is left.
std::string safe_name(std::string_view name, std::string_view fallback);

// Removed from the disk with its last owner.
class Upload {
 public:
  Upload(std::string id, Path file, std::size_t bytes)
      : id_(std::move(id)), file_(std::move(file)), bytes_(bytes) {}
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;
  ~Upload();
  const std::string& id() const { return id_; }
  const Path& file() const { return file_; }  // <folder>/<id>/<name>
  std::size_t bytes() const { return bytes_; }

 private:
  std::string id_;
  Path file_;
  std::size_t bytes_;
};
using UploadPtr = std::shared_ptr<const Upload>;

struct UploadLimits {
  std::size_t count = 16;
  std::size_t bytes = std::size_t{64} << 20;  // of all kept uploads
};

class UploadStore {
 public:
  // Makes a folder below the system's folder for temporary files that only this user can read. Throws Error(kFile).
  explicit UploadStore(UploadLimits limits = {});
  ~UploadStore();
  UploadStore(const UploadStore&) = delete;
  UploadStore& operator=(const UploadStore&) = delete;

  const Path& folder() const { return folder_; }

  // Writes a file that lives as long as the pointer; keep() makes it reachable by its id, and lets go of the oldest ones
  // beyond the limits. Throws Error(kFile) or Error(kResource).
  UploadPtr store(std::string_view name, std::string_view content);
  void keep(UploadPtr upload);
  UploadPtr find(std::string_view id) const;  // null when there is none
  bool forget(std::string_view id);
  std::vector<UploadPtr> all() const;  // newest first

 private:
  UploadLimits limits_;
  Path folder_;
  mutable std::mutex mutex_;
  std::list<UploadPtr> kept_;  // newest first
};

}  // namespace tenfold::serve
