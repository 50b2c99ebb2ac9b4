// SPDX-License-Identifier: Apache-2.0
// Any bytes as a recording: read to the damage, asked, rendered; never a crash. An even first byte gives the
// rest to the reader as it is; an odd one wraps it into frames whose check sums hold, so that what is inside
// them is met too.
#include <cstdint>
#include <cstring>

#include "agent/replay.h"
#include "recording/crc32c.h"
#include "recording/recording_format.h"
#include "render/json.h"
#include "render/terminal.h"

using namespace waggle;
using namespace waggle::agent;

namespace {

// {u8 type, u16 length, payload} again and again.
std::vector<std::byte> framed(Bytes bytes) {
    const Bytes magic = bytes_of(recording_magic);
    std::vector<std::byte> out(magic.begin(), magic.end());
    while (bytes.size() >= 3) {
        const std::size_t length = std::min<std::size_t>(load<std::uint16_t>(bytes, 1), bytes.size() - 3);
        FrameHeader header{static_cast<std::uint32_t>(bytes[0]) % 8, static_cast<std::uint32_t>(length), 0,
                           0};
        const Bytes payload = bytes.subspan(3, length);
        header.crc = crc32c(payload, crc32c(bytes_of(header).first(8)));
        const Bytes head = bytes_of(header);
        out.insert(out.end(), head.begin(), head.end());
        out.insert(out.end(), payload.begin(), payload.end());
        out.resize((out.size() + 7) & ~std::size_t{7});
        bytes = bytes.subspan(3 + length);
    }
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const Bytes rest = std::as_bytes(std::span(data + 1, size - 1));
    const std::vector<std::byte> file =
        data[0] & 1 ? framed(rest) : std::vector<std::byte>(rest.begin(), rest.end());
    std::vector<std::uint64_t> words((file.size() + 7) / 8);
    if (!file.empty()) std::memcpy(words.data(), file.data(), file.size());
    const auto replay = Replay::read(std::move(words), file.size());
    if (!replay) return 0;
    const explain::Answer answer = (*replay)->answer("");
    sinks::render_answer(answer, {});
    sinks::answer_json(answer);
    for (Table* table : (*replay)->store().tables()) {
        const std::vector<Column> columns = columns_of(table->schema());
        table->each([&](const Row& row) {
            for (const Column& column : columns) format_column(row, column, (*replay)->store().lookup());
        });
    }
    return 0;
}
