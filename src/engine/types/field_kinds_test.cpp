// SPDX-License-Identifier: Apache-2.0
#include "engine/types/field_kinds.h"

#include <bpf/btf.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <string>

namespace waggle::kernel {
namespace {

TEST(FieldKinds, each_type_has_the_column_that_can_hold_it) {
    btf* made = btf__new_empty();
    const int u32 = btf__add_int(made, "unsigned int", 4, 0);
    const int s64 = btf__add_int(made, "long", 8, BTF_INT_SIGNED);
    const int huge = btf__add_int(made, "__int128", 16, BTF_INT_SIGNED);
    const int letter = btf__add_int(made, "char", 1, BTF_INT_SIGNED);
    const int yes = btf__add_int(made, "_Bool", 1, BTF_INT_BOOL);
    const int real = btf__add_float(made, "double", 8);
    const int name = btf__add_typedef(made, "name_t", btf__add_array(made, u32, letter, 8));
    const int numbers = btf__add_array(made, u32, u32, 2);
    const int state = btf__add_enum(made, "state", 4);
    btf__add_enum_value(made, "OPEN", 1);
    const int pointer = btf__add_ptr(made, 0);
    const int whole = btf__add_struct(made, "all", 96);
    const std::pair<const char*, int> members[] = {{"count", u32},    {"left", s64},    {"wide", huge},
                                                   {"name", name},    {"on", yes},      {"share", real},
                                                   {"pair", numbers}, {"state", state}, {"where", pointer}};
    __u32 at = 0;
    for (const auto& [member, type] : members) {
        btf__add_field(made, member, type, at * 8, 0);
        at += 8 + (type == huge ? 8 : 0);
    }
    __u32 size = 0;
    const auto* raw = static_cast<const std::byte*>(btf__raw_data(made, &size));
    const Result<Types> types = Types::of_btf(Bytes(raw, size));
    ASSERT_TRUE(types) << types.error().message;
    std::map<std::string, FieldKind> kinds;
    for (const TypeField& field : types->fields(static_cast<TypeId>(whole))) {
        kinds[field.name] = kind_of_field(*types, field);
        if (field.name != "name") continue;
        std::byte value[96]{};
        std::memcpy(value + field.offset, "abcdefgh", 8);
        EXPECT_EQ(characters_of(field, value), "abcdefgh") << "no zero behind it";
        EXPECT_EQ(characters_of(field, Bytes(value).first(field.offset)), "") << "and it ends with the value";
    }
    EXPECT_EQ(kinds, (std::map<std::string, FieldKind>{{"count", FieldKind::number},
                                                       {"left", FieldKind::signed_number},
                                                       {"wide", FieldKind::expression},
                                                       {"name", FieldKind::characters},
                                                       {"on", FieldKind::flag},
                                                       {"share", FieldKind::real},
                                                       {"pair", FieldKind::expression},
                                                       {"state", FieldKind::expression},
                                                       {"where", FieldKind::expression}}));
    EXPECT_TRUE(section_fields(*types, static_cast<TypeId>(whole)).empty()) << "it is no section";
    btf__free(made);
}

}  // namespace
}  // namespace waggle::kernel
