// SPDX-License-Identifier: Apache-2.0
// Strict JSON: what it accepts, the library accepts with the same value; and the value survives being written.
#include <nlohmann/json.hpp>

#include "fuzz/harness.h"
#include "tenfold/io/json.h"

using nlohmann::json;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = tenfold::fuzz::as_text(data, size);
  json value;
  if (!tenfold::fuzz::accepts([&] { value = tenfold::io::parse_json(text, "input"); })) return 0;
  const json reference = json::parse(text, nullptr, /*allow_exceptions=*/false);
  tenfold::fuzz::require(!reference.is_discarded(), "strict JSON is JSON");
  tenfold::fuzz::require(value == reference, "the value is that of the library");
  tenfold::fuzz::require(tenfold::io::parse_json(value.dump(), "written") == value, "the value comes back");
  return 0;
}
