// SPDX-License-Identifier: Apache-2.0
// Any bytes as a DNS message: a name of bounded length that a terminal can show, and no byte read outside.
#include <cstdint>
#include <cstdlib>

#include "sensors/dns/dns_message.h"

using namespace waggle;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const sensors::DnsQuestion question =
        sensors::read_dns_question({reinterpret_cast<const std::byte*>(data), size});
    // 255 bytes, each at most four characters.
    if (question.name.size() > 4 * 255) std::abort();
    for (const char byte : question.name)
        if (byte <= ' ' || byte >= 0x7f) std::abort();
    if (question.cut && question.type != 0) std::abort();
    return 0;
}
