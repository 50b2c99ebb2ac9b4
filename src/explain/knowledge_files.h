// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "base/embedded.h"

namespace waggle::explain {

// The knowledge base of this build: knowledge/en/*.yaml without the phrases, by name.
std::span<const EmbeddedFile> knowledge_files();

}  // namespace waggle::explain
