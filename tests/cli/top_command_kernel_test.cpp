// SPDX-License-Identifier: Apache-2.0
// What `waggle top` says is of all the time that it watched, wherever a terminal does not show the newest seconds again and again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/command.h"

namespace waggle {
namespace {

// The programs run three seconds after the command begins, and long before its end.
TEST(TopCommand, is_of_all_the_time_that_was_asked_for) {
    const test::Outcome said =
        test::outcome_of("(sleep 3; for i in 1 2 3; do /usr/bin/basename x; done) > /dev/null & " +
                         test::waggle_command("top process --for 10s --output json"));
    EXPECT_EQ(said.code, 0) << said.text;
    EXPECT_THAT(said.text, testing::HasSubstr(R"({"comm":"basename","started":3,)"));
}

}  // namespace
}  // namespace waggle
