// SPDX-License-Identifier: Apache-2.0
#include "tenfold/cli/torch/data.h"

#include <ATen/core/Tensor.h>
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tenfold/base/clock.h"
#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/data/loader.h"
#include "tenfold/data/open.h"
#include "tenfold/report/table.h"

namespace tenfold::cli {
namespace {

struct DataCommandOptions {
  data::DataOptions data;
  std::int64_t batch_size = 64;
  bool check = false;
  std::int64_t loader_threads = 1;

  void visit_fields(auto&& field) {
    data.visit_fields([&](std::string_view name, auto& value, config::FieldInfo info) {
      info.positional = name == "path";
      field(name, value, std::move(info));
    });
    field("batch_size", batch_size, {.help = "examples of a batch", .min = 1, .max = 1e6});
    field("check", check, {.help = "load every example once"});
    field("loader_threads",
          loader_threads,
          {.help = "threads that load; 0: none of their own", .min = 0, .max = 256, .affects_result = false});
  }
};

struct Part {
  std::string name;
  std::shared_ptr<const data::Dataset> rows;
};

std::vector<Part> parts_of(const data::DataSplits& splits) {
  std::vector<Part> parts = {{"train", splits.train}, {"valid", splits.valid}, {"test", splits.test}};
  std::erase_if(parts, [](const Part& part) { return part.rows == nullptr; });
  return parts;
}

// Loads all rows once, in order. Returns the examples a second.
double check_part(const Part& part, const DataCommandOptions& options, systems::Context& context) {
  const data::Sampler sampler(part.rows->size(), {.batch_size = options.batch_size, .shuffle = false});
  const std::int64_t batches = sampler.batches_per_epoch();
  const Stopwatch watch;
  data::Loader loader(*part.rows, sampler, {.threads = static_cast<int>(options.loader_threads)});
  for (std::int64_t batch = 0; batch < batches; ++batch) {
    if (context.stop != nullptr && context.stop->requested()) {
      throw Error(ErrorClass::kResource,
                  "data.stopped",
                  {.what = "the check was stopped",
                   .seen = fmt::format("{} of {} batches of {}", batch, batches, part.name),
                   .remedy = "start again"});
    }
    loader.next();
    if ((batch + 1) % std::max<std::int64_t>(1, batches / 4) == 0)
      context.progress(fmt::format("{}: {} of {} batches", part.name, batch + 1, batches));
  }
  return static_cast<double>(part.rows->size()) / watch.wall_seconds();
}

nlohmann::json tensors_json(const data::Batch& batch) {
  nlohmann::json list = nlohmann::json::array();
  for (const at::Tensor& tensor : batch.tensors) {
    list.push_back({{"shape", tensor.sizes().vec()}, {"dtype", at::toString(tensor.scalar_type())}});
  }
  return list;
}

data::Batch first_batch(const data::Dataset& rows, std::int64_t size) {
  data::Sampler sampler(rows.size(), {.batch_size = size, .shuffle = false});
  return rows.get(sampler.next().ids, {});
}

std::string text_of(const nlohmann::json& json) {
  report::Table parts{json["kind"].get<std::string>(), {"part", "rows", "fingerprint"}, {}, {}};
  const bool checked = json.contains("checked");
  if (checked) parts.columns.emplace_back("examples/s");
  for (const char* name : {"train", "valid", "test"}) {
    if (!json["parts"].contains(name)) continue;
    const nlohmann::json& part = json["parts"][name];
    parts.rows.push_back({name,
                          std::to_string(part["rows"].get<std::int64_t>()),
                          part["fingerprint"].get<std::string>().substr(0, 16)});
    if (checked)
      parts.rows.back().push_back(fmt::format("{:.0f}", part["examples_per_second"].get<double>()));
  }
  report::Table batch{"A batch", {"tensor", "shape", "type"}, {}, {}};
  for (std::size_t i = 0; i < json["batch"].size(); ++i) {
    const nlohmann::json& tensor = json["batch"][i];
    const std::string name = i == 0 ? "inputs" : i == 1 ? "targets" : std::to_string(i);
    batch.rows.push_back({name, tensor["shape"].dump(), tensor["dtype"].get<std::string>()});
  }
  const auto classes = json["classes"].get<std::int64_t>();
  const auto vocabulary = json["vocabulary"].get<std::int64_t>();
  if (classes > 0) batch.notes.push_back(fmt::format("{} classes", classes));
  if (!json["class_names"].empty()) {
    batch.notes.push_back(printable(join(json["class_names"].get<std::vector<std::string>>(), ", "), 400));
  }
  if (vocabulary > 0) batch.notes.push_back(fmt::format("tokens are 0 to {}", vocabulary - 1));
  return report::to_terminal(parts) + "\n" + report::to_terminal(batch);
}

systems::Outcome run(const DataCommandOptions& options, systems::Context& context) {
  const data::DataSplits splits = data::open_dataset(options.data);
  const data::DataInfo& info = splits.info;
  nlohmann::json json = {{"kind", info.kind},
                         {"path", options.data.path},
                         {"input_shape", info.input_shape},
                         {"target_shape", info.target_shape},
                         {"classes", info.classes},
                         {"class_names", info.class_names},
                         {"vocabulary", info.vocabulary},
                         {"batch", tensors_json(first_batch(*splits.train, options.batch_size))}};
  if (options.check) json["checked"] = true;
  for (const Part& part : parts_of(splits)) {
    nlohmann::json& entry = json["parts"][part.name];
    entry = {{"rows", part.rows->size()}, {"fingerprint", part.rows->fingerprint()}};
    if (options.check) entry["examples_per_second"] = check_part(part, options, context);
  }
  std::string text = text_of(json);
  return systems::make_outcome(std::move(json), std::move(text));
}

}  // namespace

systems::Verb make_data_command() {
  return systems::make_verb<DataCommandOptions>(
      "data",
      "print what training would see of a data set",
      "Finds the kind of the data, splits them into training, validation and test rows as training does, and "
      "prints sizes, "
      "shapes, classes and fingerprints. Knows Fashion-MNIST of the Debian package dataset-fashion-mnist, "
      "IDX files, folders "
      "of pictures, NumPy arrays, JSON lines and text. With --check every example is loaded once, so that a "
      "damaged file is "
      "found before a long run.",
      {"tenfold data fashion-mnist", "tenfold data fashion-mnist --valid-fraction 0.2 --check"},
      run);
}

}  // namespace tenfold::cli
