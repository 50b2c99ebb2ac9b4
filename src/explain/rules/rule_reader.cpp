// SPDX-License-Identifier: Apache-2.0
#include "explain/rules/rule_reader.h"

#include <fmt/core.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/nearest.h"
#include "base/text.h"
#include "explain/rules/rule_sql.h"
#include "explain/yaml_reader.h"
#include "query/sql_text.h"

namespace waggle::explain {
namespace {

constexpr std::array<std::string_view, 17> rule_keys = {
    "rule",    "topic",    "severity",  "confidence", "limits",     "when",
    "at_most", "object",   "subject",   "evidence",   "because_of", "every",
    "stays",   "fires_on", "silent_on", "replaces",   "amount"};
constexpr std::array<std::string_view, 7> needed_keys = {"rule", "topic",  "severity", "confidence",
                                                         "when", "object", "evidence"};
constexpr std::array<std::string_view, 2> limit_keys = {"value", "means"};
constexpr std::array<std::string_view, 3> object_keys = {"kind", "name", "value"};
constexpr std::array<std::string_view, 6> evidence_keys = {"view",  "where",   "columns",
                                                           "order", "at_most", "query"};
constexpr std::array<std::string_view, 2> cause_keys = {"rule", "on"};

class RuleReader : public YamlReader {
  public:
    RuleReader(const YamlText& file, Sql& sql, const RuleContext& context)
        : YamlReader(file), sql_(sql), context_(context) {}

    Result<Rule> read(const YamlNode& node) {
        Rule rule;
        rule.at = node.at;
        std::vector<std::string_view> known(rule_keys.begin(), rule_keys.end());
        known.emplace_back("words");
        only_keys(node, known, "a rule");
        read_id(node, rule);
        for (const std::string_view key : needed_keys) need(node, key);
        if (error_) return *error_;

        if (const YamlNode* limits = node.find("limits")) read_limits(*limits, rule);
        read_when(node, rule);
        if (error_) return *error_;
        if (const YamlNode* most = node.find("at_most")) rule.most_findings = number(*most, "at_most");
        if (const YamlNode* every = node.find("every")) rule.every_ns = duration(*every, "every");
        if (const YamlNode* stays = node.find("stays")) rule.stays_ns = duration(*stays, "stays");
        read_object(*node.find("object"), rule);
        if (const YamlNode* amount = node.find("amount")) read_amount(*amount, rule);
        if (const YamlNode* subject = node.find("subject")) read_subject(*subject, rule);
        read_evidence(*node.find("evidence"), rule);
        if (const YamlNode* causes = node.find("because_of")) read_causes(*causes, rule);
        rule.entry.fires_on = words(node.find("fires_on"), "fires_on");
        rule.entry.silent_on = words(node.find("silent_on"), "silent_on");
        if (error_) return *error_;
        return rule;
    }

  private:
    Sql& sql_;
    const RuleContext& context_;

    void need(const YamlNode& node, std::string_view key) {
        const YamlNode* found = node.find(key);
        const YamlNode* id = node.find("rule");
        if (!found)
            fail(node.at,
                 fmt::format("rule {} lacks `{}`", id ? escape_control(id->text) : "without a name", key));
        else if (found->kind == YamlNode::Kind::null || (found->is_scalar() && trim(found->text).empty()))
            fail(found->at, fmt::format("`{}` is empty", key));
    }

    void read_id(const YamlNode& node, Rule& rule) {
        if (const YamlNode* id = node.find("rule")) rule.entry.id = name(*id, "rule");
        if (const YamlNode* topic = node.find("topic")) rule.entry.topic = name(*topic, "topic");
    }

    // SQL that can run; tells what it needs. A fault gives nothing.
    std::optional<Sql::Uses> query(const YamlNode& node, std::string_view key, std::string& out) {
        text(node, key);
        if (error_) return std::nullopt;
        out = std::string(trim(node.text));
        auto uses = sql_.check(node.text);
        if (!uses) {
            fail(sql_.error_offset() ? file_.inside(node, *sql_.error_offset()) : node.at,
                 fmt::format("`{}`: {}", key, uses.error().message));
            return std::nullopt;
        }
        return std::move(*uses);
    }

