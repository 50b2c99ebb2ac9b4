// SPDX-License-Identifier: Apache-2.0
#include "model/source_option.h"

#include <fmt/core.h>

#include "base/text.h"
#include "base/units.h"

namespace waggle {
namespace {

// A number of a kind that has one; 0 for the others, which have nothing that can be wrong.
Result<std::uint64_t> number_of(OptionType type, std::string_view text) {
    switch (type) {
        case OptionType::count:
            return parse_count(text);
        case OptionType::size:
            return parse_bytes(text);
        case OptionType::duration:
            return parse_duration(text);
        case OptionType::yes_no:
            if (text == "yes" || text == "true") return 1;
            if (text == "no" || text == "false") return 0;
            return Error{fmt::format("\"{}\" is neither yes nor no", escape_control(text)), ErrorKind::usage};
        case OptionType::text:
        case OptionType::list:
            return 0;
    }
    return 0;
}

}  // namespace

std::string_view type_name(OptionType type) {
    switch (type) {
        case OptionType::text:
            return "text";
        case OptionType::count:
            return "count";
        case OptionType::size:
            return "size";
        case OptionType::duration:
            return "duration";
        case OptionType::yes_no:
            return "yes/no";
        case OptionType::list:
            return "list";
    }
    return "";
}

Result<void> OptionValues::set(const SourceOption& option, std::string_view text) {
    if (const auto number = number_of(option.type, text); !number)
        return while_doing(fmt::format("--{}", option.name), number.error());
    std::vector<std::string>& texts = texts_[std::string(option.name)];
    if (option.type != OptionType::list) texts.clear();
    texts.emplace_back(text);
    return {};
}

std::string_view OptionValues::text(const SourceOption& option) const {
    const auto found = texts_.find(option.name);
    return found == texts_.end() ? option.standard : std::string_view(found->second.back());
}

std::uint64_t OptionValues::number(const SourceOption& option) const {
    const Result<std::uint64_t> read = number_of(option.type, text(option));
    return read ? *read : 0;
}

bool OptionValues::yes(const SourceOption& option) const { return number(option) != 0; }

std::vector<std::string> OptionValues::list(const SourceOption& option) const {
    const auto found = texts_.find(option.name);
    if (found != texts_.end()) return found->second;
    return option.standard.empty() ? std::vector<std::string>{}
                                   : std::vector<std::string>{std::string(option.standard)};
}

}  // namespace waggle
