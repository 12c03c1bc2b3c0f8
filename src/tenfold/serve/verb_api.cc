// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/verb_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tenfold/base/strings.h"
#include "tenfold/config/schema.h"
#include "tenfold/config/toml.h"
#include "tenfold/serve/memory_files.h"

namespace tenfold::serve {
namespace {

using config::FileUse;
using nlohmann::json;

constexpr char kResultFolder[] = "/tenfold-result";  // of MemoryFiles; no folder of the disk

[[noreturn]] void throw_unknown_upload(std::string_view seen) {
  throw HttpError(404,
                  "serve.unknown_upload",
                  {.what = "there is no upload of this id",
                   .seen = printable(seen, 64),
                   .wanted = "upload:ID as /api/uploads gave it",
                   .remedy = "send the file again: old uploads make room for new ones"});
}

json parse_body(const ExchangePtr& exchange, const Limits& limits) {
  const std::string body = exchange->take_body();
  return body.empty() ? json::object() : parse_request_json(body, limits);
}

RouteDoc describe(const systems::System& system, const systems::Verb& verb, bool post) {
  RouteDoc doc{system.name, verb.summary};
  doc.query = {{"seed", "of all random numbers", R"({"type":"integer","minimum":0,"default":1})"},
               {"preset", "start from a named configuration", ""},
               {"file", "answer with this file of the result instead of JSON", ""},
               {"format", "json, or text as on a terminal", R"({"enum":["json","text"]})"}};
  const systems::VerbCall call = verb.prepare();
  const std::string schema = served_schema(call.fields, system.name + " " + verb.name);
  if (post) {
    doc.body_schema = schema;
  } else {
    const json parsed = json::parse(schema);
    for (const config::BoundField& field : call.fields.all()) {
      if (parsed["properties"].contains(field.path)) {
        doc.query.push_back({field.path, field.info.help, parsed["properties"][field.path].dump()});
      }
    }
  }
  doc.failures = {404, 413, 415, 429};
  return doc;
}

}  // namespace

CallWords split_query(const std::vector<TextPair>& query) {
  CallWords words;
  for (const auto& [key, value] : query) {
    if (key == "seed") {
      const auto seed = parse_integer(value);
      if (!seed || *seed < 0) {
        throw HttpError(400,
                        "serve.bad_word",
                        {.what = "seed cannot be read",
                         .seen = printable(value, 40),
                         .wanted = "an integer of 0 or more"});
      }
      words.seed = static_cast<std::uint64_t>(*seed);
    } else if (key == "preset") {
      words.preset = value;
    } else if (key == "file") {
      words.file = value;
    } else if (key == "format") {
      if (value != "json" && value != "text") {
        throw HttpError(
            400,
            "serve.bad_word",
            {.what = "format is not known", .seen = printable(value, 40), .wanted = "json or text"});
      }
      words.format = value;
    } else {
      words.rest.emplace_back(key, value);
    }
  }
  return words;
}

std::string content_type_of(const std::string& name) {
  static const std::vector<TextPair> kTypes = {{".svg", "image/svg+xml"},
                                               {".png", "image/png"},
                                               {".csv", "text/csv; charset=utf-8"},
                                               {".json", "application/json"},
                                               {".html", "text/html; charset=utf-8"},
                                               {".css", "text/css; charset=utf-8"},
                                               {".js", "text/javascript; charset=utf-8"},
                                               {".ico", "image/x-icon"},
                                               {".woff2", "font/woff2"},
                                               {".webmanifest", "application/manifest+json"},
                                               {".txt", "text/plain; charset=utf-8"}};
  for (const auto& [ending, type] : kTypes) {
    if (name.ends_with(ending)) return type;
  }
  return "application/octet-stream";
}

void respond_json(const ExchangePtr& exchange, const json& body, int status) {
  Response response;
  response.status = status;
  response.body = body.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  exchange->respond(std::move(response));
}

void submit_call(Dispatcher& calls,
                 const Scrubber& scrubber,
                 const ExchangePtr& exchange,
                 std::function<void(const ExchangePtr&)> call) {
  // A group of its own: calls never share a batch.
  const std::string group = fmt::format("{}", static_cast<const void*>(exchange.get()));
  calls.submit(
      exchange,
      group,
      1,
      std::make_unique<CallJob>(exchange, [&scrubber, call = std::move(call)](const ExchangePtr& waiting) {
        try {
          call(waiting);
        } catch (...) {
          waiting->respond(error_response(std::current_exception(), waiting->request().path, scrubber));
        }
      }));
}

VerbApi::VerbApi(Options options, UploadStore& uploads, Dispatcher& calls, const Scrubber& scrubber)
    : options_(std::move(options)), uploads_(uploads), calls_(calls), scrubber_(scrubber) {
  program_.name = "tenfold";
  program_.title = "The program";
  program_.summary = "commands beside the systems";
  program_.verbs = options_.commands;
}

VerbApi::Found VerbApi::find(const std::string& system, const std::string& verb) const {
  std::vector<const systems::System*> all = {&program_};
  for (const systems::System& each : options_.systems) all.push_back(&each);
  for (const systems::System* each : all) {
    if (each->name != system) continue;
    for (const systems::Verb& candidate : each->verbs) {
      if (candidate.name == verb && candidate.served != systems::Served::kNever) return {each, &candidate};
    }
  }
  throw HttpError(404,
                  "serve.unknown_verb",
                  {.what = "there is no such verb",
                   .seen = printable(system + " " + verb, 80),
                   .remedy = "see /api/systems for all verbs"});
}

ResolveFile VerbApi::resolver(std::vector<UploadPtr>& held) const {
  return [this, &held](const config::BoundField& field, const std::string& value) -> std::string {
    const auto refuse = [&](std::string what, std::string wanted) {
      return HttpError(403,
                       "serve.file_field",
                       {.what = field.path + ": " + std::move(what),
                        .seen = printable(value, 80),
                        .wanted = std::move(wanted)});
    };
    const std::string_view text = value;
    if (field.info.file == FileUse::kWrite) {
      if (value != safe_name(value, "")) throw refuse("no plain name", "letters, digits, '.', '_' and '-'");
      return value;
    }
    if (field.info.file == FileUse::kRunFolder) {
      if (!text.starts_with(kRunPrefix))
        throw refuse("a client may only name runs of the server", "run:NAME");
      const RunPlace place = options_.library->find(text.substr(kRunPrefix.size())).place;
      return (place.child.empty() ? place.root : place.root / place.child).string();
    }
    if (!text.starts_with(kUploadPrefix)) throw refuse("a client may only name its uploads", "upload:ID");
    const UploadPtr upload = uploads_.find(text.substr(kUploadPrefix.size()));
    if (!upload) throw_unknown_upload(value);
    held.push_back(upload);
    return upload->file().string();
  };
}

void VerbApi::apply_preset(const Found& found,
                           const config::Fields& fields,
                           const std::string& preset) const {
  if (preset.empty()) return;
  std::vector<std::string> tables;
  for (const systems::Verb& verb : found.system->verbs) tables.push_back(verb.name);
  std::vector<std::string> names;
  for (const systems::Preset& each : found.system->presets) {
    if (each.name == preset)
      return config::apply_toml(fields, each.toml, found.verb->name, tables, "preset " + preset);
    names.push_back(each.name);
  }
  throw Error(ErrorClass::kConfig,
              "config.unknown_preset",
              {.what = "the system has no preset of this name",
               .seen = printable(preset, 40),
               .wanted = names.empty() ? "none" : "one of " + join(names, ", ")});
}

void VerbApi::fill(const Found& found,
                   const config::Fields& fields,
                   const std::string& preset,
                   const json& object,
                   std::vector<UploadPtr>& held,
                   bool job) const {
  apply_preset(found, fields, preset);
  std::error_code ignored;
  const bool has_runs = std::filesystem::is_directory(options_.runs, ignored);
  for (const config::BoundField& field : fields.all()) {
    auto* const* text = std::get_if<std::string*>(&field.ref);
    if (field.info.file == FileUse::kRuns && text != nullptr && has_runs) **text = options_.runs.string();
  }
  apply_json(fields, object, resolver(held));
  job ? config::check_all(fields) : check_served(fields);
}

// In a worker thread: the whole of one request.
void VerbApi::run(const ExchangePtr& exchange, const Found& found) const {
  const Request& request = exchange->request();
  const CallWords words = split_query(request.query);
  const systems::VerbCall call = found.verb->prepare();
  std::vector<UploadPtr> held;
  json object = json::object();
  if (is_csv(request)) {
    const auto& all = call.fields.all();
    const auto table = std::find_if(all.begin(), all.end(), [](const config::BoundField& field) {
      return field.info.file == FileUse::kRead;
    });
    if (table == all.end()) {
      throw HttpError(415,
                      "http.content_type",
                      {.what = "this verb reads no table", .seen = "text/csv", .wanted = "application/json"});
    }
    held.push_back(uploads_.store("upload.csv", exchange->take_body()));
    config::set_from_text(*table, held.back()->file().string(), "request");
  } else {
    object = parse_body(exchange, options_.limits);
  }
  apply_preset(found, call.fields, words.preset);
  apply_query(call.fields, words.rest, resolver(held));
  fill(found, call.fields, "", object, held, false);

  MemoryFiles files;
  systems::Context context;
  context.files = &files;
  context.stop = &exchange->stop();
  context.progress = [](std::string_view) {};
  context.seed = words.seed;
  context.out = kResultFolder;
  const systems::Outcome outcome = call.run(context);
  Response response;
  if (!words.file.empty()) {
    const auto file = files.files().find((context.out / words.file).string());
    if (file == files.files().end()) {
      throw HttpError(404,
                      "serve.unknown_file",
                      {.what = "the result has no such file", .seen = printable(words.file, 80)});
    }
    response.content_type = content_type_of(words.file);
    response.body = file->second;
    response.headers.emplace_back("Content-Disposition",
                                  "attachment; filename=\"" + safe_name(words.file, "result") + "\"");
  } else if (words.format == "text") {
    response.content_type = "text/plain; charset=utf-8";
    response.body = scrubber_.clean(outcome.text);
  } else {
    response.body =
        scrubber_.clean(outcome.json->dump(-1, ' ', false, json::error_handler_t::replace)) + "\n";
  }
  exchange->respond(std::move(response));
}

void VerbApi::queue(const ExchangePtr& exchange, std::function<void(const ExchangePtr&)> call) {
  submit_call(calls_, scrubber_, exchange, std::move(call));
}

void VerbApi::add_verb(Router& router, const systems::System& system, const systems::Verb& verb) {
  for (const bool post : {true, false}) {
    Route route;
    route.method = post ? "POST" : "GET";
    route.pattern = "/api/" + system.name + "/" + verb.name;
    route.body = post ? BodyKind::kJsonOrCsv : BodyKind::kNone;
    route.doc = describe(system, verb, post);
    route.handle = [this, found = Found{&system, &verb}](const ExchangePtr& exchange, const PathValues&) {
      queue(exchange, [this, found](const ExchangePtr& waiting) { run(waiting, found); });
    };
    router.add(std::move(route));
  }
}

void VerbApi::add_routes(Router& router) {
  for (const systems::Verb& verb : program_.verbs) {
    if (verb.served == systems::Served::kCall) add_verb(router, program_, verb);
  }
  for (const systems::System& system : options_.systems) {
    for (const systems::Verb& verb : system.verbs) {
      if (verb.served == systems::Served::kCall) add_verb(router, system, verb);
    }
  }
  add_list(router);
  add_uploads(router);
}

void VerbApi::add_list(Router& router) {
  Route route;
  route.pattern = "/api/systems";
  route.doc = {"systems", "the systems and their verbs"};
  route.handle = [this](const ExchangePtr& exchange, const PathValues&) {
    json list = json::array();
    for (const systems::System& system : options_.systems) {
      json verbs = json::array();
      for (const systems::Verb& verb : system.verbs) {
        if (verb.served == systems::Served::kNever) continue;
        json presets = json::object();  // all values of each, so that a form can show them
        for (const systems::Preset& preset : system.presets) {
          const systems::VerbCall call = verb.prepare();
          apply_preset({&system, &verb}, call.fields, preset.name);
          presets[preset.name] = json::parse(config::to_json(call.fields));
        }
        verbs.push_back({{"name", verb.name},
                         {"summary", verb.summary},
                         {"call", verb.served == systems::Served::kCall},
                         {"schema", json::parse(served_schema(verb.prepare().fields, verb.name))},
                         {"presets", presets}});
      }
      std::vector<std::string> presets;
      for (const systems::Preset& preset : system.presets) presets.push_back(preset.name);
      list.push_back({{"name", system.name},
                      {"title", system.title},
                      {"summary", system.summary},
                      {"paper", system.paper},
                      {"presets", presets},
                      {"verbs", verbs}});
    }
    respond_json(exchange, {{"systems", list}});
  };
  router.add(std::move(route));
}

void VerbApi::add_uploads(Router& router) {
  const auto to_json = [](const UploadPtr& upload) {
    return json{{"id", upload->id()},
                {"value", std::string(kUploadPrefix) + upload->id()},
                {"name", upload->file().filename().string()},
                {"bytes", upload->bytes()}};
  };
  Route add;
  add.method = "POST";
  add.pattern = "/api/uploads";
  add.body = BodyKind::kCsv;
  add.doc = {"uploads", "keep a table for later requests", {{"name", "of the file, for messages", ""}}};
  add.doc.failures = {413, 415};
  add.handle = [this, to_json](const ExchangePtr& exchange, const PathValues&) {
    queue(exchange, [this, to_json](const ExchangePtr& waiting) {
      const std::string* name = waiting->request().parameter("name");
      const UploadPtr upload = uploads_.store(name ? *name : "upload.csv", waiting->take_body());
      uploads_.keep(upload);
      respond_json(waiting, to_json(upload));
    });
  };
  router.add(std::move(add));

  Route remove;
  remove.method = "DELETE";
  remove.pattern = "/api/uploads/{id}";
  remove.doc = {"uploads", "let go of an upload"};
  remove.doc.failures = {404};
  remove.handle = [this](const ExchangePtr& exchange, const PathValues& values) {
    if (!uploads_.forget(values.at("id"))) throw_unknown_upload(values.at("id"));
    respond_json(exchange, json::object());
  };
  router.add(std::move(remove));
}

}  // namespace tenfold::serve
