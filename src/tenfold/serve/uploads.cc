// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/uploads.h"

#include <fmt/format.h>
#include <stdlib.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "tenfold/base/error.h"

namespace tenfold::serve {

std::string random_id() {
  unsigned char bytes[16];
  if (::getrandom(bytes, sizeof bytes, 0) != static_cast<ssize_t>(sizeof bytes)) {
    throw Error(ErrorClass::kResource, "serve.no_randomness", {.what = "the system gives no random numbers"});
  }
  std::string id;
  for (unsigned char byte : bytes) fmt::format_to(std::back_inserter(id), "{:02x}", byte);
  return id;
}

std::string safe_name(std::string_view name, std::string_view fallback) {
  std::string safe;
  for (char c : name) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '.' || c == '_' || c == '-';
    if (safe.empty() && (c == '.' || !plain)) continue;
    safe += plain ? c : '-';
    if (safe.size() == 64) break;
  }
  return safe.empty() ? std::string(fallback) : safe;
}

Upload::~Upload() {
  std::error_code ignored;
  std::filesystem::remove_all(file_.parent_path(), ignored);
}

UploadStore::UploadStore(UploadLimits limits) : limits_(limits) {
  std::error_code failure;
  std::string name = (std::filesystem::temp_directory_path(failure) / "tenfold-serve-XXXXXX").string();
  if (failure || ::mkdtemp(name.data()) == nullptr) {
    throw Error(ErrorClass::kFile,
                "serve.no_temporary_folder",
                {.what = "no folder for uploads can be made",
                 .seen = failure ? failure.message() : std::strerror(errno),
                 .wanted = "a folder for temporary files",
                 .remedy = "set TMPDIR to a folder you may write to"});
  }
  folder_ = name;
}

UploadStore::~UploadStore() {
  kept_.clear();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

UploadPtr UploadStore::store(std::string_view name, std::string_view content) {
  const std::string id = random_id();
  const Path file = folder_ / id / safe_name(name, "upload");
  FileSystem& files = real_file_system();
  files.make_directories(file.parent_path());
  auto upload =
      std::make_shared<const Upload>(id, file, content.size());  // removes the folder if writing fails
  const std::unique_ptr<WritableFile> out = files.create(file);
  out->write(std::as_bytes(std::span(content.data(), content.size())));
  out->close();
  return upload;
}

void UploadStore::keep(UploadPtr upload) {
  std::list<UploadPtr> dropped;  // removed from the disk outside of the lock
  const std::lock_guard lock(mutex_);
  kept_.push_front(std::move(upload));
  std::size_t count = 0;
  std::size_t bytes = 0;
  for (auto each = kept_.begin(); each != kept_.end();) {
    ++count;
    bytes += (*each)->bytes();
    const auto next = std::next(each);
    if (count > 1 && (count > limits_.count || bytes > limits_.bytes))
      dropped.splice(dropped.end(), kept_, each);
    each = next;
  }
}

UploadPtr UploadStore::find(std::string_view id) const {
  const std::lock_guard lock(mutex_);
  const auto found =
      std::find_if(kept_.begin(), kept_.end(), [&](const UploadPtr& upload) { return upload->id() == id; });
  return found == kept_.end() ? nullptr : *found;
}

bool UploadStore::forget(std::string_view id) {
  UploadPtr dropped;
  const std::lock_guard lock(mutex_);
  const auto found =
      std::find_if(kept_.begin(), kept_.end(), [&](const UploadPtr& upload) { return upload->id() == id; });
  if (found == kept_.end()) return false;
  dropped = *found;
  kept_.erase(found);
  return true;
}

std::vector<UploadPtr> UploadStore::all() const {
  const std::lock_guard lock(mutex_);
  return {kept_.begin(), kept_.end()};
}

}  // namespace tenfold::serve
