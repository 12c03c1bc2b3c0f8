// SPDX-License-Identifier: Apache-2.0
// Event files against bytes assembled in Python from the published formats, and against every kind of damage.
#include "tenfold/io/tfevents.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tenfold/base/random.h"
#include "tenfold/io/crc32c.h"
#include "tests/unit/io/text_test_util.h"

namespace tenfold::io {
namespace {

// Made with struct.pack and a bitwise CRC: Event{wall_time 1650000000.5, file_version "brain.Event:2"} and
// Event{wall_time 1650000001, step 300, summary{value{tag "train/loss", simple_value 0.75}}}.
constexpr std::string_view kVersionRecord =
    "1800000000000000a37f4b2209000020204096d8411a0d627261696e2e4576656e743a32dfb96966";
constexpr std::string_view kScalarRecord =
    "2100000000000000017becf609000040204096d84110ac022a130a110a0a747261696e2f6c6f7373150000403fcb68e854";

std::string hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (char c : bytes) {
    text += kDigits[static_cast<unsigned char>(c) >> 4];
    text += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

std::vector<TfEvent> parse(std::string_view text) {
  TfEventsReader reader(std::as_bytes(std::span(text.data(), text.size())));
  std::vector<TfEvent> events;
  while (auto event = reader.next()) events.push_back(std::move(*event));
  return events;
}

std::string framed_event(double loss) {
  return frame_tf_record(
      encode_tf_event({.wall_time = 1.0, .step = 5, .scalars = {{"loss", static_cast<float>(loss)}}}));
}

TEST(TfEvents, WritesTheBytesOfTheFormat) {
  TempFolder folder;
  const Path path = folder / tfevents_file_name(1650000000);
  EXPECT_EQ(path.filename(), "events.out.tfevents.1650000000.tenfold");
  TfEventsWriter writer(real_file_system(), path, 1650000000.5);
  const std::vector<TfScalar> scalars = {{"train/loss", 0.75f}};
  writer.add_scalars(300, 1650000001.0, scalars);
  writer.sync();
  writer.close();
  EXPECT_EQ(hex(read_text_file(path)), std::string(kVersionRecord) + std::string(kScalarRecord));
}

TEST(TfEvents, ReadsBackWhatItWrote) {
  TempFolder folder;
  const Path path = folder / "events.out.tfevents.1";
  TfEventsWriter writer(real_file_system(), path, 12.5);
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<TfScalar> scalars = {{"a/b", -0.0f}, {"\xC3\xA4", infinity}, {"n", std::nanf("")}};
  writer.add_scalars(-1, 13.0, scalars);
  writer.add_scalars(std::numeric_limits<std::int64_t>::max(), 14.0, {});
  writer.close();
  const std::vector<TfEvent> events = read_tfevents(path);
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0].file_version, "brain.Event:2");
  EXPECT_EQ(events[0].wall_time, 12.5);
  EXPECT_EQ(events[1].step, -1);
  ASSERT_EQ(events[1].scalars.size(), 3u);
  EXPECT_TRUE(std::signbit(events[1].scalars[0].value));
  EXPECT_EQ(events[1].scalars[1].tag, "\xC3\xA4");
  EXPECT_EQ(events[1].scalars[1].value, infinity);
  EXPECT_TRUE(std::isnan(events[1].scalars[2].value));
  EXPECT_EQ(events[2].step, std::numeric_limits<std::int64_t>::max());
  EXPECT_TRUE(events[2].scalars.empty());
}

TEST(TfEvents, RefusesTagsNoReaderCouldShow) {
  TempFolder folder;
  TfEventsWriter writer(real_file_system(), folder / "e", 0.0);
  EXPECT_EQ(error_of([&] {
              writer.add_scalars(1, 0.0, std::vector<TfScalar>{{"", 1.0f}});
            }),
            "data tfevents.bad_tag");
  EXPECT_EQ(error_of([&] {
              writer.add_scalars(1, 0.0, std::vector<TfScalar>{{"\xFF", 1.0f}});
            }),
            "data tfevents.bad_tag");
}

TEST(TfEvents, SkipsFieldsItDoesNotKnow) {
  // Event: field 1 = 1.0, unknown varint 15, unknown fixed32 9, summary with a value that has metadata (field 9) and a
  // value without simple_value (a histogram, field 5).
  const std::string known("\x0a\x01t\x4a\x02zz\x15\x00\x00\x80\x3f", 12);
  const std::string histogram("\x0a\x01h\x2a\x02qq", 7);
  std::string summary = "\x0a" + std::string(1, static_cast<char>(known.size())) + known;
  summary += "\x0a" + std::string(1, static_cast<char>(histogram.size())) + histogram;
  std::string message("\x09\x00\x00\x00\x00\x00\x00\xf0\x3f\x78\x96\x01\x4d\x01\x02\x03\x04\x2a", 18);
  message += static_cast<char>(summary.size()) + summary;
  const std::vector<TfEvent> events = parse(frame_tf_record(message));
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].wall_time, 1.0);
  ASSERT_EQ(events[0].scalars.size(), 1u);
  EXPECT_EQ(events[0].scalars[0].tag, "t");
  EXPECT_EQ(events[0].scalars[0].value, 1.0f);
}

