// SPDX-License-Identifier: Apache-2.0
// Questions in SQL without root, and what is said of words and values that do not fit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>

#include "places.h"
#include "tests/testing/unprivileged.h"

namespace waggle {
namespace {

using test::unprivileged::Outcome;
using test::unprivileged::waggle;
using testing::HasSubstr;

TEST(Query, of_facts_needs_no_privilege_and_no_sensor) {
    const Outcome said =
        waggle({"query", "SELECT name, value FROM sysctls WHERE name = 'net.core.somaxconn'"});
    EXPECT_EQ(said.code, 0) << said.err;
    EXPECT_THAT(said.out, HasSubstr("net.core.somaxconn"));
    const Outcome one = waggle({"query", "SELECT 1 AS one"});
    EXPECT_EQ(one.code, 0) << one.err;
    EXPECT_EQ(one.err, "");
    const Outcome own =
        waggle({"query", "SELECT count(*) AS n FROM processes WHERE pid = " + std::to_string(getpid())});
    EXPECT_EQ(own.code, 0) << own.err;
    EXPECT_THAT(own.out, HasSubstr("1"));
    const Outcome wrong = waggle({"query", "SELECT nam FROM sysctls"});
    EXPECT_EQ(wrong.code, 2);
    EXPECT_THAT(wrong.err, HasSubstr("did you mean name"));
}

TEST(Query, sorts_by_a_column_or_refuses) {
    const std::string path = WAGGLE_SOURCE_DIR "/tests/recordings/old_process_restart_loop_exit.waggle";
    const auto sorted = [&](std::vector<std::string> more) {
        std::vector<std::string> words{
            "query", "--recording", path, "--output", "json", "SELECT ran_ns, pid, comm FROM process_exit"};
        words.insert(words.end(), more.begin(), more.end());
        const Outcome said = waggle(words);
        EXPECT_EQ(said.code, 0) << said.err;
        std::vector<std::int64_t> out;
        std::istringstream lines(said.out);
        for (std::string line; std::getline(lines, line);)
            out.push_back(nlohmann::json::parse(line)["ran_ns"]);
        return out;
    };
    std::vector<std::int64_t> all = sorted({});
    ASSERT_GT(all.size(), 5u);
    std::ranges::sort(all, std::greater());
    EXPECT_EQ(sorted({"--sort", "ran_ns"}), all);
    all.resize(3);
    EXPECT_EQ(sorted({"--sort", "ran_ns", "--rows", "3"}), all) << "sorted first, then cut";
    const Outcome wrong =
        waggle({"query", "--recording", path, "SELECT pid, comm FROM process_exit", "--sort", "com"});
    EXPECT_EQ(wrong.code, 2);
    EXPECT_THAT(wrong.err,
                HasSubstr("--sort: there is no column com; did you mean comm; there are pid, comm"));
    EXPECT_EQ(wrong.out, "");
    const Outcome other = waggle({"trace", "process", "--sort", "pid"});
    EXPECT_EQ(other.code, 2);
    EXPECT_THAT(other.err, HasSubstr("trace has no flag --sort; these have it: top, query"));
}

TEST(CommandLine, a_wrong_value_names_its_flag_and_the_nearest_word) {
    const std::pair<std::vector<std::string>, std::vector<const char*>> cases[] = {
        {{"why", "--output", "jsn"}, {"--output", "jsn", "did you mean json", "table"}},
        {{"why", "--output", "xml"}, {"--output", "xml", "table", "json"}},
        {{"lab", "score", "--claim", "insde"}, {"--claim", "insde", "did you mean inside"}},
        {{"hist", "block_io", "--steps", "3"}, {"--steps", "1, 2, 4, 8"}},
        {{"trace", "process", "--pid", "nginx"}, {"--pid", "nginx"}},
        {{"trace", "process", "--pid", "0"}, {"--pid"}},
        {{"why", "--memory", "1"}, {"--memory"}},
        {{"why", "--for", "soon"}, {"--for", "soon", "10s"}},
        {{"why", "--for"}, {"--for"}},
        {{"record", "x", "--keep", "1parsec"}, {"--keep", "1parsec", "1GiB", "12h"}},
        {{"record", "x", "--keep", "1k"}, {"--keep", "16MiB"}},
        {{"record", "-", "--keep", "1h"}, {"--keep", "standard output"}},
        {{"query", "SELECT 1", "--recording", "/nonexistent"}, {"--recording", "/nonexistent"}},
        {{"why", "drosp"}, {"drosp", "did you mean drops"}},
        {{"trace", "proces"}, {"proces", "did you mean process"}},
        {{"top", "block-io"}, {"block-io", "did you mean block_io"}},
    };
    for (const auto& [arguments, words] : cases) {
        const Outcome said = waggle(arguments);
        EXPECT_EQ(said.code, 2) << arguments[0] << " " << arguments[1] << ": " << said.err;
        for (const char* word : words)
            EXPECT_THAT(said.err, HasSubstr(word)) << arguments[0] << " " << arguments[1];
        EXPECT_EQ(said.out, "");
    }
}

}  // namespace
}  // namespace waggle
