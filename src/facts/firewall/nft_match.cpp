// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "facts/firewall/firewall_match.h"
#include "facts/firewall/nft_json.h"
#include "facts/firewall/nft_operand.h"

namespace waggle::facts {
namespace {

using Json = nlohmann::json;

class NftMatch final : public FirewallMatch {
  public:
    NftMatch(Json statements, Json sets) : statements_(std::move(statements)), sets_(std::move(sets)) {}

    Evaluation evaluate(const FirewallPacket& packet) const override {
        Evaluation result;
        result.reaches_counter = Tri::no;
        elements_ = &result.elements;
        Tri matches = Tri::yes;
        for (const Json& statement : statements_) {
            if (!statement.is_object() || statement.empty()) {
                matches = matches & Tri::maybe;
                continue;
            }
            const std::string& key = statement.begin().key();
            const Json& value = statement.begin().value();
            if (key == "counter") result.reaches_counter = matches;
            if (key == "vmap") {
                look_up_verdict(packet, value, matches, result.outcomes);
                // Whatever the map says, a rule has nothing behind it.
                break;
            }
            if (read_verdict(key, value, matches, result.outcomes)) break;
            matches = matches & statement_matches(packet, key, value);
            if (matches == Tri::no) break;
        }
        if (matches == Tri::no) result.outcomes.clear();
        elements_ = nullptr;
        return result;
    }

    bool counts_its_verdict() const override {
        bool counted = false;
        for (const Json& statement : statements_) {
            if (!statement.is_object() || statement.empty()) return false;
            const std::string& key = statement.begin().key();
            if (key == "counter") counted = true;
            if (counted && (key == "match" || key == "limit" || key == "vmap" || key == "quota"))
                return false;
        }
        return counted;
    }

  private:
    // Every statement that is not a verdict either matches or goes on.
    Tri statement_matches(const FirewallPacket& packet, const std::string& key, const Json& value) const {
        if (key == "match") return match(packet, value);
        for (const std::string_view passing :
             {"counter", "log", "mangle", "notrack", "set", "flow", "ct helper", "ct timeout", "comment",
              "dup", "secmark", "tproxy"})
            if (key == passing) return Tri::yes;
        return Tri::maybe;  // limit, quota, ct count, meter, xt and what is not known here
    }

    static bool read_verdict(const std::string& key, const Json& value, Tri matches,
                             std::vector<Outcome>& result) {
        using Kind = Outcome::Kind;
        const auto add = [&](Kind kind, std::string target = {}) {
            result.push_back({kind, matches, std::move(target)});
            return true;
        };
        if (key == "drop") return add(Kind::drop);
        if (key == "reject") return add(Kind::reject);
        if (key == "accept") return add(Kind::accept);
        if (key == "return") return add(Kind::return_);
        if (key == "continue") return true;
        if (key == "jump") return add(Kind::jump, text_at(value, "target"));
        if (key == "goto") return add(Kind::go_to, text_at(value, "target"));
        if (key == "queue" || key == "fwd" || key == "synproxy") return add(Kind::leaves);
        if (key == "masquerade" || key == "snat" || key == "dnat" || key == "redirect")
            return add(Kind::accept);
        if (key == "xt") {
            if (text_at(value, "type") != "target") return false;
            const std::string name = text_at(value, "name");
            if (name == "REJECT") return add(Kind::reject);
            if (name == "TARPIT") return add(Kind::tarpit);
            if (name == "DROP") return add(Kind::drop);
            if (name == "NFQUEUE") return add(Kind::leaves);
            if (name == "DNAT" || name == "SNAT" || name == "MASQUERADE" || name == "REDIRECT")
                return add(Kind::accept);
            return true;  // LOG, MARK, TCPMSS …: goes on
        }
        return false;
    }

    void look_up_verdict(const FirewallPacket& packet, const Json& vmap, Tri matches,
                         std::vector<Outcome>& result) const {
        const auto key = vmap.is_object() ? vmap.find("key") : vmap.end();
        const auto data = vmap.is_object() ? vmap.find("data") : vmap.end();
        if (!vmap.is_object() || key == vmap.end() || data == vmap.end()) return;
        const NftOperand subject = nft_operand(packet, *key);
        if (subject.kind == NftOperand::Kind::absent) return;
        bool whole = true;
        for (const Json* entry : elements(*data, whole)) {
            if (!entry->is_array() || entry->size() != 2 || !(*entry)[1].is_object() || (*entry)[1].empty())
                continue;
            const Tri found = equals(packet, subject, (*entry)[0]);
            if (found == Tri::no) continue;
            const Json& verdict = (*entry)[1];
            if (found == Tri::yes) note_element(*data, (*entry)[0]);
            read_verdict(verdict.begin().key(), verdict.begin().value(), matches & found, result);
            if (found == Tri::yes) return;  // the elements of a map exclude each other
        }
        if (!whole) result.push_back({Outcome::Kind::drop, Tri::maybe, {}});
    }

