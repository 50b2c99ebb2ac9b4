// SPDX-License-Identifier: Apache-2.0
// The program as a person meets it: words in, words and an exit code out. No root: the children hold no
// capability.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "places.h"
#include "tests/testing/unprivileged.h"

namespace waggle {
namespace {

using test::unprivileged::Outcome;
using test::unprivileged::waggle;

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

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

TEST(What, explains_facts_and_views_too) {
    EXPECT_THAT(waggle({"what", "accept_backlog"}).out, HasSubstr("field of sockets"));
    EXPECT_THAT(waggle({"what", "open_files.deleted"}).out, HasSubstr("field of open_files"));
    EXPECT_THAT(waggle({"what", "disk_load"}).out, HasSubstr("view"));
}

TEST(What, explains_a_line_of_a_log_with_and_without_quotes) {
    EXPECT_THAT(waggle({"what", "TCP: request_sock_TCP: Possible SYN flooding on port 443."}).out,
                HasSubstr("port 443"));
    EXPECT_THAT(waggle({"what", "nf_conntrack:", "table", "full,", "dropping", "packet"}).out,
                HasSubstr("firewall"));
    EXPECT_THAT(waggle({"what", "cp:", "No", "space", "left", "on", "device"}).out, HasSubstr("ENOSPC"));
    EXPECT_THAT(waggle({"what", "-28"}).out, HasSubstr("ENOSPC"));
    EXPECT_THAT(waggle({"what", "ENOSPC", "nr_dirty", "SIGTERM"}).out,
                AllOf(HasSubstr("ENOSPC"), HasSubstr("nr_dirty")));
    EXPECT_THAT(waggle({"what", "ENOSPC", "SIGTERM"}).out, AllOf(HasSubstr("ENOSPC"), HasSubstr("SIGTERM")));
}

TEST(What, explains_a_row_as_trace_prints_it_and_one_of_ones_own) {
    // The columns of `waggle trace process --output json`: the table is told by them.
    const Outcome printed =
        waggle({"what", R"({"time_ns":1,"pid":812,"comm":"nginx","exit_code":3,"signal":0,)"
                        R"("ran_ns":2000000,"peak_rss_bytes":4096,"executed":true,"parent_pid":1})"});
    EXPECT_EQ(printed.code, 0) << printed.err;
    EXPECT_THAT(printed.out, HasSubstr("nginx (pid 812) ended with exit code 3 after 2 ms."));
    const Outcome fork = waggle({"what", R"({"time_ns":1,"pid":7,"comm":"sh","parent_pid":1})"});
    EXPECT_THAT(fork.out, HasSubstr("Process 1 made process 7"));
    const Outcome own =
        waggle({"what", R"({"source":"process_exit","comm":"a","pid":5,"signal":11})", "--output", "json"});
    const auto value = nlohmann::json::parse(own.out, nullptr, false);
    ASSERT_TRUE(value.is_object()) << own.out << own.err;
    for (const char* key : {"source", "what", "because", "evidence", "impact", "try", "check"})
        EXPECT_TRUE(value.contains(key)) << key;
    EXPECT_EQ(value.value("what", ""), "a (pid 5) was killed by SIGSEGV.");
    // A column can have the name of the key.
    EXPECT_THAT(
        waggle(
            {"what",
             R"({"table":"packet_drop","source":"192.0.2.1","destination":"192.0.2.2","reason":"NO_SOCKET"})"})
            .out,
        HasSubstr("from 192.0.2.1 to 192.0.2.2"));
    const Outcome many = waggle({"what", R"({"comm":"x","pid":1})"});
    EXPECT_EQ(many.code, 2);
    EXPECT_THAT(many.err, AllOf(HasSubstr("several tables"), HasSubstr("process_exit")));
    EXPECT_EQ(waggle({"what", R"({"comm":)"}).code, 2);
}

TEST(What, says_figures_and_calls_them_high_only_against_a_limit) {
    const Outcome said =
        waggle({"what", R"({"device":"vda","pid":1,"comm":"x","operation":"READ","requests":10,"bytes":4096,)"
                        R"("sequential_percent":0,"direct_percent":0,"mean_queue_ns":1000,)"
                        R"("mean_device_ns":5000000,"p99_device_ns":9000000})"});
    EXPECT_EQ(said.code, 0) << said.err;
    EXPECT_THAT(said.out, AllOf(HasSubstr("5 ms for one on average"),
                                HasSubstr("mean_device_ns is 5 ms: below 100 ms")));
    const Outcome high = waggle({"what", R"({"requests_per_second":900.0,"read_bytes_per_second":1.0,)"
                                         R"("written_bytes_per_second":0.0,"busiest_disk_percent":97.0})"});
    EXPECT_THAT(high.out, HasSubstr("busiest_disk_percent is 97 %, which is high"));
    const Outcome none =
        waggle({"what", R"({"comm":"x","started":3,"ended":3,"failed":0,"ran_ns":1000,"peak_rss_bytes":1})"});
    EXPECT_THAT(none.out, HasSubstr("No rule states a limit"));
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
    EXPECT_EQ(said.code, 3);
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
#ifdef WAGGLE_SANITIZED
    EXPECT_LT(best.count(), 1000);
#else
    EXPECT_LT(best.count(), 50);
#endif
}

TEST(What, a_word_of_any_length_is_answered_at_once) {
    const auto began = std::chrono::steady_clock::now();
    const Outcome said = waggle({"what", std::string(120'000, 'A')});
    EXPECT_EQ(said.code, 3);
#ifdef WAGGLE_SANITIZED
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(20));
#else
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(2));
#endif
}

TEST(CommandLine, a_language_without_words_is_refused_and_those_with_words_are_named) {
    for (const char* language : {"xx", "../../etc", "e"}) {
        const Outcome said = waggle({"why", "--language", language});
        EXPECT_EQ(said.code, 2) << language;
        EXPECT_THAT(said.err, HasSubstr("there are no words in the language " + std::string(language)));
        EXPECT_THAT(said.err, HasSubstr("there are words in en"));
    }
    for (const char* language : {"en", "en_GB"})
        EXPECT_NE(waggle({"why", "--language", language}).code, 2) << language;
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

TEST(Doc, checks_the_users_rules_and_names_what_is_wrong_with_its_place) {
    const std::string folder = testing::TempDir() + "waggle-doc-" + std::to_string(getpid());
    ASSERT_EQ(std::system(("mkdir -p " + folder + "/limits.d").c_str()), 0);
    std::ofstream(folder + "/limits.d/mine.yaml") << "";
    EXPECT_EQ(waggle({"doc", "check", folder}).code, 0);

    std::ofstream(folder + "/limits.d/mine.yaml") << "no_such_rule: {least: 3}\n";
    ASSERT_EQ(std::system(("mkdir -p " + folder + "/rules.d").c_str()), 0);
    std::ofstream(folder + "/rules.d/old.yaml") << "- rule: mine\n  topic: drops\n";
    ASSERT_EQ(::mkfifo((folder + "/limits.d/pipe.yaml").c_str(), 0600), 0);
    const Outcome wrong = waggle({"doc", "check", folder});
    EXPECT_EQ(wrong.code, 3);
    EXPECT_THAT(wrong.err, HasSubstr(folder + "/limits.d/mine.yaml:1:16: no rule is called no_such_rule"));
    EXPECT_THAT(wrong.err,
                HasSubstr(folder + "/rules.d/old.yaml:1:3: rule mine is not in use: a list of rules is not"));
    EXPECT_THAT(wrong.err, HasSubstr("/limits.d/pipe.yaml is no regular file; it is left out"));

    EXPECT_EQ(std::system(("rm -r " + folder).c_str()), 0);
    EXPECT_EQ(waggle({"doc", "check", folder}).code, 2);
    EXPECT_EQ(waggle({"doc", "schemas", "more"}).code, 2);
}

TEST(CommandLine, help_and_version_are_there) {
    EXPECT_EQ(waggle({"--help"}).code, 0);
    EXPECT_THAT(waggle({"--help"}).out, HasSubstr("why"));
    EXPECT_EQ(waggle({"--version"}).code, 0);
    EXPECT_EQ(waggle({"why", "--help"}).code, 0);
}

TEST(CommandLine, a_word_or_flag_that_does_not_exist_is_refused_with_the_nearest_one) {
    const std::pair<std::vector<std::string>, const char*> cases[] = {
        {{"frob"}, "there is no command frob"},
        {{"prob"}, "there is no command prob; did you mean probe"},
        {{"repaly", "file"}, "there is no command repaly; did you mean replay"},
        {{"--for", "1s", "quary", "SELECT 1"}, "there is no command quary; did you mean query"},
        {{"why", "--fro"}, "why has no flag --fro; did you mean --for"},
        {{"why", "--show-quary"}, "why has no flag --show-quary; did you mean --show-query"},
        {{"why", "--out", "json"}, "why has no flag --out; did you mean --output"},
        {{"trace", "process", "--pidd", "3"}, "trace has no flag --pidd; did you mean --pid"},
        {{"trace", "process", "--pidd=3"}, "trace has no flag --pidd; did you mean --pid"},
        {{"replay", "file", "--for", "3s"},
         "replay has no flag --for; these have it: waggle alone, why, trace"},
        {{"--pid", "3"}, "waggle alone has no flag --pid; these have it: trace, probe"},
        {{"why", "-x"}, "why has no flag -x"},
        {{"why", "disk", "cpu"}, "why takes [TOPIC] [-- COMMAND...]: cpu is one word too many"},
        {{"doctor", "disk"}, "doctor takes no word: disk is one word too many"},
        {{"trace"}, "trace needs SENSOR|TABLE... behind it"},
        {{"query"}, "query needs SQL behind it"},
        {{"doc", "scemas"}, "there is no documentation called scemas"},
        {{"hist", "block_io", "--steps", "3"}, "--steps"},
        {{"trace", "--filter", "pid > 1"}, "trace needs SENSOR|TABLE... behind it"},
        {{"query", "SELECT 1", "--by", "pid"}, "--by goes with --probe PLACE, which is missing"},
        {{"record", "file", "--attach", "p=raw_tp:x"}, "--attach goes with --object FILE, which is missing"},
        {{"replay", "file", "--object", "x"}, "replay has no flag --object; these have it: why, trace"},
        {{"probe", "raw_tp:x", "--bpftrace", "y"}, "a place or --bpftrace FILE, not both"},
    };
    for (const auto& [arguments, words] : cases) {
        const Outcome said = waggle(arguments);
        EXPECT_EQ(said.code, 2) << said.err;
        EXPECT_THAT(said.err, HasSubstr(words));
        EXPECT_EQ(said.out, "");
    }
}

// What the shell makes of it: its streams elsewhere, and the exit code of waggle itself.
int through_shell(const std::string& rest, std::string& err) {
    const std::string path = testing::TempDir() + "waggle_err_" + std::to_string(getpid());
    const int status =
        std::system(("bash -c '" WAGGLE_BINARY_DIR "/bin/waggle " + rest + "' 2>" + path).c_str());
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    err = text.str();
    std::remove(path.c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

TEST(Output, a_device_that_takes_no_more_ends_with_an_error_and_never_with_an_abort) {
    std::string err;
    for (const char* command : {"what ENOSPC", "doc schemas", "--help", "--version", "doc completion-bash"}) {
        EXPECT_EQ(through_shell(std::string(command) + " >/dev/full", err), 3) << command;
        EXPECT_THAT(err, HasSubstr("cannot write the output: No space left on device")) << command;
        EXPECT_EQ(through_shell(std::string(command) + " >&-", err), 3) << command;
        EXPECT_THAT(err, HasSubstr("cannot write the output")) << command;
        // The reader is gone before anything is written: that is nothing to tell.
        EXPECT_EQ(through_shell(std::string(command) + " > >(exec true); exit $?", err) % 3, 0) << command;
        EXPECT_EQ(err, "") << command;
        EXPECT_EQ(through_shell("2>&- " + std::string(command) + " >/dev/full", err), 3) << command;
    }
    for (const char* wrong : {"frob", "what no_such_word_at_all", "replay /nonexistent", "why --fro"}) {
        const int code = through_shell(wrong, err);
        EXPECT_TRUE(code == 2 || code == 3) << wrong;
        EXPECT_EQ(through_shell(std::string(wrong) + " 2>&-", err), code) << wrong;
        EXPECT_EQ(through_shell(std::string(wrong) + " 2>/dev/full", err), code) << wrong;
        EXPECT_EQ(through_shell(std::string(wrong) + " 2>&1 >/dev/null | true; exit ${PIPESTATUS[0]}", err),
                  code)
            << wrong;
    }
}

TEST(UnprivilegedCommand, watching_without_it_says_which_capability_is_missing) {
    for (const auto& command :
         std::vector<std::vector<std::string>>{{},
                                               {"why"},
                                               {"trace", "process"},
                                               {"top", "process"},
                                               {"query", "SELECT 1 FROM process_exec"}}) {
        const Outcome said = waggle(command);
        EXPECT_EQ(said.code, 126) << said.err;
        EXPECT_THAT(said.err, HasSubstr("CAP_BPF")) << said.err;
    }
}

TEST(UnprivilegedCommand, doctor_works_without_it_and_says_what_it_cannot_try) {
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
    EXPECT_EQ(waggle({"replay", path}).code, 3);
    EXPECT_THAT(waggle({"replay", path}).err, HasSubstr("not a waggle recording"));
    std::remove(path.c_str());
    EXPECT_THAT(waggle({"replay", path}).err, HasSubstr("No such file"));
}

TEST(Replay, a_recording_answers_without_any_privilege) {
    const std::string path = WAGGLE_SOURCE_DIR "/tests/recordings/old_process_restart_loop_exit.waggle";
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
    std::ifstream whole(WAGGLE_SOURCE_DIR "/tests/recordings/old_process_restart_loop_exit.waggle",
                        std::ios::binary);
    std::string bytes(30000, '\0');
    ASSERT_TRUE(whole.read(bytes.data(), static_cast<std::streamsize>(bytes.size())));
    const std::string path = testing::TempDir() + "waggle_cut_" + std::to_string(getpid());
    std::ofstream(path, std::ios::binary) << bytes;
    const Outcome said = waggle({"replay", path});
    EXPECT_EQ(said.code, 3);
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
    for (const char* flag : {"bpftrace", "probe", "object", "filter"})
        EXPECT_THAT(waggle({"doc", "completion-fish"}).out, HasSubstr(std::string("-l ") + flag + " -r"))
            << flag;
    EXPECT_EQ(waggle({"doc", "nothing"}).code, 2);
}

TEST(Doc, lists_each_source_with_its_options_for_programs) {
    const Outcome said = waggle({"doc", "schemas", "--output", "json"});
    ASSERT_EQ(said.code, 0) << said.err;
    std::istringstream text(said.out);
    std::map<std::string, nlohmann::json> sources;
    for (std::string line; std::getline(text, line);) {
        const auto value = nlohmann::json::parse(line, nullptr, false);
        ASSERT_TRUE(value.is_object()) << line;
        if (value.contains("source")) sources[value["source"]] = value;
    }
    ASSERT_TRUE(sources.contains("bpftrace") && sources.contains("process") && sources.contains("probe"));
    EXPECT_EQ(sources["bpftrace"]["asked_by"], "bpftrace");
    EXPECT_TRUE(sources["process"]["asked_by"].is_null());
    const auto& option = sources["bpftrace"]["options"].at(0);
    EXPECT_EQ(option["type"], "text");
    EXPECT_EQ(option["argument"], "FILE");
    std::map<std::string, bool> filtered;
    for (const auto& column : sources["process"]["tables"].at(0)["columns"])
        filtered[column["name"]] = column["filtered_in_kernel"];
    EXPECT_TRUE(filtered["pid"] && filtered["comm"] && filtered["cgroup_id"]);
    EXPECT_FALSE(filtered["time_ns"]);
}

TEST(Doc, every_rule_and_explanation_is_sound) {
    const Outcome said = waggle({"doc", "check"});
    EXPECT_EQ(said.code, 0) << said.err;
    EXPECT_THAT(said.out, HasSubstr("are sound"));
}

TEST(LabCommand, lists_its_faults_offline_for_people_and_programs) {
    const Outcome list = waggle({"lab", "list"});
    EXPECT_EQ(list.code, 0) << list.err;
    EXPECT_THAT(list.out, HasSubstr("nft_rule_drops_a_port                  inside   drops     all"));
    const Outcome lines = waggle({"lab", "list", "--output", "json"});
    const auto first = nlohmann::json::parse(lines.out.substr(0, lines.out.find('\n')), nullptr, false);
    ASSERT_TRUE(first.is_object()) << lines.out;
    EXPECT_EQ(first["kernels"], "all");
}

TEST(LabCommand, wrong_words_are_told_with_the_right_ones) {
    const struct {
        std::vector<std::string> words;
        const char* says;
    } wrong[] = {
        {{"lab", "scor"},
         "waggle lab has no scor; did you mean score; there are list, run, score and record"},
        {{"lab", "run", "nft_rule_drops_port"},
         "the lab has no fault nft_rule_drops_port; did you mean nft_rule_drops_a_port"},
        {{"lab", "run"}, "takes the name of one fault"},
        {{"lab", "record", "nobody_listens"}, "takes a fault and a file"},
        {{"lab", "list", "--lab", "/etc"}, "/etc is no lab"},
        {{"lab", "score", "--seed", "many"}, "--seed"},
        {{"lab", "score", "--claim", "insde"}, "--claim"},
        {{"lab", "score", "--jobs", "0"}, "--jobs is a number from 1 to 64"},
        {{"lab", "score", "--jobs", "2", "--paste"}, "goes one fault at a time"},
        {{"lab", "score", "--markdown", "--output", "json"}, "not both"},
    };
    for (const auto& [words, says] : wrong) {
        const Outcome said = waggle(words);
        EXPECT_THAT(said.err, HasSubstr(says));
        EXPECT_EQ(said.code, 2) << said.err;
    }
    EXPECT_EQ(waggle({"lab", "run", "nobody_listens"}).code, 126) << "faults are made by root alone";
}

TEST(Completion, bash_accepts_its_script) {
    const std::string command = WAGGLE_BINARY_DIR "/bin/waggle doc completion-bash | bash -n";
    EXPECT_EQ(std::system(command.c_str()), 0);
}

}  // namespace
}  // namespace waggle
