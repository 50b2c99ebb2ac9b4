// SPDX-License-Identifier: Apache-2.0
// Any bytes as BTF, and any bytes as a value of any of its types: refused with a reason, or printed, in
// bounded time. The first byte is the length of the value (in 4 bytes); the value follows, then the types.
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "waggle/types.h"

using namespace waggle;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Bytes all{reinterpret_cast<const std::byte*>(data), size};
    if (const auto types = Types::of_elf(all); !types && types.error().message.empty()) std::abort();
    if (size < 1 || size < 1 + std::size_t{data[0]} * 4) return 0;
    const Bytes value = all.subspan(1, std::size_t{data[0]} * 4), raw = all.subspan(1 + value.size());
    const Result<Types> types = Types::of_btf(raw);
    if (!types) {
        if (types.error().message.empty()) std::abort();
        return 0;
    }
    // A few types tell as much as all, and keep one run short.
    const std::uint32_t step = types->count() / 8 + 1;
    for (TypeId id = 0; id <= types->count(); id += step) {
        if (types->name(id).empty() && id == 0) std::abort();
        if (const auto text = types->text(id, value); !text && text.error().message.empty()) std::abort();
        if (const auto json = types->json(id, value); json && !nlohmann::json::accept(*json)) std::abort();
        for (const TypeField& field : types->fields(id))
            if (types->field_text(field, value).empty()) std::abort();
    }
    return 0;
}
