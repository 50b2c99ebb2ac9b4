// SPDX-License-Identifier: Apache-2.0
// Opening objects, good and broken: no kernel is asked.
#include <bpf/btf.h>
#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>

#include "binary/elf_file.h"
#include "binary/object_check.h"
#include "places.h"
#include "waggle/object.h"
#include "waggle/support.h"

namespace waggle {
namespace {

using testing::HasSubstr;

std::vector<std::byte> bytes_of_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto bytes = std::as_bytes(std::span(text));
    EXPECT_FALSE(bytes.empty()) << path;
    return {bytes.begin(), bytes.end()};
}

std::string test_object(const std::string& name) {
    return WAGGLE_BINARY_DIR "/src/engine/object/test_objects/" + name + ".o";
}

std::string refused(std::vector<std::byte> elf) {
    const auto object = Object::open("broken", std::move(elf));
    EXPECT_FALSE(object);
    return object ? std::string() : object.error().message;
}

TEST(ObjectOpen, what_is_no_bpf_object_is_refused_by_what_it_is) {
    EXPECT_EQ(refused({}), "open broken: the file is empty");
    const std::string text = "#!/bin/sh\n";
    const auto script = std::as_bytes(std::span(text));
    EXPECT_EQ(refused({script.begin(), script.end()}),
              "open broken: it is no ELF file (compiled programs begin with 0x7f ELF)");
    EXPECT_EQ(refused(bytes_of_file("/bin/true")),
              "open broken: it is built for x86-64, not for BPF (clang -target bpf)");
    auto elf = bytes_of_file(test_object("globals"));
    elf[EI_DATA] = std::byte{ELFDATA2MSB};
    EXPECT_EQ(refused(elf), "open broken: it is a big-endian ELF file; this machine is little-endian");
    elf[EI_CLASS] = std::byte{ELFCLASS32};
    EXPECT_THAT(refused(elf), HasSubstr("it is a 32-bit ELF file"));
}

// At every length a truncated object is refused, and the reason is said.
TEST(ObjectOpen, a_truncated_object_is_refused_at_every_length) {
    const auto elf = bytes_of_file(test_object("globals"));
    for (std::size_t size = 1; size < elf.size(); size += 61) {
        const auto object = Object::open("cut", Bytes(elf).first(size));
        ASSERT_FALSE(object) << size;
        EXPECT_THAT(object.error().message, testing::AnyOf(HasSubstr("truncated"), HasSubstr("no ELF file")))
            << size;
    }
    EXPECT_TRUE(Object::open("whole", Bytes(elf)));
}

TEST(ObjectOpen, types_that_contain_themselves_are_refused) {
    // A typedef of itself: whoever follows typedefs to their end never comes back.
    btf* types = btf__new_empty();
    const int first = btf__add_typedef(types, "loop", 2);
    btf__add_typedef(types, "loop_again", first);
    __u32 size = 0;
    const void* raw = btf__raw_data(types, &size);
    const auto checked = kernel::check_btf({static_cast<const std::byte*>(raw), size});
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().message, "its types (BTF) are broken: type 1 contains itself");
    btf__free(types);

    // A struct that holds itself through an array; one that only points to itself is fine.
    types = btf__new_empty();
    const int integer = btf__add_int(types, "int", 4, BTF_INT_SIGNED);
    const int list = btf__add_struct(types, "list", 8);
    const int pointer = btf__add_ptr(types, list);
    EXPECT_EQ(btf__add_int(types, "unused", 4, 0), 4);
    raw = btf__raw_data(types, &size);
    EXPECT_TRUE(kernel::check_btf({static_cast<const std::byte*>(raw), size}));
    btf__add_struct(types, "endless", 8);
    btf__add_field(types, "next", pointer, 0, 0);
    btf__add_field(types, "inner", 6, 0, 0);
    EXPECT_EQ(btf__add_array(types, integer, 5, 2), 6);
    raw = btf__raw_data(types, &size);
    EXPECT_FALSE(kernel::check_btf({static_cast<const std::byte*>(raw), size}));
    btf__free(types);
}

