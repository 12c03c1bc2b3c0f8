// SPDX-License-Identifier: Apache-2.0
// The one answer to a name that is not known: what was written, which names there are, and the nearest of them.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "tenfold/base/error.h"

namespace tenfold {

struct UnknownName {
  ErrorClass error_class = ErrorClass::kUsage;
  std::string code;                    // "usage.unknown_command"
  std::string what;                    // "unknown command"
  std::string_view name;               // as it was written; empty: nothing was
  std::span<const std::string> known;  // what would have been right
  std::string none_known;              // wanted, when `known` is empty: "no key at all"
  std::string remedy;                  // when no known name is near enough to be a typing error
};

// seen: the name; wanted: "one of a, b, c" (at most 40 of them, then "and N more"); remedy: "did you mean b?" or
// `remedy`. Names from a file are made safe to print.
Error unknown_name(const UnknownName& unknown);

}  // namespace tenfold
