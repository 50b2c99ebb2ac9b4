// SPDX-License-Identifier: Apache-2.0
// Maps of a section "maps", as Rust's aya and C from before BTF declare them: a row of numbers for each,
// without types. libbpf dropped them with 1.0, so the object is rewritten in memory: the same section is
// described in BTF and named ".maps", which libbpf reads.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "waggle/bytes.h"
#include "waggle/result.h"

struct bpf_object;

namespace waggle::kernel {

struct AdaptedObject {
    std::vector<std::byte> elf;
    std::vector<std::string> maps;
};

// `elf` has passed check_object(). The error names the map whose definition cannot be read.
Result<AdaptedObject> adapt_legacy_maps(Bytes elf);

// A ring's declaration may say of which type its records are (`__type(value, struct event)`); to the kernel a
// ring has neither keys nor values, and libbpf 1.1 passes on what stands there. `object` is opened and not
// loaded.
void take_types_off_rings(bpf_object* object);

}  // namespace waggle::kernel
