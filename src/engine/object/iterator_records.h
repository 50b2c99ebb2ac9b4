// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string_view>
#include <vector>

#include "waggle/bytes.h"
#include "waggle/object.h"

namespace waggle::kernel {

// All that one pass of an iterator writes, as records of one kind; nothing where it cannot be read whole.
template <class Record>
std::optional<std::vector<Record>> records_of_pass(const Object& object, std::string_view program) {
    const Result<OwnedFd> pass = object.iterate(program);
    if (!pass) return std::nullopt;
    std::vector<std::byte> all;
    std::byte chunk[16384];
    for (;;) {
        const ssize_t got = ::read(pass->get(), chunk, sizeof chunk);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (got < 0) return std::nullopt;
        if (got == 0) break;
        all.insert(all.end(), chunk, chunk + got);
    }
    std::vector<Record> out;
    for (std::size_t at = 0; at + sizeof(Record) <= all.size(); at += sizeof(Record))
        out.push_back(load<Record>(all, at));
    return out;
}

}  // namespace waggle::kernel
