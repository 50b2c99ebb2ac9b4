// SPDX-License-Identifier: Apache-2.0
// `waggle probe --bpftrace`: what a script says, as a person reads it and as a program does.
#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/testing/command.h"

namespace waggle {
namespace {

using nlohmann::json;
using testing::HasSubstr;

using test::Outcome;

Outcome waggle(const std::string& arguments) {
    return test::outcome_of(test::waggle_command(arguments + " 2>&1"));
}

class ScriptKernel : public testing::Test {
  protected:
    std::string script(std::string_view text) const {
        std::ofstream(path_) << text;
        return path_;
    }
    ~ScriptKernel() override { std::filesystem::remove(path_); }

  private:
    std::string path_ = testing::TempDir() + "waggle-probe-" + std::to_string(::getpid()) + ".bt";
};

TEST_F(ScriptKernel, its_last_words_are_said_as_a_whole_and_safe_on_a_terminal) {
    const Outcome outcome =
        waggle("probe --for 3s --bpftrace " +
               script("BEGIN { printf(\"tab\\there\\n\"); printf(\"%c[2J\\n\", 27);\n"
                      "  @h = hist(3); @h = hist(300); @n[\"a b\"] = 7; @s = stats(4); }\n"));
    EXPECT_EQ(outcome.code, 0) << outcome.text;
    EXPECT_THAT(outcome.text, HasSubstr("tab\there\n\\x1b[2J\n"));
    EXPECT_THAT(outcome.text, HasSubstr("@h:\nfrom   to  count\n   2    3      1  #"));
    EXPECT_THAT(outcome.text, HasSubstr("\n 256  511      1  #"));
    EXPECT_EQ(outcome.text.find("from"), outcome.text.rfind("from")) << outcome.text;
    EXPECT_THAT(outcome.text, HasSubstr("@n[a b]: 7\n"));
    EXPECT_THAT(outcome.text, HasSubstr("@s: average 4\n"));
    EXPECT_THAT(outcome.text, HasSubstr("1 probe of "));
    EXPECT_THAT(outcome.text, HasSubstr(": 14 rows, 0 lost\n"));
}

TEST_F(ScriptKernel, json_lines_are_the_rows_of_the_table) {
    const Outcome outcome =
        waggle("probe --output json --bpftrace " + script("BEGIN { @n[1, 2] = 7; exit(); }\n"));
    ASSERT_EQ(outcome.code, 0) << outcome.text;
    const json row = json::parse(outcome.text, nullptr, false);
    ASSERT_TRUE(row.is_object()) << outcome.text;
    EXPECT_EQ(row["output"], "map");
    EXPECT_EQ(row["map"], "@n");
    EXPECT_EQ(row["key"], "1,2");
    EXPECT_EQ(row["value"], 7);
    EXPECT_TRUE(row["lowest"].is_null());
}

TEST_F(ScriptKernel, sql_asks_what_it_counted_and_a_script_that_fails_is_said) {
    const Outcome asked = waggle("query --for 3s --output json --bpftrace " +
                                 script("BEGIN { @n[\"x\"] = 7; @n[\"y\"] = 5; }\n") +
                                 " \"SELECT sum(value) AS sum FROM bpftrace WHERE map = '@n'\"");
    EXPECT_EQ(asked.code, 0) << asked.text;
    EXPECT_EQ(asked.text, "{\"sum\":12}\n");
    // Found out only when it attaches, after it said that it does.
    const Outcome failed = waggle("query --for 60s --bpftrace " +
                                  script("uprobe:/bin/true:waggle_no_such_function { @n = 1; }\n") +
                                  " \"SELECT count(*) FROM bpftrace\"");
    EXPECT_NE(failed.code, 0) << failed.text;
    EXPECT_THAT(failed.text, HasSubstr("bpftrace: "));
    const Outcome refused = waggle("probe --by x --bpftrace " + script("BEGIN { exit(); }\n"));
    EXPECT_EQ(refused.code, 2);
    EXPECT_THAT(refused.text, HasSubstr("--by"));
}

}  // namespace
}  // namespace waggle
