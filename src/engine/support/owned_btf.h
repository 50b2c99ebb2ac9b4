// SPDX-License-Identifier: Apache-2.0
// OwnedBtf: libbpf's BTF, freed with its owner.
#pragma once

#include <bpf/btf.h>

#include <memory>

namespace waggle::kernel {

struct FreeBtf {
    void operator()(btf* types) const { btf__free(types); }
};
using OwnedBtf = std::unique_ptr<btf, FreeBtf>;

}  // namespace waggle::kernel