TEST(ObjectOpen, a_type_number_beyond_the_last_is_refused) {
    btf* types = btf__new_empty();
    btf__add_ptr(types, 99);
    __u32 size = 0;
    const void* raw = btf__raw_data(types, &size);
    const auto checked = kernel::check_btf({static_cast<const std::byte*>(raw), size});
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().message,
              "its types (BTF) are broken: type 1 names type 99, and there are only 1");
    btf__free(types);
}

TEST(ObjectOpen, control_characters_in_names_do_not_reach_the_reader) {
    auto elf = bytes_of_file(test_object("globals"));
    const std::string_view name = "left_out";
    const auto* words = reinterpret_cast<const char*>(elf.data());
    for (std::size_t at = 0; at + name.size() <= elf.size(); ++at)
        if (std::memcmp(words + at, name.data(), name.size()) == 0) elf[at + 4] = std::byte{0x1b};
    const auto object = Object::open("odd", elf);
    if (!object) {
        EXPECT_EQ(object.error().message.find('\x1b'), std::string::npos);
        return;
    }
    auto opened = Object::open("odd\x07name", elf);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->name(), "odd\\x07name");
    const auto missing = opened->set_autoload("left_oat", true);
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().message.find('\x1b'), std::string::npos);
}

TEST(ObjectGlobals, are_found_by_name_and_checked_for_size_and_type) {
    auto object = Object::open_file(test_object("globals"));
    ASSERT_TRUE(object) << object.error().message;
    EXPECT_EQ(object->name(), "globals");
    EXPECT_EQ(*object->value<std::uint32_t>("constant"), 7u);
    EXPECT_EQ(*object->value<int>("negative"), -5);
    EXPECT_EQ(*object->value<bool>("yes"), true);
    EXPECT_EQ(*object->value<std::uint8_t>("hidden"), 3);
    EXPECT_EQ(*object->value<std::uint32_t>("shade"), 2u);
    struct Pair {
        std::uint32_t a, b;
    };
    EXPECT_EQ(object->value<Pair>("couple")->b, 2u);
    ASSERT_TRUE(object->set_constant("constant", std::uint32_t{9}));
    EXPECT_EQ(*object->value<std::uint32_t>("constant"), 9u);

    const auto message = [](const auto& result) { return result ? std::string() : result.error().message; };
    EXPECT_EQ(message(object->set_constant("constant", std::uint64_t{9})),
              "globals: constant has 4 bytes, the value given or asked for has 8");
    EXPECT_EQ(message(object->set_constant("constant", std::int32_t{9})),
              "globals: constant is an unsigned integer, not a signed integer");
    EXPECT_EQ(message(object->value<float>("constant")),
              "globals: constant is an unsigned integer, not a floating-point number");
    EXPECT_EQ(message(object->value<std::uint8_t>("yes")), "globals: yes is a bool, not an unsigned integer");
    EXPECT_EQ(message(object->value<std::uint64_t>("couple")),
              "globals: couple is a struct, not an unsigned integer");
    EXPECT_EQ(message(object->value<std::uint64_t>("countr")),
              "globals has no global named countr; did you mean counter");
    EXPECT_EQ(message(object->global<std::uint64_t>("counter")),
              "globals: counter is shared with the kernel only after load()");
}

