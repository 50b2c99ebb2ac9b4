// SPDX-License-Identifier: Apache-2.0
#include "records.h"

#include <cstring>
#include <random>

#include "model/histogram.h"
#include "sensors/rooms.h"

namespace waggle::bench {
namespace {

// Texts of the length that such fields have on a server.
std::string_view text_for(const Field& field, std::uint64_t i) {
    static constexpr std::string_view comms[] = {"nginx", "postgres", "java", "kworker/u8:2", "node"};
    static constexpr std::string_view programs[] = {"/usr/sbin/nginx", "/usr/lib/postgresql/15/bin/postgres",
                                                    "/usr/lib/jvm/java-17-openjdk-amd64/bin/java", "/bin/sh"};
    static constexpr std::string_view devices[] = {"nvme0n1", "sda", "eth0"};
    if (field.name == "comm") return comms[i % std::size(comms)];
    if (field.name == "exe") return programs[i % std::size(programs)];
    if (field.name == "arguments")
        return "postgres: walwriter -D /var/lib/postgresql/15/main -c log_statement=none";
    return devices[i % std::size(devices)];
}

class Filler {
  public:
    explicit Filler(std::uint64_t i) : i_(i), random_(i) {}

    void fill(std::byte* record, const Field& field, std::vector<char>& tail, std::size_t fixed_size) {
        std::byte* at = record + field.offset;
        switch (field.type) {
            case Type::u8:
            case Type::u16:
            case Type::u32:
            case Type::u64:
            case Type::i32:
            case Type::i64:
                put_number(at, field);
                return;
            case Type::flag:
                *at = static_cast<std::byte>(random_() & 1);
                return;
            case Type::real: {
                const double value = static_cast<double>(random_() % 1000) / 10;
                std::memcpy(at, &value, sizeof value);
                return;
            }
            case Type::text: {
                const std::string_view text = text_for(field, i_);
                std::memcpy(at, text.data(), std::min<std::size_t>(text.size(), field.size - 1));
                return;
            }
            case Type::distribution: {
                const std::vector<std::uint64_t> counts = some_counts(48);
                std::vector<std::byte> blob;
                std::vector<std::uint64_t> slots(200);
                slots.insert(slots.end(), counts.begin(), counts.end());
                pack_histogram(blob, HistogramForm::log_linear(4, 36), slots);
                const waggle_histogram ref{static_cast<__u32>(fixed_size + tail.size()),
                                           static_cast<__u32>(blob.size())};
                std::memcpy(at, &ref, sizeof ref);
                const auto* bytes = reinterpret_cast<const char*>(blob.data());
                tail.insert(tail.end(), bytes, bytes + blob.size());
                return;
            }
            case Type::text_ref: {
                const std::string_view text = text_for(field, i_);
                const waggle_text ref{static_cast<__u32>(fixed_size + tail.size()),
                                      static_cast<__u32>(text.size())};
                std::memcpy(at, &ref, sizeof ref);
                tail.insert(tail.end(), text.begin(), text.end());
                return;
            }
            case Type::address: {
                const waggle_address address{4, {}, {192, 0, 2, static_cast<__u8>(1 + random_() % 250)}};
                std::memcpy(at, &address, sizeof address);
                return;
            }
            case Type::histogram:
                for (std::size_t slot = 8; slot < 24 && slot * 8 < field.size; ++slot) {
                    const std::uint64_t values = random_() % 100;
                    std::memcpy(at + slot * 8, &values, sizeof values);
                }
                return;
        }
    }

  private:
    std::vector<std::uint64_t> some_counts(std::size_t count) {
        std::vector<std::uint64_t> out(count);
        for (std::uint64_t& each : out) each = random_() % 100;
        return out;
    }

    void put_number(std::byte* at, const Field& field) {
        std::uint64_t value = random_() % 100'000;
        if (field.name == "pid" || field.name == "tid") value = 1000 + i_ % 50;
        if (field.name == "start_ns") value = (1000 + i_ % 50) * 1'000'000'007;
        if (field.name == "time_ns") value = 5'000'000'000'000 + i_ * 10'000;
        if (!field.dictionary.empty()) value = random_() % 16;
        std::memcpy(at, &value, field.size);
    }

    std::uint64_t i_;
    std::minstd_rand random_;
};

}  // namespace

Records::Records(const Schema& schema, std::uint16_t kind, std::size_t count) : schema_(&schema) {
    std::vector<std::pair<std::size_t, std::size_t>> places;  // first word, bytes
    std::vector<std::uint64_t> fixed((schema.size + 7) / 8);
    std::vector<char> tail;
    for (std::uint64_t i = 0; i < count; ++i) {
        std::fill(fixed.begin(), fixed.end(), 0);
        tail.clear();
        auto* record = reinterpret_cast<std::byte*>(fixed.data());
        Filler filler(i + 1);
        for (const Field& field : schema.fields) filler.fill(record, field, tail, schema.size);
        const std::size_t size = schema.size + tail.size();
        waggle_event header;
        std::memcpy(&header, record, sizeof header);
        header.kind = kind;
        header.size = static_cast<__u32>(size);
        std::memcpy(record, &header, sizeof header);
        places.emplace_back(words_.size(), size);
        words_.resize(words_.size() + (size + 7) / 8);
        auto* out = reinterpret_cast<std::byte*>(words_.data() + places.back().first);
        std::memcpy(out, record, schema.size);
        std::memcpy(out + schema.size, tail.data(), tail.size());
    }
    for (const auto& [word, size] : places)
        records_.emplace_back(reinterpret_cast<const std::byte*>(words_.data() + word), size);
}

std::vector<Kind> all_kinds() {
    std::vector<Kind> kinds;
    for (const sensors::Room& room : sensors::rooms())
        for (std::size_t i = 0; i < room.source.schemas.size(); ++i)
            kinds.push_back(
                {std::string(room.source.schemas[i]->name), &room.source, static_cast<std::uint16_t>(i)});
    return kinds;
}

}  // namespace waggle::bench
