// SPDX-License-Identifier: Apache-2.0
#include "waggle/events.h"

#include <gtest/gtest.h>

namespace waggle {
namespace {

struct Record {
    std::uint64_t time_ns;
    std::uint32_t pid;
    std::uint16_t type;
    std::uint16_t rest;
};

RecordChecks checks() {
    RecordChecks out;
    out.shortest = 8;
    out.longest = 64;
    out.time = {0, 8};
    out.pid = {8, 4};
    out.type = {12, 2};
    out.oldest_ns = 1000;
    out.types = {{1, 16, 16}, {2, 20, 64}};
    return out;
}

TEST(RecordChecks, a_good_record_passes) {
    EXPECT_EQ(refusal_of(checks(), bytes_of(Record{5000, 812, 1, 0}), 5000), "");
    EXPECT_EQ(refusal_of({}, {}, 0), "");
}

TEST(RecordChecks, each_fault_has_its_cause) {
    EXPECT_EQ(refusal_of(checks(), bytes_of(Record{5000, 0, 1, 0}), 5000), "process number 0");
    EXPECT_EQ(refusal_of(checks(), bytes_of(Record{5001, 812, 1, 0}), 5000), "time in the future");
    EXPECT_EQ(refusal_of(checks(), bytes_of(Record{3999, 812, 1, 0}), 5000), "time too old");
    EXPECT_EQ(refusal_of(checks(), bytes_of(Record{0, 812, 1, 0}), 500), "time too old");
    EXPECT_EQ(refusal_of(checks(), bytes_of(Record{5000, 812, 3, 0}), 5000), "unknown type");
    EXPECT_EQ(refusal_of(checks(), bytes_of(Record{5000, 812, 2, 0}), 5000), "wrong length");
    EXPECT_EQ(refusal_of(checks(), bytes_of(std::uint32_t{1}), 5000), "wrong length");
    // Long enough as a whole, too short for the number it must hold.
    EXPECT_EQ(refusal_of(checks(), bytes_of(std::uint64_t{5000}), 5000), "wrong length");
    EXPECT_EQ(refusal_of(checks(), bytes_of(std::array<char, 65>{}), 5000), "wrong length");
}

TEST(RecordChecks, a_check_of_ones_own_names_its_cause) {
    RecordChecks own;
    own.custom = [](Bytes record) -> std::string_view { return record.size() % 2 ? "odd" : ""; };
    EXPECT_EQ(refusal_of(own, bytes_of('x'), 0), "odd");
    EXPECT_EQ(refusal_of(own, bytes_of(std::uint32_t{1}), 0), "");
}

}  // namespace
}  // namespace waggle
