// SPDX-License-Identifier: Apache-2.0
// The sources of this build, for whoever has no business in their rooms.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/source.h"
#include "waggle/result.h"

namespace waggle::agent {

// In the order of sensors/CMakeLists.txt.
std::span<const Source* const> sources();
const Source* source_named(std::string_view name);  // null where there is none

// The one that fills this table; null where none does.
const Source* source_of_table(std::string_view table);

// An error that names the nearest where one of these is none.
Result<void> check_source_names(std::span<const std::string> names);

// The fixed tables that rows fill: waggle's own, and those of the sources.
std::vector<const Schema*> row_schemas();

// The option of this name, whoever declares it; null where nobody does.
const SourceOption* option_named(std::string_view name);

// Whether it must be told what to watch: its name alone does not start it.
bool needs_place(const Source& source);

// Whether it runs when nobody names it.
bool runs_unasked(const Source& source, const OptionValues& values);

}  // namespace waggle::agent
