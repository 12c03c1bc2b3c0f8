// SPDX-License-Identifier: Apache-2.0
// JSON lines: each accepted line, printed again, is accepted with the same value.
#include <nlohmann/json.hpp>
#include <string>

#include "fuzz/harness.h"
#include "tenfold/io/jsonl.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  tenfold::io::JsonlOptions options{.line_bytes = 4096, .lines = 200, .depth = 16};
  options.objects_only = (data[0] & 1) != 0;
  tenfold::io::MemorySource source(tenfold::fuzz::as_text(data + 1, size - 1));
  tenfold::io::JsonlReader reader(source, options);
  nlohmann::json value;
  bool more = true;
  std::uint64_t line = 0;
  while (more && tenfold::fuzz::accepts([&] { more = reader.next(value); }) && more) {
    tenfold::fuzz::require(reader.line() > line, "line numbers grow");
    line = reader.line();
    const std::string printed = value.dump();
    tenfold::io::MemorySource second(printed);
    nlohmann::json again;
    options.line_bytes = printed.size();
    tenfold::fuzz::require(tenfold::io::JsonlReader(second, options).next(again),
                           "a printed value can be read");
    tenfold::fuzz::require(again == value, "a printed value comes back");
  }
  return 0;
}
