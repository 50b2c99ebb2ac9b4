// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/descriptor.h"
#include "base/protocols.h"
#include "base/put.h"
#include "base/shell.h"
#include "base/tcp_flags.h"
#include "base/text.h"
#include "base/units.h"
#include "waggle/result.h"

namespace waggle {
namespace {

using testing::ElementsAre;

TEST(Escape, leaves_plain_text_and_unicode_alone) {
    EXPECT_EQ(escape_control("nginx: worker"), "nginx: worker");
    EXPECT_EQ(escape_control("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x9d"),
              "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x9d");
}

TEST(Escape, shows_what_would_move_a_cursor_or_forge_a_line) {
    EXPECT_EQ(escape_control("\x1b[2Jgone"), "\\x1b[2Jgone");
    EXPECT_EQ(escape_control("two\nlines\r"), "two\\x0alines\\x0d");
    EXPECT_EQ(escape_control(std::string_view("a\0b", 3)), "a\\x00b");
    EXPECT_EQ(escape_control("\x7f"), "\\x7f");
    EXPECT_EQ(escape_control("back\\slash"), "back\\\\slash");
}

TEST(Escape, shows_invalid_utf8_and_hidden_direction_marks) {
    EXPECT_EQ(escape_control("\xff\xfe"), "\\xff\\xfe");
    EXPECT_EQ(escape_control("\xc2\x9b"), "\\xc2\\x9b") << "a C1 control is an escape too";
    EXPECT_EQ(escape_control("\xe2\x80\xae"), "\\xe2\\x80\\xae") << "right-to-left override";
    EXPECT_EQ(escape_control("\xc0\x80"), "\\xc0\\x80") << "overlong";
    EXPECT_EQ(escape_control("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "surrogate";
    EXPECT_EQ(escape_control("cut \xe2\x82"), "cut \\xe2\\x82");
}

TEST(Nearest, finds_what_was_meant_and_nothing_else) {
    const std::string_view known[] = {"block_io", "packet_drop", "process"};
    EXPECT_THAT(nearest_words("blok_io", known), ElementsAre("block_io"));
    EXPECT_THAT(nearest_words("drop", known), ElementsAre("packet_drop"));
    EXPECT_THAT(nearest_words("PROCES", known), ElementsAre("process"));
    EXPECT_THAT(nearest_words("zebra", known), ElementsAre());
}

TEST(Nearest, counts_a_swap_as_one_edit) { EXPECT_EQ(edit_distance("recv", "rcev"), 1u); }

TEST(Glob, matches_as_a_shell_does) {
    EXPECT_TRUE(glob_match("vfs_*", "vfs_read"));
    EXPECT_TRUE(glob_match("*read*", "vfs_readv"));
    EXPECT_TRUE(glob_match("a?c", "abc"));
    EXPECT_TRUE(glob_match("*", ""));
    EXPECT_FALSE(glob_match("a?c", "ac"));
    EXPECT_FALSE(glob_match("vfs_*", "xvfs_read"));
    EXPECT_FALSE(glob_match("*a*b", "ba"));
}

TEST(Text, is_split_and_trimmed) {
    EXPECT_THAT(split("a,,b", ','), ElementsAre("a", "", "b"));
    EXPECT_THAT(split("", ','), ElementsAre(""));
    EXPECT_EQ(trim(" \t x y\n"), "x y");
    EXPECT_EQ(trim(" \n"), "");
    EXPECT_EQ(to_lower("ENOSPC"), "enospc");
}

TEST(Files, are_read_whole_or_refused_with_the_reason) {
    const auto own = read_file("/proc/self/comm");
    ASSERT_TRUE(own) << own.error().message;
    EXPECT_FALSE(own->empty());
    const auto absent = read_file("/nonexistent/file");
    ASSERT_FALSE(absent);
    EXPECT_EQ(absent.error().message, "cannot open /nonexistent/file: No such file or directory");
    EXPECT_FALSE(read_file("/proc/self/status", 4)) << "larger than its limit";
}

TEST(Numbers, are_said_one_way) {
    EXPECT_EQ(format_count(0), "0");
    EXPECT_EQ(format_count(999), "999");
    EXPECT_EQ(format_count(1234567), "1,234,567");
    EXPECT_EQ(format_count(-1234), "-1,234");
    EXPECT_EQ(format_count(-123), "-123");
    EXPECT_EQ(format_bytes(0), "0 bytes");
    EXPECT_EQ(format_bytes(4096), "4 KiB");
    EXPECT_EQ(format_bytes(212992), "208 KiB");
    EXPECT_EQ(format_bytes(1.5 * 1024 * 1024), "1.5 MiB");
    EXPECT_EQ(format_bytes(1024 * 1024 - 100), "1.0 MiB");
    EXPECT_EQ(format_duration_ns(12), "12 ns");
    EXPECT_EQ(format_duration_ns(1'234'000), "1.2 ms");
    EXPECT_EQ(format_duration_ns(250e6), "250 ms");
    EXPECT_EQ(format_duration_ns(999.4e6), "999 ms");
    EXPECT_EQ(format_duration_ns(999.7e6), "1 s");
    EXPECT_EQ(format_duration_ns(999'700), "1 ms");
    EXPECT_EQ(format_duration_ns(10e9), "10 s");
    EXPECT_EQ(format_duration_ns(600e9), "10 min");
    EXPECT_EQ(format_duration_ns(7200e9), "2 h");
    EXPECT_EQ(format_duration_ns(3 * 86400e9), "3 days");
    EXPECT_EQ(format_percent(97), "97 %");
    EXPECT_EQ(format_percent(99.7), "99.7 %") << "almost all is not all";
    EXPECT_EQ(format_percent(0.42), "0.42 %");
    EXPECT_EQ(format_rate(1234), "1,234/s");
    EXPECT_EQ(format_number(65535, Unit::identifier), "65535");
    EXPECT_EQ(format_number(2, Unit::seconds), "2 s");
    EXPECT_EQ(format_number(1024, Unit::bytes_per_second), "1 KiB/s");
}

TEST(TcpFlags, every_set_of_flags_is_read_from_its_own_text) {
    for (unsigned flags = 0; flags < 256; ++flags) EXPECT_EQ(tcp_flags_of(tcp_flags_text(flags)), flags);
    EXPECT_EQ(tcp_flags_text(0x12), "SYN|ACK");
    EXPECT_EQ(tcp_flags_text(0), "none");
    EXPECT_EQ(tcp_flags_of("SYN|"), std::nullopt);
    EXPECT_EQ(tcp_flags_of("syn"), std::nullopt);
}

TEST(Protocols, each_number_and_each_name_stands_once) {
    for (const IpProtocol& one : ip_protocols) {
        EXPECT_EQ(ip_protocol_number(one.name), one.number) << one.name;
        EXPECT_EQ(std::ranges::count(ip_protocols, one.number, &IpProtocol::number), 1) << one.name;
    }
    EXPECT_EQ(ip_protocol_number("ipv6-icmp"), 58);
    EXPECT_EQ(ip_protocol_number("quic"), std::nullopt);
}

TEST(ShellLines, quote_each_word_by_itself_and_give_them_back) {
    const std::vector<std::vector<std::string>> commands = {
        {"grep", "nosuchword", "/etc/passwd"},
        {"sh", "-c", "exit 3; # it's"},
        {"./a b", "", "$HOME", "\\n"},
        {"printf", "a\nb\x01'\\"},
        {"echo", "\xc3\xa4", "*"},
    };
    for (const auto& words : commands) EXPECT_EQ(words_of_shell_line(shell_line(words)), words);
    EXPECT_EQ(shell_line(commands[0]), "grep nosuchword /etc/passwd");
    EXPECT_EQ(shell_line(commands[1]), "sh -c 'exit 3; # it'\\''s'");
}

TEST(ShellLines, are_no_lines_in_which_a_shell_does_more) {
    for (const char* line :
         {"", "a; b", "a $(b)", "a > b", "a 'b", "a  b", "a &", "a \"b\"", "~/a", "$'\\x4"})
        EXPECT_FALSE(words_of_shell_line(line)) << line;
}

TEST(Numbers, are_found_behind_their_key) {
    constexpr std::string_view text = "pos:\t0\nmnt_id:\t31\nmemlock:  8192\n";
    EXPECT_EQ(facts::number_behind(text, "\nmnt_id:"), 31);
    EXPECT_EQ(facts::number_behind<std::uint64_t>(text, "memlock:"), 8192u);
    EXPECT_EQ(facts::number_behind(text, "ino:"), 0);
    EXPECT_EQ(facts::number_behind("memlock:", "memlock:"), 0);
}

TEST(Descriptors, are_named_as_the_kernel_names_them) {
    EXPECT_EQ(path_of_descriptor(-1), "");
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    EXPECT_THAT(path_of_descriptor(ends[0]), testing::StartsWith("pipe:["));
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST(Results, carry_a_value_or_a_reason) {
    const Result<int> good = 4;
    const Result<int> bad = Error{"no", ErrorKind::usage};
    ASSERT_TRUE(good);
    EXPECT_EQ(*good, 4);
    ASSERT_FALSE(bad);
    EXPECT_EQ(while_doing("opening", bad.error()).message, "opening: no");
    EXPECT_EQ(while_doing("opening", bad.error()).kind, ErrorKind::usage);
    EXPECT_TRUE(Result<void>{});
    EXPECT_FALSE(Result<void>(Error{"no"}));
}

}  // namespace
}  // namespace waggle
