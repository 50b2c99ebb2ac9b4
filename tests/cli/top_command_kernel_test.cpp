// SPDX-License-Identifier: Apache-2.0
// What `waggle top` says is of all the time that it watched, wherever a terminal does not show the newest seconds again and again.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "tests/testing/command.h"

namespace waggle {
namespace {

// Two seconds after the command begins to watch, and long before its end.
int started_programs(const std::string& rest) {
    const test::Outcome said =
        test::outcome_of("(sleep 3; for i in 1 2 3; do /usr/bin/basename x; done) > /dev/null & " +
                         test::waggle_command("top process " + rest));
    EXPECT_EQ(said.code, 0) << said.text;
    std::istringstream lines(said.text);
    for (std::string line; std::getline(lines, line);) {
        const auto row = nlohmann::json::parse(line, nullptr, false);
        if (row.is_object() && row.value("comm", "") == "basename") return row.value("started", 0);
    }
    return 0;
}

TEST(TopCommand, is_of_all_the_time_that_was_asked_for) {
    EXPECT_EQ(started_programs("--for 10s --output json"), 3);
}

}  // namespace
}  // namespace waggle
