// SPDX-License-Identifier: Apache-2.0
#include "waggle/types.h"

#include <bpf/btf.h>
#include <gmock/gmock.h>

#include <cstring>
#include <limits>

namespace waggle {
namespace {

using testing::HasSubstr;

// A BTF of our own making.
class Builder {
  public:
    Builder() : btf_(btf__new_empty()) {}
    ~Builder() { btf__free(btf_); }
    Builder(const Builder&) = delete;
    Builder& operator=(const Builder&) = delete;

    int integer(const char* name, std::size_t size, int encoding = 0) {
        return btf__add_int(btf_, name, size, encoding);
    }
    int structure(const char* name, std::uint32_t size,
                  const std::vector<std::tuple<const char*, int, std::uint32_t>>& members) {
        const int id = btf__add_struct(btf_, name, size);
        for (const auto& [member, type, bytes] : members) btf__add_field(btf_, member, type, bytes * 8, 0);
        return id;
    }
    int array(int element, std::uint32_t count) { return btf__add_array(btf_, 1, element, count); }
    btf* operator*() { return btf_; }
    std::vector<std::byte> bytes() {
        __u32 size = 0;
        const auto* raw = static_cast<const std::byte*>(btf__raw_data(btf_, &size));
        return {raw, raw + size};
    }
    Types types() {
        Result<Types> made = Types::of_btf(bytes());
        EXPECT_TRUE(made) << made.error().message;
        return *made;
    }

  private:
    btf* btf_;
};

class TypesTest : public testing::Test {
  protected:
    Builder b;
    int u32_ = b.integer("unsigned int", 4);
    int char_ = b.integer("char", 1, BTF_INT_SIGNED);
    int s32_ = b.integer("int", 4, BTF_INT_SIGNED);
    int u64_ = b.integer("unsigned long long", 8);
    int bool_ = b.integer("_Bool", 1, BTF_INT_BOOL);

