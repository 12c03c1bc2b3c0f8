// SPDX-License-Identifier: Apache-2.0
#include "tenfold/train/run_state.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>
#include <vector>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/io/json.h"

namespace tenfold::train {
namespace {

using Json = nlohmann::ordered_json;

Json number_or_null(double value) {
  return std::isfinite(value) ? Json(value) : Json();
}

Json totals_json(const RunTotals& totals) {
  return {{"parts", totals.parts},
          {"steps", totals.steps},
          {"examples", totals.examples},
          {"tokens", totals.tokens},
          {"forward", totals.forward},
          {"backward", totals.backward},
          {"other", totals.other},
          {"wall_seconds", totals.wall_seconds},
          {"cpu_seconds", totals.cpu_seconds}};
}

Json task_json(const std::string& text) {
  Json json = Json::parse(text, nullptr, false);
  if (json.is_object()) return json;
  throw Error(ErrorClass::kInternal,
              "train.bad_task_state",
              {.what = "the state of the task is not a JSON object",
               .seen = printable(text),
               .wanted = "{...}",
               .remedy = "mend TrainTask::save_state()"});
}

// Fields of one object, with errors that name them.
class Fields {
 public:
  Fields(const nlohmann::json& object, const std::string& place) : object_(object), place_(place) {}

  std::uint64_t count(const char* name) const {
    const nlohmann::json& value = at(name);
    if (!value.is_number_unsigned()) refuse(name, "a whole number");
    return value.get<std::uint64_t>();
  }
  std::int64_t integer(const char* name) const {
    const std::uint64_t value = count(name);
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
      refuse(name, "below 2^63");
    return static_cast<std::int64_t>(value);
  }
  double number(const char* name) const {  // null: not finite
    const nlohmann::json& value = at(name);
    if (value.is_null()) return std::numeric_limits<double>::quiet_NaN();
    if (!value.is_number()) refuse(name, "a number");
    return value.get<double>();
  }
  bool flag(const char* name) const {
    const nlohmann::json& value = at(name);
    if (!value.is_boolean()) refuse(name, "true or false");
    return value.get<bool>();
  }
  std::string text(const char* name) const {
    const nlohmann::json& value = at(name);
    if (!value.is_string()) refuse(name, "text");
    return value.get<std::string>();
  }
  const nlohmann::json& object(const char* name) const {
    const nlohmann::json& value = at(name);
    if (!value.is_object()) refuse(name, "an object");
    return value;
  }
  Fields fields(const char* name) const { return {object(name), place_}; }
  bool is_null(const char* name) const { return at(name).is_null(); }

 private:
  const nlohmann::json& at(const char* name) const {
    const auto found = object_.find(name);
    if (found == object_.end()) refuse(name, "a value");
    return *found;
  }
  [[noreturn]] void refuse(const char* name, const char* wanted) const {
    const auto found = object_.find(name);
    throw Error(ErrorClass::kFile,
                "checkpoint.bad_state",
                {.what = fmt::format("{}: field {} of the state", place_, name),
                 .seen = found == object_.end() ? "nothing" : printable(found->dump()),
                 .wanted = wanted,
                 .remedy = "the checkpoint is damaged or not one of a training run"});
  }

  const nlohmann::json& object_;
  const std::string& place_;
};

RunTotals parse_totals(const Fields& fields) {
  RunTotals totals;
  totals.parts = fields.count("parts");
  totals.steps = fields.count("steps");
  totals.examples = fields.count("examples");
  totals.tokens = fields.count("tokens");
  totals.forward = fields.count("forward");
  totals.backward = fields.count("backward");
  totals.other = fields.count("other");
  totals.wall_seconds = fields.number("wall_seconds");
  totals.cpu_seconds = fields.number("cpu_seconds");
  return totals;
}

RunIdentity parse_identity(const Fields& fields, const std::string& place) {
  RunIdentity identity;
  identity.system = fields.text("system");
  identity.estimator = fields.text("estimator");
  identity.config_hash = fields.text("config_hash");
  identity.seed = fields.count("seed");
  identity.data = fields.text("data");
  const nlohmann::json& options = fields.object("options");
  for (const auto& [path, value] : options.items()) {
    identity.options[path] = Fields(options, place).text(path.c_str());
  }
  return identity;
}

RunState parse_state(const Fields& fields) {
  RunState state;
  state.step = fields.count("step");
  const Fields cursor = fields.fields("cursor");
  state.cursor = {.epoch = cursor.integer("epoch"), .batch = cursor.integer("batch")};
  const Fields schedule = fields.fields("schedule");
  state.schedule = {.plateau = schedule.number("plateau"),
                    .best = schedule.number("best"),
                    .has_best = schedule.flag("has_best"),
                    .bad_evaluations = schedule.integer("bad_evaluations")};
  const Fields guard = fields.fields("guard");
  state.skipped = guard.count("skipped");
  state.bad_in_a_row = guard.integer("bad_in_a_row");
  const Fields evaluation = fields.fields("evaluation");
  if (!evaluation.is_null("best_metric")) state.best_metric = evaluation.number("best_metric");
  state.best_step = evaluation.count("best_step");
  state.evaluations_without_progress = evaluation.integer("without_progress");
  state.stopped_early = evaluation.flag("stopped_early");
  const Fields loss = fields.fields("loss");
  state.loss_sum = loss.number("sum");
  state.loss_steps = loss.count("steps");
  state.last_loss = loss.number("last");
  state.totals = parse_totals(fields.fields("totals"));
  state.task = fields.object("task").dump();
  return state;
}

// The first setting of `text` that `other` does not have in the same words.
std::string first_other_line(const std::string& text, const std::string& other) {
  const std::vector<std::string> lines = split(other, '\n');
  const std::set<std::string> known(lines.begin(), lines.end());
  for (const std::string& line : split(text, '\n')) {
    const std::string_view content = trim(line);
    const bool setting = !content.empty() && !content.starts_with('#') && !content.starts_with('[');
    if (setting && !known.contains(line)) return printable(content);
  }
  return "";
}

struct Difference {
  std::vector<std::string> saved, now;