    static void add_uses(Rule& rule, const Sql::Uses& uses) {
        const auto add = [](std::vector<std::string>& to, const std::vector<std::string>& names) {
            for (const std::string& each : names)
                if (std::find(to.begin(), to.end(), each) == to.end()) to.push_back(each);
        };
        add(rule.entry.tables, uses.tables);
        add(rule.entry.views, uses.views);
    }

    void refuse_same_columns(const YamlNode& node, const std::vector<std::string>& columns) {
        for (std::size_t i = 0; i < columns.size(); ++i)
            if (std::find(columns.begin(), columns.begin() + static_cast<std::ptrdiff_t>(i), columns[i]) !=
                columns.begin() + static_cast<std::ptrdiff_t>(i))
                return fail(node.at, fmt::format("`when` gives two columns named {}; rename one with AS",
                                                 escape_control(columns[i])));
    }

    void read_causes(const YamlNode& node, Rule& rule) {
        if (node.kind != YamlNode::Kind::list) return fail(node.at, "`because_of` must be a list of rules");
        for (const YamlNode& item : node.items) {
            RuleCause cause;
            cause.at = item.at;
            if (item.is_scalar()) {
                cause.rule = name(item, "because_of");
            } else {
                if (!group(item, "because_of")) return;
                only_keys(item, cause_keys, "`because_of`");
                const YamlNode* id = item.find("rule");
                if (!id) return fail(item.at, "`because_of` lacks `rule`");
                cause.rule = name(*id, "rule");
                cause.at = id->at;
                cause.on = words(item.find("on"), "on");
                for (const std::string& column : cause.on)
                    if (std::find(rule.columns.begin(), rule.columns.end(), column) == rule.columns.end())
                        return fail(item.find("on")->at,
                                    fmt::format("`when` has no column {}{}", escape_control(column),
                                                did_you_mean(column, views_of(rule.columns))));
            }
            rule.because_of.push_back(std::move(cause));
        }
    }

    std::uint64_t duration(const YamlNode& node, std::string_view key) {
        const auto measure = measure_of(text(node, key));
        if (measure && measure->unit == Unit::nanoseconds && measure->value.number() > 0)
            return static_cast<std::uint64_t>(measure->value.number());
        fail(node.at, fmt::format("`{}` is {}", key, measure_name(Unit::nanoseconds)));
        return 0;
    }

    void read_limits(const YamlNode& node, Rule& rule) {
        if (!group(node, "limits")) return;
        LimitOverrides::mapped_type* set = nullptr;
        if (const auto found = context_.limits->find(rule.entry.id); found != context_.limits->end())
            set = &found->second;
        for (std::size_t i = 0; i < node.keys.size(); ++i) {
            RuleLimit limit;
            limit.at = node.keys[i].at;
            limit.name = name(node.keys[i], "limits");
            const YamlNode& parts = node.items[i];
            if (parts.kind != YamlNode::Kind::map)
                return fail(parts.at, fmt::format("a limit is written {}: {{value: 3, means: \"...\"}}",
                                                  escape_control(limit.name)));
            only_keys(parts, limit_keys, "a limit");
            for (const std::string_view key : limit_keys)
                if (!parts.find(key))
                    return fail(parts.at,
                                fmt::format("limit {} lacks `{}`", escape_control(limit.name), key));
            limit.as_written = text(*parts.find("value"), "value");
            limit.means = sentence(*parts.find("means"), "means");
            const auto measure = measure_of(limit.as_written);
            if (!measure)
                return fail(parts.find("value")->at,
                            fmt::format("{} is no measure; write a number with its unit, as 3, 60s, 64KiB, "
                                        "40% or 10/s",
                                        escape_control(limit.as_written)));
            limit.value = measure->value;
            limit.unit = measure->unit;
            if (set)
                if (const auto wanted = set->find(limit.name); wanted != set->end())
                    override(limit, wanted->second);
            rule.limits.push_back(std::move(limit));
        }
    }

