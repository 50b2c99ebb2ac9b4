// SPDX-License-Identifier: Apache-2.0
#include "store/socket_functions.h"

namespace waggle::agent {
namespace {

explain::Cell text_or_null(std::string_view text) {
    explain::Cell cell;
    if (text.empty()) return cell;
    cell.kind = Value::Kind::text;
    cell.text = text;
    return cell;
}

explain::Cell truth(std::optional<bool> answer) {
    explain::Cell cell;
    if (!answer) return cell;
    cell.kind = Value::Kind::integer;
    cell.integer = *answer ? 1 : 0;
    return cell;
}

// Numbers above the largest i64 come as their digits.
std::uint64_t cookie_of(const explain::Cell& cell) {
    if (cell.kind != Value::Kind::text) return static_cast<std::uint64_t>(cell.integer);
    std::uint64_t number = 0;
    for (const char digit : cell.text) number = number * 10 + static_cast<std::uint64_t>(digit - '0');
    return number;
}

}  // namespace

void SocketFunctions::look_at(std::string_view name, const Relation& fact) {
    if (name == "sockets") sockets_ = &fact;
    if (name == "interfaces") interfaces_ = &fact;
    match_.reset();
}

const facts::SocketMatch& SocketFunctions::match() {
    if (!match_) match_.emplace(sockets_, interfaces_);
    return *match_;
}

Result<void> SocketFunctions::add_to(explain::Sql& sql) {
    using Arguments = std::span<const explain::Cell>;
    auto added = sql.add_function("socket_receives", 5, [this](Arguments arguments) {
        if (arguments[0].is_null()) return explain::Cell{};
        return truth(
            match().receives(cookie_of(arguments[0]),
                             {arguments[1].as_text(), arguments[3].as_text(),
                              static_cast<std::uint16_t>(arguments[2].number()), arguments[4].as_text()}));
    });
    if (!added) return added;
    return sql.add_function("socket_fits", 6, [this](Arguments arguments) {
        const auto fit =
            match().fits(static_cast<std::uint32_t>(arguments[0].number()),
                         {arguments[1].as_text(), arguments[2].number() != 0, arguments[3].as_text()},
                         arguments[4].as_text(), arguments[5].as_text());
        return fit ? text_or_null(facts::fit_words(*fit)) : explain::Cell{};
    });
}

}  // namespace waggle::agent
