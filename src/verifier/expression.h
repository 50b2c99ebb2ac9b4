// SPDX-License-Identifier: Apache-2.0
// A line of C read just far enough to name what is in it. Lines are as a person wrote them: what cannot be
// read gives an empty answer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace waggle::kernel {

// The expression around `column` (1 is the first character; 0 is unknown: the whole statement).
std::string_view expression_at(std::string_view line, std::uint32_t column);

// "value" of "struct v *value = lookup(&m, &key);"; empty where nothing is assigned. Of several statements in
// the line the one at `column` counts.
std::string_view assigned_variable(std::string_view line, std::uint32_t column = 0);

// Argument `number` (1 is the first) of the call of `function` in `line`, or of the line's only call where
// `function` is empty.
std::string_view call_argument(std::string_view line, std::string_view function, int number);

// `text` with argument `number` of the call of `function` written anew; empty where the line does not hold all of it.
std::string with_argument(const std::string& text, std::string_view function, int number,
                          std::string_view given);

// "i" of "table[i]": the variable that chooses the element; empty for constants.
std::string_view index_variable(std::string_view line);

// "table" of "table[i]".
std::string_view indexed_variable(std::string_view line);

// Whether the statement puts a value into something.
bool assigns(std::string_view statement);

// The variable that an expression goes through: "value" of "value->count", of "*value" and of "value[2]".
std::string_view base_variable(std::string_view expression);

// The same, but nothing for a declaration.
std::string_view used_variable(std::string_view expression);

// The pointer that is read or written through at `column`: "ctx->task" of "ctx->task->pid", "t + 1" of "*(t +
// 1)". Empty where that cannot be told.
std::string_view pointer_at(std::string_view line, std::uint32_t column);

// What lies there, as an expression: "&t->pid"; empty where that cannot be told.
std::string address_at(std::string_view line, std::uint32_t column);

// Whether both columns lie in the same statement of the line.
bool same_statement(std::string_view line, std::uint32_t column, std::uint32_t other);

// The identifier that ends before `end`.
std::string_view word_before(std::string_view line, std::size_t end);

// Without the casts in front: "ctx[1]" of "(void *)ctx[1]".
std::string_view without_casts(std::string_view expression);

bool is_identifier(std::string_view text);

// Whether it calls a function or changes something, so that it cannot stand a second time.
bool calls_or_changes(std::string_view expression);
// "hash & 63": the operators C takes after "<" and ">=".
bool binds_weaker_than_comparison(std::string_view expression);
// `text` with `to` for each whole `from` that is no member of another.
bool has_word(std::string_view text, std::string_view word);  // likewise
std::string replace_all(std::string text, std::string_view from, const std::string& to);

// An access of `line` that can be written down a second time: "name[0]", "*(p + i)", "t->pid".
bool is_access(std::string_view expression, std::string_view line);
// "seen[n] += 1": changes what stands left, and reads nothing else through an index or a pointer.
bool is_joined_assignment(std::string_view statement);
// A variable or a member: "len", "it->len".
bool is_member_path(std::string_view expression);
// The accesses of the line that go through the same pointer: "name[0]" and "name[1]".
std::vector<std::string> accesses_like(std::string_view line, std::string_view expression);
std::string address_of(std::string_view access);         // "&(name[0])"; of "*p" it is "p"
std::string_view type_of_width(std::string_view width);  // "__u16" of the log's "u16"; empty for others

}  // namespace waggle::kernel
