// SPDX-License-Identifier: Apache-2.0
#include "agent/sources.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "agent/self.h"
#include "agent/watched_command.h"
#include "base/nearest.h"
#include "base/text.h"
#include "sensors/rooms.h"

namespace waggle::agent {

std::span<const Source* const> sources() {
    static const std::vector<const Source*> all = [] {
        std::vector<const Source*> out;
        for (const sensors::Room& room : sensors::rooms()) out.push_back(&room.source);
        return out;
    }();
    return all;
}

std::vector<const Schema*> row_schemas() {
    std::vector<const Schema*> out{&self_schema(), &watched_command_schema()};
    for (const Source* source : sources())
        out.insert(out.end(), source->schemas.begin(), source->schemas.end());
    return out;
}

const Source* source_named(std::string_view name) {
    const auto found = std::ranges::find(sources(), name, &Source::name);
    return found == sources().end() ? nullptr : *found;
}

const Source* source_of_table(std::string_view table) {
    for (const Source* source : sources())
        if (std::ranges::find(source->schemas, table, &Schema::name) != source->schemas.end()) return source;
    return nullptr;
}

Result<void> check_source_names(std::span<const std::string> names) {
    std::vector<std::string_view> known;
    for (const Source* source : sources()) known.push_back(source->name);
    for (const std::string& wanted : names)
        if (!source_named(wanted))
            return Error{fmt::format("there is no sensor named {}{}; there are {}", escape_control(wanted),
                                     did_you_mean(wanted, known, 1), fmt::join(known, ", ")),
                         ErrorKind::usage};
    return {};
}

const SourceOption* option_named(std::string_view name) {
    for (const Source* source : sources())
        for (const SourceOption& option : source->options)
            if (option.name == name) return &option;
    return nullptr;
}

bool needs_place(const Source& source) {
    return source.asked_by && source.asked_by->type != OptionType::yes_no;
}

bool runs_unasked(const Source& source, const OptionValues& values) {
    return !source.asked_by || values.given(*source.asked_by);
}

}  // namespace waggle::agent
