// SPDX-License-Identifier: Apache-2.0
// Any bytes as a record of any sensor: refused with a reason, or a row of which every column can be said.
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "model/columns.h"
#include "sensors/rooms.h"

using namespace waggle;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const std::vector<const Source*> all = [] {
        std::vector<const Source*> fixed;
        for (const sensors::Room& room : sensors::rooms())
            if (!room.source.schemas.empty()) fixed.push_back(&room.source);
        return fixed;
    }();
    if (size < 2) return 0;
    const Source& sensor = *all[data[0] % all.size()];
    std::vector<std::uint64_t> words((size + 6) / 8);
    std::memcpy(words.data(), data + 1, size - 1);
    // Most inputs would fail on kind and size alone: set them right for half.
    if (data[0] & 0x80 && size > sizeof(waggle_event)) {
        auto* header = reinterpret_cast<waggle_event*>(words.data());
        header->kind = static_cast<__u16>(header->kind % sensor.schemas.size());
        header->size = static_cast<__u32>(size - 1);
    }
    const auto row = sensor.read({reinterpret_cast<const std::byte*>(words.data()), size - 1});
    if (!row) {
        if (row.error().message.empty()) std::abort();
        return 0;
    }
    for (const Column& column : columns_of(row->schema())) format_column(*row, column, {});
    return 0;
}
