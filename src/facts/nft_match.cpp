// SPDX-License-Identifier: Apache-2.0
#include <netinet/in.h>

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "facts/firewall_match.h"

namespace waggle::facts {
namespace {

using Json = nlohmann::json;

// A part of the packet, as far as it is known. absent: this packet has no such part (IPv6 addresses of an
// IPv4 packet), so the rule does not match whatever it compares.
struct Operand {
    enum class Kind : std::uint8_t { unknown, absent, number, address, text, state, list };
    Kind kind = Kind::unknown;
    std::uint64_t number = 0;
    waggle_address address{};
    std::string text;
    std::vector<Operand> parts;

    static Operand of(Kind kind) { return {kind, 0, {}, {}, {}}; }
    static Operand of_number(std::uint64_t n) { return {Kind::number, n, {}, {}, {}}; }
    static Operand of_address(const waggle_address& a) { return {Kind::address, 0, a, {}, {}}; }
    static Operand of_text(const std::string& t) { return {Kind::text, 0, {}, t, {}}; }
};

std::string text_at(const Json& object, const char* key) {
    if (!object.is_object()) return {};
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

template <class T>
Operand number_or_unknown(const std::optional<T>& value) {
    return value ? Operand::of_number(*value) : Operand();
}

std::optional<std::uint8_t> transport_of(std::string_view name) {
    if (name == "th") return {};
    return protocol_number(name);
}

Operand ip_operand(const FirewallPacket& packet, bool v4, std::string_view field) {
    if (packet.source.family == 0) return {};
    if (packet.is_v4() != v4) return Operand::of(Operand::Kind::absent);
    if (field == "saddr") return Operand::of_address(packet.source);
    if (field == "daddr")
        return packet.destination.family ? Operand::of_address(packet.destination) : Operand();
    if (field == "version") return Operand::of_number(v4 ? 4 : 6);
    if (field == (v4 ? "protocol" : "nexthdr")) return number_or_unknown(packet.protocol);
    if (field == "length" && v4) return number_or_unknown(packet.length);
    return {};
}

Operand payload_operand(const FirewallPacket& packet, const Json& payload) {
    const std::string protocol = text_at(payload, "protocol");
    const std::string field = text_at(payload, "field");
    if (protocol == "ip" || protocol == "ip6") return ip_operand(packet, protocol == "ip", field);
    const auto transport = transport_of(protocol);
    if (transport || protocol == "th") {
        if (!packet.protocol) return {};
        if (transport && *transport != *packet.protocol) return Operand::of(Operand::Kind::absent);
        if (!packet.has_ports()) return {};
        if (field == "sport") return number_or_unknown(packet.source_port);
        if (field == "dport") return number_or_unknown(packet.destination_port);
        if (field == "flags" && packet.protocol == IPPROTO_TCP) return number_or_unknown(packet.tcp_flags);
    }
    return {};
}

Operand interface_operand(bool there, const std::string& name) {
    if (!there) return Operand::of(Operand::Kind::absent);
    return name.empty() ? Operand() : Operand::of_text(name);
}

Operand meta_operand(const FirewallPacket& packet, std::string_view key) {
    if (key == "l4proto") return number_or_unknown(packet.protocol);
    if (key == "nfproto" && packet.source.family)
        return Operand::of_number(packet.is_v4() ? 2 : 10);  // NFPROTO_IPV4, NFPROTO_IPV6
    if (key == "protocol" && packet.source.family)
        return Operand::of_number(packet.is_v4() ? 0x0800 : 0x86dd);
    if (key == "iif" || key == "iifname") return interface_operand(packet.has_iif, packet.iif);
    if (key == "oif" || key == "oifname") return interface_operand(packet.has_oif, packet.oif);
    if (key == "length") return number_or_unknown(packet.length);
    return {};
}

std::optional<std::uint64_t> as_number(const Json& value) {
    if (value.is_number_unsigned()) return value.get<std::uint64_t>();
    if (value.is_number_integer() && value.get<std::int64_t>() >= 0) return value.get<std::uint64_t>();
    if (!value.is_string()) return {};
    const std::string& text = value.get_ref<const std::string&>();
    if (text == "ip") return 0x0800;  // meta protocol is printed in words always
    if (text == "ip6") return 0x86dd;
    if (text == "ipv4") return 2;  // meta nfproto, when printed in words
    if (text == "established") return ct_established;
    if (text == "related") return ct_related;
    if (text == "new") return ct_new;
    if (text == "invalid") return ct_invalid;
    if (text == "untracked") return ct_untracked;
    const auto protocol = protocol_number(text);
    if (protocol) return *protocol;
    return {};
}

// A number, or the flags of a list together.
std::optional<std::uint64_t> as_flags(const Json& value) {
    if (!value.is_array()) return as_number(value);
    std::uint64_t flags = 0;
    for (const Json& one : value) {
        const auto number = as_number(one);
        if (!number) return {};
        flags |= *number;
    }
    return flags;
}

Operand operand(const FirewallPacket& packet, const Json& left) {
    if (!left.is_object() || left.empty()) return {};
    const std::string& key = left.begin().key();
    const Json& value = left.begin().value();
    if (key == "payload") return payload_operand(packet, value);
    if (key == "meta") return meta_operand(packet, text_at(value, "key"));
    if (key == "ct" && text_at(value, "key") == "state") return Operand::of(Operand::Kind::state);
    if (key == "concat" && value.is_array()) {
        Operand list = Operand::of(Operand::Kind::list);
        for (const Json& part : value) {
            list.parts.push_back(operand(packet, part));
            if (list.parts.back().kind == Operand::Kind::absent) return Operand::of(Operand::Kind::absent);
        }
        return list;
    }
    if (key == "&" && value.is_array() && value.size() == 2) {
        Operand masked = operand(packet, value[0]);
        const auto mask = as_flags(value[1]);
        if (masked.kind == Operand::Kind::absent) return masked;
        if (masked.kind != Operand::Kind::number || !mask) return {};
        masked.number &= *mask;
        return masked;
    }
    return {};
}

class NftMatch final : public FirewallMatch {
  public:
    NftMatch(Json statements, Json sets) : statements_(std::move(statements)), sets_(std::move(sets)) {}

    std::vector<Outcome> outcomes(const FirewallPacket& packet) const override {
        std::vector<Outcome> result;
        Tri matches = Tri::yes;
        for (const Json& statement : statements_) {
            if (!statement.is_object() || statement.empty()) {
                matches = matches & Tri::maybe;
                continue;
            }
            const std::string& key = statement.begin().key();
            const Json& value = statement.begin().value();
            if (key == "vmap") {
                look_up_verdict(packet, value, matches, result);
                // Whatever the map says, a rule has nothing behind it.
                return result;
            }
            if (read_verdict(key, value, matches, result)) return result;
            matches = matches & statement_matches(packet, key, value);
            if (matches == Tri::no) return {};
        }
        return result;
    }

    bool rewrites() const override {
        for (const Json& statement : statements_)
            if (statement.is_object() && (statement.contains("dnat") || statement.contains("redirect") ||
                                          statement.contains("tproxy")))
                return true;
        return false;
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
        if (key == "drop" || key == "reject") return add(Kind::drop);
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
            if (name == "REJECT" || name == "DROP") return add(Kind::drop);
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
        const Operand subject = operand(packet, *key);
        if (subject.kind == Operand::Kind::absent) return;
        bool whole = true;
        for (const Json* entry : elements(*data, whole)) {
            if (!entry->is_array() || entry->size() != 2 || !(*entry)[1].is_object() || (*entry)[1].empty())
                continue;
            const Tri found = equals(packet, subject, (*entry)[0]);
            if (found == Tri::no) continue;
            const Json& verdict = (*entry)[1];
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
        if (whole)
            for (const Json& one : *list) out.push_back(&one);
        return out;
    }

    Tri match(const FirewallPacket& packet, const Json& statement) const {
        if (!statement.is_object() || !statement.contains("left") || !statement.contains("right"))
            return Tri::maybe;
        const std::string op = text_at(statement, "op");
        const Json& right = statement["right"];
        const Operand subject = operand(packet, statement["left"]);
        if (subject.kind == Operand::Kind::absent) return Tri::no;
        if (op == "==") return equals(packet, subject, right);
        if (op == "!=") return !equals(packet, subject, right);
        if (op == "in") {
            if (subject.kind == Operand::Kind::state || (right.is_object() && right.contains("set")))
                return equals(packet, subject, right);
            const auto flags = as_flags(right);
            if (subject.kind != Operand::Kind::number || !flags) return Tri::maybe;
            return tri((subject.number & *flags) != 0);
        }
        const auto limit = as_number(right);
        if (subject.kind != Operand::Kind::number || !limit) return Tri::maybe;
        if (op == "<") return tri(subject.number < *limit);
        if (op == ">") return tri(subject.number > *limit);
        if (op == "<=") return tri(subject.number <= *limit);
        if (op == ">=") return tri(subject.number >= *limit);
        return Tri::maybe;
    }

    Tri equals(const FirewallPacket& packet, const Operand& subject, const Json& right) const {
        if ((right.is_object() && right.contains("set")) ||
            (right.is_string() && right.get_ref<const std::string&>().starts_with('@'))) {
            bool whole = true;
            Tri found = Tri::no;
            std::uint32_t states = 0;
            for (const Json* element : elements(right, whole)) {
                if (subject.kind == Operand::Kind::state)
                    states |= static_cast<std::uint32_t>(as_flags(*element).value_or(0));
                else
                    found = found | equals(packet, subject, *element);
            }
            if (subject.kind == Operand::Kind::state) found = state_is(packet, states);
            return whole ? found : found | Tri::maybe;
        }
        if (right.is_object() && right.contains("elem")) {  // an element with a time-out, counter or comment
            const Json& element = right["elem"];
            return element.is_object() && element.contains("val") ? equals(packet, subject, element["val"])
                                                                  : Tri::maybe;
        }
        switch (subject.kind) {
            case Operand::Kind::unknown:
                return Tri::maybe;
            case Operand::Kind::absent:
                return Tri::no;
            case Operand::Kind::number:
                return number_equals(subject.number, right);
            case Operand::Kind::address:
                return address_equals(subject.address, right);
            case Operand::Kind::text:
                return right.is_string() ? tri(glob_match(right.get_ref<const std::string&>(), subject.text))
                                         : Tri::maybe;
            case Operand::Kind::state: {
                const auto states = as_flags(right);
                return states ? state_is(packet, static_cast<std::uint32_t>(*states)) : Tri::maybe;
            }
            case Operand::Kind::list: {
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
            const auto low = as_number(right["range"][0]), high = as_number(right["range"][1]);
            return low && high ? tri(*low <= number && number <= *high) : Tri::maybe;
        }
        const auto other = as_flags(right);
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
            const auto bits = prefix->contains("len") ? as_number((*prefix)["len"]) : std::nullopt;
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

    Json statements_;
    Json sets_;
};

// A rule whose text is not understood: all that can be said of it is what it ends with.
class Opaque final : public FirewallMatch {
  public:
    explicit Opaque(std::string_view verdict) : drops_(verdict == "drop" || verdict == "reject") {}
    std::vector<Outcome> outcomes(const FirewallPacket&) const override {
        return {{drops_ ? Outcome::Kind::drop : Outcome::Kind::accept, Tri::maybe, {}}};
    }

  private:
    bool drops_;
};

}  // namespace

std::unique_ptr<FirewallMatch> make_nft_match(std::string_view expression, std::string_view verdict) {
    Json document = Json::parse(expression, nullptr, false);
    if (!document.is_object() || !document.contains("expr") || !document["expr"].is_array())
        return std::make_unique<Opaque>(verdict);
    Json sets = document.contains("sets") ? std::move(document["sets"]) : Json::object();
    return std::make_unique<NftMatch>(std::move(document["expr"]), std::move(sets));
}

}  // namespace waggle::facts