    void override(RuleLimit& limit, LimitOverride& wanted) {
        wanted.used = true;
        if (wanted.measure.unit != limit.unit) {
            context_.problems->push_back(fmt::format("{}: limit {} is {}, not {}", wanted.place, limit.name,
                                                     measure_name(limit.unit),
                                                     escape_control(wanted.as_written)));
            return;
        }
        limit.value = wanted.measure.value;
        limit.as_written = wanted.as_written;
    }

    // Marks the limits that the SQL uses; a parameter that is no limit (and none of `columns`) is a fault.
    void use_limits(const YamlNode& node, std::string_view key, const std::vector<std::string>& parameters,
                    const std::vector<std::string>& columns, Rule& rule) {
        for (const std::string& parameter : parameters) {
            const auto limit = std::find_if(rule.limits.begin(), rule.limits.end(),
                                            [&](const RuleLimit& each) { return each.name == parameter; });
            if (limit != rule.limits.end()) {
                limit->used = true;
                continue;
            }
            if (std::find(columns.begin(), columns.end(), parameter) != columns.end()) continue;
            std::vector<std::string_view> known = views_of(columns);
            for (const RuleLimit& each : rule.limits) known.push_back(each.name);
            fail(node.at,
                 fmt::format("`{}`: {} {}{}", key,
                             columns.empty() ? "no limit is called" : "no limit and no column is called",
                             parameter, did_you_mean(parameter, known)));
        }
    }

    // A limit of 60 that is compared with nanoseconds is a mistake nobody would see.
    void check_units(const YamlNode& node, std::string_view sql, const Rule& rule) {
        const std::vector<SqlToken> tokens = sql_tokens(sql);
        for (std::size_t i = 0; i < tokens.size(); ++i) {
            if (tokens[i].kind != SqlToken::Kind::parameter) continue;
            const auto limit =
                std::find_if(rule.limits.begin(), rule.limits.end(),
                             [&](const RuleLimit& each) { return each.name == tokens[i].text.substr(1); });
            const std::string_view column = compared_with(tokens, i);
            const Unit unit = unit_of_name(column);
            if (limit == rule.limits.end() || column.empty() || unit == Unit::none ||
                unit == Unit::identifier || unit == limit->unit)
                continue;
            const auto offset = static_cast<std::size_t>(tokens[i].text.data() - sql.data());
            if (unit == Unit::seconds)
                return fail(file_.inside(node, offset),
                            fmt::format("{} holds seconds; limits of time are nanoseconds: compare a column "
                                        "that ends in _ns",
                                        column));
            return fail(file_.inside(node, offset),
                        fmt::format("limit {} is compared with {}, so it must be {}", limit->name, column,
                                    measure_name(unit)));
        }
    }

    void use_lists(const YamlNode& node, std::string_view sql, Rule& rule) {
        std::optional<ListUse> fault;
        for (const ListUse& use : lists_in(sql, fault)) {
            if (std::find(context_.lists.begin(), context_.lists.end(), use.name) == context_.lists.end())
                return fail(file_.inside(node, use.offset),
                            fmt::format("no list is called {}{}", escape_control(use.name),
                                        did_you_mean(use.name, context_.lists)));
            if (std::find(rule.lists.begin(), rule.lists.end(), use.name) == rule.lists.end())
                rule.lists.push_back(use.name);
        }
        if (fault) fail(file_.inside(node, fault->offset), fault->name);
    }

