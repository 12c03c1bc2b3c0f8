// SPDX-License-Identifier: Apache-2.0
// Version and revision of this build.
#pragma once

#include <string_view>

namespace tenfold {

std::string_view version();  // "0.1.0"
std::string_view
revision();  // short commit id, "-dirty" appended when the tree had changes; "unknown" outside a clone

}  // namespace tenfold
