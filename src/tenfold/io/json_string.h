// SPDX-License-Identifier: Apache-2.0
// JSON strings in their written form, the bytes between the quotes: checked, compared and decoded without copies.
// For readers that must not use more memory than the text itself (safetensors headers).
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

namespace tenfold::io {

struct WrittenString {
  std::string_view text;
  bool escaped = false;  // has a backslash; comparing need not look for one first
};

// The string whose opening quote stands right before `rest`. nullopt when it has no end, a control character, an unknown
// escape or half a surrogate pair. `rest` must be valid UTF-8.
std::optional<WrittenString> scan_written_string(std::string_view rest);

// The functions below need strings from scan_written_string.
std::string decode(WrittenString written);
// Order of the decoded strings by their UTF-8 bytes: "\u0041" equals "A". Looks no further than the common beginning, so
// one very long name cannot make a sort slow.
std::strong_ordering compare(WrittenString a, WrittenString b);
std::strong_ordering compare(WrittenString written, std::string_view plain);

}  // namespace tenfold::io
