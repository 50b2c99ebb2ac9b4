// SPDX-License-Identifier: Apache-2.0
#include "lab/fault.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <regex>
#include <set>

#include "base/nearest.h"
#include "base/text.h"
#include "explain/yaml_tree.h"
#include "lab/pattern.h"
#include "query/sql_text.h"

namespace waggle::lab {
namespace {

using explain::YamlNode;
namespace fs = std::filesystem;

constexpr std::array<std::string_view, 11> fault_keys = {"about",    "source", "question", "claim",
                                                         "kernels",  "needs",  "quick",    "watch",
                                                         "heals_in", "alone",  "answer"};
constexpr std::array<std::string_view, 3> needed_keys = {"about", "claim", "answer"};
constexpr std::array<std::string_view, 8> answer_keys = {"rule", "object", "says",       "also",
                                                         "seen", "never",  "misleading", "ideal"};
constexpr std::array<std::string_view, 2> false_keys = {"words", "because"};
constexpr std::array<std::string_view, 3> claims = {"inside", "outside", "healthy"};
constexpr std::array<std::string_view, 2> truths = {"true", "false"};

struct KernelRange {
    unsigned from = 0, to = ~0u;  // major * 1000 + minor, both included
};

std::optional<unsigned> version_number(std::string_view text) {
    unsigned major = 0, minor = 0;
    const char* end = text.data() + text.size();
    const auto [dot, wrong] = std::from_chars(text.data(), end, major);
    if (wrong != std::errc{} || dot == end || *dot != '.') return std::nullopt;
    const auto [rest, also_wrong] = std::from_chars(dot + 1, end, minor);
    if (also_wrong != std::errc{} || minor > 999) return std::nullopt;
    if (rest != end && *rest != '.' && *rest != '-' && *rest != '+') return std::nullopt;
    return major * 1000 + minor;
}

// "all", "6.4+", "6.1-6.12".
std::optional<KernelRange> kernel_range(std::string_view text) {
    if (text == "all") return KernelRange{};
    if (text.ends_with('+')) {
        const auto from = version_number(text.substr(0, text.size() - 1));
        return from ? std::optional(KernelRange{*from, ~0u}) : std::nullopt;
    }
    const std::size_t dash = text.find('-');
    if (dash == std::string_view::npos) return std::nullopt;
    const auto from = version_number(text.substr(0, dash)), to = version_number(text.substr(dash + 1));
    if (!from || !to || *from > *to) return std::nullopt;
    return KernelRange{*from, *to};
}

// Reads one fault and keeps the first mistake; after it every step does nothing.
class Reader {
  public:
    explicit Reader(std::string_view path, const explain::YamlText& file) : path_(path), file_(file) {}

    Result<Fault> read(const YamlNode& root) {
        Fault fault;
        if (root.kind != YamlNode::Kind::map)
            return file_.error(
                root.at, fmt::format("a fault is a group of keys; here stands {}", kind_name(root.kind)));
        only_keys(root, fault_keys, "a fault");
        need(root, needed_keys, "the fault");
        if (error_) return *error_;
        fault.about = text(*root.find("about"), "about");
        if (const YamlNode* node = root.find("source")) fault.source = text(*node, "source");
        if (const YamlNode* node = root.find("question")) fault.question = text(*node, "question");
        const std::size_t claim = word(*root.find("claim"), "claim", claims);
        fault.claim = static_cast<Claim>(claim);
        if (const YamlNode* node = root.find("kernels")) read_kernels(*node, fault);
        if (const YamlNode* node = root.find("needs")) fault.needs = words(*node, "needs");
        if (const YamlNode* node = root.find("quick")) fault.quick = word(*node, "quick", truths) == 0;
        if (const YamlNode* node = root.find("alone")) fault.alone = word(*node, "alone", truths) == 0;
        if (const YamlNode* node = root.find("watch")) fault.watch_ns = seconds_of(*node, "watch");
        if (const YamlNode* node = root.find("heals_in")) fault.heals_in_ns = seconds_of(*node, "heals_in");
        read_answer(*root.find("answer"), fault);
        if (error_) return *error_;
        return fault;
    }

  private:
    std::string_view path_;
    const explain::YamlText& file_;
    std::optional<Error> error_;

    void fail(explain::Position at, const std::string& reason) {
        if (!error_) error_ = file_.error(at, reason);
    }

    void only_keys(const YamlNode& node, std::span<const std::string_view> known, std::string_view where) {
        for (const YamlNode& key : node.keys)
            if (std::find(known.begin(), known.end(), key.text) == known.end())
                fail(key.at, fmt::format("{} has no key {}{}", where, escape_control(key.text),
                                         did_you_mean(key.text, known)));
    }

