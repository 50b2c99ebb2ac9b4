// SPDX-License-Identifier: Apache-2.0
// bpf list, bpf top and bpf explain, of a program of another process that this test knows.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "sensors/bpf_program/testing/programs.h"
#include "tests/testing/command.h"

namespace waggle::sensors {
namespace {

using nlohmann::json;
using test::outcome_of;
using test::waggle_command;
using testing::HasSubstr;
using testing::Not;

class BpfCommand : public testing::Test {
  protected:
    void SetUp() override { ASSERT_NE(other_.id(), 0u); }
    std::string explain(const std::string& flags = "") const {
        return waggle_command("bpf explain " + std::to_string(other_.id()) + flags);
    }
    OtherProcess other_{[] { return looping(2'000); }};
};

TEST_F(BpfCommand, list_shows_a_program_with_its_kind_place_and_owner) {
    const auto listed = outcome_of(waggle_command("bpf list --output json"));
    ASSERT_EQ(listed.code, 0);
    int found = 0;
    for (std::size_t at = 0; at < listed.text.size(); at = listed.text.find('\n', at) + 1) {
        const json row = json::parse(listed.text.substr(at, listed.text.find('\n', at) - at), nullptr, false);
        if (!row.is_object() || row.value("id", 0u) != other_.id()) continue;
        ++found;
        EXPECT_EQ(row.at("name"), "looping");
        EXPECT_EQ(row.at("kind"), "raw_tracepoint");
        EXPECT_EQ(row.at("hook"), "sys_enter");
        EXPECT_EQ(row.at("pid"), other_.pid());
        EXPECT_TRUE(row.at("pinned").is_null());
        EXPECT_GT(row.at("memory_bytes"), 0);
    }
    EXPECT_EQ(found, 1) << listed.text;
}

// The sensor dns, which the first count starts, has a program at the root of the control groups.
TEST_F(BpfCommand, waggles_own_programs_are_no_suspects_for_packets) {
    // Those of another waggle are shown, and one can run beside this test for a while.
    std::int64_t shown = 1;
    for (int tries = 0; tries < 5 && shown > 0; ++tries) {
        const auto asked = outcome_of(waggle_command(
            "query --for 1s --output json \"SELECT (SELECT count(*) FROM dns_total) >= 0 AS is_asked, "
            "(SELECT count(*) FROM packet_programs WHERE name = 'on_receive') AS shown\""));
        EXPECT_EQ(asked.code, 0);
        const json row = json::parse(asked.text, nullptr, false);
        ASSERT_TRUE(row.is_object()) << asked.text;
        EXPECT_EQ(row.at("is_asked"), 1);
        shown = row.at("shown").get<std::int64_t>();
    }
    EXPECT_EQ(shown, 0);
}

TEST_F(BpfCommand, list_sorts_by_a_column_and_refuses_one_that_it_does_not_have) {
    EXPECT_EQ(outcome_of(waggle_command("bpf list --sort memory_bytes > /dev/null")).code, 0);
    const auto refused = outcome_of(waggle_command("bpf list --sort memory_byte 2>&1"));
    EXPECT_EQ(refused.code, 2);
    EXPECT_THAT(refused.text, HasSubstr("memory_bytes"));
}

TEST_F(BpfCommand, explain_says_what_a_program_is_where_it_runs_and_what_it_costs) {
    const test::Meanwhile calling([] { ::syscall(SYS_getppid); });
    const auto said = outcome_of(explain());
    EXPECT_EQ(said.code, 0);
    EXPECT_THAT(said.text, HasSubstr("looping"));
    EXPECT_THAT(said.text, HasSubstr("sys_enter"));
    EXPECT_THAT(said.text, HasSubstr("pid " + std::to_string(other_.pid())));
    const auto told = outcome_of(explain(" --output json"));
    EXPECT_EQ(told.code, 0);
    const json parts = json::parse(told.text, nullptr, false);
    ASSERT_TRUE(parts.is_object()) << told.text;
    EXPECT_EQ(parts.at("id"), other_.id());
    for (const char* part : {"what", "cost", "kind", "hooks"}) EXPECT_FALSE(parts.at(part).empty()) << part;
}

TEST_F(BpfCommand, explain_says_that_a_program_did_not_run_rather_than_a_cost) {
    OtherProcess idle([] {
        OtherProcess::Set set;
        set.held = load(BPF_PROG_TYPE_SOCKET_FILTER, "idle", nothing());
        set.id = id_of(set.held.get());
        return set;
    });
    ASSERT_NE(idle.id(), 0u);
    const auto told =
        outcome_of(waggle_command("bpf explain " + std::to_string(idle.id()) + " --output json"));
    EXPECT_EQ(told.code, 0);
    const json parts = json::parse(told.text, nullptr, false);
    ASSERT_TRUE(parts.is_object()) << told.text;
    EXPECT_EQ(parts.at("cost").size(), 1u);
    EXPECT_THAT(parts.at("cost")[0].get<std::string>(), Not(HasSubstr("ns")));
    EXPECT_FALSE(parts.contains("hooks"));
}

TEST_F(BpfCommand, a_number_that_no_program_has_is_an_error_and_a_word_is_a_wrong_use) {
    const auto gone = outcome_of(waggle_command("bpf explain 4294967295 2>&1"));
    EXPECT_EQ(gone.code, 3);
    EXPECT_THAT(gone.text, HasSubstr("4294967295"));
    for (const char* word : {"looping", "0", "1x"}) {
        const auto wrong = outcome_of(waggle_command(std::string("bpf explain ") + word + " 2>&1"));
        EXPECT_EQ(wrong.code, 2) << word;
        EXPECT_THAT(wrong.text, HasSubstr("waggle bpf list")) << word;
    }
}

TEST_F(BpfCommand, top_shows_a_program_that_runs) {
    const test::Meanwhile calling([] { ::syscall(SYS_getppid); });
    const auto shown = outcome_of(waggle_command("bpf top --for 2s --output json"));
    EXPECT_EQ(shown.code, 0);
    EXPECT_THAT(shown.text, HasSubstr("\"looping\""));
}

}  // namespace
}  // namespace waggle::sensors
