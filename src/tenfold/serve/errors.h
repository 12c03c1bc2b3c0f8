// SPDX-License-Identifier: Apache-2.0
// Failures as HTTP answers: the JSON object of the command line's --json, a status, and nothing of the server's inside.
#pragma once

#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tenfold/base/error.h"
#include "tenfold/serve/http.h"

namespace tenfold::serve {

// An error with a status of its own. Codes of this folder begin with "http." (the request as such) or "serve.".
class HttpError : public Error {
 public:
  HttpError(int status, std::string code, ErrorText text);
  int status() const { return status_; }

 private:
  int status_;
};

// Removes what a client must not learn from texts: folders of this machine. Immutable after set-up, thread-safe.
class Scrubber {
 public:
  // `folder` and its slash vanish from every path; with `ids`, the next part too.
  void hide(const std::string& folder, bool ids = false);
  std::string clean(std::string text) const;

 private:
  std::vector<std::pair<std::string, bool>> folders_;  // longest first
};

// HttpError: its own; resource: 503; internal: 500; everything else: 400.
int http_status(const Error& error);

// Errors of class file and internal come from inside the server: their code stays, their text is replaced by a general
// one. The others speak of the request and are only scrubbed.
Error public_error(const Error& error, const Scrubber& scrubber);

// {"error": {"code", "class", "exit_code", "what", "seen", "wanted", "remedy"}}. For the paths of the Open Inference
// Protocol, whose error is a text: {"error": "what; seen; wanted", "code", "class", ...}. 503 and 429 carry Retry-After.
Response error_response(const Error& error, std::string_view path);
// The same for anything a handler may throw; what is not an Error is logged and becomes "internal.exception".
Response error_response(std::exception_ptr failure, std::string_view path, const Scrubber& scrubber);

// The object behind "error", as text.
std::string error_json(const Error& error);

}  // namespace tenfold::serve
