// SPDX-License-Identifier: Apache-2.0
#include "tenfold/base/error.h"

#include <utility>

namespace tenfold {
namespace {

std::string render(const ErrorText& text) {
  std::string message = text.what;
  if (!text.seen.empty()) message += "; seen: " + text.seen;
  if (!text.wanted.empty()) message += "; wanted: " + text.wanted;
  if (!text.remedy.empty()) message += "; remedy: " + text.remedy;
  return message;
}

}  // namespace

std::string_view to_string(ErrorClass error_class) {
  switch (error_class) {
    case ErrorClass::kUsage:
      return "usage";
    case ErrorClass::kConfig:
      return "config";
    case ErrorClass::kData:
      return "data";
    case ErrorClass::kFile:
      return "file";
    case ErrorClass::kResource:
      return "resource";
    case ErrorClass::kInternal:
      return "internal";
  }
  return "internal";
}

Error::Error(ErrorClass error_class, std::string code, ErrorText text)
    : std::runtime_error(render(text)),
      error_class_(error_class),
      code_(std::move(code)),
      text_(std::move(text)) {}

Error with_place(const Error& error, std::string_view place) {
  ErrorText text = error.text();
  text.what = std::string(place) + ": " + text.what;
  return {error.error_class(), error.code(), std::move(text)};
}

void check_internal(bool condition, std::string_view what) {
  if (condition) return;
  throw Error(
      ErrorClass::kInternal,
      "internal.broken_invariant",
      {.what = std::string(what), .remedy = "this is a bug of tenfold: please report it with the command"});
}

}  // namespace tenfold