    void need(const YamlNode& node, std::span<const std::string_view> keys, std::string_view where) {
        for (const std::string_view key : keys)
            if (!node.find(key)) fail(node.at, fmt::format("{} lacks `{}`", where, key));
    }

    std::string text(const YamlNode& node, std::string_view key) {
        if (node.is_scalar() && !trim(node.text).empty()) return std::string(trim(node.text));
        fail(node.at, fmt::format("`{}` must be a text; here stands {}", key,
                                  node.is_scalar() ? "an empty one" : kind_name(node.kind)));
        return {};
    }

    // The place of the word among `known`.
    std::size_t word(const YamlNode& node, std::string_view key, std::span<const std::string_view> known) {
        const std::string found = text(node, key);
        const auto at = std::find(known.begin(), known.end(), found);
        if (at != known.end()) return static_cast<std::size_t>(at - known.begin());
        std::string all;
        for (const std::string_view one : known) all += (all.empty() ? "" : ", ") + std::string(one);
        fail(node.at, fmt::format("`{}` is one of {}, not {}{}", key, all, escape_control(found),
                                  did_you_mean(found, known)));
        return 0;
    }

    std::vector<std::string> words(const YamlNode& node, std::string_view key) {
        std::vector<std::string> out;
        if (node.kind != YamlNode::Kind::list)
            fail(node.at, fmt::format("`{}` must be a list; here stands {}", key, kind_name(node.kind)));
        for (const YamlNode& item : node.items) out.push_back(text(item, key));
        return out;
    }

    void read_kernels(const YamlNode& node, Fault& fault) {
        fault.kernels = text(node, "kernels");
        if (!kernel_range(fault.kernels))
            fail(node.at,
                 fmt::format(
                     "`kernels` is all, a version and a plus (6.4+) or two versions (6.1-6.12), not {}",
                     escape_control(fault.kernels)));
    }

    std::uint64_t seconds_of(const YamlNode& node, std::string_view key) {
        const std::string said = text(node, key);
        unsigned seconds = 0;
        const char* end = said.data() + said.size();
        const auto [rest, wrong] = std::from_chars(said.data(), end, seconds);
        if (wrong != std::errc{} || std::string_view(rest, static_cast<std::size_t>(end - rest)) != "s" ||
            seconds < 1 || seconds > 60)
            fail(node.at, fmt::format("`{}` is a number of seconds from 1s to 60s, not {}", key,
                                      escape_control(said)));
        return std::uint64_t{seconds} * 1'000'000'000;
    }

    Pattern pattern(const YamlNode& node, std::string_view key) {
        Pattern out{text(node, key), fmt::format("{}:{}:{}", path_, node.at.line, node.at.column), {}};
        if (error_) return out;
        if (const std::string wrong = why_no_pattern(out.text); !wrong.empty())
            fail(node.at, fmt::format("`{}` is no regular expression: {}", key, wrong));
        return out;
    }

    std::vector<Pattern> patterns(const YamlNode* node, std::string_view key) {
        std::vector<Pattern> out;
        if (!node) return out;
        if (node->kind != YamlNode::Kind::list)
            fail(node->at, fmt::format("`{}` must be a list; here stands {}", key, kind_name(node->kind)));
        for (const YamlNode& item : node->items) out.push_back(pattern(item, key));
        return out;
    }

    std::vector<Pattern> falsehoods(const YamlNode* node, std::string_view key) {
        std::vector<Pattern> out;
        if (!node) return out;
        if (node->kind != YamlNode::Kind::list)
            fail(node->at, fmt::format("`{}` must be a list; here stands {}", key, kind_name(node->kind)));
        for (const YamlNode& item : node->items) {
            if (item.kind != YamlNode::Kind::map) {
                fail(item.at, fmt::format("each of `{}` has `words` and `because`; here stands {}", key,
                                          kind_name(item.kind)));
                break;
            }
            only_keys(item, false_keys, fmt::format("an entry of `{}`", key));
            need(item, false_keys, fmt::format("this entry of `{}`", key));
            if (error_) break;
            Pattern one = pattern(*item.find("words"), "words");
            one.why = text(*item.find("because"), "because");
            out.push_back(std::move(one));
        }
        return out;
    }

