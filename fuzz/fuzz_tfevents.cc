// SPDX-License-Identifier: Apache-2.0
// Event files: the first byte chooses between the file as it is and a message put into a frame with the right
// checksums, which a fuzzer would hardly find by itself.
#include <string>

#include "fuzz/harness.h"
#include "tenfold/io/tfevents.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string file(tenfold::fuzz::as_text(data + 1, size - 1));
  if ((data[0] & 1) != 0) file = tenfold::io::frame_tf_record(file);
  tenfold::fuzz::accepts([&] {
    tenfold::io::TfEventsReader reader(std::as_bytes(std::span(file)));
    while (auto event = reader.next()) {
      const std::string record = tenfold::io::frame_tf_record(tenfold::io::encode_tf_event(*event));
      tenfold::io::TfEventsReader second(std::as_bytes(std::span(record)));
      const auto again = second.next();
      tenfold::fuzz::require(again && again->step == event->step, "the step comes back");
      tenfold::fuzz::require(again->file_version == event->file_version, "the version comes back");
      if (!event->file_version.empty()) continue;  // version and scalars exclude each other when written
      tenfold::fuzz::require(again->scalars.size() == event->scalars.size(), "all scalars come back");
    }
  });
  return 0;
}
