// SPDX-License-Identifier: Apache-2.0
#include "engine/types/record_types.h"

#include <bpf/btf.h>
#include <gtest/gtest.h>

namespace waggle::kernel {
namespace {

class RecordTypesTest : public testing::Test {
  protected:
    ~RecordTypesTest() override { btf__free(btf_); }

    // A struct of so many 4-byte members.
    int structure(const char* name, int members) {
        const int id = btf__add_struct(btf_, name, static_cast<__u32>(4 * members));
        for (int i = 0; i < members; ++i)
            btf__add_field(btf_, ("m" + std::to_string(i)).c_str(), u32_, static_cast<__u32>(32 * i), 0);
        return id;
    }
    void pointer_global(const char* name, int to) {
        btf__add_var(btf_, name, BTF_VAR_GLOBAL_ALLOCATED, btf__add_ptr(btf_, btf__add_const(btf_, to)));
    }
    // As __type(value, …) makes it: a member "value" that points to the type.
    void map_with_value(const char* name, int value) {
        const int pointer = btf__add_ptr(btf_, value);
        const int declaration = btf__add_struct(btf_, nullptr, 8);
        btf__add_field(btf_, "value", pointer, 0, 0);
        btf__add_var(btf_, name, BTF_VAR_GLOBAL_ALLOCATED, declaration);
    }
    Types types() {
        __u32 size = 0;
        const auto* raw = static_cast<const std::byte*>(btf__raw_data(btf_, &size));
        Result<Types> made = Types::of_btf(Bytes(raw, size));
        EXPECT_TRUE(made) << made.error().message;
        return *made;
    }
    std::string name_of(std::size_t length, bool padded = false, std::string_view map = "records") {
        const Types made = types();
        RecordTypes chooser(made, map, padded);
        const RecordTypes::Choice& choice = chooser.of_length(length);
        EXPECT_EQ(choice.type == 0, !choice.reason.empty());
        return choice.type ? made.name(choice.type) : choice.reason;
    }

    btf* btf_ = btf__new_empty();
    int u32_ = btf__add_int(btf_, "unsigned int", 4, 0);
};

TEST_F(RecordTypesTest, the_length_decides_among_structs_named_event) {
    structure("open_event", 3);
    structure("CloseEvent", 4);
    structure("other", 5);
    EXPECT_EQ(name_of(12), "struct open_event");
    EXPECT_EQ(name_of(16), "struct CloseEvent");
    EXPECT_NE(name_of(20).find("have no struct *event* of 20 bytes"), std::string::npos);
}

TEST_F(RecordTypesTest, two_of_one_length_are_not_decided) {
    structure("open_event", 3);
    structure("close_event", 3);
    EXPECT_EQ(name_of(12), "2 types have 12 bytes: struct open_event, struct close_event");
}

TEST_F(RecordTypesTest, a_global_that_points_to_a_struct_decides_between_two) {
    structure("open_event", 3);
    const int meant = structure("close_event", 3);
    pointer_global("unused", meant);
    EXPECT_EQ(name_of(12), "struct close_event");
}

TEST_F(RecordTypesTest, the_maps_declared_value_goes_before_names) {
    structure("open_event", 3);
    const int meant = structure("line", 3);
    map_with_value("records", meant);
    EXPECT_EQ(name_of(12), "struct line");
    EXPECT_EQ(name_of(40), "struct line");
    EXPECT_EQ(name_of(8), "8 bytes are shorter than struct line, which has 12");
    EXPECT_EQ(name_of(12, false, "others"), "struct open_event");
}

TEST_F(RecordTypesTest, a_declared_number_is_no_record) {
    structure("open_event", 3);
    map_with_value("records", u32_);
    EXPECT_EQ(name_of(12), "struct open_event");
}

TEST_F(RecordTypesTest, a_tag_goes_before_all) {
    const int tagged = structure("thing", 2);
    map_with_value("records", structure("line", 3));
    btf__add_decl_tag(btf_, "waggle_record:records", tagged, -1);
    btf__add_decl_tag(btf_, "waggle_record:others", structure("third", 4), -1);
    EXPECT_EQ(name_of(12), "struct thing");
    EXPECT_EQ(name_of(16, false, "others"), "struct third");
}

TEST_F(RecordTypesTest, perf_buffers_round_lengths_up) {
    structure("open_event", 4);
    EXPECT_EQ(name_of(20, true), "struct open_event");
    EXPECT_NE(name_of(16, true), "struct open_event");
}

TEST_F(RecordTypesTest, a_struct_that_ends_in_an_open_array_takes_any_longer_record_unless_one_fits_exactly) {
    const int rest = btf__add_array(btf_, u32_, u32_, 0);
    btf__add_struct(btf_, "text_event", 4);
    btf__add_field(btf_, "length", u32_, 0, 0);
    btf__add_field(btf_, "rest", rest, 32, 0);
    structure("fixed_event", 3);
    EXPECT_EQ(name_of(12), "struct fixed_event");
    EXPECT_EQ(name_of(100), "struct text_event");
}

}  // namespace
}  // namespace waggle::kernel
