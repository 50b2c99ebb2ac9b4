// SPDX-License-Identifier: Apache-2.0
#include "sensors/object/object.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sensors/object/object_columns.h"

namespace waggle::sensors {
namespace {

TEST(ObjectColumns, what_has_no_type_is_a_number_by_its_size_or_its_bytes) {
    for (const auto& [size, wanted] : {std::pair{4u, Type::u64}, {8u, Type::u64}, {3u, Type::text_ref}}) {
        MadeSchema schema("object_map", "Entries.", {});
        const TypeColumns columns(schema, {}, 0, size, "value");
        ASSERT_EQ(schema.fields(), 1u);
        EXPECT_EQ(schema.name_of(0), "value");
        EXPECT_EQ(schema.schema().find("value")->type, wanted);
        const std::byte bytes[8] = {std::byte{0x2a}};
        MadeRecords records;
        records.begin(schema, 1);
        columns.put(Bytes(bytes).first(size), records);
        const Row row(schema.schema(), records.take().front());
        if (wanted == Type::u64)
            EXPECT_EQ(row.u64("value"), 42u);
        else
            EXPECT_EQ(row.text("value"), "2a0000");
    }
}

TEST(Object, runs_only_with_a_file) {
    Names names;
    ASSERT_NE(object_source.asked_by, nullptr);
    EXPECT_EQ(object_source.start({}, names).error().message,
              "it loads an object: waggle run FILE, or --object FILE");
}

}  // namespace
}  // namespace waggle::sensors
