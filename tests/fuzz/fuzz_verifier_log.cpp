// SPDX-License-Identifier: Apache-2.0
// Any bytes as a verifier log, and as an object's line information: always a class and a remedy, never a
// control character in what is printed.
#include <cstdlib>

#include "waggle/verifier.h"

using namespace waggle;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(bytes), size);
    const SourceLines lines = SourceLines::open(bytes_of(text));
    RejectionContext context;
    context.program = "count";
    context.section = size % 2 ? "xdp" : "";
    context.lines = size % 3 ? &lines : nullptr;
    const Rejection said = explain_rejection(text, context);
    if (said.kind.empty() || said.title.empty() || said.remedy.empty()) std::abort();
    if (said.because.size() > 64) std::abort();
    for (const char c : to_text(said))
        if (static_cast<unsigned char>(c) < 0x20 && c != '\n') std::abort();
    (void)lines.of("count", static_cast<std::uint32_t>(size));
    (void)lines.naming("count", "x", 1);
    return 0;
}
