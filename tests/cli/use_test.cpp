// SPDX-License-Identifier: Apache-2.0
// How waggle is used, as a newcomer finds it out: help, words that look like flags, commands that a sensor has not.
#include <gmock/gmock.h>

#include "tests/testing/command.h"

namespace waggle {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

test::Outcome used(const std::string& arguments) {
    return test::outcome_of(test::waggle_command(arguments + " 2>&1"));
}

TEST(Use, help_says_what_the_first_word_can_be_and_nothing_of_how_it_is_read) {
    EXPECT_THAT(used("why --help").text,
                AllOf(HasSubstr("Usage: waggle why [OPTIONS] [TOPIC] [-- COMMAND...]"),
                      HasSubstr("TOPIC: drops, network, disk, cpu, process")));
    EXPECT_THAT(used("hist --help").text, HasSubstr("SENSOR|TABLE: block_io, tcp, dns, interrupt"));
    EXPECT_THAT(used("top --help").text, HasSubstr("SENSOR: process, block_io, bpf_program, tcp, dns"));
    for (const char* command : {"", "why", "what", "trace", "query", "record", "replay", "bpf", "lab", "doc"})
        EXPECT_THAT(used(std::string(command) + " --help").text,
                    AllOf(Not(HasSubstr("WORDS")), Not(HasSubstr("0x)"))))
            << command;
    EXPECT_THAT(used("query --help").text, HasSubstr("waggle doc schemas lists the tables"));
}

TEST(Use, what_takes_words_that_begin_with_a_dash) {
    EXPECT_THAT(used("what -ENOMEM").text, HasSubstr("Cannot allocate memory"));
    EXPECT_THAT(used("what -28").text, HasSubstr("No space left on device"));
    EXPECT_THAT(used("what -- -28").text, HasSubstr("No space left on device"));
    EXPECT_THAT(used("what --- SIGSEGV '{si_signo=SIGSEGV}' ---").text, HasSubstr("SIGSEGV  signal"));
    EXPECT_THAT(used("what -ENOMEM --output json").text, HasSubstr("\"word\":\"ENOMEM\""));
    EXPECT_THAT(used("what --nope x").text, HasSubstr("what has no flag --nope"));
    EXPECT_THAT(used("why -ENOMEM").text, HasSubstr("why has no flag -ENOMEM")) << "elsewhere they are flags";
}

TEST(Use, what_takes_a_message_without_quotes) {
    EXPECT_THAT(used("what Segmentation fault").text, HasSubstr("SIGSEGV  signal 11"));
    EXPECT_THAT(used("what exit status 137").text, HasSubstr("exit code 137"));
    EXPECT_THAT(used("what app.service: Failed with result \"\\'timeout\\'\".").text,
                HasSubstr("app.service ended in the state \"failed\""));
    EXPECT_THAT(used("what bash: ./x: Permission denied").text, HasSubstr("namei -l ./x"));
}

TEST(Use, a_sensor_without_that_command_is_told_with_those_that_have_it) {
    EXPECT_THAT(used("hist process").text,
                HasSubstr("the sensor process has no hist; these have one: block_io"));
    EXPECT_EQ(used("hist process").code, 2);
    EXPECT_THAT(used("top packet_drop").text,
                HasSubstr("the sensor packet_drop has no top; these have one: process, block_io"));
    EXPECT_THAT(used("trace probe").text,
                HasSubstr("probe must know what to watch: waggle trace --probe PLACE"));
    EXPECT_THAT(used("hist object").text, HasSubstr("waggle hist --object FILE"));
    EXPECT_THAT(used("hist --probe raw_tp:sched_switch").text,
                HasSubstr("hist --probe PLACE needs --hist FIELD, the field to keep a distribution of"));
}

}  // namespace
}  // namespace waggle
