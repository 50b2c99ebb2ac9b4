// SPDX-License-Identifier: Apache-2.0
// Fields from the kernel's own types (BTF): of a function's arguments, and along its structs.
#pragma once

#include <bpf/btf.h>

#include <string>
#include <string_view>

#include "sensors/probe/probe_fields.h"

namespace waggle::sensors {

// Without typedef, const, volatile and tags; null where there is none.
const btf_type* resolved(const btf* types, __u32 id);
// "const char *", "struct sock *", "unsigned int".
std::string type_name(const btf* types, __u32 id);
// Its shape, size and names; where it stands is the caller's to say.
ProbeField field_of_type(const btf* types, __u32 id, std::string name);
// "->dentry->d_name.name" from a field that points to a struct. The error says which member is missing.
Result<ProbeField> member_of(const btf* types, const ProbeField& from, std::string_view path);

}  // namespace waggle::sensors
