// SPDX-License-Identifier: Apache-2.0
#include "model/histogram.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bpf/event.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <random>

#include "model/columns.h"

namespace waggle {
namespace {

using testing::ElementsAre;
using testing::Pair;

constexpr std::uint64_t largest = std::numeric_limits<std::uint64_t>::max();
constexpr HistogramForm every_value = HistogramForm::log_linear(0, 64);
constexpr HistogramForm block_times = HistogramForm::log_linear(4, 36);

std::vector<std::uint64_t> sample_values() {
    std::vector<std::uint64_t> out = {0, 1, 2, 15, 16, 17, 31, 32, 33, 255, 256, 257, largest, largest - 1};
    for (int bit = 0; bit < 64; ++bit)
        for (const std::int64_t near : {-1, 0, 1})
            out.push_back((std::uint64_t{1} << bit) + static_cast<std::uint64_t>(near));
    std::mt19937_64 random(7);
    for (int i = 0; i < 100'000; ++i) out.push_back(random() >> (random() % 64));
    return out;
}

std::map<std::size_t, std::uint64_t> slots_of(std::string_view blob) {
    HistogramReader reader(blob);
    std::map<std::size_t, std::uint64_t> out;
    std::size_t slot = 0;
    for (std::uint64_t count = 0; reader.next(slot, count);)
        if (count) out[slot] = count;
    EXPECT_FALSE(reader.damaged());
    return out;
}

std::string packed(HistogramForm form, const std::vector<std::uint64_t>& slots) {
    std::vector<std::byte> out;
    pack_histogram(out, form, std::span(slots));
    return {reinterpret_cast<const char*>(out.data()), out.size()};
}

TEST(HistogramForm, the_kernel_side_and_ours_put_every_value_into_the_same_slot) {
    for (const std::uint64_t value : sample_values()) {
        EXPECT_EQ(waggle_hist_slot(value, 0, 64), every_value.slot_of(value)) << value;
        EXPECT_EQ(waggle_hist_slot(value, 4, 36), block_times.slot_of(value)) << value;
        EXPECT_EQ(waggle_hist_slot(value, 3, 50), HistogramForm::log_linear(3, 50).slot_of(value)) << value;
    }
}

TEST(HistogramForm, every_value_lies_in_its_slot_and_slots_meet) {
    for (const HistogramForm form :
         {every_value, block_times, HistogramForm::log_linear(10, 15), HistogramForm{}}) {
        for (const std::uint64_t value : sample_values()) {
            const std::size_t slot = form.slot_of(value);
            ASSERT_LT(slot, form.slots());
            EXPECT_LE(form.lower_bound(slot), value);
            EXPECT_GE(form.upper_bound(slot), value);
        }
        EXPECT_EQ(form.lower_bound(0), 0u);
        for (std::size_t slot = 1; slot < form.slots(); ++slot)
            EXPECT_EQ(form.upper_bound(slot - 1) + 1, form.lower_bound(slot)) << slot;
        EXPECT_EQ(form.upper_bound(form.slots() - 1), largest);
    }
    EXPECT_EQ(block_times.lower_bound(464), std::uint64_t{1} << 36);
    EXPECT_TRUE(block_times.is_open(464));
    EXPECT_FALSE(every_value.is_open(every_value.slots() - 1));
}

TEST(HistogramForm, a_slot_above_sixteen_units_is_a_sixteenth_of_its_octave) {
    for (std::size_t slot = 16; slot + 1 < block_times.slots(); ++slot) {
        const auto width =
            static_cast<double>(block_times.upper_bound(slot) - block_times.lower_bound(slot) + 1);
        EXPECT_LE(width / static_cast<double>(block_times.lower_bound(slot)), 1.0 / 16) << slot;
    }
}

TEST(Histogram, the_kernel_counts_each_value_once_and_nothing_outside) {
    std::vector<std::uint32_t> slots(WAGGLE_HIST_SLOTS(4, 36) + 1);
    for (const std::uint64_t value :
         {std::uint64_t{0}, std::uint64_t{15}, std::uint64_t{16}, std::uint64_t{1} << 36, largest})
        waggle_hist_count(slots.data(), value, 4, 36);
    EXPECT_EQ(slots[0], 2u);
    EXPECT_EQ(slots[1], 1u);
    EXPECT_EQ(slots[464], 2u);
    EXPECT_EQ(slots[465], 0u);
}

TEST(Histogram, what_is_packed_is_read) {
    std::vector<std::uint64_t> slots(every_value.slots());
    slots[0] = 1;
    slots[1] = 127;
    slots[129] = 128;
    slots.back() = largest;
    const std::string blob = packed(every_value, slots);
    EXPECT_EQ(HistogramReader(blob).form(), every_value);
    EXPECT_THAT(slots_of(blob), ElementsAre(Pair(0, 1u), Pair(1, 127u), Pair(129, 128u), Pair(975, largest)));
    EXPECT_EQ(packed(every_value, std::vector<std::uint64_t>(100)), "");
}

TEST(Histogram, an_array_of_counts_is_read_by_powers_of_two) {
    std::uint64_t slots[36] = {};
    slots[3] = 9;
    slots[35] = 1;
    const std::string_view blob(reinterpret_cast<const char*>(slots), sizeof slots);
    EXPECT_EQ(HistogramReader(blob).form(), HistogramForm{});
    EXPECT_THAT(slots_of(blob), ElementsAre(Pair(3, 9u), Pair(35, 1u)));
}

TEST(Histogram, a_blob_that_is_cut_or_changed_is_read_without_a_slot_outside) {
    std::vector<std::uint64_t> slots(block_times.slots());
    for (std::size_t slot = 3; slot < slots.size(); slot += 40) slots[slot] = slot << slot % 50;
    const std::string whole = packed(block_times, slots);
    const auto read = [](std::string_view blob) {
        HistogramReader reader(blob);
        std::size_t slot = 0, before = 0;
        bool first = true;
        for (std::uint64_t count = 0; reader.next(slot, count); first = false, before = slot) {
            if (reader.form().kind == HistogramForm::Kind::log_linear) {
                EXPECT_LT(slot, reader.form().slots());
            }
            EXPECT_TRUE(first || slot > before);
        }
        return !reader.damaged();
    };
    std::size_t refused = 0;
    for (std::size_t length = 1; length < whole.size(); ++length)
        refused += !read(std::string_view(whole).substr(0, length));
    EXPECT_GE(refused, whole.size() / 2);
    for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
        std::string changed = whole;
        changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
        read(changed);
    }
    for (const int byte : {0x01, 0x05, 0x7f}) {
        std::string other_form = whole;
        other_form[0] = static_cast<char>(byte);
        EXPECT_FALSE(read(other_form)) << "a form of another version";
    }
}

struct Total {
    waggle_event header;
    __u64 count;
    waggle_histogram time_ns;
    waggle_histogram wait_ns;
};
struct TotalState {
    Total row;
    __u32 time_slots[465];
    __u32 wait_slots[465];
};
constexpr Field total_fields[] = {
    WAGGLE_FIELD(Total, count, Unit::count, "How many."),
    WAGGLE_FIELD(Total, time_ns, Unit::nanoseconds, "How long."),
    WAGGLE_FIELD(Total, wait_ns, Unit::nanoseconds, "How long before."),
};
constexpr Schema total_schema = {"total", "A total.", sizeof(Total), total_fields, false};
constexpr const Schema* total_schemas[] = {&total_schema, &total_schema};

TEST(HistogramPacker, rows_carry_the_slots_that_are_not_empty) {
    std::vector<TotalState> states(3);
    for (std::size_t i = 0; i < states.size(); ++i) {
        states[i].row.header.kind = i == 1 ? 0 : 1;
        states[i].row.header.size = sizeof(Total);
        states[i].row.count = i + 1;
        states[i].time_slots[100 + i] = 5;
    }
    states[2].wait_slots[464] = 7;
    std::vector<Bytes> values;
    for (const TotalState& state : states) values.push_back(bytes_of(state));
    HistogramPacker packer(1, {WAGGLE_HISTOGRAM_PLACE(TotalState, time_slots, row.time_ns, 4, 36),
                               WAGGLE_HISTOGRAM_PLACE(TotalState, wait_slots, row.wait_ns, 4, 36)});
    for (int round = 0; round < 2; ++round) {  // the second is made in the first one's memory
        const std::span<const Bytes> rows = packer.pack(values);
        ASSERT_EQ(rows.size(), 3u);
        for (std::size_t i = 0; i < rows.size(); ++i) {
            EXPECT_EQ(reinterpret_cast<std::uintptr_t>(rows[i].data()) % 8, 0u);
            const Result<Row> row = read_record(total_schemas, rows[i]);
            ASSERT_TRUE(row) << row.error().message;
            EXPECT_EQ(row->u64("count"), i + 1);
            if (i == 1) {
                EXPECT_EQ(rows[i].data(), values[i].data()) << "another kind passes as it is";
                continue;
            }
            EXPECT_LT(rows[i].size(), sizeof(Total) + 40);
            EXPECT_THAT(slots_of(row->histogram(*total_schema.find("time_ns"))),
                        ElementsAre(Pair(100 + i, 5u)));
            const std::string_view wait = row->histogram(*total_schema.find("wait_ns"));
            EXPECT_EQ(slots_of(wait).size(), i == 2 ? 1u : 0u);
            Value value;
            const std::vector<Column> columns = columns_of(total_schema);
            EXPECT_EQ(format_column(*row, columns[1], {}), "5 values");
            EXPECT_EQ(format_column(*row, columns[2], {}), i == 2 ? "7 values" : "0 values");
        }
    }
}

TEST(HistogramPacker, a_record_that_points_outside_itself_is_refused) {
    Total total{};
    total.header.kind = 1;
    total.header.size = sizeof total;
    total.time_ns = {sizeof total, 8};
    EXPECT_FALSE(read_record(total_schemas, bytes_of(total)));
    EXPECT_EQ(Row(total_schema, bytes_of(total)).histogram(total_fields[1]), "");
}

}  // namespace
}  // namespace waggle
