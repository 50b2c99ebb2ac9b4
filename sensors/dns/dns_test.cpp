// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "model/record_writer.h"
#include "sensors/dns/dns.event.h"
#include "sensors/dns/dns.h"
#include "sensors/dns/dns_message.h"

namespace waggle::sensors {
namespace {

using namespace std::string_literals;

DnsQuestion asked(const std::string& behind_head) {
    const std::string message = std::string(12, '\0') + behind_head;
    return read_dns_question(bytes_of(std::string_view(message)));
}

TEST(Dns, reads_a_recorded_lookup_as_a_row) {
    RecordWriter<dns_lookup_event> record;
    record.fixed.header.kind = dns_kind_lookup;
    record.fixed.header.pid = 42;
    record.fixed.latency_ns = 1234;
    record.fixed.code = dns_code_nxdomain;
    record.text(&dns_lookup_event::name, "example.org");
    const Result<Row> row = dns_source.read(record.finish());
    ASSERT_TRUE(row) << row.error().message;
    EXPECT_EQ(row->schema().name, "dns_lookup");
    EXPECT_EQ(row->u64("pid"), 42u);
    EXPECT_EQ(row->u64("latency_ns"), 1234u);
    EXPECT_EQ(row->text("name"), "example.org");
}

TEST(Dns, refuses_a_truncated_record_of_each_kind) {
    RecordWriter<dns_lookup_event> lookup;
    EXPECT_FALSE(dns_source.read(lookup.finish().first(sizeof(dns_lookup_event) - 1)));
    RecordWriter<dns_total_event> total;
    total.fixed.header.kind = dns_kind_total;
    EXPECT_FALSE(dns_source.read(total.finish().first(sizeof(dns_total_event) - 1)));
    RecordWriter<dns_failure_event> failure;
    failure.fixed.header.kind = dns_kind_failure;
    EXPECT_FALSE(dns_source.read(failure.finish().first(sizeof(dns_failure_event) - 1)));
    RecordWriter<dns_waiting_event> waiting;
    waiting.fixed.header.kind = dns_kind_waiting;
    EXPECT_FALSE(dns_source.read(waiting.finish().first(sizeof(dns_waiting_event) - 1)));
}

TEST(DnsMessage, a_question_is_read_with_its_type) {
    const DnsQuestion question = asked("\3www\7example\3org\0\0\x1c\0\1"s);
    EXPECT_EQ(question.name, "www.example.org");
    EXPECT_EQ(question.type, 28);
    EXPECT_FALSE(question.cut);
    EXPECT_EQ(asked("\0\0\2\0\1"s).name, ".");
}

TEST(DnsMessage, bytes_that_a_terminal_would_obey_are_said_as_numbers) {
    EXPECT_EQ(asked("\4a\x1b.\\\0\0\1\0\1"s).name, "a\\027\\046\\092");
    EXPECT_EQ(asked("\3\xff\0 \0\0\1\0\1"s).name, "\\255\\000\\032");
}

TEST(DnsMessage, lengths_that_lie_are_cut_where_the_copy_ends) {
    for (const std::string& lie : {"\77abc"s, "\3www"s, "\3www\7exam"s, "\3www\0\0\1\0"s, "\3www\0"s, ""s}) {
        const DnsQuestion question = asked(lie);
        EXPECT_TRUE(question.cut);
        EXPECT_EQ(question.type, 0);
    }
    EXPECT_EQ(asked("\3www\7exam"s).name, "www.exam");
    EXPECT_TRUE(asked("\x40" + std::string(64, 'a') + "\0\0\1\0\1"s).cut)
        << "no label has more than 63 bytes";
    EXPECT_TRUE(read_dns_question({}).cut);
}

TEST(DnsMessage, a_name_that_points_at_itself_or_forward_ends) {
    EXPECT_TRUE(asked("\xc0\x0c\0\1\0\1"s).cut);
    EXPECT_TRUE(asked("\3www\xc0\x0c\0\1\0\1"s).cut) << "back to its own beginning";
    EXPECT_TRUE(asked("\3www\xc0\x10\0\1\0\1"s).cut);
    EXPECT_TRUE(asked("\xc0\x20\0\1\0\1"s).cut);
    EXPECT_TRUE(asked("\xc0"s).cut);
}

TEST(DnsMessage, a_name_has_at_most_255_bytes) {
    std::string long_name;
    for (int i = 0; i < 5; ++i) long_name += "\77" + std::string(63, 'a');
    const DnsQuestion question = asked(long_name + "\0\0\1\0\1"s);
    EXPECT_TRUE(question.cut);
    EXPECT_LT(question.name.size(), 255u);
    std::string longest;
    for (int i = 0; i < 3; ++i) longest += "\77" + std::string(63, 'a');
    longest += "\75" + std::string(61, 'a');  // 254 bytes and the end
    EXPECT_FALSE(asked(longest + "\0\0\1\0\1"s).cut);
}

}  // namespace
}  // namespace waggle::sensors