    void read_when(const YamlNode& rule_node, Rule& rule) {
        const YamlNode& node = *rule_node.find("when");
        const auto uses = query(node, "when", rule.written_when);
        if (!uses) return;
        use_limits(node, "when", uses->parameters, {}, rule);
        use_lists(node, node.text, rule);
        check_units(node, node.text, rule);
        refuse_same_columns(node, uses->columns);
        if (error_) return;
        rule.columns = uses->columns;
        for (const std::string& column : rule.columns) rule.units.push_back(unit_of_name(column));
        add_uses(rule, *uses);
        while (rule.written_when.ends_with(';')) rule.written_when.pop_back();

        const std::vector<std::string> columns = rule.columns;
        std::string chosen;
        read_word(*rule_node.find("severity"), "severity", severity_of, {{"note", "warning", "critical"}},
                  rule.severity, chosen, rule.severity_words, rule);
        read_word(*rule_node.find("confidence"), "confidence", confidence_of, {{"low", "medium", "high"}},
                  rule.confidence, chosen, rule.confidence_words, rule);
        rule.when = chosen.empty() ? rule.written_when
                                   : fmt::format("SELECT *{} FROM (\n{}\n)", chosen, rule.written_when);
        for (const RuleLimit& limit : rule.limits) {
            if (std::find(columns.begin(), columns.end(), limit.name) != columns.end())
                return fail(limit.at, fmt::format("limit {} and a column of `when` have one name",
                                                  escape_control(limit.name)));
            rule.columns.push_back(":" + limit.name);
            rule.units.push_back(limit.unit);
        }
    }

    // A word, or conditions in order: {high: signal <> 0, else: medium}.
    template <class Word>
    void read_word(const YamlNode& node, std::string_view key,
                   std::optional<Word> (*word_of)(std::string_view), std::array<std::string_view, 3> known,
                   WordOrChoice<Word>& out, std::string& chosen, std::string& said, Rule& rule) {
        const auto word_in = [&](const YamlNode& scalar) -> std::optional<Word> {
            const std::string word = text(scalar, key);
            const std::optional<Word> read = word_of(word);
            if (!read)
                fail(scalar.at, fmt::format("`{}` is {}, {} or {}, not {}{}", key, known[0], known[1],
                                            known[2], escape_control(word), did_you_mean(word, known)));
            return read;
        };
        if (node.kind != YamlNode::Kind::map) {
            if (const auto word = word_in(node)) out.word = *word;
            return void(said = node.text);
        }
        std::string cases;
        for (std::size_t i = 0; i < node.keys.size(); ++i) {
            const bool last = i + 1 == node.keys.size();
            if ((node.keys[i].text == "else") != last)
                return fail(node.keys[i].at,
                            fmt::format("`{}` ends with `else:` and the word for all others", key));
            if (last) {
                if (const auto word = word_in(node.items[i])) out.word = *word;
                cases += fmt::format(" ELSE '{}'", text(node.items[i], key));
                said += (i == 0 ? "" : ", else ") + node.items[i].text;
                continue;
            }
            if (!word_in(node.keys[i])) return;
            const std::string condition = text(node.items[i], key);
            // Asked of the names of the columns alone: to prepare `when` once more costs a hundred times that.
            const std::string before = "SELECT (";
            const std::string names = names_alone(rule.columns);
            const auto uses = sql_.check(fmt::format("{}{}\n) FROM (SELECT {})", before, condition, names));
            if (!uses) {
                const auto offset = sql_.error_offset();
                const bool inside = offset && *offset >= before.size();
                return fail(inside ? file_.inside(node.items[i], *offset - before.size()) : node.items[i].at,
                            fmt::format("`{}`: {}", key, uses.error().message));
            }
            use_limits(node.items[i], key, uses->parameters, {}, rule);
            use_lists(node.items[i], node.items[i].text, rule);
            check_units(node.items[i], node.items[i].text, rule);
            cases += fmt::format(" WHEN ({}) THEN '{}'", condition, node.keys[i].text);
            said += fmt::format("{}{} where `{}`", i == 0 ? "" : ", ", node.keys[i].text, condition);
        }
        if (error_) return;
        chosen += fmt::format(", CASE{} END AS \":{}\"", cases, key);
        out.column = rule.columns.size();
        rule.columns.push_back(fmt::format(":{}", key));
        rule.units.push_back(Unit::none);
    }

