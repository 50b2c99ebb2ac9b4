// SPDX-License-Identifier: Apache-2.0
// An object as an outsider compiled it, through the program itself: its records, entries and globals as
// tables, asked live and from a recording.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "places.h"
#include "tests/testing/command.h"

namespace waggle {
namespace {

using testing::HasSubstr;

using test::Outcome;

// This thread's sibling renames itself to "wag…" all the while, which the object counts.
Outcome while_renaming(const std::string& arguments) {
    const test::Meanwhile renaming([] {
        ::prctl(PR_SET_NAME, "waggle's own");
        ::usleep(5'000);
    });
    return test::outcome_of(test::waggle_command(arguments + " 2>&1"));
}

const std::string shown_object = WAGGLE_BINARY_DIR "/tests/show.bpf.o";
const std::string pid = std::to_string(::getpid());

std::string line_of(const std::string& sql) { return " --output json \"" + sql + "\""; }

TEST(ObjectRoomKernel, sql_asks_records_entries_and_globals_at_once) {
    const Outcome said = while_renaming(
        "query --for 1500ms --object " + shown_object +
        line_of("SELECT (SELECT min(state = CASE number WHEN 1 THEN 'SHOW_FIRST' ELSE 'SHOW_AGAIN' END) "
                "        FROM object_records WHERE pid = " +
                pid +
                ") AS states, "
                "(SELECT count(*) > 50 FROM object_samples WHERE name = 'waggle''s own' AND low = 5 "
                "        AND high = number) AS samples, "
                "(SELECT count(*) > 50 FROM object_bytes WHERE map = 'records' AND length = 72) AS unknown, "
                "(SELECT count(*) FROM object_places WHERE key_pid = " +
                pid +
                ") AS places, "
                "(SELECT sum(value) FROM object_renames) = (SELECT number FROM object_global "
                "        WHERE name = 'renamed') AS sums"));
    EXPECT_EQ(said.code, 0) << said.text;
    EXPECT_THAT(said.text, HasSubstr(R"({"states":1,"samples":1,"unknown":1,"places":1,"sums":1})"));
}

TEST(ObjectRoomKernel, a_recording_keeps_it_and_answers_without_the_object) {
    const std::string path = testing::TempDir() + "waggle-object-" + pid;
    const Outcome recorded = while_renaming("record --for 1s --object " + shown_object + " " + path);
    ASSERT_EQ(recorded.code, 0) << recorded.text;
    const Outcome asked = while_renaming(
        "query --recording " + path +
        line_of("SELECT (SELECT count(*) > 20 FROM object_records) AS records, (SELECT sum(value) FROM "
                "object_renames) > 20 AS renames, (SELECT attached FROM object_program WHERE program = "
                "'on_rename') AS attached"));
    EXPECT_EQ(asked.code, 0) << asked.text;
    EXPECT_THAT(asked.text, HasSubstr(R"({"records":1,"renames":1,"attached":"raw_tp:task_rename"})"));
    EXPECT_LE(while_renaming("replay " + path).code, 1);
    std::filesystem::remove(path);
}

TEST(ObjectRoomKernel, its_records_are_traced_and_its_programs_have_a_top) {
    const Outcome traced = while_renaming("trace --rows 4 --for 5s --object " + shown_object);
    EXPECT_EQ(traced.code, 0) << traced.text;
    EXPECT_THAT(traced.text, HasSubstr("object_records"));
    const Outcome top = while_renaming("top --for 1s --output json --object " + shown_object);
    EXPECT_EQ(top.code, 0) << top.text;
    EXPECT_THAT(top.text, HasSubstr("\"program\":\"on_rename\""));
}

}  // namespace
}  // namespace waggle
