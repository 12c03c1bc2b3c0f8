// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/errors.h"

#include <algorithm>
#include <new>
#include <nlohmann/json.hpp>
#include <utility>

#include "tenfold/base/log.h"

namespace tenfold::serve {
namespace {

using Json = nlohmann::ordered_json;

ErrorClass class_of(int status) {
  if (status >= 500 || status == 429) return ErrorClass::kResource;
  return ErrorClass::kUsage;
}

Json to_object(const Error& error) {
  const ErrorText& text = error.text();
  return {{"code", error.code()},
          {"class", to_string(error.error_class())},
          {"exit_code", error.exit_code()},
          {"what", text.what},
          {"seen", text.seen},
          {"wanted", text.wanted},
          {"remedy", text.remedy}};
}

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string one_line(const ErrorText& text) {
  std::string line = text.what;
  if (!text.seen.empty()) line += "; seen: " + text.seen;
  if (!text.wanted.empty()) line += "; wanted: " + text.wanted;
  if (!text.remedy.empty()) line += "; remedy: " + text.remedy;
  return line;
}

bool is_inference_path(std::string_view path) {
  return path == "/v2" || path.starts_with("/v2/");
}

}  // namespace

HttpError::HttpError(int status, std::string code, ErrorText text)
    : Error(class_of(status), std::move(code), std::move(text)), status_(status) {}

void Scrubber::hide(const std::string& folder, bool ids) {
  if (folder.size() < 2 || folder.front() != '/') return;  // a relative one says nothing
  folders_.emplace_back(folder, ids);
  std::sort(folders_.begin(), folders_.end(), [](const auto& a, const auto& b) {
    return a.first.size() > b.first.size();
  });
}

std::string Scrubber::clean(std::string text) const {
  for (const auto& [folder, ids] : folders_) {
    for (std::size_t at = text.find(folder); at != std::string::npos; at = text.find(folder, at)) {
      std::size_t end = at + folder.size();
      if (end < text.size() && text[end] == '/') ++end;
      if (ids) {
        const std::size_t id_end = text.find_first_not_of("0123456789abcdef", end);
        if (id_end != std::string::npos && id_end > end && text[id_end] == '/') end = id_end + 1;
      }
      text.erase(at, end - at);
    }
  }
  return text;
}

int http_status(const Error& error) {
  if (const auto* http = dynamic_cast<const HttpError*>(&error)) return http->status();
  switch (error.error_class()) {
    case ErrorClass::kResource:
      return 503;
    case ErrorClass::kInternal:
      return 500;
    default:
      return 400;
  }
}

Error public_error(const Error& error, const Scrubber& scrubber) {
  if (error.error_class() == ErrorClass::kInternal) {
    return Error(ErrorClass::kInternal,
                 error.code(),
                 {.what = "the server failed on this request",
                  .remedy = "this is a bug of tenfold: the server's log says more"});
  }
  if (error.error_class() == ErrorClass::kFile) {
    return Error(ErrorClass::kFile,
                 error.code(),
                 {.what = "a file of the server cannot be used", .remedy = "the server's log says more"});
  }
  ErrorText text = error.text();
  for (std::string* part : {&text.what, &text.seen, &text.wanted, &text.remedy}) {
    *part = scrubber.clean(std::move(*part));
  }
  return Error(error.error_class(), error.code(), std::move(text));
}

std::string error_json(const Error& error) {
  return to_object(error).dump(-1, ' ', false, Json::error_handler_t::replace);
}

Response error_response(const Error& error, std::string_view path) {
  Response response;
  response.status = http_status(error);
  Json object = to_object(error);
  if (is_inference_path(path)) {
    Json flat = {{"error", one_line(error.text())}};
    flat.update(object);
    response.body = dump(flat);
  } else {
    response.body = dump({{"error", std::move(object)}});
  }
  if (response.status == 503 || response.status == 429) response.headers.emplace_back("Retry-After", "1");
  return response;
}

Response error_response(std::exception_ptr failure, std::string_view path, const Scrubber& scrubber) {
  try {
    std::rethrow_exception(std::move(failure));
  } catch (const HttpError& error) {
    return error_response(error, path);
  } catch (const Error& error) {
    if (error.error_class() == ErrorClass::kInternal || error.error_class() == ErrorClass::kFile) {
      log::warning("serve: {}: {} ({})", error.code(), error.text().what, error.text().seen);
    }
    Response response = error_response(public_error(error, scrubber), path);
    response.status = http_status(error);
    return response;
  } catch (const std::bad_alloc&) {
    return error_response(HttpError(503,
                                    "resource.memory",
                                    {.what = "not enough memory for this request",
                                     .remedy = "ask for less, or try again later"}),
                          path);
  } catch (const std::exception& unknown) {
    log::warning("serve: internal.exception: {}", unknown.what());
    return error_response(
        public_error(Error(ErrorClass::kInternal, "internal.exception", {.what = unknown.what()}), scrubber),
        path);
  }
}

}  // namespace tenfold::serve