    // A column's name (of a kind: a word), or a text with columns in braces; or a list of these, the first that can be said.
    Sentences identifier(const YamlNode& node, std::string_view key, const Rule& rule) {
        Sentences out;
        if (node.kind == YamlNode::Kind::list) {
            if (!list(node, key)) return out;
            for (const YamlNode& item : node.items) add_identifier(item, key, rule, out);
        } else {
            add_identifier(node, key, rule, out);
        }
        return out;
    }
    void add_identifier(const YamlNode& node, std::string_view key, const Rule& rule, Sentences& out) {
        std::string said = sentence(node, key);
        if (error_) return;
        const bool plain = said.find_first_of("{[") == std::string::npos && key != "kind";
        if (plain && std::find(rule.columns.begin(), rule.columns.end(), said) == rule.columns.end())
            return fail(node.at,
                        fmt::format("`{}` is a column of `when`, or a text with {{columns}} in it; "
                                    "{} is neither{}",
                                    key, escape_control(said), did_you_mean(said, views_of(rule.columns))));
        if (plain) said = "{" + said + "}";
        const Sentence::Form form{Place::plain, rule.columns, rule.units, "en", {}, nullptr};
        auto made = Sentence::make(said, form);
        if (!made) {
            const auto fault = Sentence::check(said, form);
            return fail(file_.inside(node, fault->offset), fmt::format("`{}`: {}", key, fault->reason));
        }
        out.push_back(std::move(*made));
    }

    void read_object(const YamlNode& node, Rule& rule) {
        if (!group(node, "object")) return;
        only_keys(node, object_keys, "`object`");
        for (const std::string_view key : {"kind", "name"})
            if (!node.find(key)) return fail(node.at, fmt::format("`object` lacks `{}`", key));
        rule.object_kind = identifier(*node.find("kind"), "kind", rule);
        rule.object_name = identifier(*node.find("name"), "name", rule);
        if (const YamlNode* value = node.find("value")) rule.object_value = identifier(*value, "value", rule);
    }

    void read_amount(const YamlNode& node, Rule& rule) {
        const std::string column = text(node, "amount");
        const auto end = rule.columns.begin() + static_cast<std::ptrdiff_t>(rule.asked_columns());
        const auto found = std::find(rule.columns.begin(), end, column);
        if (found == end)
            return fail(node.at, fmt::format("`amount` names a column of `when`, and it has no {}",
                                             escape_control(column)));
        rule.amount = static_cast<std::size_t>(found - rule.columns.begin());
    }

    void read_subject(const YamlNode& node, Rule& rule) {
        if (node.kind == YamlNode::Kind::list) {
            for (const YamlNode& item : node.items)
                rule.subject.emplace_back(name(item, "subject"), identifier(item, "subject", rule));
            return;
        }
        if (!group(node, "subject")) return;
        for (std::size_t i = 0; i < node.keys.size(); ++i)
            rule.subject.emplace_back(name(node.keys[i], "subject"),
                                      identifier(node.items[i], node.keys[i].text, rule));
    }

    void read_evidence(const YamlNode& node, Rule& rule) {
        if (!group(node, "evidence")) return;
        for (std::size_t i = 0; i < node.keys.size(); ++i) {
            const YamlNode& parts = node.items[i];
            RuleEvidence evidence;
            evidence.name = name(node.keys[i], "evidence");
            if (error_ || !group(parts, evidence.name)) return;
            only_keys(parts, evidence_keys, "evidence");
            const YamlNode* asked = parts.find("query");
            const YamlNode* view = parts.find("view");
            if ((asked != nullptr) == (view != nullptr))
                return fail(parts.at, fmt::format("evidence {} has either `view` or `query`", evidence.name));
            if (asked) {
                for (const std::string_view key : {"where", "columns", "order"})
                    if (const YamlNode* extra = parts.find(key))
                        return fail(extra->at, fmt::format("`{}` belongs to `view`, not to `query`", key));
                const auto uses = query(*asked, "query", evidence.query);
                if (!uses) return;
                use_limits(*asked, "query", uses->parameters, rule.columns, rule);
                use_lists(*asked, asked->text, rule);
                add_uses(rule, *uses);
            } else {
                evidence.query = query_of_view(parts, rule);
                if (error_) return;
                const auto uses = sql_.check(evidence.query);
                if (!uses)
                    return fail(parts.at,
                                fmt::format("evidence {}: {}", evidence.name, uses.error().message));
                use_limits(parts, "where", uses->parameters, rule.columns, rule);
                add_uses(rule, *uses);
            }
            if (const YamlNode* most = parts.find("at_most")) evidence.most_rows = number(*most, "at_most");
            rule.evidence.push_back(std::move(evidence));
        }
    }

