// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

#include "base/put.h"
#include "base/text.h"
#include "facts/firewall/firewall_rule.h"
#include "host/procfs.h"
#include "waggle/owned_fd.h"

namespace waggle::facts {
namespace {

struct BuiltIn {
    std::string_view table, chain, hook;
    std::int32_t priority;
};
// The kernel's places for the tables of iptables (enum nf_ip_hook_priorities).
constexpr BuiltIn built_in[] = {
    {"raw", "PREROUTING", "prerouting", -300},
    {"raw", "OUTPUT", "output", -300},
    {"mangle", "PREROUTING", "prerouting", -150},
    {"mangle", "INPUT", "input", -150},
    {"mangle", "FORWARD", "forward", -150},
    {"mangle", "OUTPUT", "output", -150},
    {"mangle", "POSTROUTING", "postrouting", -150},
    {"nat", "PREROUTING", "prerouting", -100},
    {"nat", "INPUT", "input", 100},
    {"nat", "OUTPUT", "output", -100},
    {"nat", "POSTROUTING", "postrouting", 100},
    {"filter", "INPUT", "input", 0},
    {"filter", "FORWARD", "forward", 0},
    {"filter", "OUTPUT", "output", 0},
    {"security", "INPUT", "input", 50},
    {"security", "FORWARD", "forward", 50},
    {"security", "OUTPUT", "output", 50},
};

// "[12:720]"
void read_counts(std::string_view text, FirewallRule& rule) {
    const std::size_t open = text.find('[');
    const std::size_t colon = text.find(':', open);
    if (open == std::string_view::npos || colon == std::string_view::npos) return;
    rule.packets = number_of(text.substr(open + 1));
    rule.bytes = number_of(text.substr(colon + 1));
}

// What stands behind -j or -g; comments and prefixes in quotes may hold anything.
struct Target {
    std::string_view name;
    bool is_goto = false;
};
Target target_of(std::string_view rule) {
    bool quoted = false;
    for (std::size_t i = 0; i + 4 < rule.size(); ++i) {
        if (quoted && rule[i] == '\\') {
            ++i;
            continue;
        }
        if (rule[i] == '"') quoted = !quoted;
        const std::string_view here = rule.substr(i, 4);
        if (quoted || (here != " -j " && here != " -g ")) continue;
        const std::string_view name = rule.substr(i + 4);
        return {name.substr(0, name.find(' ')), here == " -g "};
    }
    return {};
}

template <class Chains>
std::string verdict_of(const Target& target, const Chains& chains) {
    if (target.is_goto) return "goto " + std::string(target.name);
    for (const std::string_view known : {"ACCEPT", "DROP", "REJECT", "RETURN"})
        if (target.name == known) return to_lower(target.name);
    return (chains.find(target.name) != chains.end() ? "jump " : "") + std::string(target.name);
}

// Runs a tool in this thread's network namespace and gives what it wrote.
Result<std::string> output_of(const char* tool, const char* argument) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return Error{std::string("pipe: ") + std::strerror(errno)};
    const OwnedFd reading(ends[0]);
    OwnedFd writing(ends[1]);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, writing.get(), 1);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    char path[] = "PATH=/usr/sbin:/sbin:/usr/bin:/bin:/usr/local/sbin:/usr/local/bin";
    char language[] = "LC_ALL=C";
    char* environment[] = {path, language, nullptr};
    char* arguments[] = {const_cast<char*>(tool), const_cast<char*>(argument), nullptr};
    pid_t pid = 0;
    int failed = ENOENT;
    for (const std::string_view folder : {"/usr/sbin/", "/sbin/", "/usr/local/sbin/", "/usr/bin/"}) {
        failed = ::posix_spawn(&pid, (std::string(folder) + tool).c_str(), &actions, nullptr, arguments,
                               environment);
        if (failed != ENOENT) break;
    }
    posix_spawn_file_actions_destroy(&actions);
    writing.reset();
    if (failed) return Error{fmt::format("cannot run {}: {}", tool, std::strerror(failed))};
    std::string text;
    char buffer[16384];
    for (;;) {
        const ssize_t got = ::read(reading.get(), buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        text.append(buffer, static_cast<std::size_t>(got));
    }
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return Error{
            fmt::format("{} failed with status {}", tool, WIFEXITED(status) ? WEXITSTATUS(status) : -1)};
    return text;
}

}  // namespace

std::vector<FirewallRule> parse_iptables_save(std::string_view family, std::string_view text) {
    std::vector<FirewallRule> rules;
    std::string_view table;
    std::map<std::string, FirewallRule, std::less<>> chains;  // of this table
    const auto flush_policies = [&] {
        for (auto& [name, chain] : chains) {
            ++chain.position;
            if (!chain.hook.empty()) rules.push_back(chain);
        }
        chains.clear();
    };
    for (const std::string_view line : split(text, '\n')) {
        if (line.starts_with('*')) table = trim(line.substr(1));
        if (line == "COMMIT") flush_policies();
        if (line.starts_with(':')) {  // ":INPUT ACCEPT [0:0]", ":mine - [0:0]"
            const auto words = split(line.substr(1), ' ');
            if (words.size() < 3 || words[0].empty()) continue;
            FirewallRule chain;
            chain.backend = "iptables-legacy";
            chain.family = family;
            chain.table = table;
            chain.chain = words[0];
            for (const BuiltIn& known : built_in)
                if (known.table == table && known.chain == words[0]) {
                    chain.hook = known.hook;
                    chain.priority = known.priority;
                    chain.policy = to_lower(words[1]);
                    chain.rule = "policy " + chain.policy;
                    chain.verdict = chain.policy;
                    read_counts(words[2], chain);
                }
            chains[chain.chain] = std::move(chain);
        }
        const std::size_t append = line.find("-A ");
        if (!line.starts_with('[') || append == std::string_view::npos) continue;
        std::string_view name = line.substr(append + 3);
        name = name.substr(0, name.find(' '));
        const auto chain = chains.find(name);
        if (chain == chains.end()) continue;
        FirewallRule rule = chain->second;
        rule.position = ++chain->second.position;
        rule.handle = rule.position;
        rule.rule = line.substr(append);
        rule.verdict = verdict_of(target_of(rule.rule), chains);
        read_counts(line, rule);
        rules.push_back(std::move(rule));
    }
    return rules;
}