    // Elements of {"set": […]} or of "@name"; `whole` false where they are not all known.
    std::vector<const Json*> elements(const Json& set, bool& whole) const {
        std::vector<const Json*> out;
        const Json* list = nullptr;
        if (set.is_object() && set.contains("set")) list = &set["set"];
        if (set.is_string()) {
            const std::string& name = set.get_ref<const std::string&>();
            const auto named =
                sets_.is_object() && name.size() > 1 ? sets_.find(name.substr(1)) : sets_.end();
            if (sets_.is_object() && named != sets_.end() && named->is_object() && named->contains("elem"))
                list = &(*named)["elem"];
        }
        whole = list && list->is_array();
        // What comes and goes by itself may have been there when the packet came.
        bool fleeting = false;
        if (set.is_string() && sets_.is_object()) {
            const auto named = sets_.find(set.get_ref<const std::string&>().substr(1));
            fleeting = named != sets_.end() && named->is_object() && named->contains("fleeting");
        }
        if (whole)
            for (const Json& one : *list) out.push_back(&one);
        whole &= !fleeting;
        return out;
    }

    Tri match(const FirewallPacket& packet, const Json& statement) const {
        if (!statement.is_object() || !statement.contains("left") || !statement.contains("right"))
            return Tri::maybe;
        const std::string op = text_at(statement, "op");
        const Json& right = statement["right"];
        const NftOperand subject = nft_operand(packet, statement["left"]);
        if (subject.kind == NftOperand::Kind::absent) return Tri::no;
        if (op == "==") return equals(packet, subject, right);
        if (op == "!=") {
            const Tri differs = !equals(packet, subject, right);
            if (differs == Tri::yes) note_miss(right);
            return differs;
        }
        if (op == "in") {
            if (subject.kind == NftOperand::Kind::state || (right.is_object() && right.contains("set")))
                return equals(packet, subject, right);
            const auto flags = nft_flags(right);
            if (subject.kind != NftOperand::Kind::number || !flags) return Tri::maybe;
            return tri((subject.number & *flags) != 0);
        }
        const auto limit = nft_number(right);
        if (subject.kind != NftOperand::Kind::number || !limit) return Tri::maybe;
        if (op == "<") return tri(subject.number < *limit);
        if (op == ">") return tri(subject.number > *limit);
        if (op == "<=") return tri(subject.number <= *limit);
        if (op == ">=") return tri(subject.number >= *limit);
        return Tri::maybe;
    }

    Tri equals(const FirewallPacket& packet, const NftOperand& subject, const Json& right) const {
        if ((right.is_object() && right.contains("set")) ||
            (right.is_string() && right.get_ref<const std::string&>().starts_with('@'))) {
            bool whole = true;
            Tri found = Tri::no;
            std::uint32_t states = 0;
            for (const Json* element : elements(right, whole)) {
                if (subject.kind == NftOperand::Kind::state)
                    states |= static_cast<std::uint32_t>(nft_flags(*element).value_or(0));
                else {
                    const Tri fits = equals(packet, subject, *element);
                    found = found | fits;
                    if (fits == Tri::yes) {
                        note_element(right, *element);
                        break;
                    }
                }
            }
            if (subject.kind == NftOperand::Kind::state) found = state_is(packet, states);
            return whole ? found : found | Tri::maybe;
        }
        if (right.is_object() && right.contains("elem")) {  // an element with a time-out, counter or comment
            const Json& element = right["elem"];
            return element.is_object() && element.contains("val") ? equals(packet, subject, element["val"])
                                                                  : Tri::maybe;
        }
        switch (subject.kind) {
            case NftOperand::Kind::unknown:
                return Tri::maybe;
            case NftOperand::Kind::absent:
                return Tri::no;
            case NftOperand::Kind::number:
                return number_equals(subject.number, right);
            case NftOperand::Kind::address:
                return address_equals(subject.address, right);
            case NftOperand::Kind::text:
                return right.is_string() ? tri(glob_match(right.get_ref<const std::string&>(), subject.text))
                                         : Tri::maybe;
            case NftOperand::Kind::state: {
                const auto states = nft_flags(right);
                return states ? state_is(packet, static_cast<std::uint32_t>(*states)) : Tri::maybe;
            }
            case NftOperand::Kind::list: {
                if (!right.is_object() || !right.contains("concat")) return Tri::maybe;
                const Json& parts = right["concat"];
                if (!parts.is_array() || parts.size() != subject.parts.size()) return Tri::maybe;
                Tri all = Tri::yes;
                for (std::size_t i = 0; i < parts.size(); ++i)
                    all = all & equals(packet, subject.parts[i], parts[i]);
                return all;
            }
        }
        return Tri::maybe;
    }