TEST(TfEvents, RefusesEveryTruncation) {
  const std::string record = framed_event(0.5);
  for (std::size_t length = 1; length < record.size(); ++length) {
    EXPECT_EQ(error_of([&] { parse(std::string_view(record).substr(0, length)); }), "file tfevents.truncated")
        << length;
  }
}

TEST(TfEvents, RefusesEveryFlippedBit) {
  const std::string record = framed_event(0.5);
  for (std::size_t bit = 0; bit < record.size() * 8; ++bit) {
    std::string damaged = record;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_EQ(error_of([&] { parse(damaged); }), "file tfevents.bad_checksum") << bit;
  }
}

TEST(TfEvents, RefusesLengthsThatWouldWrap) {
  for (const std::uint64_t length : {~std::uint64_t{0}, ~std::uint64_t{0} - 15, std::uint64_t{1} << 40}) {
    std::string record;
    for (int i = 0; i < 8; ++i) record += static_cast<char>(length >> (8 * i));
    const std::uint32_t crc = mask_crc32c(crc32c(std::as_bytes(std::span(record))));
    for (int i = 0; i < 4; ++i) record += static_cast<char>(crc >> (8 * i));
    record += std::string(64, 'x');
    EXPECT_EQ(error_of([&] { parse(record); }), "file tfevents.truncated") << length;
  }
}

TEST(TfEvents, RefusesBrokenMessages) {
  const std::vector<std::string> messages = {
      "\x09\x01",                                                   // fixed64 cut off
      "\x10",                                                       // varint missing
      std::string("\x10\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02"),  // varint of more than 64 bits
      "\x1a\x05"
      "ab",                            // text longer than the message
      "\x2a\x02\x0a\x07",              // value longer than the summary
      "\x2a\x04\x0a\x02\x15\x01",      // float cut off inside a value
      "\x0b",                          // a group
      std::string("\x00\x01", 2),      // field number 0
      "\x1a\x01\xFF",                  // version not UTF-8
      "\x2a\x05\x0a\x03\x0a\x01\xFF",  // tag not UTF-8
  };
  for (const std::string& message : messages) {
    EXPECT_EQ(error_of([&] { parse(frame_tf_record(message)); }), "file tfevents.bad_message")
        << hex(message);
  }
}

TEST(TfEvents, ReadsTheWholeRecordsOfATornFile) {
  TempFolder folder;
  const std::string two = framed_event(1.0) + framed_event(2.0);
  write_file_atomically(real_file_system(), folder / "torn", two + framed_event(3.0).substr(0, 20));
  EXPECT_EQ(read_tfevents(folder / "torn").size(), 2u);
  const std::string message = message_of([&] { read_tfevents(folder / "torn", false); });
  EXPECT_THAT(message, testing::HasSubstr("at byte " + std::to_string(two.size())));
}

}  // namespace
}  // namespace tenfold::io
