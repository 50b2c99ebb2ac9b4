// SPDX-License-Identifier: Apache-2.0
#include "query/sql_text.h"

#include <fmt/core.h>
#include <fmt/format.h>

#include <cctype>
#include <cmath>

#include "base/text.h"

namespace waggle::explain {
namespace {

bool word_char(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$' ||
           static_cast<unsigned char>(c) >= 0x80;
}

// Length of the piece that starts at `at`: a comment, a quoted thing, a word, a parameter or one character.
enum class Piece : std::uint8_t { comment, string, quoted_word, word, parameter, other };
Piece next_piece(std::string_view sql, std::size_t at, std::size_t& length) {
    const char c = sql[at];
    const std::string_view rest = sql.substr(at);
    const auto until = [&](std::string_view end, std::size_t from) {
        const std::size_t found = rest.find(end, from);
        return found == std::string_view::npos ? rest.size() : found + end.size();
    };
    if (rest.starts_with("--")) {
        length = until("\n", 2);
        return Piece::comment;
    }
    if (rest.starts_with("/*")) {
        length = until("*/", 2);
        return Piece::comment;
    }
    if (c == '\'' || c == '"' || c == '`' || c == '[') {
        const char close = c == '[' ? ']' : c;
        std::size_t end = 1;
        while (end < rest.size()) {
            if (rest[end] == close) {
                if (c == '[' || end + 1 >= rest.size() || rest[end + 1] != close) break;
                ++end;  // a doubled quote stands for itself
            }
            ++end;
        }
        length = std::min(end + 1, rest.size());
        return c == '\'' ? Piece::string : Piece::quoted_word;
    }
    if (c == ':' && rest.size() > 1 && word_char(rest[1])) {
        length = 1;
        while (length < rest.size() && word_char(rest[length])) ++length;
        return Piece::parameter;
    }
    if (word_char(c)) {
        length = 1;
        while (length < rest.size() && word_char(rest[length])) ++length;
        return Piece::word;
    }
    length = 1;
    return Piece::other;
}

// The token that starts at `at`, if one does, and the length to go on by.
std::optional<SqlToken> token_at(std::string_view sql, std::size_t at, std::size_t& length) {
    const Piece piece = next_piece(sql, at, length);
    const std::string_view text = sql.substr(at, length);
    switch (piece) {
        case Piece::comment:
            break;
        case Piece::string:
        case Piece::other:
            if (std::isspace(static_cast<unsigned char>(text.front()))) break;
            return SqlToken{SqlToken::Kind::other, text};
        case Piece::quoted_word:
            return SqlToken{SqlToken::Kind::word, text.substr(1, length < 2 ? 0 : length - 2)};
        case Piece::word:
            return SqlToken{SqlToken::Kind::word, text};
        case Piece::parameter:
            return SqlToken{SqlToken::Kind::parameter, text};
    }
    return {};
}

bool plain_text(std::string_view text) {
    for (const char c : text)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return false;
    std::string doubled;  // escape_control doubles backslashes, which SQL leaves alone
    for (const char c : text) doubled.append(c == '\\' ? 2 : 1, c);
    return escape_control(text) == doubled;
}

std::string hex(std::string_view bytes) {
    std::string out;
    for (const char c : bytes) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
    return out;
}

}  // namespace

std::vector<SqlToken> sql_tokens(std::string_view sql) {
    std::vector<SqlToken> tokens;
    for (std::size_t at = 0, length = 0; at < sql.size(); at += length)
        if (const auto token = token_at(sql, at, length)) tokens.push_back(*token);
    return tokens;
}

std::optional<SqlToken> first_sql_token(std::string_view sql) {
    for (std::size_t at = 0, length = 0; at < sql.size(); at += length)
        if (const auto token = token_at(sql, at, length)) return token;
    return {};
}

std::string sql_literal(const Cell& cell) {
    switch (cell.kind) {
        case Value::Kind::null:
            return "NULL";
        case Value::Kind::integer:
            // The smallest integer has no literal of its own: its digits alone are one too many.
            if (cell.integer == INT64_MIN) return "(-9223372036854775807 - 1)";
            return fmt::format("{}", cell.integer);
        case Value::Kind::real: {
            if (std::isnan(cell.real)) return "NULL";
            if (std::isinf(cell.real)) return cell.real > 0 ? "9e999" : "-9e999";
            const std::string digits = fmt::format("{}", cell.real);  // the shortest that reads back exactly
            return digits.find_first_of(".e") == std::string::npos ? digits + ".0" : digits;
        }
        case Value::Kind::text: {
            if (!plain_text(cell.text)) return fmt::format("CAST(x'{}' AS TEXT)", hex(cell.text));
            std::string out = "'";
            for (const char c : cell.text) out.append(c == '\'' ? 2 : 1, c);
            return out + "'";
        }
        case Value::Kind::blob:
            return fmt::format("x'{}'", hex(cell.text));
    }
    return "NULL";
}

std::string replace_parameters(std::string_view sql,
                               const std::function<std::string(std::string_view name)>& literal_of) {
    std::string out;
    out.reserve(sql.size() + 64);
    for (std::size_t at = 0, length = 0; at < sql.size(); at += length) {
        const bool parameter = next_piece(sql, at, length) == Piece::parameter;
        const std::string_view text = sql.substr(at, length);
        if (parameter)
            out += literal_of(text.substr(1));
        else
            out += text;
    }
    return out;
}

}  // namespace waggle::explain
