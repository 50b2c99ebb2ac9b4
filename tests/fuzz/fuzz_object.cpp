// SPDX-License-Identifier: Apache-2.0
// Any bytes as a BPF object: refused with a reason, or opened, and all that is in it can be said and read.
// Nothing is loaded. And any text as a place to attach to.
#include <cstdint>
#include <cstdlib>

#include "waggle/object.h"

using namespace waggle;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Bytes bytes{reinterpret_cast<const std::byte*>(data), size};
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (size < 256) {
        const auto spec = AttachSpec::parse(text);
        if (!spec && spec.error().message.empty()) std::abort();
        if (spec && !AttachSpec::parse(to_string(*spec)) && to_string(*spec).find('\\') == std::string::npos)
            std::abort();
        const auto section = AttachSpec::from_section(text);
        if (!section && section.error().message.empty()) std::abort();
    }
    auto object = Object::open("fuzzed", bytes);
    if (!object) {
        if (object.error().message.empty()) std::abort();
        return 0;
    }
    for (const ObjectProgram& each : object->programs())
        if (auto set = object->set_autoload(each.name, false); !set && set.error().message.empty())
            std::abort();
    object->maps();
    for (const char* name : {"constant", "word", "yes", "counter", "couple", "runs"}) {
        (void)object->value<std::uint32_t>(name);
        (void)object->value<std::uint64_t>(name);
        (void)object->value<bool>(name);
        (void)object->set_constant(name, std::uint32_t{1});
    }
    if (auto unloaded = object->unload(); !unloaded && unloaded.error().message.empty()) std::abort();
    return 0;
}
