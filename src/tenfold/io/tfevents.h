// SPDX-License-Identifier: Apache-2.0
// TensorBoard event files: TFRecord frames (length, masked CRC-32C, payload, masked CRC-32C) around protobuf
// messages of the type tensorflow.Event, of which the fields for scalars are written and read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/base/file_system.h"

namespace tenfold::io {

struct TfScalar {
  std::string tag;  // "train/loss"; TensorBoard groups by the part before the slash
  float value = 0.0f;
};

// Event{wall_time = 1, step = 2, file_version = 3 | summary = 5 {value = 1 {tag = 1, simple_value = 2}}}.
struct TfEvent {
  double wall_time = 0.0;  // seconds since 1970
  std::int64_t step = 0;
  std::string file_version;  // "brain.Event:2" in the first event of a file
  std::vector<TfScalar> scalars;
};

// The protobuf message of an event, and one record with its frame.
std::string encode_tf_event(const TfEvent& event);
std::string frame_tf_record(std::string_view payload);

// TensorBoard recognises files by the part "tfevents": "events.out.tfevents.1650000000.tenfold".
std::string tfevents_file_name(std::int64_t unix_seconds);

class TfEventsWriter {
 public:
  // Creates `path` and writes the file_version event. The caller gives the time, so that files are
  // reproducible.
  TfEventsWriter(FileSystem& files, const Path& path, double wall_time);
  // One event for all values of a step; the whole record goes to the file in one call. Tags must be valid
  // UTF-8 and not empty: Error(kData, "tfevents.bad_tag").
  void add_scalars(std::int64_t step, double wall_time, std::span<const TfScalar> scalars);
  void sync();
  void close();

 private:
  std::unique_ptr<WritableFile> file_;
};

// Reads the events of a file in memory, which must outlive the reader. Unknown fields are skipped, as
// protobuf asks. Throws Error(kFile): "tfevents.truncated", "tfevents.bad_checksum", "tfevents.bad_message"
// with the byte offset.
class TfEventsReader {
 public:
  explicit TfEventsReader(std::span<const std::byte> bytes, std::string name = "event file");
  std::optional<TfEvent> next();  // nullopt at the end

 private:
  std::span<const std::byte> bytes_;
  std::size_t offset_ = 0;
  std::string name_;
};

// All events. A run that was killed leaves a torn last record: with `allow_torn_end` it ends the list
// silently.
std::vector<TfEvent> read_tfevents(const Path& path, bool allow_torn_end = true);

}  // namespace tenfold::io