std::string parse_ipset_save(std::string_view text) {
    nlohmann::json sets = nlohmann::json::object();
    for (const std::string_view line : split(text, '\n')) {
        // "create NAME TYPE …", "add NAME ENTRY …"
        const auto words = split(line, ' ');
        if (words.size() < 3) continue;
        const std::string name(words[1]);
        if (words[0] == "create") {
            sets[name] = {{"type", words[2]}, {"entries", nlohmann::json::array()}};
            if (line.find(" timeout ") != std::string_view::npos) sets[name]["fleeting"] = true;
        } else if (words[0] == "add" && sets.contains(name)) {
            const bool except = words.back() == "nomatch";
            sets[name]["entries"].push_back(std::string(words[2]) + (except ? " nomatch" : ""));
        }
    }
    return sets.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void give_ipsets(std::vector<FirewallRule>& rules) {
    const auto names_set = [](const FirewallRule& rule) {
        return rule.rule.find("--match-set ") != std::string::npos ||
               rule.expression.find("--match-set ") != std::string::npos;
    };
    if (std::none_of(rules.begin(), rules.end(), names_set)) return;
    const auto text = output_of("ipset", "save");
    if (!text) return;  // without them, whether a packet was in one is not known
    const auto sets = nlohmann::json::parse(parse_ipset_save(*text), nullptr, false);
    for (FirewallRule& rule : rules) {
        if (!names_set(rule)) continue;
        auto expression = nlohmann::json::parse(rule.expression, nullptr, false);
        if (!expression.is_object()) expression = nlohmann::json::object();
        const std::string words = rule.expression.find("--match-set ") != std::string::npos
                                      ? expression.value("iptables", std::string())
                                      : rule.rule;
        for (std::size_t at = 0; (at = words.find("--match-set ", at)) != std::string::npos;) {
            at += std::string_view("--match-set ").size();
            const std::string name = words.substr(at, words.find(' ', at) - at);
            if (sets.contains(name)) expression["ipsets"][name] = sets[name];
        }
        rule.expression = expression.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    }
}

void give_iptables_words(std::vector<FirewallRule>& rules) {
    struct Tool {
        std::string_view family;
        const char* save;
    };
    for (const Tool& tool : {Tool{"ip", "iptables-nft-save"}, Tool{"ip6", "ip6tables-nft-save"}}) {
        const auto needs = [&](const FirewallRule& rule) {
            return rule.family == tool.family && rule.expression.find("\"xt\"") != std::string::npos;
        };
        if (std::none_of(rules.begin(), rules.end(), needs)) continue;
        const auto text = output_of(tool.save, "-c");
        if (!text) continue;  // such matches then stay unknown
        std::map<std::tuple<std::string, std::string, std::uint32_t>, std::string> words;
        std::map<std::pair<std::string, std::string>, std::uint32_t> lengths;
        for (const FirewallRule& rule : parse_iptables_save(tool.family, *text)) {
            if (rule.handle == 0) continue;
            words[{rule.table, rule.chain, rule.position}] = rule.rule;
            ++lengths[{rule.table, rule.chain}];
        }
        // Only where both tell of the same rules does the place in the chain name the same rule.
        std::map<std::pair<std::string, std::string>, std::uint32_t> own_lengths;
        for (const FirewallRule& rule : rules)
            if (rule.family == tool.family && rule.handle != 0) ++own_lengths[{rule.table, rule.chain}];
        for (FirewallRule& rule : rules) {
            if (!needs(rule)) continue;
            const auto chain = std::make_pair(rule.table, rule.chain);
            const auto own = words.find({rule.table, rule.chain, rule.position});
            if (own == words.end() || lengths[chain] != own_lengths[chain]) continue;
            auto expression = nlohmann::json::parse(rule.expression, nullptr, false);
            if (!expression.is_object()) continue;
            expression["iptables"] = own->second;
            rule.rule = own->second;  // nft names only the extension, not what it compares
            rule.expression = expression.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
        }
    }
}

Result<std::vector<FirewallRule>> read_iptables_rules(const std::string& proc) {
    struct Tool {
        std::string_view family;
        const char* names;
        const char* save;
    };
    std::vector<FirewallRule> all;
    Procfs files(proc);
    for (const Tool& tool : {Tool{"ip", "thread-self/net/ip_tables_names", "iptables-legacy-save"},
                             Tool{"ip6", "thread-self/net/ip6_tables_names", "ip6tables-legacy-save"}}) {
        if (trim(files.file(tool.names)).empty()) continue;
        const auto text = output_of(tool.save, "-c");
        if (!text) return while_doing("read the iptables-legacy rules", text.error());
        auto rules = parse_iptables_save(tool.family, *text);
        all.insert(all.end(), std::make_move_iterator(rules.begin()), std::make_move_iterator(rules.end()));
    }
    give_ipsets(all);
    return all;
}

}  // namespace waggle::facts
