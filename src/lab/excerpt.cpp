// SPDX-License-Identifier: Apache-2.0
#include "lab/excerpt.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/text.h"

namespace waggle::lab {
namespace {

using agent::RecordedContent;
using nlohmann::json;

std::optional<std::uint64_t> number_in(std::string_view word) {
    std::uint64_t number = 0;
    const auto [rest, wrong] = std::from_chars(word.data(), word.data() + word.size(), number);
    return wrong == std::errc{} && rest == word.data() + word.size() ? std::optional(number) : std::nullopt;
}

class OwnRows {
  public:
    OwnRows(const RecordedContent& content, const Injected& injected) : lookup_(content.lookup()) {
        for (const std::string& word : injected.own) {
            if (const auto number = number_in(word))
                numbers_.insert(*number);
            else
                words_.push_back(word);
        }
        for (const auto& [name, value] : injected.values)
            if (name.starts_with("pid_"))
                if (const auto pid = number_in(value)) processes_.insert(*pid);
        // A child can stand in the file before its parent.
        for (std::size_t known = 0; known != processes_.size() || known == 0;) {
            known = processes_.size();
            for (const Row& row : content.rows()) learn(row);
            for (const auto& [name, rows] : content.facts())
                for (const Row& row : rows) learn(row);
            if (known == processes_.size()) break;
        }
    }

    bool has_process(std::uint64_t pid) const { return processes_.contains(pid); }

    bool contains(const Row& row) {
        if (row.schema().name == "sysctls" && row.u64("netns") == 0) return true;
        // A processor as a whole is nobody's, and so is the root of all cpusets.
        if (row.schema().name == "run_queue_cpu") return true;
        if (row.schema().name == "cpuset_members" && row.u64("pid") == 0) return true;
        if (has_process(row.u64("pid"))) return true;
        return std::ranges::any_of(columns(row),
                                   [&](const Column& column) { return mentions_own(row, column); });
    }

    // A thread of the kernel works for everybody; it has no executable.
    bool is_of_the_kernel(const Row& row) {
        const waggle_event who = row.header();
        std::string exe;
        const bool known = lookup_.subjects->with(who.pid, who.start_ns, who.cgroup_id,
                                                  [&](const Subject& subject) { exe = subject.exe; });
        return known && exe.empty();
    }

  private:
    Lookup lookup_;
    std::vector<std::string> words_;
    std::set<std::uint64_t> numbers_, processes_;
    std::map<const Schema*, std::vector<Column>> columns_;

    const std::vector<Column>& columns(const Row& row) {
        const auto [place, fresh] = columns_.try_emplace(&row.schema());
        if (fresh) place->second = columns_of(row.schema());
        return place->second;
    }

    bool mentions_own(const Row& row, const Column& column) {
        Value value;
        read_column(row, column, lookup_, value);
        if (value.kind == Value::Kind::integer)
            return column.unit == Unit::identifier &&
                   numbers_.contains(static_cast<std::uint64_t>(value.integer));
        return value.kind == Value::Kind::text && std::ranges::any_of(words_, [&](const std::string& word) {
                   return mentions(value.text, word);
               });
    }

    // Own is a process whose program, words, folder or control group are, and whose parent is.
    void learn(const Row& row) {
        const std::uint64_t pid = row.u64("pid");
        if (pid == 0 || has_process(pid)) return;
        bool own = has_process(row.u64("parent_pid"));
        for (const Column& column : columns(row)) {
            if (own) break;
            own = (column.name == "exe" || column.name == "arguments" || column.name == "directory" ||
                   column.name == "cgroup") &&
                  mentions_own(row, column);
        }
        if (own) processes_.insert(pid);
    }
};

}  // namespace

void keep_own(RecordedContent& content, const Injected& injected) {
    OwnRows own(content, injected);
    content.keep([&](const Row& row) { return own.contains(row); });
    for (const Row& row : content.rows())
        if (row.schema().has_subject && !own.has_process(row.header().pid) && !own.is_of_the_kernel(row))
            content.forget_process(row);
}

std::string injected_text(const Injected& injected) {
    return json{{"values", injected.values}, {"own", injected.own}}.dump(-1, ' ', false,
                                                                         json::error_handler_t::replace);
}

Result<Injected> injected_from(std::string_view note) {
    const json value = json::parse(note, nullptr, false);
    if (!value.is_object() || !value.contains("values") || !value.contains("own"))
        return Error{
            "the recording does not hold what a fault of the lab said; waggle lab record makes such "
            "recordings"};
    Injected out;
    for (const auto& [name, text] : value["values"].items())
        if (text.is_string()) out.values[name] = text.get<std::string>();
    for (const json& word : value["own"])
        if (word.is_string()) out.own.push_back(word.get<std::string>());
    return out;
}

}  // namespace waggle::lab