TEST(ObjectLists, say_what_is_in_the_file) {
    const auto object = Object::open_file(test_object("globals"));
    ASSERT_TRUE(object) << object.error().message;
    const auto programs = object->programs();
    ASSERT_EQ(programs.size(), 2u);
    EXPECT_EQ(programs[0].name, "count");
    EXPECT_EQ(programs[0].section, "raw_tp/task_rename");
    EXPECT_EQ(programs[0].type, "raw_tracepoint");
    EXPECT_TRUE(programs[0].autoload);
    EXPECT_FALSE(programs[0].loaded);
    EXPECT_EQ(programs[1].name, "left_out");
    EXPECT_FALSE(programs[1].autoload);
    const auto maps = object->maps();
    const auto kept = std::ranges::find(maps, "kept", &ObjectMap::name);
    ASSERT_NE(kept, maps.end());
    EXPECT_EQ(kept->type, "hash");
    EXPECT_EQ(kept->key_size, 4u);
    EXPECT_EQ(kept->value_size, 8u);
    EXPECT_EQ(kept->max_entries, 16u);
    EXPECT_FALSE(kept->global_data);
    EXPECT_FALSE(kept->legacy);
}

TEST(LegacyMaps, are_read_with_types_and_without) {
    for (const char* name : {"legacy_maps", "legacy_maps_with_types"}) {
        SCOPED_TRACE(name);
        const auto object = Object::open_file(test_object(name));
        ASSERT_TRUE(object) << object.error().message;
        std::vector<std::string> seen;
        for (const ObjectMap& each : object->maps())
            if (each.legacy)
                seen.push_back(each.name + " " + each.type + " " + std::to_string(each.key_size) + " " +
                               std::to_string(each.value_size));
        EXPECT_THAT(seen, testing::UnorderedElementsAre("COUNTS hash 4 8", "PIECES array 4 16",
                                                        "EVENTS perf_event_array 4 4"));
    }
}

TEST(LegacyMaps, a_definition_that_is_too_short_is_refused_by_name) {
    auto elf = bytes_of_file(test_object("legacy_maps"));
    const auto file = kernel::ElfFile::parse(elf);
    ASSERT_TRUE(file);
    // The last map's definition loses its end.
    auto header = load<Elf64_Shdr>(elf, file->section("maps")->header_at);
    header.sh_size -= 20;
    std::memcpy(elf.data() + file->section("maps")->header_at, &header, sizeof header);
    EXPECT_THAT(refused(elf), HasSubstr("has a definition of 8 bytes; at least 16 are its type and sizes"));
}

TEST(MissingField, is_named_from_the_log) {
    EXPECT_EQ(kernel::missing_field(
                  "x\nfailed to resolve CO-RE relocation <byte_off> [7] struct task_struct.gone (0:1 @ "
                  "offset 4)\nprocessed 1 insns"),
              "the kernel's struct task_struct has no field gone");
    EXPECT_EQ(
        kernel::missing_field("failed to resolve CO-RE relocation <enumval_value> [9] enum hue::mauve = 3"),
        "the kernel's enum hue has no value mauve");
    EXPECT_EQ(kernel::missing_field("all is well"), "");
}

TEST(Support, each_fact_stands_apart) {
    const auto fact = [](const Support& support, std::string_view name) {
        const auto found = std::ranges::find(support.facts, name, &SupportFact::name);
        EXPECT_NE(found, support.facts.end()) << name;
        return *found;
    };
    const Support old = check_support({"5.4.0-150-generic", "/nonexistent/btf", "/nonexistent/mounts"});
    EXPECT_FALSE(old.enough());
    EXPECT_EQ(fact(old, "kernel 5.8 or newer").reason,
              "the kernel is 5.4.0-150-generic; ring buffers came with 5.8");
    EXPECT_THAT(fact(old, "kernel types (BTF)").reason, HasSubstr("CONFIG_DEBUG_INFO_BTF"));
    const Support fresh = check_support({"10.0.1", "/nonexistent/btf", "/nonexistent/mounts"});
    EXPECT_TRUE(fact(fresh, "kernel 5.8 or newer").holds);
    EXPECT_FALSE(fresh.enough());
    EXPECT_EQ(fact(fresh, "CAP_BPF").holds, fact(fresh, "CAP_BPF").reason.empty());
}

}  // namespace
}  // namespace waggle
