// SPDX-License-Identifier: Apache-2.0
// TOML in and out for the field list of config/field.h.
#pragma once

#include <string>
#include <string_view>

#include "tenfold/config/field.h"

namespace tenfold::config {

// Applies table [table] of `text` to `fields`. `known_tables`: other table names that may stand in the same
// file; any other table, any top-level key and any unknown key inside [table] is an error with the nearest
// name. `origin` is the file name for messages. Throws Error(kConfig).
void apply_toml(const Fields& fields,
                std::string_view text,
                std::string_view table,
                const std::vector<std::string>& known_tables,
                std::string_view origin);

// "[table]\n# help, unit, range\nname = value\n" for every field: reads back to the same values.
std::string to_toml(const Fields& fields, std::string_view table);

}  // namespace tenfold::config
