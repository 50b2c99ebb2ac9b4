// SPDX-License-Identifier: Apache-2.0
#include "sensors/packet_drop/packet_drop.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>

#include <fstream>
#include <set>

#include "model/columns.h"
#include "model/record_writer.h"
#include "places.h"
#include "sensors/packet_drop/packet_drop.event.h"
#include "sensors/packet_drop/packet_drop_names.h"
#include "sensors/packet_drop/routine_reasons.h"

namespace waggle::sensors {
namespace {

waggle_address ip4(const char* text) {
    waggle_address out{};
    out.family = 4;
    EXPECT_EQ(inet_pton(AF_INET, text, out.bytes), 1);
    return out;
}

RecordWriter<packet_drop_event> an_event() {
    RecordWriter<packet_drop_event> record;
    packet_drop_event& event = record.fixed;
    event.header.kind = packet_drop_kind_event;
    event.header.time_ns = 1'000;
    event.source = ip4("192.0.2.7");
    event.destination = ip4("192.0.2.2");
    event.location = 0xffffffff81000010;
    event.socket_uid = PACKET_DROP_NO_UID;
    event.reason = 8;
    event.netns = 4026531840;
    event.ifindex = 2;
    event.length_bytes = 60;
    event.segments = 1;
    event.source_port = 40000;
    event.destination_port = 443;
    event.ether_type = 0x0800;
    event.protocol = 6;
    event.tcp_flags = 0x12;
    event.direction = packet_direction_in;
    std::memcpy(event.device, "eth0", 4);
    return record;
}

RecordWriter<packet_drop_total> a_total() {
    RecordWriter<packet_drop_total> record;
    packet_drop_total& total = record.fixed;
    total.header.kind = packet_drop_kind_total;
    total.source = ip4("192.0.2.7");
    total.destination = ip4("192.0.2.2");
    total.socket_inode = 777;
    total.socket_uid = 1000;
    total.packets = 312;
    total.bytes = 31'200;
    total.segments = 312;
    total.reason = 8;
    total.destination_port = 7777;
    total.protocol = 17;
    total.direction = packet_direction_forward;
    return record;
}

std::string column(const Row& row, std::string_view name, const Names& names) {
    for (const Column& each : columns_of(row.schema()))
        if (each.name == name) return format_column(row, each, {&names, nullptr});
    return "no column " + std::string(name);
}

// The dictionaries that need no kernel; code addresses may be hidden from whoever runs this.
void give_names(Names& names) {
    const Result<void> named = name_packet_drops(names);
    if (!named) {
        EXPECT_THAT(named.error().message, testing::HasSubstr("CAP_SYSLOG"));
    }
}

TEST(PacketDrop, reads_a_recorded_drop_as_a_row) {
    Names names;
    give_names(names);
    names.set("drop_reason", 8, "NETFILTER_DROP");
    names.set("kernel_symbol", 0xffffffff81000010, "nf_hook_slow+0x8c");
    auto record = an_event();
    const Source* sensor = &packet_drop_source;
    const Result<Row> row = sensor->read(record.finish());
    ASSERT_TRUE(row) << row.error().message;
    EXPECT_EQ(row->schema().name, "packet_drop");
    EXPECT_EQ(column(*row, "reason", names), "NETFILTER_DROP");
    EXPECT_EQ(column(*row, "location", names), "nf_hook_slow+0x8c");
    EXPECT_EQ(column(*row, "source", names), "192.0.2.7");
    EXPECT_EQ(column(*row, "source_port", names), "40000");
    EXPECT_EQ(column(*row, "destination", names), "192.0.2.2");
    EXPECT_EQ(column(*row, "destination_port", names), "443");
    EXPECT_EQ(column(*row, "protocol", names), "tcp");
    EXPECT_EQ(column(*row, "tcp_flags", names), "SYN|ACK");
    EXPECT_EQ(column(*row, "direction", names), "in");
    EXPECT_EQ(column(*row, "ether_type", names), "ipv4");
    EXPECT_EQ(column(*row, "device", names), "eth0");
    EXPECT_EQ(column(*row, "length_bytes", names), "60 bytes");
    EXPECT_EQ(column(*row, "socket_uid", names), "");
    EXPECT_EQ(column(*row, "routine", names), "no");
}

TEST(PacketDrop, reads_a_recorded_total_as_a_row) {
    Names names;
    give_names(names);
    auto record = a_total();
    const Source* sensor = &packet_drop_source;
    const Result<Row> row = sensor->read(record.finish());
    ASSERT_TRUE(row) << row.error().message;
    EXPECT_EQ(row->schema().name, "packet_drop_total");
    EXPECT_EQ(row->u64("packets"), 312u);
    EXPECT_EQ(row->u64("bytes"), 31'200u);
    EXPECT_EQ(row->u64("socket_inode"), 777u);
    EXPECT_EQ(column(*row, "socket_uid", names), "1000");
    EXPECT_EQ(column(*row, "direction", names), "forward");
    EXPECT_EQ(column(*row, "protocol", names), "udp");
    EXPECT_EQ(column(*row, "overflow", names), "no");
}

TEST(PacketDrop, reads_routine_frees_apart_from_drops) {
    Names names;
    give_names(names);
    RecordWriter<packet_free_routine> record;
    record.fixed.header.kind = packet_drop_kind_routine;
    record.fixed.packets = 5;
    record.fixed.thing = freed_thing_unix;
    const Source* sensor = &packet_drop_source;
    const Result<Row> row = sensor->read(record.finish());
    ASSERT_TRUE(row) << row.error().message;
    EXPECT_EQ(row->schema().name, "packet_free_routine");
    EXPECT_EQ(column(*row, "thing", names), "UNIX socket message");
    EXPECT_EQ(column(*row, "packets", names), "5");
}

TEST(PacketDrop, a_device_name_cannot_move_the_cursor) {
    auto record = an_event();
    std::memcpy(record.fixed.device, "e\033[2Jth\n0", 9);
    const Source* sensor = &packet_drop_source;
    const Result<Row> row = sensor->read(record.finish());
    ASSERT_TRUE(row);
    EXPECT_EQ(column(*row, "device", {}), "e\\x1b[2Jth\\x0a0");
}

TEST(PacketDrop, refuses_every_truncation) {
    const Source* sensor = &packet_drop_source;
    auto event = an_event();
    auto total = a_total();
    for (const Bytes whole : {event.finish(), total.finish()})
        for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(sensor->read(whole.first(size)));
}

TEST(PacketDrop, every_flipped_bit_gives_a_row_or_an_error) {
    Names names;
    const Source* sensor = &packet_drop_source;
    auto record = an_event();
    const Bytes whole = record.finish();
    int rows = 0, errors = 0;
    for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
        std::vector<std::uint64_t> aligned((whole.size() + 7) / 8);
        auto* bytes = reinterpret_cast<std::byte*>(aligned.data());
        std::memcpy(bytes, whole.data(), whole.size());
        bytes[bit / 8] ^= std::byte{1} << bit % 8;
        const Result<Row> row = sensor->read({bytes, whole.size()});
        if (!row) {
            ++errors;
            continue;
        }
        ++rows;
        for (const Column& each : columns_of(row->schema())) format_column(*row, each, {&names, nullptr});
    }
    EXPECT_GT(rows, 1000);
    EXPECT_GT(errors, 10);
}

TEST(PacketDrop, an_unknown_reason_or_address_stays_a_number) {
    Names names;
    give_names(names);
    auto record = an_event();
    record.fixed.reason = 0x7fff1234;
    record.fixed.location = 16;
    record.fixed.protocol = 200;
    const Source* sensor = &packet_drop_source;
    const Result<Row> row = sensor->read(record.finish());
    ASSERT_TRUE(row);
    EXPECT_EQ(column(*row, "reason", names), "2147422772");
    EXPECT_EQ(column(*row, "location", names), "16");
    EXPECT_EQ(column(*row, "protocol", names), "200");
}

// The list in the kernel program against the knowledge, which is where a reason is judged.
TEST(PacketDrop, routine_reasons_are_those_the_knowledge_calls_no_loss) {
    std::set<std::string> known, program;
    std::ifstream file(WAGGLE_SOURCE_DIR "/knowledge/en/drop_reasons.yaml");
    std::string line, key, kernel_name;
    while (std::getline(file, line)) {
        if (!line.empty() && line.back() == ':' && std::isupper(static_cast<unsigned char>(line.front())))
            key = line.substr(0, line.size() - 1);
        if (line.starts_with("  names: ")) kernel_name = line;
        if (line == "  loss: false" && kernel_name.find("SKB_DROP_REASON_") != std::string::npos)
            known.insert(key);
    }
    for (const char* mark : {"MAX", "SUBSYS_MASK", "SUBSYS_CORE", "SUBSYS_NUM"})
        EXPECT_EQ(known.erase(mark), 1u);
#define WAGGLE_NAME(name) program.insert(#name);
    WAGGLE_ROUTINE_REASONS(WAGGLE_NAME)
#undef WAGGLE_NAME
    EXPECT_EQ(program, known);
}

}  // namespace
}  // namespace waggle::sensors