    void read_answer(const YamlNode& node, Fault& fault) {
        if (node.kind != YamlNode::Kind::map)
            return fail(node.at,
                        fmt::format("`answer` is a group of keys; here stands {}", kind_name(node.kind)));
        only_keys(node, answer_keys, "`answer`");
        const YamlNode* rule = node.find("rule");
        if (!rule) return fail(node.at, "`answer` lacks `rule` (a list of rules, or none)");
        if (error_) return;
        Expected& expected = fault.expected;
        if (rule->is_scalar() && rule->text == "none")
            expected.rules = {"none"};
        else
            expected.rules = words(*rule, "rule");
        const bool only_silence = expected.rules == std::vector<std::string>{"none"};
        if (fault.claim == Claim::inside && (only_silence || expected.rules.empty()))
            fail(rule->at, "a fault inside the claim has a rule that must find it");
        if (fault.claim == Claim::healthy && !only_silence)
            fail(rule->at, "a healthy load has no rule: `rule: none`");
        if (const YamlNode* object = node.find("object")) expected.object = pattern(*object, "object");
        expected.says = patterns(node.find("says"), "says");
        expected.also = patterns(node.find("also"), "also");
        expected.seen = patterns(node.find("seen"), "seen");
        expected.never = falsehoods(node.find("never"), "never");
        expected.misleading = falsehoods(node.find("misleading"), "misleading");
        if (const YamlNode* ideal = node.find("ideal")) expected.ideal = text(*ideal, "ideal");
    }
};

bool is_lab(const fs::path& folder) {
    std::error_code none;
    return fs::is_regular_file(folder / "lib.bash", none);
}

}  // namespace

std::string_view claim_name(Claim claim) { return claims.at(static_cast<std::size_t>(claim)); }

Result<std::string> find_lab(const std::string& asked, const std::string& program) {
    if (!asked.empty()) {
        if (is_lab(asked)) return fs::absolute(asked).lexically_normal().string();
        return Error{fmt::format("{} is no lab: it has no lib.bash", escape_control(asked)),
                     ErrorKind::usage};
    }
    // build/release/bin/waggle lies three folders below the tree; PREFIX/bin/waggle beside PREFIX/share.
    fs::path folder = fs::path(program).parent_path();
    for (int up = 0; up < 4 && folder.has_relative_path(); ++up, folder = folder.parent_path()) {
        if (is_lab(folder / "lab")) return (folder / "lab").string();
        if (is_lab(folder / "share/waggle/lab")) return (folder / "share/waggle/lab").string();
    }
    return Error{fmt::format("there is no lab near {}: say --lab DIR", escape_control(program)),
                 ErrorKind::usage};
}

Result<Fault> parse_fault(std::string_view path, std::string_view text) {
    const explain::YamlText file(path, text);
    const Result<YamlNode> root = file.parse();
    if (!root) return root.error();
    return Reader(path, file).read(*root);
}

Result<Fault> read_fault(const std::string& lab, const std::string& name) {
    const std::string folder = (fs::path(lab) / name).string(), path = folder + "/fault.yaml";
    const Result<std::string> text = read_file(path, 1u << 20);
    if (!text) return text.error();
    Result<Fault> fault = parse_fault(path, *text);
    if (!fault) return fault.error();
    fault->name = name;
    fault->folder = folder;
    if (::access((folder + "/inject").c_str(), X_OK) != 0)
        return Error{fmt::format("{}/inject: {}", escape_control(folder),
                                 ::access((folder + "/inject").c_str(), F_OK) == 0
                                     ? "cannot be executed (chmod +x)"
                                     : "is missing")};
    return fault;
}

Result<std::vector<Fault>> read_faults(const std::string& lab) {
    std::set<std::string> names;
    std::error_code wrong;
    for (const auto& entry : fs::directory_iterator(lab, wrong)) {
        if (!entry.is_directory()) continue;
        if (fs::exists(entry.path() / "fault.yaml")) names.insert(entry.path().filename().string());
        for (const auto& below : fs::directory_iterator(entry.path()))
            if (fs::exists(below.path() / "fault.yaml"))
                names.insert(fs::relative(below.path(), lab, wrong).string());
    }
    if (wrong) return Error{fmt::format("{}: {}", escape_control(lab), wrong.message())};
    std::vector<Fault> out;
    for (const std::string& name : names) {
        Result<Fault> fault = read_fault(lab, name);
        if (!fault) return fault.error();
        out.push_back(std::move(*fault));
    }
    return out;
}

std::string cannot_run(const Fault& fault, std::string_view release) {
    const std::optional<KernelRange> range = kernel_range(fault.kernels);
    const std::optional<unsigned> here = version_number(release);
    if (range && here && (*here < range->from || *here > range->to))
        return fmt::format("this kernel is {}, the fault is for {}", escape_control(release), fault.kernels);
    const char* path = std::getenv("PATH");
    const std::string folders =
        std::string(path ? path : "") + ":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin";
    std::string missing;
    for (const std::string& program : fault.needs) {
        const std::vector<std::string_view> places = split(folders, ':');
        const bool found = std::any_of(places.begin(), places.end(), [&](std::string_view place) {
            return !place.empty() && ::access((std::string(place) + "/" + program).c_str(), X_OK) == 0;
        });
        if (!found) missing += (missing.empty() ? "" : ", ") + program;
    }
    return missing.empty() ? "" : fmt::format("not installed: {}", missing);
}

}  // namespace waggle::lab
