// SPDX-License-Identifier: Apache-2.0
#include "tenfold/base/unknown_name.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <vector>

#include "tenfold/base/strings.h"

namespace tenfold {
namespace {

constexpr std::size_t kMostNames = 40;  // a message is read on a terminal

std::string list_of(std::span<const std::string> known) {
  std::vector<std::string> shown;
  for (const std::string& name : known.first(std::min(known.size(), kMostNames)))
    shown.push_back(printable(name));
  if (known.size() > shown.size())
    shown.push_back("and " + std::to_string(known.size() - shown.size()) + " more");
  return join(shown, ", ");
}

}  // namespace

Error unknown_name(const UnknownName& unknown) {
  const std::optional<std::string> nearest = nearest_name(unknown.name, unknown.known);
  return {unknown.error_class,
          unknown.code,
          {.what = unknown.what,
           .seen = unknown.name.empty() ? "nothing" : printable(unknown.name),
           .wanted = unknown.known.empty() ? unknown.none_known : "one of " + list_of(unknown.known),
           .remedy = nearest ? "did you mean " + printable(*nearest) + "?" : unknown.remedy}};
}

}  // namespace tenfold
