// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/http.h"

namespace tenfold::serve {

std::string_view Request::header(std::string_view name) const {
  for (const TextPair& header : headers) {
    if (header.first == name) return header.second;
  }
  return {};
}

const std::string* Request::parameter(std::string_view name) const {
  for (const TextPair& pair : query) {
    if (pair.first == name) return &pair.second;
  }
  return nullptr;
}

std::string_view to_string(RejectReason reason) {
  switch (reason) {
    case RejectReason::kConnections:
      return "connections";
    case RejectReason::kHeaders:
      return "headers";
    case RejectReason::kBody:
      return "body";
    case RejectReason::kMemory:
      return "memory";
    case RejectReason::kTimeout:
      return "timeout";
    case RejectReason::kMalformed:
      return "malformed";
    case RejectReason::kRefused:
      return "refused";
  }
  return "refused";
}

}  // namespace tenfold::serve
