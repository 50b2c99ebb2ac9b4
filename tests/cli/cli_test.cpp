// SPDX-License-Identifier: Apache-2.0
// The program as a person meets it: words in, words and an exit code out. No root: the children hold no
// capability.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

namespace waggle {
namespace {

using testing::HasSubstr;
using testing::Not;

struct Outcome {
    int code = -1;
    std::string out;
    std::string err;
};

void read_into(int fd, std::string& text, bool& open) {
    char buffer[4096];
    const ssize_t got = read(fd, buffer, sizeof buffer);
    if (got > 0)
        text.append(buffer, static_cast<std::size_t>(got));
    else
        open = false;
}

// Runs waggle with every capability gone, so that the test says the same for root and for everyone else.
Outcome waggle(std::vector<std::string> arguments) {
    int out[2], err[2];
    EXPECT_EQ(pipe(out), 0);
    EXPECT_EQ(pipe(err), 0);
    const pid_t child = fork();
    if (child == 0) {
        for (int capability = 0; capability <= CAP_LAST_CAP; ++capability) prctl(PR_CAPBSET_DROP, capability);
        dup2(out[1], STDOUT_FILENO);
        dup2(err[1], STDERR_FILENO);
        close(out[0]);
        close(err[0]);
        std::string program = WAGGLE_BINARY_DIR "/bin/waggle";
        std::vector<char*> argv{program.data()};
        for (std::string& argument : arguments) argv.push_back(argument.data());
        argv.push_back(nullptr);
        execv(argv[0], argv.data());
        _exit(99);
    }
    close(out[1]);
    close(err[1]);
    Outcome outcome;
    bool out_open = true, err_open = true;
    while (out_open || err_open) {
        pollfd fds[2] = {{out_open ? out[0] : -1, POLLIN, 0}, {err_open ? err[0] : -1, POLLIN, 0}};
        poll(fds, 2, -1);
        if (fds[0].revents) read_into(out[0], outcome.out, out_open);
        if (fds[1].revents) read_into(err[0], outcome.err, err_open);
    }
    close(out[0]);
    close(err[0]);
    int status = 0;
    waitpid(child, &status, 0);
    outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return outcome;
}

TEST(What, explains_a_drop_reason_an_errno_and_a_tracepoint_offline) {
    for (const char* word :
         {"SOCKET_RCVBUFF", "ENOSPC", "block_rq_issue", "sigsegv", "SKB_DROP_REASON_NO_SOCKET"}) {
        const Outcome said = waggle({"what", word});
        EXPECT_EQ(said.code, 0) << word << said.err;
        EXPECT_GT(said.out.size(), 100u) << word;
    }
    EXPECT_THAT(waggle({"what", "ENOSPC"}).out, HasSubstr("ENOSPC"));
}

TEST(What, explains_the_sensors_tables_and_fields) {
    EXPECT_THAT(waggle({"what", "queue_ns"}).out, HasSubstr("field of block_io"));
    EXPECT_THAT(waggle({"what", "packet_drop_total"}).out, HasSubstr("table of the sensor packet_drop"));
}

TEST(What, is_json_when_asked) {
    const Outcome said = waggle({"what", "ENOSPC", "--output", "json"});
    const auto value = nlohmann::json::parse(said.out, nullptr, false);
    ASSERT_TRUE(value.is_object()) << said.out;
    for (const char* key : {"word", "kind", "what", "because", "impact", "try", "check"})
        EXPECT_TRUE(value.contains(key)) << key;
}

TEST(What, names_the_nearest_words_for_an_unknown_one) {
    const Outcome said = waggle({"what", "ENOSPCE"});
    EXPECT_EQ(said.code, 1);
    EXPECT_THAT(said.err, HasSubstr("ENOSPC"));
}

TEST(What, answers_at_once) {
    auto best = std::chrono::milliseconds::max();
    for (int i = 0; i < 5; ++i) {
        const auto began = std::chrono::steady_clock::now();
        ASSERT_EQ(waggle({"what", "SOCKET_RCVBUFF"}).code, 0);
        best = std::min(best, std::chrono::duration_cast<std::chrono::milliseconds>(
                                  std::chrono::steady_clock::now() - began));
    }
#ifdef __SANITIZE_ADDRESS__
    EXPECT_LT(best.count(), 1000);
#else
    EXPECT_LT(best.count(), 50);
#endif
}

TEST(CommandLine, a_wrong_word_gets_the_nearest_right_one_and_exit_code_2) {
    const Outcome command = waggle({"wyh"});
    EXPECT_EQ(command.code, 2);
    EXPECT_THAT(command.err, HasSubstr("did you mean why"));
    const Outcome flag = waggle({"why", "--show-qeury"});
    EXPECT_EQ(flag.code, 2);
    EXPECT_THAT(flag.err, HasSubstr("did you mean --show-query"));
}

TEST(CommandLine, a_wrong_value_says_what_is_right) {
    EXPECT_EQ(waggle({"why", "--for", "soon"}).code, 2);
    EXPECT_THAT(waggle({"why", "--for", "soon"}).err, HasSubstr("10s"));
    EXPECT_EQ(waggle({"why", "--for", "-3s"}).code, 2);
    EXPECT_EQ(waggle({"why", "--output", "xml"}).code, 2);
    EXPECT_EQ(waggle({"trace"}).code, 2);
}

TEST(CommandLine, what_a_person_typed_is_shown_escaped) {
    const Outcome said = waggle({"what", "\x1b[31mred"});
    EXPECT_THAT(said.err, HasSubstr("\\x1b[31mred"));
    EXPECT_THAT(said.out + said.err, Not(HasSubstr("\x1b")));
    EXPECT_THAT(waggle({"\x1b[31mred"}).err, Not(HasSubstr("\x1b")));
}

TEST(CommandLine, help_and_version_are_there) {
    EXPECT_EQ(waggle({"--help"}).code, 0);
    EXPECT_THAT(waggle({"--help"}).out, HasSubstr("why"));
    EXPECT_EQ(waggle({"--version"}).code, 0);
    EXPECT_EQ(waggle({"why", "--help"}).code, 0);
}

TEST(Privilege, watching_without_it_says_which_capability_is_missing) {
    for (const auto& command : std::vector<std::vector<std::string>>{
             {}, {"why"}, {"trace", "process"}, {"top", "process"}, {"query", "SELECT 1"}}) {
        const Outcome said = waggle(command);
        EXPECT_EQ(said.code, 126) << said.err;
        EXPECT_THAT(said.err, HasSubstr("CAP_BPF")) << said.err;
    }
}

TEST(Privilege, doctor_works_without_it_and_says_what_it_cannot_try) {
    const Outcome said = waggle({"doctor"});
    EXPECT_EQ(said.code, 126);
    EXPECT_THAT(said.out, HasSubstr("CAP_PERFMON"));
    EXPECT_THAT(said.out, HasSubstr("waggle replay"));
}

TEST(Bpf, verify_needs_a_file_and_says_which_capability_is_missing) {
    EXPECT_EQ(waggle({"bpf", "verify"}).code, 2);
    EXPECT_THAT(waggle({"bpf", "verify"}).err, HasSubstr("waggle bpf verify FILE"));
    EXPECT_EQ(waggle({"bpf", "nothing"}).code, 2);
    const Outcome said = waggle({"bpf", "verify", WAGGLE_SOURCE_DIR "/README.md"});
    EXPECT_EQ(said.code, 126);
    EXPECT_THAT(said.err, HasSubstr("CAP_BPF"));
}

TEST(Replay, a_foreign_file_and_a_missing_one_are_said_plainly) {
    const std::string path = testing::TempDir() + "waggle_foreign_" + std::to_string(getpid());
    std::ofstream(path) << "\x7f"
                           "ELF and so on, for sixteen bytes and more";
    EXPECT_EQ(waggle({"replay", path}).code, 1);
    EXPECT_THAT(waggle({"replay", path}).err, HasSubstr("not a waggle recording"));
    std::remove(path.c_str());
    EXPECT_THAT(waggle({"replay", path}).err, HasSubstr("No such file"));
}

TEST(Replay, a_recording_answers_without_any_privilege) {
    const std::string path = WAGGLE_SOURCE_DIR "/tests/recordings/process_restart_loop_exit.waggle";
    const Outcome text = waggle({"replay", path});
    EXPECT_EQ(text.code, 1) << text.err;
    EXPECT_THAT(text.out, HasSubstr("restarts in a loop"));
    EXPECT_EQ(text.out, waggle({"replay", path}).out);
    const auto value =
        nlohmann::json::parse(waggle({"replay", path, "--output", "json"}).out, nullptr, false);
    ASSERT_TRUE(value.is_object());
    const auto& finding = value["findings"].at(0);
    for (const char* key : {"id", "rule", "severity", "confidence", "what", "because", "evidence", "impact",
                            "try", "check", "subject", "object", "window", "coverage"})
        EXPECT_TRUE(finding.contains(key)) << key;
    // The query that found the evidence, asked again, gives the evidence.
    const auto& evidence = finding["evidence"].at(0);
    const Outcome rows =
        waggle({"query", "--recording", path, "--output", "json", evidence["query"].get<std::string>()});
    EXPECT_EQ(rows.code, 0) << rows.err;
    std::istringstream lines(rows.out);
    std::string first;
    ASSERT_TRUE(std::getline(lines, first));
    EXPECT_EQ(nlohmann::json::parse(first), evidence["rows"].at(0));
}

TEST(Replay, a_recording_that_was_cut_serves_what_stands_before_the_cut) {
    std::ifstream whole(WAGGLE_SOURCE_DIR "/tests/recordings/process_restart_loop_exit.waggle",
                        std::ios::binary);
    std::string bytes(30000, '\0');
    ASSERT_TRUE(whole.read(bytes.data(), static_cast<std::streamsize>(bytes.size())));
    const std::string path = testing::TempDir() + "waggle_cut_" + std::to_string(getpid());
    std::ofstream(path, std::ios::binary) << bytes;
    const Outcome said = waggle({"replay", path});
    EXPECT_EQ(said.code, 1);
    EXPECT_THAT(said.out, HasSubstr("cut off at offset"));
    EXPECT_THAT(waggle({"query", "--recording", path, "SELECT count(*) AS n FROM process_fork"}).out,
                HasSubstr("n"));
    std::remove(path.c_str());
}

TEST(Doc, has_every_table_the_completions_and_the_manual) {
    const Outcome schemas = waggle({"doc", "schemas"});
    EXPECT_EQ(schemas.code, 0);
    for (const char* table :
         {"process_exec", "block_io", "packet_drop", "sockets", "firewall_rules", "window", "self"})
        EXPECT_THAT(schemas.out, HasSubstr(std::string("## ") + table + "\n"));
    for (const char* shell : {"bash", "zsh", "fish"})
        EXPECT_THAT(waggle({"doc", std::string("completion-") + shell}).out, HasSubstr("packet_drop"))
            << shell;
    EXPECT_THAT(waggle({"doc", "man"}).out, HasSubstr(".TH WAGGLE"));
    EXPECT_EQ(waggle({"doc", "nothing"}).code, 2);
}

TEST(Doc, every_rule_and_explanation_is_sound) {
    const Outcome said = waggle({"doc", "check"});
    EXPECT_EQ(said.code, 0) << said.err;
    EXPECT_THAT(said.out, HasSubstr("are sound"));
}

TEST(Completion, bash_accepts_its_script) {
    const std::string command = WAGGLE_BINARY_DIR "/bin/waggle doc completion-bash | bash -n";
    EXPECT_EQ(std::system(command.c_str()), 0);
}

}  // namespace
}  // namespace waggle
