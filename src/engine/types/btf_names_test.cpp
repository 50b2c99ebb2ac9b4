// SPDX-License-Identifier: Apache-2.0
#include "engine/types/btf_names.h"

#include <bpf/btf.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace waggle::kernel {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

// A /sys/kernel/btf of our own making.
class BtfNames : public testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = std::filesystem::temp_directory_path() / "btf_names_XXXXXX";
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
        base_ = btf__new_empty();
    }
    void TearDown() override {
        btf__free(base_);
        std::filesystem::remove_all(directory_);
    }
    static void add_enum(btf* types, const char* name,
                         const std::vector<std::pair<const char*, std::int64_t>>& values) {
        ASSERT_GT(btf__add_enum(types, name, 4), 0);
        for (const auto& [value_name, value] : values)
            ASSERT_EQ(btf__add_enum_value(types, value_name, value), 0);
    }
    void write(const btf* types, const std::string& name) const {
        __u32 size = 0;
        const void* raw = btf__raw_data(types, &size);
        std::ofstream(directory_ + "/" + name, std::ios::binary)
            .write(static_cast<const char*>(raw), static_cast<std::streamsize>(size));
    }

    std::string directory_;
    btf* base_ = nullptr;
};

TEST_F(BtfNames, gives_the_values_of_an_enum_without_their_prefix) {
    add_enum(base_, "tcp_state", {{"TCP_ESTABLISHED", 1}, {"TCP_LISTEN", 10}, {"OTHER", -1}});
    write(base_, "vmlinux");
    const auto names = enum_names("tcp_state", "TCP_", "vmlinux", directory_);
    ASSERT_TRUE(names) << names.error().message;
    EXPECT_THAT(*names, ElementsAre(Pair(1, "ESTABLISHED"), Pair(10, "LISTEN"), Pair(0xffffffffu, "OTHER")));
}

TEST_F(BtfNames, gives_the_values_of_an_enum_of_64_bits) {
    ASSERT_GT(btf__add_enum64(base_, "wide", 8, false), 0);
    ASSERT_EQ(btf__add_enum64_value(base_, "WIDE_TOP", 1ull << 63), 0);
    write(base_, "vmlinux");
    const auto names = enum_names("wide", "WIDE_", "vmlinux", directory_);
    ASSERT_TRUE(names) << names.error().message;
    EXPECT_THAT(*names, ElementsAre(Pair(1ull << 63, "TOP")));
}

TEST_F(BtfNames, says_which_enum_and_which_file_it_did_not_find) {
    add_enum(base_, "tcp_state", {{"TCP_LISTEN", 10}});
    write(base_, "vmlinux");
    const auto unknown = enum_names("no_such_enum", "", "vmlinux", directory_);
    ASSERT_FALSE(unknown);
    EXPECT_THAT(unknown.error().message, HasSubstr("no enum no_such_enum"));
    const auto missing = enum_names("tcp_state", "", "vmlinux", directory_ + "/nowhere");
    ASSERT_FALSE(missing);
    EXPECT_THAT(missing.error().message, HasSubstr("/nowhere/vmlinux"));
}

TEST_F(BtfNames, refuses_a_file_that_is_no_btf) {
    std::ofstream(directory_ + "/vmlinux") << "not types at all, and longer than a header of 24 bytes";
    EXPECT_FALSE(enum_names("tcp_state", "", "vmlinux", directory_));
}

TEST_F(BtfNames, drop_reasons_join_the_core_with_the_subsystems_that_are_loaded) {
    add_enum(base_, "skb_drop_reason",
             {{"SKB_NOT_DROPPED_YET", 0},
              {"SKB_CONSUMED", 1},
              {"SKB_DROP_REASON_NO_SOCKET", 3},
              {"SKB_DROP_REASON_MAX", 4},
              {"SKB_DROP_REASON_SUBSYS_MASK", -65536}});
    // A built-in subsystem's enum is among the kernel's own.
    add_enum(base_, "ovs_drop_reason", {{"__OVS_DROP_REASON", 0x30000}, {"OVS_DROP_EXPLICIT", 0x30003}});
    write(base_, "vmlinux");
    btf* module = btf__new_empty_split(base_);
    add_enum(module, "___mac80211_drop_reason",
             {{"___RX_CONTINUE", 1}, {"___RX_QUEUED", 0}, {"___RX_DROP_U_REPLAY", 0x10002}});
    write(module, "mac80211");
    btf__free(module);
    const auto names = drop_reason_names(directory_);
    ASSERT_TRUE(names) << names.error().message;
    EXPECT_THAT(*names, ElementsAre(Pair(0, "NOT_DROPPED_YET"), Pair(1, "CONSUMED"), Pair(3, "NO_SOCKET"),
                                    Pair(0x10002, "RX_DROP_U_REPLAY"), Pair(0x30000, "__OVS_DROP_REASON"),
                                    Pair(0x30003, "OVS_DROP_EXPLICIT")));
}

TEST_F(BtfNames, drop_reasons_say_when_the_kernel_has_none) {
    add_enum(base_, "tcp_state", {{"TCP_LISTEN", 10}});
    write(base_, "vmlinux");
    const auto names = drop_reason_names(directory_);
    ASSERT_FALSE(names);
    EXPECT_THAT(names.error().message, HasSubstr("gives no reasons for dropped packets"));
}

}  // namespace
}  // namespace waggle::kernel