    template <class T>
    std::string text(int type, const T& value) {
        const auto printed = b.types().text(static_cast<TypeId>(type), bytes_of(value));
        return printed ? *printed : "error: " + printed.error().message;
    }
    template <class T>
    std::string json(int type, const T& value) {
        const auto printed = b.types().json(static_cast<TypeId>(type), bytes_of(value));
        return printed ? *printed : "error: " + printed.error().message;
    }
};

struct Event {
    std::uint32_t pid;
    char comm[16];
    std::int32_t code;
    std::uint64_t waited_ns;
};

TEST_F(TypesTest, prints_a_struct_with_its_members_by_name) {
    const int comm = b.array(char_, 16);
    const int event = b.structure(
        "event", 32, {{"pid", u32_, 0}, {"comm", comm, 4}, {"code", s32_, 20}, {"waited_ns", u64_, 24}});
    const Event value{812, "nginx", -2, std::numeric_limits<std::uint64_t>::max()};
    EXPECT_EQ(text(event, value), R"({pid: 812, comm: "nginx", code: -2, waited_ns: 18446744073709551615})");
    EXPECT_EQ(json(event, value), R"({"pid":812,"comm":"nginx","code":-2,"waited_ns":18446744073709551615})");
}

TEST_F(TypesTest, text_from_outside_is_escaped_in_both_forms) {
    const int text16 = b.array(char_, 16);
    const char value[16] = "a\"\x1b[2J\n\xff\\";
    EXPECT_EQ(text(text16, value), R"("a\"\x1b[2J\x0a\xff\\")");
    EXPECT_EQ(json(text16, value), R"("a\"\u001b[2J\u000a\ufffd\\")");
    const char emoji[16] = "\xf0\x9f\x90\x9d";
    EXPECT_EQ(json(text16, emoji), R"("\ud83d\udc1d")");
}

TEST_F(TypesTest, a_char_array_without_a_zero_ends_where_it_ends) {
    const int text4 = b.array(char_, 4);
    const char value[4] = {'a', 'b', 'c', 'd'};
    EXPECT_EQ(text(text4, value), R"("abcd")");
}

TEST_F(TypesTest, enums_are_named_and_an_unknown_value_is_its_number) {
    const int state = btf__add_enum(*b, "state", 4);
    btf__add_enum_value(*b, "IDLE", 0);
    btf__add_enum_value(*b, "LOST", -1);
    EXPECT_EQ(text(state, std::int32_t{-1}), "LOST");
    EXPECT_EQ(json(state, std::int32_t{0}), R"("IDLE")");
    EXPECT_EQ(text(state, std::int32_t{7}), "7");
    const int wide = btf__add_enum64(*b, "wide", 8, false);
    btf__add_enum64_value(*b, "HIGH", 1ull << 40);
    EXPECT_EQ(text(wide, std::uint64_t{1ull << 40}), "HIGH");
    const int byte = btf__add_enum(*b, "byte", 1);
    btf__add_enum_value(*b, "TWO", 2);
    EXPECT_EQ(text(byte, std::uint8_t{2}), "TWO");
}

TEST_F(TypesTest, bitfields_are_cut_out_and_keep_their_sign) {
    const int flags = btf__add_struct(*b, "flags", 8);
    btf__add_field(*b, "low", u32_, 0, 3);
    btf__add_field(*b, "mid", s32_, 3, 5);
    btf__add_field(*b, "high", u64_, 8, 56);
    const std::uint64_t value = 5 | 0x1dull << 3 | 0xabcdefull << 8;
    EXPECT_EQ(text(flags, value), "{low: 5, mid: -3, high: 11259375}");
}

TEST_F(TypesTest, a_bitfield_over_nine_bytes_is_read_whole) {
    const int flags = btf__add_struct(*b, "flags", 16);
    btf__add_field(*b, "low", u32_, 0, 4);
    btf__add_field(*b, "high", u64_, 4, 64);
    const std::uint64_t value[2] = {0xfedcba987654321full, 0xa};
    EXPECT_EQ(text(flags, value), "{low: 15, high: " + std::to_string(0xafedcba987654321ull) + "}");
}

TEST_F(TypesTest, unions_show_every_member_and_unnamed_members_stand_in_their_parent) {
    const int inner = btf__add_union(*b, nullptr, 4);
    btf__add_field(*b, "number", u32_, 0, 0);
    btf__add_field(*b, "signed_number", s32_, 0, 0);
    const int outer = b.structure("outer", 8, {{nullptr, inner, 0}, {"last", u32_, 4}});
    const std::int32_t value[2] = {-1, 9};
    EXPECT_EQ(text(outer, value), "{number: 4294967295, signed_number: -1, last: 9}");
}

TEST_F(TypesTest, pointers_are_addresses_with_the_symbol_where_one_is_known) {
    const int pointer = btf__add_ptr(*b, 0);
    Types types = b.types();
    types.resolve_symbols([](std::uint64_t address) {
        return address == 0xffffffff81000017 ? std::string("do_exit+0x17") : std::string{};
    });
    const std::uint64_t known = 0xffffffff81000017, unknown = 0x10;
    EXPECT_EQ(*types.text(static_cast<TypeId>(pointer), bytes_of(known)),
              "0xffffffff81000017 (do_exit+0x17)");
    EXPECT_EQ(*types.json(static_cast<TypeId>(pointer), bytes_of(known)),
              R"("0xffffffff81000017 do_exit+0x17")");
    EXPECT_EQ(*types.text(static_cast<TypeId>(pointer), bytes_of(unknown)), "0x10");
}

TEST_F(TypesTest, floats_bools_arrays_and_typedefs) {
    const int f64 = btf__add_float(*b, "double", 8);
    EXPECT_EQ(text(f64, 1.5), "1.5");
    EXPECT_EQ(json(f64, std::numeric_limits<double>::infinity()), "null");
    EXPECT_EQ(text(btf__add_float(*b, "float", 4), 0.1f), "0.1");
    EXPECT_EQ(text(bool_, std::uint8_t{1}), "true");
    const int renamed = btf__add_typedef(*b, "u32", btf__add_const(*b, u32_));
    const int list = b.array(renamed, 3);
    const std::uint32_t value[3] = {1, 2, 3};
    EXPECT_EQ(text(list, value), "[1, 2, 3]");
    EXPECT_EQ(json(list, value), "[1,2,3]");
    EXPECT_EQ(b.types().name(static_cast<TypeId>(list)), "u32[3]");
    const int wide = b.integer("__int128", 16);
    const std::uint64_t halves[2] = {1, 0xff};
    EXPECT_EQ(text(wide, halves), "0x00000000000000ff0000000000000001");
}

TEST_F(TypesTest, a_flexible_array_takes_the_rest_of_the_record) {
    const int text0 = b.array(char_, 0), numbers0 = b.array(u32_, 0);
    const int line = b.structure("line", 4, {{"length", u32_, 0}, {"text", text0, 4}});
    const int list = b.structure("list", 4, {{"count", u32_, 0}, {"values", numbers0, 4}});
    const char record[10] = {3, 0, 0, 0, 'b', 'e', 'e', 0, 'x', 'x'};
    EXPECT_EQ(text(line, record), R"({length: 3, text: "bee"})");
    const std::uint32_t numbers[3] = {2, 7, 8};
    EXPECT_EQ(text(list, numbers), "{count: 2, values: [7, 8]}");
    EXPECT_EQ(text(list, numbers[0]), "{count: 2, values: []}");
}

TEST_F(TypesTest, a_record_shorter_than_its_type_is_an_error_with_both_lengths) {
    const int event = b.structure("event", 12, {{"pid", u32_, 0}, {"waited_ns", u64_, 4}});
    EXPECT_EQ(text(event, std::uint64_t{1}), "error: 8 bytes are shorter than struct event, which has 12");
}

TEST_F(TypesTest, a_member_that_lies_outside_its_struct_prints_as_missing) {
    const int event = b.structure("event", 4, {{"pid", u32_, 0}, {"far", u64_, 4000}});
    EXPECT_EQ(text(event, std::uint32_t{1}), "{pid: 1, far: ...}");
    EXPECT_EQ(json(event, std::uint32_t{1}), R"({"pid":1,"far":null})");
}

TEST_F(TypesTest, fields_are_flat_with_offsets_so_that_values_become_rows) {
    const int comm = b.array(char_, 16);
    const int inner = b.structure("inner", 8, {{"a", u32_, 0}, {"b", u32_, 4}});
    const int outer = b.structure("outer", 32, {{"head", inner, 0}, {nullptr, inner, 8}, {"comm", comm, 16}});
    const Types types = b.types();
    const std::vector<TypeField> fields = types.fields(static_cast<TypeId>(outer));
    ASSERT_EQ(fields.size(), 5u);
    EXPECT_EQ(fields[0].name, "head.a");
    EXPECT_EQ(fields[1].name, "head.b");
    EXPECT_EQ(fields[1].offset, 4u);
    EXPECT_EQ(fields[3].name, "b");
    EXPECT_EQ(fields[3].offset, 12u);
    EXPECT_EQ(fields[4].type, "char[16]");
    EXPECT_EQ(fields[4].size, 16u);
    std::byte value[32] = {};
    value[12] = std::byte{9};
    std::memcpy(value + 16, "bee", 3);
    EXPECT_EQ(types.field_text(fields[3], value), "9");
    EXPECT_EQ(types.field_json(fields[4], value), R"("bee")");
    EXPECT_EQ(types.field_text(fields[4], Bytes(value).first(8)), "...");
}

TEST_F(TypesTest, finds_by_word_and_name_and_names_the_nearest) {
    b.structure("event", 4, {{"pid", u32_, 0}});
    btf__add_typedef(*b, "counter", u64_);
    const Types types = b.types();
    EXPECT_EQ(types.name(*types.find("struct event")), "struct event");
    EXPECT_EQ(types.name(*types.find("counter")), "counter");
    EXPECT_FALSE(types.find("union event"));
    EXPECT_EQ(types.find("struct evnt").error().message,
              "there is no type \"struct evnt\"; did you mean event");
}

TEST_F(TypesTest, types_that_contain_themselves_are_refused) {
    const int loop = b.structure("loop", 8, {{"next", u32_ + 5, 0}});
    ASSERT_EQ(loop, u32_ + 5);
    const auto made = Types::of_btf(b.bytes());
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().message, "these are no types (BTF): type 6 (loop) contains itself");
}

TEST_F(TypesTest, typedefs_in_a_circle_are_refused) {
    btf__add_typedef(*b, "a", 7);
    btf__add_typedef(*b, "b", 6);
    const auto made = Types::of_btf(b.bytes());
    ASSERT_FALSE(made);
    EXPECT_THAT(made.error().message, HasSubstr("contains itself"));
}

TEST_F(TypesTest, pointers_in_a_circle_are_fine_and_their_name_ends) {
    const int node = b.structure("node", 8, {{"next", 7, 0}});
    ASSERT_EQ(btf__add_ptr(*b, node), 7);
    btf__add_ptr(*b, 8);  // a pointer to itself
    const Types types = b.types();
    EXPECT_EQ(types.name(7), "struct node *");
    EXPECT_THAT(types.name(8), HasSubstr("..."));
    EXPECT_EQ(*types.text(6, bytes_of(std::uint64_t{16})), "{next: 0x10}");
}

TEST_F(TypesTest, structs_that_double_at_every_level_are_bounded) {
    int type = u32_;
    for (int level = 0; level < 40; ++level) {
        type = b.structure(("level" + std::to_string(level)).c_str(), 4,
                           {{"left", type, 0}, {"right", type, 0}});
    }
    const std::string printed = text(type, std::uint32_t{1});
    EXPECT_LT(printed.size(), 2'000'000u);
    EXPECT_THAT(printed, HasSubstr("..."));
    EXPECT_LE(b.types().fields(static_cast<TypeId>(type)).size(), 4096u);
}

TEST_F(TypesTest, broken_bytes_are_refused_with_the_cause) {
    const auto refusal = [](std::vector<std::byte> raw) {
        const auto made = Types::of_btf(raw);
        return made ? std::string("accepted") : made.error().message;
    };
    b.structure("event", 4, {{"pid", u32_, 0}});
    const std::vector<std::byte> good = b.bytes();
    EXPECT_EQ(refusal(good), "accepted");
    EXPECT_THAT(refusal({}), HasSubstr("0 bytes are less than a header's 24"));
    EXPECT_THAT(refusal({good.begin(), good.end() - 1}), HasSubstr("the header tells of more than"));
    std::vector<std::byte> turned = good;
    std::swap(turned[0], turned[1]);
    EXPECT_THAT(refusal(turned), HasSubstr("other byte order"));
    std::vector<std::byte> other = good;
    other[0] = std::byte{1};
    EXPECT_THAT(refusal(other), HasSubstr("not with 0xeb9f"));
    std::vector<std::byte> outside = good;
    const std::uint32_t far = 0x7fffffff;
    std::memcpy(outside.data() + 24, &far, 4);  // the first type's name
    EXPECT_THAT(refusal(outside), HasSubstr("the name of type 1 lies outside"));
    std::vector<std::byte> kind = good;
    kind[24 + 7] = std::byte{31};
    EXPECT_THAT(refusal(kind), HasSubstr("kind 31, which is unknown"));
}

TEST_F(TypesTest, an_elf_without_types_and_what_is_no_elf_say_so) {
    EXPECT_THAT(Types::of_elf(bytes_of(std::string_view("hello"))).error().message, HasSubstr("no ELF file"));
    EXPECT_THAT(Types::of_elf(bytes_of(std::string_view("\x7f"
                                                        "ELF\x02\x01")))
                    .error()
                    .message,
                HasSubstr("truncated"));
}

}  // namespace
}  // namespace waggle
