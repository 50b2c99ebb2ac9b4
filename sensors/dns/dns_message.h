// SPDX-License-Identifier: Apache-2.0
// What a DNS message asks for, from a bounded copy of its bytes. The bytes are foreign: lengths can lie, and a name
// can point at itself. Reads nothing outside the copy, follows a name only backwards, makes at most 255 bytes of it.
#pragma once

#include <cstdint>
#include <string>

#include "waggle/bytes.h"

namespace waggle::sensors {

struct DnsQuestion {
    std::string name;  // "example.org", "." for the root; other than printable bytes as \ and three digits
    std::uint16_t type = 0;
    bool cut = false;  // the copy ends before the question does, or it is none: name is as far as it was read
};

// Of the first question behind the message's head.
DnsQuestion read_dns_question(Bytes message);

}  // namespace waggle::sensors