  void compare(const std::string& name, const std::string& then, const std::string& here) {
    if (then == here) return;
    saved.push_back(fmt::format("{} {}", name, printable(then, 60)));
    now.push_back(fmt::format("{} {}", name, printable(here, 60)));
  }
};

}  // namespace

std::string to_json(const RunIdentity& identity, const RunMachine& machine, const RunState& state) {
  Json json;
  json["identity"] = {{"system", identity.system},
                      {"estimator", identity.estimator},
                      {"config_hash", identity.config_hash},
                      {"seed", identity.seed},
                      {"data", identity.data},
                      {"options", identity.options}};
  json["machine"] = {{"threads", machine.threads}, {"processes", machine.processes}};
  json["step"] = state.step;
  json["cursor"] = {{"epoch", state.cursor.epoch}, {"batch", state.cursor.batch}};
  json["schedule"] = {{"plateau", state.schedule.plateau},
                      {"best", number_or_null(state.schedule.best)},
                      {"has_best", state.schedule.has_best},
                      {"bad_evaluations", state.schedule.bad_evaluations}};
  json["guard"] = {{"skipped", state.skipped}, {"bad_in_a_row", state.bad_in_a_row}};
  json["evaluation"] = {{"best_metric", state.best_metric ? number_or_null(*state.best_metric) : Json()},
                        {"best_step", state.best_step},
                        {"without_progress", state.evaluations_without_progress},
                        {"stopped_early", state.stopped_early}};
  json["loss"] = {
      {"sum", state.loss_sum}, {"steps", state.loss_steps}, {"last", number_or_null(state.last_loss)}};
  json["totals"] = totals_json(state.totals);
  json["task"] = task_json(state.task);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

SavedRun parse_run_state(std::string_view text, const std::string& place) {
  const nlohmann::json json =
      io::parse_json(text, place, {.max_bytes = std::size_t{64} << 20, .error_class = ErrorClass::kFile});
  const Fields fields(json, place);
  SavedRun run;
  run.identity = parse_identity(fields.fields("identity"), place);
  const Fields machine = fields.fields("machine");
  run.machine = {.threads = machine.integer("threads"), .processes = machine.integer("processes")};
  run.state = parse_state(fields);
  return run;
}

void check_same_run(const RunIdentity& saved, const RunIdentity& now, const std::string& place) {
  Difference difference;
  difference.compare("system", saved.system, now.system);
  difference.compare("gradient", saved.estimator, now.estimator);
  difference.compare("seed", fmt::format("{}", saved.seed), fmt::format("{}", now.seed));
  for (const auto& [path, value] : now.options) {
    const auto then = saved.options.find(path);
    if (then != saved.options.end()) difference.compare(path, then->second, value);
  }
  if (saved.config_hash != now.config_hash && difference.now.empty()) {
    const std::string then = first_other_line(saved.config_toml, now.config_toml);
    const std::string here = first_other_line(now.config_toml, saved.config_toml);
    then.empty() && here.empty() ? difference.compare("configuration", saved.config_hash, now.config_hash)
                                 : difference.compare("configuration", then, here);
  }
  difference.compare("data", saved.data, now.data);
  if (difference.now.empty()) return;
  throw Error(ErrorClass::kConfig,
              "train.other_run",
              {.what = place + " belongs to another run",
               .seen = join(difference.saved, ", "),
               .wanted = join(difference.now, ", "),
               .remedy = "train in another folder, or with the settings of that run to continue it"});
}

}  // namespace tenfold::train