    static Tri number_equals(std::uint64_t number, const Json& right) {
        if (right.is_object() && right.contains("range") && right["range"].is_array() &&
            right["range"].size() == 2) {
            const auto low = nft_number(right["range"][0]), high = nft_number(right["range"][1]);
            return low && high ? tri(*low <= number && number <= *high) : Tri::maybe;
        }
        const auto other = nft_flags(right);
        return other ? tri(number == *other) : Tri::maybe;
    }

    static Tri address_equals(const waggle_address& address, const Json& right) {
        if (right.is_string()) {
            const waggle_address other = parse_address(right.get_ref<const std::string&>());
            if (other.family == 0) return Tri::maybe;
            return tri(other.family == address.family && compare(other, address) == 0);
        }
        if (!right.is_object()) return Tri::maybe;
        if (const auto prefix = right.find("prefix"); prefix != right.end() && prefix->is_object()) {
            const waggle_address network = parse_address(text_at(*prefix, "addr"));
            const auto bits = prefix->contains("len") ? nft_number((*prefix)["len"]) : std::nullopt;
            if (network.family == 0 || !bits) return Tri::maybe;
            return tri(in_prefix(address, network, static_cast<unsigned>(*bits)));
        }
        if (const auto range = right.find("range"); range != right.end() && range->is_array() &&
                                                    range->size() == 2 && (*range)[0].is_string() &&
                                                    (*range)[1].is_string()) {
            const waggle_address low = parse_address((*range)[0].get_ref<const std::string&>());
            const waggle_address high = parse_address((*range)[1].get_ref<const std::string&>());
            if (low.family == 0 || high.family == 0) return Tri::maybe;
            return tri(low.family == address.family && high.family == address.family &&
                       compare(low, address) <= 0 && compare(address, high) <= 0);
        }
        return Tri::maybe;
    }

    // As `nft delete element` takes it: 192.0.2.0/26, 192.0.2.0/25 . 5000-5999.
    static std::string element_text(const Json& element) {
        if (element.is_string()) return element.get<std::string>();
        if (element.is_number_integer()) return std::to_string(element.get<std::int64_t>());
        if (!element.is_object() || element.empty()) return {};
        const std::string& key = element.begin().key();
        const Json& value = element.begin().value();
        if (key == "elem")
            return value.is_object() && value.contains("val") ? element_text(value["val"]) : "";
        if (key == "prefix" && value.is_object() && value.contains("len"))
            return fmt::format("{}/{}", text_at(value, "addr"), value["len"].dump());
        if ((key != "range" && key != "concat") || !value.is_array()) return {};
        std::string text;
        for (const Json& part : value) {
            const std::string one = element_text(part);
            if (one.empty()) return {};
            text += (text.empty() ? "" : key == "range" ? "-" : " . ") + one;
        }
        return text;
    }

    void note_element(const Json& set, const Json& element) const {
        if (!elements_ || !set.is_string()) return;
        const std::string& name = set.get_ref<const std::string&>();
        std::string text = element_text(element);
        if (name.size() > 1 && !text.empty()) elements_->push_back({name.substr(1), std::move(text), false});
    }

    // That no element of a named set fits, which `!= @set` rests on.
    void note_miss(const Json& set) const {
        if (!elements_ || !set.is_string()) return;
        const std::string& name = set.get_ref<const std::string&>();
        if (name.size() > 1 && name.front() == '@') elements_->push_back({name.substr(1), {}, false});
    }

    Json statements_;
    Json sets_;
    mutable std::vector<SetElement>* elements_ = nullptr;  // of the evaluation that runs
};

// A rule whose text is not understood: all that can be said of it is what it ends with.
class Opaque final : public FirewallMatch {
  public:
    explicit Opaque(std::string_view verdict)
        : kind_(verdict == "drop"     ? Outcome::Kind::drop
                : verdict == "reject" ? Outcome::Kind::reject
                                      : Outcome::Kind::accept) {}
    Evaluation evaluate(const FirewallPacket&) const override {
        return {{{kind_, Tri::maybe, {}}}, Tri::maybe, {}};
    }

  private:
    Outcome::Kind kind_;
};

}  // namespace

std::unique_ptr<FirewallMatch> make_nft_match(std::string_view expression, std::string_view verdict) {
    Json document = Json::parse(expression, nullptr, false);
    if (!document.is_object() || !document.contains("expr") || !document["expr"].is_array())
        return std::make_unique<Opaque>(verdict);
    // Rules of iptables-nft: what its own tool says of them is whole, what nft says is not.
    if (const std::string own = text_at(document, "iptables"); !own.empty())
        return make_iptables_match(own, expression);
    Json sets = document.contains("sets") ? std::move(document["sets"]) : Json::object();
    return std::make_unique<NftMatch>(std::move(document["expr"]), std::move(sets));
}

}  // namespace waggle::facts
