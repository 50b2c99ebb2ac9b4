// SPDX-License-Identifier: Apache-2.0
#include "store/store.h"

#include <gtest/gtest.h>

namespace waggle::agent {
namespace {

struct small_record {
    __u64 value;
};
constexpr Field small_fields[] = {WAGGLE_FIELD(small_record, value, Unit::count, "A number.")};
constexpr Schema light = {"light", "A row.", sizeof(small_record), small_fields, false, 1};
constexpr Schema heavy = {"heavy", "A row.", sizeof(small_record), small_fields, false, 3};
constexpr Schema third = {"third", "A row.", sizeof(small_record), small_fields, false, 4};

class NoSubjects final : public Subjects {
    bool look_up(std::uint32_t, std::uint64_t, std::uint64_t, Visitor, void*) const override { return false; }
};
const NoSubjects nobody;

std::size_t held_when_full(Table& table) {
    const small_record record{7};
    const Row row(table.schema(), {reinterpret_cast<const std::byte*>(&record), sizeof record});
    for (int i = 0; i < 200'000; ++i) table.append(row);
    return table.held_bytes();
}

std::unique_ptr<Store> store_of(std::size_t bytes) {
    Result<std::unique_ptr<Store>> store = Store::create(bytes, nobody);
    EXPECT_TRUE(store) << store.error().message;
    return std::move(*store);
}

TEST(Store, tables_share_the_memory_by_their_weights) {
    const auto store = store_of(1u << 20);
    Table* small = *store->add_table(light);
    Table* large = *store->add_table(heavy);
    const std::size_t small_bytes = held_when_full(*small), large_bytes = held_when_full(*large);
    EXPECT_LE(small_bytes, (1u << 20) / 4);
    EXPECT_LE(large_bytes, (1u << 20) / 4 * 3);
    EXPECT_GT(large_bytes, (1u << 20) / 2);
}

TEST(Store, the_bound_holds_for_any_number_of_tables) {
    std::vector<std::string> names;
    for (int i = 0; i < 100; ++i) names.push_back("table_" + std::to_string(i));
    std::vector<Schema> schemas(100, third);
    const auto store = store_of(4u << 20);
    for (std::size_t i = 0; i < schemas.size(); ++i) {
        schemas[i].name = names[i];
        ASSERT_TRUE(store->add_table(schemas[i]));
    }
    std::size_t held = 0;
    for (Table* table : store->tables()) held += held_when_full(*table);
    EXPECT_LE(held, 4u << 20);
}

TEST(Store, a_table_that_would_pass_the_bound_is_refused_with_a_sentence) {
    const auto store = store_of(2 * Table::smallest_budget);
    ASSERT_TRUE(store->add_table(third));
    const Result<Table*> refused = store->add_table(light);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message,
              "no memory is left for the table light: 16 KiB of memory are shared by 1 table already, and "
              "each needs 8 KiB; "
              "--memory gives more");
    EXPECT_FALSE(store->table("light"));
}

TEST(Store, a_table_that_was_expected_has_its_share_from_the_beginning) {
    const auto store = store_of(1u << 20);
    const Schema* const coming[] = {&light, &heavy};
    ASSERT_TRUE(store->expect(coming));
    Table* small = *store->add_table(light);
    EXPECT_LE(held_when_full(*small), (1u << 20) / 4);
}

}  // namespace
}  // namespace waggle::agent
