// SPDX-License-Identifier: Apache-2.0
// Protobuf wire format by hand: only varints, 32-bit, 64-bit and length-delimited fields occur in scalar
// events.
#include "tenfold/io/tfevents.h"

#include <fmt/format.h>

#include <bit>
#include <utility>

#include "tenfold/base/checked.h"
#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/io/crc32c.h"

namespace tenfold::io {
namespace {

enum class Wire : std::uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

// Field numbers of tensorflow.Event, tensorflow.Summary and tensorflow.Summary.Value.
constexpr std::uint32_t kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5;
constexpr std::uint32_t kSummaryValue = 1;
constexpr std::uint32_t kTag = 1, kSimpleValue = 2;

constexpr std::size_t kLengthBytes = 8, kChecksumBytes = 4;
constexpr std::uint64_t kFileLimit = std::uint64_t{1} << 30;

void put_varint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out += static_cast<char>(value | 0x80);
    value >>= 7;
  }
  out += static_cast<char>(value);
}

template <typename Unsigned>
void put_little_endian(std::string& out, Unsigned value) {
  for (std::size_t i = 0; i < sizeof(Unsigned); ++i) out += static_cast<char>(value >> (8 * i));
}

void put_key(std::string& out, std::uint32_t field, Wire wire) {
  put_varint(out, field << 3 | static_cast<std::uint32_t>(wire));
}

void put_bytes(std::string& out, std::uint32_t field, std::string_view bytes) {
  put_key(out, field, Wire::kBytes);
  put_varint(out, bytes.size());
  out += bytes;
}

std::uint32_t masked_checksum(std::string_view bytes) {
  return mask_crc32c(crc32c(std::as_bytes(std::span(bytes.data(), bytes.size()))));
}

template <typename Unsigned>
Unsigned little_endian(std::string_view bytes) {
  Unsigned value = 0;
  for (std::size_t i = 0; i < sizeof(Unsigned); ++i) {
    value |= static_cast<Unsigned>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  }
  return value;
}

struct WireField {
  std::uint32_t number = 0;
  Wire wire = Wire::kVarint;
  std::uint64_t number_value = 0;  // varint, fixed32 and fixed64
  std::string_view bytes;          // length-delimited
};

// Walks the fields of one message. Damage is told by bad(): the caller knows the place in the file.
class WireReader {
 public:
  explicit WireReader(std::string_view message) : rest_(message) {}

  // False at the end and when the message is damaged.
  bool next(WireField& field) {
    if (rest_.empty()) return false;
    std::uint64_t key = 0;
    if (!take_varint(key) || key >> 32 != 0 || key >> 3 == 0) return fail();
    field.number = static_cast<std::uint32_t>(key >> 3);
    field.wire = static_cast<Wire>(key & 7);
    switch (field.wire) {
      case Wire::kVarint:
        return take_varint(field.number_value) || fail();
      case Wire::kFixed64:
        return take_fixed<std::uint64_t>(field.number_value) || fail();
      case Wire::kFixed32:
        return take_fixed<std::uint32_t>(field.number_value) || fail();
      case Wire::kBytes:
        return take_bytes(field.bytes) || fail();
    }
    return fail();  // groups (3 and 4) were never used in these messages
  }

  bool bad() const { return bad_; }

 private:
  bool fail() {
    bad_ = true;
    return false;
  }

  bool take_varint(std::uint64_t& value) {
    value = 0;
    for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      if (shift == 63 && byte > 1) return false;  // more than 64 bits
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }

  template <typename Unsigned>
  bool take_fixed(std::uint64_t& value) {
    if (rest_.size() < sizeof(Unsigned)) return false;
    value = little_endian<Unsigned>(rest_);
    rest_.remove_prefix(sizeof(Unsigned));
    return true;
  }

  bool take_bytes(std::string_view& bytes) {
    std::uint64_t length = 0;
    if (!take_varint(length) || length > rest_.size()) return false;
    bytes = rest_.substr(0, static_cast<std::size_t>(length));
    rest_.remove_prefix(bytes.size());
    return true;
  }

  std::string_view rest_;
  bool bad_ = false;
};

// Values without simple_value (histograms, images) are left out.
bool parse_value(std::string_view message, std::vector<TfScalar>& scalars) {
  WireReader reader(message);
  WireField field;
  TfScalar scalar;
  bool has_value = false;
  while (reader.next(field)) {
    if (field.number == kTag && field.wire == Wire::kBytes) scalar.tag = field.bytes;
    if (field.number == kSimpleValue && field.wire == Wire::kFixed32) {
      scalar.value = std::bit_cast<float>(static_cast<std::uint32_t>(field.number_value));
      has_value = true;
    }
  }
  if (reader.bad() || !is_valid_utf8(scalar.tag)) return false;
  if (has_value) scalars.push_back(std::move(scalar));
  return true;
}

bool parse_summary(std::string_view message, std::vector<TfScalar>& scalars) {
  WireReader reader(message);
  WireField field;
  while (reader.next(field)) {
    if (field.number != kSummaryValue || field.wire != Wire::kBytes) continue;
    if (!parse_value(field.bytes, scalars)) return false;
  }
  return !reader.bad();
}

bool parse_event(std::string_view message, TfEvent& event) {
  WireReader reader(message);
  WireField field;
  while (reader.next(field)) {
    if (field.number == kWallTime && field.wire == Wire::kFixed64) {
      event.wall_time = std::bit_cast<double>(field.number_value);
    } else if (field.number == kStep && field.wire == Wire::kVarint) {
      event.step = static_cast<std::int64_t>(field.number_value);  // two's complement, as protobuf's int64
    } else if (field.number == kFileVersion && field.wire == Wire::kBytes) {
      if (!is_valid_utf8(field.bytes)) return false;
      event.file_version = field.bytes;
    } else if (field.number == kSummary && field.wire == Wire::kBytes) {
      if (!parse_summary(field.bytes, event.scalars)) return false;
    }
  }
  return !reader.bad();
}

}  // namespace

