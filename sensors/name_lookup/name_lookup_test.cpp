// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>

#include "model/record_writer.h"
#include "sensors/name_lookup/c_libraries.h"
#include "sensors/name_lookup/kernel_hazard.h"
#include "sensors/name_lookup/name_lookup.event.h"
#include "sensors/name_lookup/name_lookup.h"

namespace waggle::sensors {
namespace {

TEST(NameLookup, reads_a_recorded_call_as_a_row) {
    RecordWriter<name_lookup_event> record;
    record.fixed.header.kind = name_lookup_kind_call;
    record.fixed.header.pid = 42;
    record.fixed.latency_ns = 1234;
    record.fixed.result = -2;
    record.text(&name_lookup_event::name, "example.org");
    const Result<Row> row = name_lookup_source.read(record.finish());
    ASSERT_TRUE(row) << row.error().message;
    EXPECT_EQ(row->schema().name, "name_lookup");
    EXPECT_EQ(row->u64("pid"), 42u);
    EXPECT_EQ(row->u64("latency_ns"), 1234u);
    EXPECT_EQ(static_cast<std::int64_t>(row->u64("result")), -2);
    EXPECT_EQ(row->text("name"), "example.org");
}

TEST(NameLookup, refuses_a_truncated_record_of_each_kind) {
    RecordWriter<name_lookup_event> call;
    EXPECT_FALSE(name_lookup_source.read(call.finish().first(sizeof(name_lookup_event) - 1)));
    RecordWriter<name_lookup_total_event> total;
    total.fixed.header.kind = name_lookup_kind_total;
    EXPECT_FALSE(name_lookup_source.read(total.finish().first(sizeof(name_lookup_total_event) - 1)));
}

TEST(NameLookup, runs_only_where_it_is_asked_for) {
    ASSERT_NE(name_lookup_source.asked_by, nullptr);
    EXPECT_EQ(name_lookup_source.asked_by->type, OptionType::yes_no);
}

TEST(CLibraries, the_code_of_glibc_and_musl_is_found_in_the_mappings_and_nothing_else) {
    const std::string maps =
        "55d0c0a00000-55d0c0a21000 r-xp 00002000 fe:00 12                   /usr/bin/libc.so.6/x\n"
        "7f10c8a00000-7f10c8a28000 r--p 00000000 fe:00 1234                 "
        "/usr/lib/x86_64-linux-gnu/libc.so.6\n"
        "7f10c8a28000-7f10c8bb0000 r-xp 00028000 fe:00 1234                 "
        "/usr/lib/x86_64-linux-gnu/libc.so.6\n"
        "7f10c9a28000-7f10c9bb0000 r-xp 00028000 00:2f 77    /srv/an odd place/libc-2.31.so (deleted)\n"
        "7f10caa28000-7f10cabb0000 r-xp 00028000 fe:00 99                   /lib/ld-musl-x86_64.so.1\n"
        "7f10cba28000-7f10cbbb0000 r-xp 00028000 fe:00 98                   /usr/lib/libcap.so.2\n"
        "7f10cca28000-7f10ccbb0000 r-xp 00000000 00:00 0 \n"
        "7ffcb1de3000-7ffcb1de5000 r-xp 00000000 00:00 0                    [vdso]\n"
        "7f10cca28000-7f10ccbb0000 r";
    const std::vector<ModuleMapping> found = c_libraries_of(maps);
    ASSERT_EQ(found.size(), 3u);
    EXPECT_EQ(found[0].range, "7f10c8a28000-7f10c8bb0000");
    EXPECT_EQ(found[0].file, "fe:00 1234");
    EXPECT_EQ(found[0].path, "/usr/lib/x86_64-linux-gnu/libc.so.6");
    EXPECT_EQ(found[1].file, "00:2f 77");
    EXPECT_EQ(found[1].path, "/srv/an odd place/libc-2.31.so");
    EXPECT_EQ(found[2].path, "/lib/ld-musl-x86_64.so.1");
    EXPECT_TRUE(c_libraries_of("").empty());
}

TEST(KernelHazard, kernels_that_ask_seccomp_filters_about_a_watched_return_are_known_by_their_release) {
    for (const char* release : {"6.11.0-19-generic", "6.11.11", "6.12.0", "6.12.13+deb13-amd64", "6.13.2"})
        EXPECT_TRUE(returns_ask_filters(release)) << release;
    for (const char* release : {"5.15.0", "6.1.0-41-amd64", "6.10.14", "6.12.14", "6.12.57+deb12-amd64",
                                "6.13.3", "6.14.0", "6.18.44", "7.0.0", ""})
        EXPECT_FALSE(returns_ask_filters(release)) << release;
}

}  // namespace
}  // namespace waggle::sensors
