// SPDX-License-Identifier: Apache-2.0
#include "explain/events/event_words.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "explain/sentence_reader.h"

namespace waggle::explain {

namespace events {
std::span<const EmbeddedFile> embedded_files();
}
std::span<const EmbeddedFile> event_files() { return events::embedded_files(); }

namespace {

constexpr std::array<std::string_view, 4> facts_keys = {"values", "alike", "against", "unless"};
constexpr std::array<std::string_view, 2> unless_keys = {"because", "impact"};
constexpr std::array<std::string_view, 5> words_keys = {"what", "because", "here", "try", "check"};
constexpr std::array<std::string_view, 3> event_advice_keys = {"do", "why", "say"};

class FactsReader : public YamlReader {
  public:
    using YamlReader::YamlReader;

    EventFacts read(const YamlNode& node, std::string_view source, std::span<const std::string_view> kinds) {
        EventFacts out;
        if (!group(node, source)) return out;
        only_keys(node, facts_keys, source);
        if (const YamlNode* values = node.find("values"); values && group(*values, "values"))
            for (std::size_t i = 0; i < values->keys.size(); ++i) {
                std::string kind = text(values->items[i], values->keys[i].text);
                if (std::find(kinds.begin(), kinds.end(), kind) == kinds.end())
                    fail(values->items[i].at,
                         fmt::format("the knowledge has no kind {}", escape_control(kind)));
                out.values.emplace_back(values->keys[i].text, std::move(kind));
            }
        out.alike = words(node.find("alike"), "alike");
        if (const YamlNode* unless = node.find("unless"); unless && group(*unless, "unless")) {
            only_keys(*unless, unless_keys, "unless");
            out.no_because = conditions(unless->find("because"), "because");
            out.no_impact = conditions(unless->find("impact"), "impact");
        }
        if (const YamlNode* against = node.find("against"); against && group(*against, "against"))
            for (std::size_t i = 0; i < against->keys.size(); ++i) {
                const std::string limit = text(against->items[i], against->keys[i].text);
                const std::size_t dot = limit.find('.');
                if (dot == std::string::npos)
                    fail(against->items[i].at,
                         "a figure is held against a rule's limit: busy_percent: disk_busy.least");
                else
                    out.against.push_back(
                        {against->keys[i].text, limit.substr(0, dot), limit.substr(dot + 1)});
            }
        return out;
    }

  private:
    std::vector<EventFacts::Condition> conditions(const YamlNode* node, std::string_view name) {
        std::vector<EventFacts::Condition> out;
        if (!node || !group(*node, name)) return out;
        for (std::size_t i = 0; i < node->keys.size(); ++i)
            out.push_back({node->keys[i].text, words(&node->items[i], node->keys[i].text)});
        return out;
    }
};

class WordsOfEvents final : public SentenceReader {
  public:
    WordsOfEvents(const YamlText& file, std::span<const std::string_view> kinds)
        : SentenceReader(file), kinds_(kinds) {}

    void read(const YamlNode& node, EventWords& out) {
        out_ = &out;
        if (!group(node, out.source)) return;
        only_keys(node, words_keys, out.source);
        const YamlNode* what = node.find("what");
        if (!what) return fail(node.at, fmt::format("{} lacks `what`", out.source));
        out.what = alternatives(*what, "what");
        for (const auto& [key, to] : {std::pair{"because", &out.because}, {"here", &out.here}})
            if (const YamlNode* entries = node.find(key); entries && list(*entries, key))
                for (const YamlNode& entry : entries->items) to->push_back(alternatives(entry, key));
        for (const auto& [key, to] : {std::pair{"try", &out.try_}, {"check", &out.check}})
            if (const YamlNode* entries = node.find(key); entries && list(*entries, key))
                for (const YamlNode& entry : entries->items) to->push_back(all_advice(entry, key));
    }

  private:
    std::span<const std::string_view> kinds_;
    EventWords* out_ = nullptr;

    Sentence::Form form(Place place) override {
        return {place, {}, {}, out_->language, kinds_, nullptr, &out_->columns};
    }

    EventAdvice one_advice(const YamlNode& node, std::string_view key) {
        EventAdvice out;
        if (!group(node, key)) return out;
        only_keys(node, event_advice_keys, "advice");
        const auto [command, said] = do_or_say(node, key);
        if (!command && !said) return out;
        out.command = command != nullptr;
        out.text = one(command ? *command : *said, key, command ? Place::command : Place::words);
        if (const YamlNode* why = node.find("why")) out.why = one(*why, "why", Place::words);
        return out;
    }

    std::vector<EventAdvice> all_advice(const YamlNode& node, std::string_view key) {
        return one_or_list(node, key, [&](const YamlNode& each) { return one_advice(each, key); });
    }
};

// "events.yaml" gives "", "events.en.yaml" gives "en"; nothing for other files.
std::optional<std::string> language_of(std::string_view path) {
    std::string_view base = path.substr(path.rfind('/') + 1);
    constexpr std::string_view begin = "events.", end = "yaml";
    if (!base.starts_with(begin) || !base.ends_with(end)) return std::nullopt;
    base = base.substr(begin.size(), base.size() - begin.size() - end.size());
    if (base.ends_with('.')) base.remove_suffix(1);
    return std::string(base);
}

}  // namespace

Result<EventFiles> read_event_files(std::span<const EmbeddedFile> files,
                                    std::span<const std::string_view> kinds) {
    EventFiles out;
    for (const EmbeddedFile& file : files) {
        const std::optional<std::string> language = language_of(file.path);
        if (!language) continue;
        const YamlText text(file.path, file.text);
        const Result<YamlNode> root = text.parse();
        if (!root) return root.error();
        if (root->kind != YamlNode::Kind::map)
            return text.error(root->at, fmt::format("words of events are by source; here stands {}",
                                                    kind_name(root->kind)));
        for (std::size_t i = 0; i < root->keys.size(); ++i) {
            const std::string& source = root->keys[i].text;
            const auto twice = [&] {
                return text.error(root->keys[i].at,
                                  fmt::format("{} has words already", escape_control(source)));
            };
            if (language->empty()) {
                FactsReader reader(text);
                EventFacts facts = reader.read(root->items[i], source, kinds);
                if (reader.error()) return *reader.error();
                facts.file = file.path;
                if (!out.facts.emplace(source, std::move(facts)).second) return twice();
                continue;
            }
            EventWords words;
            words.source = source;
            words.language = *language;
            words.file = file.path;
            WordsOfEvents reader(text, kinds);
            reader.read(root->items[i], words);
            if (reader.error()) return *reader.error();
            if (!out.words[source].emplace(*language, std::move(words)).second) return twice();
            if (std::find(out.languages.begin(), out.languages.end(), *language) == out.languages.end())
                out.languages.push_back(*language);
        }
    }
    return out;
}

}  // namespace waggle::explain
