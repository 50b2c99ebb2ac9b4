// SPDX-License-Identifier: Apache-2.0
#include "explain/yaml_tree.h"

#include <gtest/gtest.h>

namespace waggle::explain {
namespace {

std::string fault(std::string_view text, std::size_t first_line = 1) {
    const auto parsed = YamlText("f.yaml", text, first_line).parse();
    return parsed ? "parsed" : parsed.error().message;
}

TEST(YamlTree, keeps_texts_lists_and_maps_in_order_with_their_places) {
    const auto root = YamlText("f", "b: 1\na: [x, 'y']\nc:\n").parse();
    ASSERT_TRUE(root) << root.error().message;
    ASSERT_EQ(root->keys.size(), 3u);
    EXPECT_EQ(root->keys[0].text, "b");
    EXPECT_EQ(root->find("a")->items[1].text, "y");
    EXPECT_TRUE(root->find("a")->items[1].quoted);
    EXPECT_FALSE(root->find("a")->items[0].quoted);
    EXPECT_EQ(root->find("a")->items[1].at.line, 2u);
    EXPECT_EQ(root->find("a")->items[1].at.column, 8u);
    EXPECT_EQ(root->find("c")->kind, YamlNode::Kind::null);
    EXPECT_EQ(YamlText("f", "").parse()->kind, YamlNode::Kind::null);
}

TEST(YamlTree, says_where_it_is_no_yaml) {
    EXPECT_EQ(fault("a: [1, 2\nb: 3\n").rfind("f.yaml:", 0), 0u);
    EXPECT_EQ(fault("- b\n- 'it''s\n", 40), "f.yaml:41:3: not YAML: a quote that is not closed");
    EXPECT_EQ(fault(std::string_view("a: b\nc: \0d", 10)),
              "f.yaml:2:4: not YAML: control characters are not allowed");
    EXPECT_EQ(fault("a: b\nc: \xff\n"), "f.yaml:2:4: not YAML: invalid leading UTF-8 octet");
    EXPECT_EQ(fault("a: b\n\tc: d\n").rfind("f.yaml:2:", 0), 0u);
}

TEST(YamlTree, a_place_counts_bytes_also_behind_letters_of_several) {
    EXPECT_EQ(fault("{ä: 1, ö: 2, ä: 3}\n"), "f.yaml:1:16: ä stands here twice");
    EXPECT_EQ(fault("a: \"ä\nb: 1"), "f.yaml:1:4: not YAML: a quote that is not closed");
}

TEST(YamlTree, nothing_is_only_what_is_written_without_quotes) {
    const auto root = YamlText("f", "[~, null, '', \"null\", \"~\", , nil]").parse();
    ASSERT_FALSE(root) << "a comma with nothing before it";
    const auto items = YamlText("f", "- ~\n- null\n- ''\n- \"null\"\n-\n- nil\n").parse();
    ASSERT_TRUE(items) << items.error().message;
    std::vector<bool> nothing;
    for (const YamlNode& item : items->items) nothing.push_back(item.kind == YamlNode::Kind::null);
    EXPECT_EQ(nothing, (std::vector<bool>{true, true, false, false, true, false}));
}

TEST(YamlTree, refuses_what_would_be_read_otherwise_than_it_looks) {
    EXPECT_EQ(fault("a: 1\na: 2\n"), "f.yaml:2:1: a stands here twice");
    EXPECT_EQ(fault("a: &x 1\nb: *x\n"),
              "f.yaml:1:4: anchors (&name) are not used here; write the value out");
    EXPECT_EQ(fault("- 1\n---\n- 2\n"), "f.yaml:3:1: a second YAML document; a file holds one");
    EXPECT_EQ(fault("? [a]\n: b\n"), "f.yaml:1:3: a key must be a word");
    EXPECT_NE(fault(std::string(40, '[') + std::string(40, ']')).find("nested too deeply"),
              std::string::npos);
}

TEST(YamlTree, finds_a_byte_of_a_value_in_the_file) {
    const YamlText text("f", "a: |\n  one\n    two\nb: plain text\nc: \"quoted\"\nd: \"esc\\taped\"\n");
    const auto root = text.parse();
    ASSERT_TRUE(root);
    const auto at = [&](std::string_view key, std::size_t offset) {
        const Position p = text.inside(*root->find(key), offset);
        return std::to_string(p.line) + ":" + std::to_string(p.column);
    };
    EXPECT_EQ(at("a", 1), "2:4");
    EXPECT_EQ(at("a", 6), "3:5");
    EXPECT_EQ(at("b", 6), "4:10");
    EXPECT_EQ(at("c", 2), "5:7");
    EXPECT_EQ(at("d", 5), "6:4") << "with escapes: where the value begins";
    EXPECT_EQ(at("a", 1000), "3:8") << "a byte behind the end";
}

}  // namespace
}  // namespace waggle::explain