std::string encode_tf_event(const TfEvent& event) {
  std::string message;
  put_key(message, kWallTime, Wire::kFixed64);
  put_little_endian(message, std::bit_cast<std::uint64_t>(event.wall_time));
  if (event.step != 0) {
    put_key(message, kStep, Wire::kVarint);
    put_varint(message, static_cast<std::uint64_t>(event.step));
  }
  if (!event.file_version.empty()) {
    put_bytes(message, kFileVersion, event.file_version);
    return message;  // file_version and summary are alternatives (protobuf oneof)
  }
  if (event.scalars.empty()) return message;
  std::string summary;
  for (const TfScalar& scalar : event.scalars) {
    std::string value;
    put_bytes(value, kTag, scalar.tag);
    put_key(value, kSimpleValue, Wire::kFixed32);
    put_little_endian(value, std::bit_cast<std::uint32_t>(scalar.value));
    put_bytes(summary, kSummaryValue, value);
  }
  put_bytes(message, kSummary, summary);
  return message;
}

std::string frame_tf_record(std::string_view payload) {
  std::string record;
  put_little_endian(record, static_cast<std::uint64_t>(payload.size()));
  put_little_endian(record, masked_checksum(record));
  record += payload;
  put_little_endian(record, masked_checksum(payload));
  return record;
}

std::string tfevents_file_name(std::int64_t unix_seconds) {
  return fmt::format("events.out.tfevents.{}.tenfold", unix_seconds);
}

TfEventsWriter::TfEventsWriter(FileSystem& files, const Path& path, double wall_time)
    : file_(files.create(path)) {
  const TfEvent first{.wall_time = wall_time, .file_version = "brain.Event:2"};
  const std::string record = frame_tf_record(encode_tf_event(first));
  file_->write(std::as_bytes(std::span(record)));
}

void TfEventsWriter::add_scalars(std::int64_t step, double wall_time, std::span<const TfScalar> scalars) {
  for (const TfScalar& scalar : scalars) {
    if (!scalar.tag.empty() && is_valid_utf8(scalar.tag)) continue;
    throw Error(ErrorClass::kData,
                "tfevents.bad_tag",
                {.what = "a scalar for an event file has no usable name",
                 .seen = scalar.tag.empty() ? "an empty tag" : printable(scalar.tag),
                 .wanted = "UTF-8 text"});
  }
  const TfEvent event{.wall_time = wall_time, .step = step, .scalars = {scalars.begin(), scalars.end()}};
  const std::string record = frame_tf_record(encode_tf_event(event));
  file_->write(std::as_bytes(std::span(record)));
}

void TfEventsWriter::sync() {
  file_->sync();
}
void TfEventsWriter::close() {
  file_->close();
}

TfEventsReader::TfEventsReader(std::span<const std::byte> bytes, std::string name)
    : bytes_(bytes), name_(std::move(name)) {}

std::optional<TfEvent> TfEventsReader::next() {
  const std::string_view rest(reinterpret_cast<const char*>(bytes_.data()) + offset_,
                              bytes_.size() - offset_);
  if (rest.empty()) return std::nullopt;
  const auto refuse = [&](std::string_view code, std::string_view what, std::string seen) {
    throw Error(ErrorClass::kFile,
                fmt::format("tfevents.{}", code),
                {.what = fmt::format("{} at byte {}: {}", name_, offset_, what),
                 .seen = std::move(seen),
                 .remedy = "the file is damaged; write it again or cut it at this byte"});
  };
  constexpr std::size_t kHead = kLengthBytes + kChecksumBytes;
  if (rest.size() < kHead)
    refuse("truncated", "the record's head is cut off", fmt::format("{} bytes", rest.size()));
  const std::string_view length_bytes = rest.substr(0, kLengthBytes);
  if (little_endian<std::uint32_t>(rest.substr(kLengthBytes)) != masked_checksum(length_bytes)) {
    refuse("bad_checksum", "the checksum of the record's length does not match", "");
  }
  const auto length = little_endian<std::uint64_t>(length_bytes);
  const auto needed = checked::add<std::uint64_t>(length, kHead + kChecksumBytes);
  if (!needed || *needed > rest.size()) {
    refuse("truncated", "the record is longer than the file", fmt::format("a length of {} bytes", length));
  }
  const std::string_view payload = rest.substr(kHead, static_cast<std::size_t>(length));
  const std::string_view checksum = rest.substr(kHead + payload.size(), kChecksumBytes);
  if (little_endian<std::uint32_t>(checksum) != masked_checksum(payload)) {
    refuse("bad_checksum", "the checksum of the record's content does not match", "");
  }
  TfEvent event;
  if (!parse_event(payload, event)) refuse("bad_message", "the content is not an event message", "");
  offset_ += static_cast<std::size_t>(*needed);
  return event;
}

std::vector<TfEvent> read_tfevents(const Path& path, bool allow_torn_end) {
  const std::vector<std::byte> bytes = read_binary_file(path, kFileLimit);
  TfEventsReader reader(bytes, path.string());
  std::vector<TfEvent> events;
  try {
    while (std::optional<TfEvent> event = reader.next()) events.push_back(std::move(*event));
  } catch (const Error& error) {
    if (!allow_torn_end || error.code() != "tfevents.truncated") throw;
  }
  return events;
}

}  // namespace tenfold::io
