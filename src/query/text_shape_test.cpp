// SPDX-License-Identifier: Apache-2.0
#include "query/text_shape.h"

#include <gtest/gtest.h>

namespace waggle::explain {
namespace {

TEST(TextShape, counters_and_time_stamps_do_not_make_another_command) {
    EXPECT_EQ(text_shape("worker --attempt=1 --log=/tmp/w.1700000001.log"),
              text_shape("worker --attempt=12 --log=/tmp/w.1700000999.log"));
    EXPECT_EQ(text_shape("backup --at 2024-05-01T10:31:07+02:00"),
              text_shape("backup --at 2025-11-30T09:00:59+02:00"));
    EXPECT_EQ(text_shape("x --since 1.5"), text_shape("x --since 12"));
}

TEST(TextShape, temporary_files_and_identifiers_do_not_make_another_command) {
    EXPECT_EQ(text_shape("run /tmp/tmp.Xq3ZkP9aLm"), text_shape("run /tmp/tmp.b8TyLw2QeR"));
    EXPECT_EQ(text_shape("run --id 6f1c2d3e-aa00-4b12-9c3d-0123456789ab"),
              text_shape("run --id deadbeef-cafe-4abc-8def-abcdefabcdef"));
    EXPECT_EQ(text_shape("pull sha256:9f86d081884c7d65"), text_shape("pull sha256:0a4d55a8d778e502"));
}

TEST(TextShape, another_word_makes_another_command) {
    EXPECT_NE(text_shape("worker --queue=mail"), text_shape("worker --queue=print"));
    EXPECT_NE(text_shape("/usr/bin/nginx"), text_shape("/usr/sbin/nginx"));
    EXPECT_NE(text_shape("app ServerName"), text_shape("app ServerRoot"));
    EXPECT_NE(text_shape("gcc -c feed.c"), text_shape("gcc -c face.c"));
}

TEST(TextShape, what_people_name_keeps_its_name) {
    EXPECT_EQ(text_shape("/usr/bin/python -m ServerName --AllowOverride"),
              "/usr/bin/python -m ServerName --AllowOverride");
    EXPECT_EQ(text_shape(""), "");
    EXPECT_EQ(text_shape("a b"), "a b");
}

TEST(TextShape, bytes_beyond_ascii_stay) { EXPECT_EQ(text_shape("f\xc3\xbcr 7 \x01"), "f\xc3\xbcr # \x01"); }

}  // namespace
}  // namespace waggle::explain
