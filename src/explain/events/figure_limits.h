// SPDX-License-Identifier: Apache-2.0
// The limits that rules state, read from the rules' files without the rules.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/embedded.h"
#include "query/sql.h"
#include "waggle/result.h"

namespace waggle::explain {

struct StatedLimit {
    std::string rule;
    std::string name;
    Cell value;
    Unit unit = Unit::count;
    std::string as_written;  // "60s"
    std::string means;
};

// Of every file of a rule among `files`, as the *.yaml of `folder`/limits.d change them ("" for none).
Result<std::vector<StatedLimit>> stated_limits(std::span<const EmbeddedFile> files,
                                               const std::string& folder);

}  // namespace waggle::explain
