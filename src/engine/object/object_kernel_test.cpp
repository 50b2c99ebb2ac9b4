// SPDX-License-Identifier: Apache-2.0
// Objects in the kernel: loaded, refused with the cause, pinned and taken up again, and gone without a trace.
#include <bpf/bpf.h>
#include <dirent.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <set>

#include "places.h"
#include "waggle/map.h"
#include "waggle/object.h"
#include "waggle/ring.h"

extern "C" __attribute__((noinline, used, visibility("default"))) void waggle_cycle_target() {
    __asm__ volatile("");
}

namespace waggle {
namespace {

using testing::HasSubstr;

std::string test_object(const std::string& name) {
    const char* folder = name.starts_with("instructions") ? "long_objects/" : "test_objects/";
    return WAGGLE_BINARY_DIR "/src/engine/object/" + std::string(folder) + name + ".o";
}

std::string load_error(const std::string& name) {
    auto object = Object::open_file(test_object(name));
    EXPECT_TRUE(object) << object.error().message;
    const auto loaded = object->load();
    EXPECT_FALSE(loaded) << name;
    return loaded ? std::string() : loaded.error().message;
}

void rename_own_thread(int times) {
    for (int i = 0; i < times; ++i) ::prctl(PR_SET_NAME, i % 2 ? "waggle-a" : "object_test");
}

TEST(ObjectKernel, a_refused_object_says_why_and_leaves_nothing) {
    EXPECT_EQ(load_error("missing_field"),
              "load missing_field: the kernel's struct task_struct has no field no_such_field");
    EXPECT_EQ(load_error("without_licence"),
              "load without_licence: it states no licence, and a program that calls a GPL-only function must "
              "state one "
              "compatible with the GPL (char LICENSE[] SEC(\"license\") = \"GPL\")");
    EXPECT_EQ(load_error("empty_map"),
              "load empty_map: map empty has 0 entries; give it a size (max_entries)");
}

TEST(ObjectKernel, what_was_refused_for_its_size_loads_with_another) {
    auto object = Object::open_file(test_object("empty_map"));
    ASSERT_TRUE(object) << object.error().message;
    EXPECT_FALSE(object->load());
    ASSERT_TRUE(object->set_max_entries("empty", 4));
    const auto loaded = object->load();
    EXPECT_TRUE(loaded) << loaded.error().message;
}

TEST(ObjectKernel, offsets_come_from_the_types_that_are_named) {
    auto own = Object::open_file(test_object("missing_field"),
                                 {.btf_path = "/sys/kernel/btf/vmlinux", .pin_root = ""});
    ASSERT_TRUE(own) << own.error().message;
    EXPECT_EQ(own->load().error().message,
              "load missing_field: the kernel's struct task_struct has no field no_such_field");
    // The object's own types have the field, so against them it loads.
    auto other = Object::open_file(test_object("missing_field"),
                                   {.btf_path = test_object("other_kernel"), .pin_root = ""});
    ASSERT_TRUE(other) << other.error().message;
    const auto loaded = other->load();
    EXPECT_TRUE(loaded) << loaded.error().message;
    const auto gone =
        Object::open_file(test_object("globals"), {.btf_path = "/nonexistent.btf", .pin_root = ""});
    ASSERT_FALSE(gone);
    EXPECT_THAT(gone.error().message, HasSubstr("open globals: cannot open /nonexistent.btf: No such file"));
    const auto text = Object::open_file(test_object("globals"), {.btf_path = "/etc/passwd", .pin_root = ""});
    ASSERT_FALSE(text);
    EXPECT_EQ(
        text.error().message,
        "open globals: /etc/passwd: its types (BTF) are broken: they do not begin with BTF's number 0xeb9f");
}

// A BPF file system of the test's own.
class ObjectPins : public testing::Test {
  protected:
    void SetUp() override {
        ASSERT_EQ(::unshare(CLONE_NEWNS), 0);
        ASSERT_EQ(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
        ASSERT_EQ(::mount("bpf", "/sys/fs/bpf", "bpf", 0, nullptr), 0);
        ASSERT_EQ(::mkdir("/sys/fs/bpf/root", 0700), 0);
    }
    void TearDown() override { ASSERT_EQ(::umount2("/sys/fs/bpf", MNT_DETACH), 0); }

    static Object open() {
        auto object =
            Object::open_file(test_object("globals"), {.btf_path = "", .pin_root = "/sys/fs/bpf/root"});
        EXPECT_TRUE(object) << object.error().message;
        return std::move(*object);
    }
    static ObjectMap kept(const Object& object) {
        for (ObjectMap& each : object.maps())
            if (each.name == "kept") return each;
        return {};
    }
};

TEST_F(ObjectPins, a_pinned_map_lives_on_and_is_taken_up_again) {
    std::uint32_t id = 0;
    {
        Object first = open();
        ASSERT_TRUE(first.load());
        EXPECT_EQ(kept(first).pinned, "/sys/fs/bpf/root/kept");
        EXPECT_FALSE(kept(first).reused);
        id = kept(first).id;
        const std::uint32_t key = 10;
        const std::uint64_t value = 99;
        ASSERT_EQ(bpf_map_update_elem(*first.map_fd("kept"), &key, &value, BPF_ANY), 0);
    }
    Object second = open();
    ASSERT_TRUE(second.load());
    EXPECT_TRUE(kept(second).reused);
    EXPECT_EQ(kept(second).id, id);
    const std::uint32_t key = 10;
    std::uint64_t value = 0;
    ASSERT_EQ(bpf_map_lookup_elem(*second.map_fd("kept"), &key, &value), 0);
    EXPECT_EQ(value, 99u);
    ASSERT_TRUE(second.unpin_map("kept"));
    EXPECT_NE(::access("/sys/fs/bpf/root/kept", F_OK), 0);
    EXPECT_EQ(second.unpin_map("kept").error().message, "globals: map kept is not pinned");
    ASSERT_TRUE(second.pin_map("kept", "/sys/fs/bpf/root/kept"));
    EXPECT_EQ(::access("/sys/fs/bpf/root/kept", F_OK), 0);
    EXPECT_THAT(second.pin_map("kept", "/tmp/elsewhere").error().message,
                HasSubstr("map kept cannot be pinned"));
}

TEST_F(ObjectPins, globals_are_shared_with_the_kernel_and_set_again_after_unload) {
    Object object = open();
    ASSERT_TRUE(object.set_constant("constant", std::uint32_t{20}));
    ASSERT_TRUE(object.set_constant("counter", std::uint64_t{1000}));
    for (int round = 0; round < 2; ++round) {
        ASSERT_TRUE(object.load());
        const auto counter = object.global<std::uint64_t>("counter");
        ASSERT_TRUE(counter) << counter.error().message;
        EXPECT_EQ(**counter, 1000u);
        EXPECT_EQ(object.global<std::uint32_t>("constant").error().message,
                  "globals: constant is constant since load()");
        EXPECT_EQ(*object.value<std::uint32_t>("constant"), 20u);
        const auto name = object.attach("count");
        ASSERT_TRUE(name) << name.error().message;
        EXPECT_EQ(*name, "count");
        rename_own_thread(5);
        EXPECT_GE(**counter, 1005u);
        **counter = 1;
        EXPECT_EQ(*object.value<std::uint64_t>("counter"), 1u);
        EXPECT_EQ(object.set_constant("constant", std::uint32_t{3}).error().message,
                  "globals: constant cannot be set: the object is loaded already");
        const auto gone = object.unload();
        ASSERT_TRUE(gone) << gone.error().message;
        EXPECT_EQ(gone->attachments, 1u);
        EXPECT_EQ(gone->programs, 1u);
        EXPECT_GE(gone->maps, 3u);
        EXPECT_TRUE(object.attachments().empty());
    }
}

TEST(LegacyMapsKernel, an_object_as_aya_lays_it_out_loads_and_runs) {
    for (const char* name : {"legacy_maps", "legacy_maps_with_types"}) {
        SCOPED_TRACE(name);
        auto object = Object::open_file(test_object(name));
        ASSERT_TRUE(object) << object.error().message;
        const auto loaded = object->load();
        ASSERT_TRUE(loaded) << loaded.error().message;
        const auto attached = object->attach("trace");
        ASSERT_TRUE(attached) << attached.error().message;
        rename_own_thread(10);
        std::uint32_t key = 1;
        std::uint64_t count = 0, piece[2] = {};
        ASSERT_EQ(bpf_map_lookup_elem(*object->map_fd("COUNTS"), &key, &count), 0);
        EXPECT_GE(count, 10u);
        ASSERT_EQ(bpf_map_lookup_elem(*object->map_fd("PIECES"), &key, piece), 0);
        EXPECT_EQ(piece[0], 42u);
    }
}

TEST(ObjectKernel, a_ring_whose_declaration_types_its_records_loads) {
    auto object = Object::open_file(test_object("typed_ring"));
    ASSERT_TRUE(object) << object.error().message;
    const auto loaded = object->load();
    ASSERT_TRUE(loaded) << loaded.error().message;
    ASSERT_TRUE(object->attach("tell"));
    auto ring = Ring::open(*object->map_fd("records"));
    ASSERT_TRUE(ring) << ring.error().message;
    rename_own_thread(1);
    std::size_t records = 0;
    ring->drain([&](std::span<const Bytes> batch) {
        for (const Bytes record : batch) EXPECT_EQ(waggle::load<std::uint64_t>(record), 42u);
        records += batch.size();
    });
    EXPECT_GE(records, 1u) << "others on the machine rename too";
}

TEST(ObjectKernel, a_hundred_thousand_instructions_load_and_a_million_and_one_are_refused_by_number) {
    auto object = Object::open_file(test_object("instructions_100000"));
    ASSERT_TRUE(object) << object.error().message;
    const auto loaded = object->load();
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_TRUE(object->attach("all_in_a_row"));
    EXPECT_THAT(load_error("instructions_1000001"), HasSubstr("1,000,001 instructions"));
}

// examples/aya_object, built by rustc and bpf-linker 0.13 without debug information.
TEST(LegacyMapsKernel, an_object_that_aya_built_loads_runs_and_counts) {
    struct RenameEvent {
        std::uint32_t pid, number;
        char old_name[16];
    };
    auto object = Object::open_file(WAGGLE_SOURCE_DIR "/tests/data/aya_object.o");
    ASSERT_TRUE(object) << object.error().message;
    const auto own = static_cast<std::uint32_t>(::getpid());
    const auto set = object->set_constant("ONLY_PID", own);
    ASSERT_TRUE(set) << set.error().message;
    EXPECT_EQ(object->set_constant("ONLY_PDI", own).error().message,
              "aya_object has no global named ONLY_PDI; did you mean ONLY_PID");
    EXPECT_FALSE(object->set_constant("ONLY_PID", std::uint64_t{own})) << "it has 4 bytes";
    const auto loaded = object->load();
    ASSERT_TRUE(loaded) << loaded.error().message;
    auto ring = Ring::open(*object->map_fd("EVENTS"));
    ASSERT_TRUE(ring) << ring.error().message;
    const auto attached = object->attach("on_rename");
    ASSERT_TRUE(attached) << attached.error().message;
    ::prctl(PR_SET_NAME, "first");
    rename_own_thread(9);
    ASSERT_TRUE(object->detach("on_rename"));
    const auto renames = Map<std::uint32_t, std::uint64_t>::open(*object->map_fd("RENAMES"));
    ASSERT_TRUE(renames) << renames.error().message;
    EXPECT_EQ(*renames->read(own), 10u);
    std::vector<RenameEvent> seen;
    ring->drain([&](std::span<const Bytes> batch) {
        for (const Bytes record : batch) seen.push_back(waggle::load<RenameEvent>(record));
    });
    ASSERT_EQ(seen.size(), 10u);
    for (std::uint32_t i = 0; i < seen.size(); ++i) {
        EXPECT_EQ(seen[i].pid, own);
        EXPECT_EQ(seen[i].number, i + 1);
    }
    EXPECT_STREQ(seen[1].old_name, "first");
}

std::size_t open_descriptors() {
    std::size_t count = 0;
    DIR* directory = ::opendir("/proc/self/fd");
    while (::readdir(directory)) ++count;
    ::closedir(directory);
    return count;
}

long resident_kib() {
    std::ifstream file("/proc/self/status");
    for (std::string line; std::getline(file, line);)
        if (line.starts_with("VmRSS:")) return std::strtol(line.c_str() + 6, nullptr, 10);
    return 0;
}

std::set<std::uint32_t> links_of_programs(const std::set<std::uint32_t>& programs) {
    std::set<std::uint32_t> out;
    for (__u32 id = 0; bpf_link_get_next_id(id, &id) == 0;) {
        const OwnedFd fd(bpf_link_get_fd_by_id(id));
        bpf_link_info info{};
        __u32 size = sizeof info;
        if (fd && bpf_obj_get_info_by_fd(fd.get(), &info, &size) == 0 && programs.contains(info.prog_id))
            out.insert(id);
    }
    return out;
}

// 10,000 cycles here (WAGGLE_CYCLES says another number); emulated kernels get as many as fit into 15
// seconds.
TEST(ObjectKernel, cycles_of_load_attach_detach_and_unload_leave_nothing) {
    const char* wanted = std::getenv("WAGGLE_CYCLES");
    const int most = wanted ? std::atoi(wanted) : 10'000;
    auto object = Object::open_file(test_object("legacy_maps"));
    ASSERT_TRUE(object) << object.error().message;
    // A tracepoint that already has two programs takes and loses a third without rewriting the kernel's code,
    // which costs 15 ms each time and is not what is looked at here.
    auto first = Object::open_file(test_object("legacy_maps"));
    auto second = Object::open_file(test_object("legacy_maps"));
    for (auto* holder : {&first, &second}) {
        ASSERT_TRUE(*holder);
        ASSERT_TRUE((*holder)->load());
        ASSERT_TRUE((*holder)->attach("trace"));
    }
    std::set<std::uint32_t> programs;
    const auto cycle = [&](bool note) {
        const auto loaded = object->load();
        ASSERT_TRUE(loaded) << loaded.error().message;
        const auto name = object->attach("trace", "raw_tp:task_rename");
        ASSERT_TRUE(name) << name.error().message;
        if (note)
            for (const ObjectProgram& each : object->programs()) programs.insert(each.id);
        ASSERT_TRUE(object->detach(*name));
        const auto gone = object->unload();
        ASSERT_TRUE(gone) << gone.error().message;
        ASSERT_EQ(gone->programs, 1u);
        ASSERT_GE(gone->maps, 4u);
    };
    for (int i = 0; i < 20; ++i) cycle(false);  // what is taken once and kept is taken now
    ::malloc_trim(0);
    const std::size_t descriptors = open_descriptors();
    const long before = resident_kib();
    const auto begin = std::chrono::steady_clock::now();
    const bool emulated = std::getenv("WAGGLE_VM") != nullptr;
    int done = 0;
    for (; done < most; ++done) {
        cycle(done % 100 == 0);
        if (HasFatalFailure()) return;
        if (emulated && !wanted && std::chrono::steady_clock::now() - begin > std::chrono::seconds(6)) break;
    }
    ::malloc_trim(0);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    std::printf("%d cycles in %.1f s; RSS %ld KiB before, %ld after\n", done, seconds, before,
                resident_kib());
    EXPECT_GE(done, emulated ? 100 : most);
    EXPECT_EQ(open_descriptors(), descriptors);
#ifndef WAGGLE_SANITIZED  // which keeps what was freed for a while
    EXPECT_LE(std::abs(resident_kib() - before), 1024);
#endif
    // The kernel frees a program after a grace period.
    std::size_t left = 1;
    for (int tries = 0; tries < 50 && left; ++tries) {
        left = 0;
        for (const std::uint32_t id : programs) left += static_cast<bool>(OwnedFd(bpf_prog_get_fd_by_id(id)));
        if (left) ::usleep(100'000);
    }
    EXPECT_EQ(left, 0u);
    EXPECT_TRUE(links_of_programs(programs).empty());
}

}  // namespace
}  // namespace waggle
