// SPDX-License-Identifier: Apache-2.0
#include "sensors/process/library_call.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "engine/attach/user_binary.h"
#include "waggle/bytes.h"
#include "waggle/owned_fd.h"

namespace waggle::sensors {

Result<AttachSpec> behind_call(std::string_view function, std::uint32_t call_number) {
    AttachSpec spec;
    spec.kind = AttachKind::uprobe;
    spec.path = "libc.so.6";
    spec.target = function;
    const auto library = kernel::UserBinary::find(spec);
    if (!library) return library.error();
    const auto begin = library->function(function);
    if (!begin) return begin.error();
    std::array<unsigned char, 32> code{};
    const OwnedFd file(::open(library->path().c_str(), O_RDONLY | O_CLOEXEC));
    if (!file || ::pread(file.get(), code.data(), code.size(), static_cast<off_t>(*begin)) < 0)
        return Error{fmt::format("{} cannot be read", library->shown())};
    // mov $call_number,%eax; syscall
    std::array<unsigned char, 7> call{0xb8, 0, 0, 0, 0, 0x0f, 0x05};
    for (unsigned i = 0; i < 4; ++i) call[1 + i] = static_cast<unsigned char>(call_number >> 8 * i);
    const auto found = std::ranges::search(code, call);
    if (found.empty())
        return Error{fmt::format("{} of {} makes its system call in a way that is not known", function,
                                 library->shown())};
    spec.path = library->shown();
    spec.offset = static_cast<std::uint64_t>(found.end() - code.begin());
    return spec;
}

}  // namespace waggle::sensors