    // {view: program_run, where: [parent_pid, exe], columns: [...], order: ended_ns DESC} as SQL.
    std::string query_of_view(const YamlNode& parts, Rule& rule) {
        const YamlNode& view = *parts.find("view");
        const std::string table = name(view, "view");
        if (error_) return {};
        const auto uses = sql_.check("SELECT * FROM " + table);
        if (!uses) {
            fail(view.at, fmt::format("`view`: {}", uses.error().message));
            return {};
        }
        const auto of_view = [&](const YamlNode& item, const std::string& column) {
            if (std::find(uses->columns.begin(), uses->columns.end(), column) == uses->columns.end())
                fail(item.at, fmt::format("{} has no column {}{}", table, escape_control(column),
                                          did_you_mean(column, views_of(uses->columns))));
        };
        std::vector<std::string> columns = words(parts.find("columns"), "columns");
        for (std::size_t i = 0; i < columns.size(); ++i) of_view(parts.find("columns")->items[i], columns[i]);
        std::vector<std::string> conditions;
        const auto same = [&](const YamlNode& item, const std::string& column, const std::string& value) {
            of_view(item, column);
            if (std::find(rule.columns.begin(), rule.columns.end(), value) == rule.columns.end())
                fail(item.at, fmt::format("`when` has no column {}{}", escape_control(value),
                                          did_you_mean(value, views_of(rule.columns))));
            conditions.push_back(fmt::format("{} IS :{}", column, value));
        };
        if (const YamlNode* where = parts.find("where")) {
            const std::span<const YamlNode> items = where->kind == YamlNode::Kind::list
                                                        ? std::span<const YamlNode>(where->items)
                                                        : std::span<const YamlNode>(where, 1);
            for (const YamlNode& item : items) {
                for (std::size_t i = 0; i < item.keys.size(); ++i)
                    same(item.keys[i], item.keys[i].text, text(item.items[i], "where"));
                if (item.kind == YamlNode::Kind::map) continue;
                const std::string written = text(item, "where");
                if (written.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos)
                    same(item, written, written);
                else
                    condition(item, written, table, conditions);
                use_lists(item, item.text, rule);
            }
        }
        std::string out = fmt::format(
            "SELECT {} FROM {}", columns.empty() ? "*" : fmt::format("{}", fmt::join(columns, ", ")), table);
        if (!conditions.empty()) out += fmt::format(" WHERE {}", fmt::join(conditions, " AND "));
        if (const YamlNode* order = parts.find("order")) out += " ORDER BY " + text(*order, "order");
        return out;
    }

    void condition(const YamlNode& item, const std::string& written, const std::string& table,
                   std::vector<std::string>& conditions) {
        const std::string before = "SELECT (";
        if (const auto uses = sql_.check(fmt::format("{}{}\n) FROM {}", before, written, table)); !uses) {
            const auto offset = sql_.error_offset();
            const bool inside = offset && *offset >= before.size();
            return fail(inside ? file_.inside(item, *offset - before.size()) : item.at,
                        fmt::format("`where`: {}", uses.error().message));
        }
        conditions.push_back("(" + written + ")");
    }
};

}  // namespace

Result<Rule> read_rule(const YamlText& file, const YamlNode& node, Sql& sql, const RuleContext& context) {
    return RuleReader(file, sql, context).read(node);
}

}  // namespace waggle::explain
