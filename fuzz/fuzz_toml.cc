// SPDX-License-Identifier: Apache-2.0
// Configuration files: whatever is accepted, written and read again, gives the same values.
#include <optional>
#include <string>
#include <vector>

#include "fuzz/harness.h"
#include "tenfold/config/field.h"
#include "tenfold/config/toml.h"

namespace {

struct InnerOptions {
  double learning_rate = 1e-3;
  std::vector<double> betas = {0.9, 0.999};
  void visit_fields(auto&& field) {
    field("learning_rate", learning_rate, {.help = "step size", .min = 0.0, .max = 10.0});
    field("betas", betas, {.help = "decay rates", .min = 0.0, .max = 1.0});
  }
};

struct Options {
  bool flag = false;
  std::int64_t count = 3;
  std::string name = "adam";
  std::string text;
  std::optional<double> limit;
  std::vector<std::int64_t> sizes;
  std::vector<std::string> names;
  InnerOptions optimizer;
  void visit_fields(auto&& field) {
    field("flag", flag, {.help = "a switch"});
    field("count", count, {.help = "how many", .min = -5, .max = 1e15});
    field("name", name, {.help = "which", .choices = {"adam", "sgd"}});
    field("text", text, {.help = "any text"});
    field("limit", limit, {.help = "an optional number", .unit = "s"});
    field("sizes", sizes, {.help = "integers"});
    field("names", names, {.help = "texts"});
    field("optimizer", optimizer, {.help = "nested"});
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tenfold::config;
  Options options;
  const Fields fields(options);
  const std::string_view text = tenfold::fuzz::as_text(data, size);
  if (!tenfold::fuzz::accepts([&] { apply_toml(fields, text, "train", {"data", "model"}, "input.toml"); }))
    return 0;
  if (!tenfold::fuzz::accepts([&] { check_all(fields); })) return 0;

  const std::string written = to_toml(fields, "train");
  Options again;
  const Fields second(again);
  tenfold::fuzz::require(
      tenfold::fuzz::accepts([&] { apply_toml(second, written, "train", {}, "written.toml"); }),
      "written TOML can be read");
  tenfold::fuzz::require(to_toml(second, "train") == written, "the values come back");
  return 0;
}
