// SPDX-License-Identifier: Apache-2.0
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <functional>
#include <nlohmann/json.hpp>

#include "base/put.h"
#include "base/tcp_flags.h"
#include "base/text.h"
#include "facts/firewall/firewall_match.h"

namespace waggle::facts {
namespace {

using Test = std::function<Tri(const FirewallPacket&)>;

// Words as the shell would split them: iptables-save quotes what holds blanks.
std::vector<std::string> words_of(std::string_view text) {
    std::vector<std::string> words;
    std::string word;
    bool quoted = false, any = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '"') {
            quoted = !quoted;
            any = true;
        } else if (c == '\\' && quoted && i + 1 < text.size()) {
            word += text[++i];
        } else if (c == ' ' && !quoted) {
            if (any || !word.empty()) words.push_back(std::move(word));
            word.clear();
            any = false;
        } else {
            word += c;
        }
    }
    if (any || !word.empty()) words.push_back(std::move(word));
    return words;
}

Tri network_test(const waggle_address& address, std::string_view text) {
    const std::size_t slash = text.find('/');
    const waggle_address network = parse_address(text.substr(0, slash));
    if (network.family == 0 || address.family == 0) return Tri::maybe;
    if (network.family != address.family) return Tri::no;
    if (slash == std::string_view::npos) return tri(compare(address, network) == 0);
    const std::string_view mask = text.substr(slash + 1);
    if (mask.find_first_not_of("0123456789") == std::string_view::npos)
        return tri(in_prefix(address, network, number_of<unsigned>(mask)));
    const waggle_address bits = parse_address(mask);  // a mask with gaps is printed in full
    if (bits.family != network.family) return Tri::maybe;
    for (std::size_t i = 0; i < (bits.family == 4 ? 4u : 16u); ++i)
        if ((address.bytes[i] & bits.bytes[i]) != (network.bytes[i] & bits.bytes[i])) return Tri::no;
    return Tri::yes;
}

Tri interface_test(bool there, const std::string& name, std::string_view wanted) {
    if (!there) return Tri::no;
    if (name.empty()) return Tri::maybe;
    if (wanted.ends_with('+'))
        return tri(std::string_view(name).starts_with(wanted.substr(0, wanted.size() - 1)));
    return tri(name == wanted);
}

// "53", "1000:2000", "53,5353,6000:6010"
Tri port_test(const std::optional<std::uint16_t>& port, std::string_view ports) {
    if (!port) return Tri::maybe;
    for (const std::string_view one : split(ports, ',')) {
        const std::size_t colon = one.find(':');
        const auto low = number_of<unsigned>(one);
        const auto high = colon == std::string_view::npos ? low
                          : colon + 1 < one.size()        ? number_of<unsigned>(one.substr(colon + 1))
                                                          : 65535u;
        if (low <= *port && *port <= high) return Tri::yes;
    }
    return Tri::no;
}

std::uint8_t flags_of(std::string_view names) {
    std::uint8_t bits = names == "ALL" ? 0x3f : 0;
    for (const std::string_view one : split(names, ','))
        bits = static_cast<std::uint8_t>(bits | tcp_flag_bit(one).value_or(0));
    return bits;
}

std::uint32_t states_of(std::string_view names, bool& known) {
    std::uint32_t states = 0;
    known = true;
    for (const std::string_view one : split(names, ',')) {
        if (one == "NEW")
            states |= ct_new;
        else if (one == "ESTABLISHED")
            states |= ct_established;
        else if (one == "RELATED")
            states |= ct_related;
        else if (one == "INVALID")
            states |= ct_invalid;
        else if (one == "UNTRACKED")
            states |= ct_untracked;
        else
            known = false;  // DNAT and SNAT are states of their own
    }
    return states;
}

Tri range_test(const waggle_address& address, std::string_view range) {
    const std::size_t dash = range.find('-');
    const waggle_address low = parse_address(range.substr(0, dash));
    const waggle_address high = dash == std::string_view::npos ? low : parse_address(range.substr(dash + 1));
    if (low.family == 0 || high.family == 0 || address.family == 0) return Tri::maybe;
    return tri(low.family == address.family && high.family == address.family && compare(low, address) <= 0 &&
               compare(address, high) <= 0);
}

Tri length_test(const FirewallPacket& packet, std::string_view range) {
    if (!packet.length) return Tri::maybe;
    const std::size_t colon = range.find(':');
    const auto low = number_of<std::uint32_t>(range);
    const auto high = colon == std::string_view::npos ? low
                      : colon + 1 == range.size()     ? UINT32_MAX
                                                      : number_of<std::uint32_t>(range.substr(colon + 1));
    return tri(low <= *packet.length && *packet.length <= high);
}

Tri flags_test(const FirewallPacket& packet, std::uint8_t mask, std::uint8_t set) {
    if (packet.protocol && *packet.protocol != IPPROTO_TCP) return Tri::no;
    return packet.tcp_flags ? tri((*packet.tcp_flags & mask) == set) : Tri::maybe;
}

// "0x7/0xff": the value under a mask.
Tri mark_test(const std::optional<std::uint32_t>& mark, const std::string& wanted) {
    if (!mark) return Tri::maybe;
    const std::size_t slash = wanted.find('/');
    const auto value = static_cast<std::uint32_t>(std::strtoul(wanted.c_str(), nullptr, 0));
    const auto mask = slash == std::string::npos
                          ? UINT32_MAX
                          : static_cast<std::uint32_t>(std::strtoul(wanted.c_str() + slash + 1, nullptr, 0));
    return tri((*mark & mask) == value);
}

// "1000" or "1000-1999"
Tri number_range_test(const std::optional<std::uint32_t>& number, std::string_view wanted) {
    if (!number || wanted.empty() || wanted.front() < '0' || wanted.front() > '9') return Tri::maybe;
    const std::size_t dash = wanted.find('-');
    const auto low = number_of<std::uint32_t>(wanted);
    const auto high =
        dash == std::string_view::npos ? low : number_of<std::uint32_t>(wanted.substr(dash + 1));
    return tri(low <= *number && *number <= high);
}

Tri type_test(const std::optional<std::uint8_t>& type, std::string_view names) {
    if (!type) return Tri::maybe;
    for (const std::string_view one : split(names, ',')) {
        const int number = one == "UNICAST"     ? 1
                           : one == "LOCAL"     ? 2
                           : one == "BROADCAST" ? 3
                           : one == "MULTICAST" ? 5
                                                : -1;
        if (number < 0) return Tri::maybe;
        if (number == *type) return Tri::yes;
    }
    return Tri::no;
}

Tri mac_test(const std::optional<std::uint64_t>& mac, std::string_view wanted) {
    if (!mac) return Tri::maybe;
    std::uint64_t number = 0;
    for (const std::string_view byte : split(wanted, ':'))
        number = number << 8 | std::strtoul(std::string(byte).c_str(), nullptr, 16);
    return tri(number == *mac);
}

// "8", "8/0", "255" and "any" stand for every type.
Tri icmp_test(const FirewallPacket& packet, std::uint8_t protocol, std::string_view wanted) {
    if (packet.protocol && *packet.protocol != protocol) return Tri::no;
    if (wanted == "any" || wanted == "255") return Tri::yes;
    if (!packet.icmp_type || wanted.empty() || wanted.front() < '0' || wanted.front() > '9')
        return Tri::maybe;
    if (number_of<unsigned>(wanted) != *packet.icmp_type) return Tri::no;
    return wanted.find('/') == std::string_view::npos ? Tri::yes : Tri::maybe;  // the code is not looked at
}

// An entry of an ipset, "192.0.2.0/28,tcp:80", against the parts of the packet that the rule names
// ("src,dst").
Tri entry_test(const FirewallPacket& packet, std::string_view type, std::string_view entry,
               std::string_view flags) {
    const auto kinds = split(type.substr(std::min(type.find(':') + 1, type.size())), ',');
    const auto parts = split(entry, ',');
    const auto sides = split(flags, ',');
    if (kinds.size() != parts.size() || sides.size() < parts.size()) return Tri::maybe;
    Tri all = Tri::yes;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const bool source = sides[i] == "src";
        if (kinds[i] == "ip" || kinds[i] == "net") {
            const waggle_address& address = source ? packet.source : packet.destination;
            all = all & (parts[i].find('-') != std::string_view::npos ? range_test(address, parts[i])
                                                                      : network_test(address, parts[i]));
        } else if (kinds[i] == "port") {
            std::string_view port = parts[i];
            if (const std::size_t colon = port.find(':'); colon != std::string_view::npos) {
                const auto protocol = protocol_number(port.substr(0, colon));
                all = all & (protocol && packet.protocol ? tri(*protocol == *packet.protocol) : Tri::maybe);
                port = port.substr(colon + 1);
            }
            const auto& own = source ? packet.source_port : packet.destination_port;
            const std::size_t dash = port.find('-');
            const auto low = number_of<unsigned>(port);
            const auto high =
                dash == std::string_view::npos ? low : number_of<unsigned>(port.substr(dash + 1));
            all = all & (own ? tri(low <= *own && *own <= high) : Tri::maybe);
        } else if (kinds[i] == "mac") {
            all = all & mac_test(packet.mac, parts[i]);
        } else if (kinds[i] == "iface") {
            all = all & interface_test(source ? packet.has_iif : packet.has_oif,
                                       source ? packet.iif : packet.oif, parts[i]);
        } else {
            all = all & Tri::maybe;
        }
    }
    return all;
}

class IptablesMatch final : public FirewallMatch {
  public:
    IptablesMatch(std::string_view rule, std::string_view expression) {
        if (auto document = nlohmann::json::parse(expression, nullptr, false);
            document.is_object() && document.contains("ipsets"))
            ipsets_ = std::move(document["ipsets"]);
        const std::vector<std::string> words = words_of(rule);
        bool negated = false;
        std::string module;
        for (std::size_t i = 0; i < words.size() && target_.empty(); ++i) {
            const std::string& word = words[i];
            if (word == "!") {
                negated = true;
                continue;
            }
            const std::string value = i + 1 < words.size() ? words[i + 1] : std::string();
            if (word == "-A" || word == "-m") {
                if (word == "-m") module = value;
                ++i;
            } else if (word == "-j" || word == "-g") {
                goto_ = word == "-g";
                target_ = value;
            } else if (word == "--tcp-flags") {
                const std::uint8_t mask = flags_of(value);
                const std::uint8_t set = flags_of(i + 2 < words.size() ? words[i + 2] : std::string());
                add(negated, [=](const FirewallPacket& p) { return flags_test(p, mask, set); });
                i += 2;
            } else if (word == "--match-set") {
                add_set(negated, value, i + 2 < words.size() ? words[i + 2] : std::string());
                i += 2;
            } else if (word.starts_with('-')) {
                add(negated, test_of(module, word, value));
                while (i + 1 < words.size() && !words[i + 1].starts_with('-') && words[i + 1] != "!") ++i;
            }
            negated = false;
        }
    }

    Evaluation evaluate(const FirewallPacket& packet) const override {
        Evaluation result;
        elements_ = &result.elements;
        Tri matches = Tri::yes;
        for (const Test& test : tests_) {
            matches = matches & test(packet);
            if (matches == Tri::no) break;
        }
        elements_ = nullptr;
        result.reaches_counter = matches;
        if (matches == Tri::no || target_.empty()) return result;
        // Drops what finds no socket to be handed to; what sockets there are is not known here.
        if (target_ == "TPROXY") result.outcomes.push_back({Outcome::Kind::drop, Tri::maybe, {}});
        result.outcomes.push_back(outcome(matches));
        return result;
    }

  private:
    Outcome outcome(Tri matches) const {
        using Kind = Outcome::Kind;
        if (goto_) return {Kind::go_to, matches, target_};
        if (target_ == "DROP") return {Kind::drop, matches, {}};
        if (target_ == "REJECT") return {Kind::reject, matches, {}};
        if (target_ == "TARPIT") return {Kind::tarpit, matches, {}};
        if (target_ == "ACCEPT" || target_ == "DNAT" || target_ == "SNAT" || target_ == "MASQUERADE" ||
            target_ == "REDIRECT" || target_ == "NETMAP" || target_ == "TPROXY")
            return {Kind::accept, matches, {}};
        if (target_ == "RETURN") return {Kind::return_, matches, {}};
        if (target_ == "QUEUE" || target_ == "NFQUEUE" || target_ == "SYNPROXY")
            return {Kind::leaves, matches, {}};
        // A chain of the user, or a target that goes on (LOG, MARK); the walk knows which chains there are.
        return {Kind::jump, matches, target_};
    }

    void add_set(bool negated, const std::string& name, const std::string& flags) {
        const auto set = ipsets_.is_object() ? ipsets_.find(name) : ipsets_.end();
        const bool known = ipsets_.is_object() && set != ipsets_.end() && set->is_object() &&
                           set->contains("type") && (*set)["type"].is_string() && set->contains("entries") &&
                           (*set)["entries"].is_array();
        if (!known) {
            tests_.emplace_back([](const FirewallPacket&) { return Tri::maybe; });
            return;
        }
        const auto type = (*set)["type"].get<std::string>();
        const bool fleeting = set->contains("fleeting");
        std::vector<std::string> entries;
        for (const auto& entry : (*set)["entries"])
            if (entry.is_string()) entries.push_back(entry.get<std::string>());
        add(negated, [=, this](const FirewallPacket& packet) {
            Tri found = fleeting ? Tri::maybe : Tri::no;
            for (const std::string& entry : entries) {
                // "nomatch" takes a part out of a larger network.
                const bool except = entry.ends_with(" nomatch");
                const Tri fits =
                    entry_test(packet, type, std::string_view(entry).substr(0, entry.find(' ')), flags);
                if (fits == Tri::no) continue;
                if (except) return fits == Tri::yes ? Tri::no : Tri::maybe;
                if (fits == Tri::yes && !negated && elements_)
                    elements_->push_back({name, entry.substr(0, entry.find(' ')), true});
                if (fits == Tri::yes && std::none_of(entries.begin(), entries.end(), [](const auto& other) {
                        return other.ends_with(" nomatch");
                    }))
                    return Tri::yes;
                found = found | fits;
            }
            if (found == Tri::no && negated && elements_) elements_->push_back({name, {}, true});
            return found;
        });
    }

    void add(bool negated, Test test) {
        if (!test) return;
        if (negated)
            tests_.emplace_back([test = std::move(test)](const FirewallPacket& p) { return !test(p); });
        else
            tests_.push_back(std::move(test));
    }

    // Null for what is no test; a test that says maybe for what is not known here (limit, mark, sets).
    static Test test_of(const std::string& module, const std::string& option, const std::string& value) {
        using P = const FirewallPacket&;
        if (module == "comment") return {};
        if (module == "recent" && option != "--rcheck" && option != "--update" && option != "--remove")
            return {};
        if (module == "connmark" && option == "--mark")
            return [=](P p) { return mark_test(p.ct_mark, value); };
        if (option == "--mark") return [=](P p) { return mark_test(p.mark, value); };
        if (option == "--mac-source") return [=](P p) { return mac_test(p.mac, value); };
        if (option == "--uid-owner")
            return [=](P p) { return p.has_iif ? Tri::maybe : number_range_test(p.uid, value); };
        if (option == "--dst-type") return [=](P p) { return type_test(p.destination_type, value); };
        if (option == "--icmp-type") return [=](P p) { return icmp_test(p, IPPROTO_ICMP, value); };
        if (option == "--icmpv6-type") return [=](P p) { return icmp_test(p, IPPROTO_ICMPV6, value); };
        if (option == "--ttl-eq" || option == "--hl-eq")
            return [=](P p) { return number_range_test(p.ttl, value); };
        if (option == "--ttl-lt" || option == "--hl-lt")
            return [=](P p) { return p.ttl ? tri(*p.ttl < number_of<unsigned>(value)) : Tri::maybe; };
        if (option == "--ttl-gt" || option == "--hl-gt")
            return [=](P p) { return p.ttl ? tri(*p.ttl > number_of<unsigned>(value)) : Tri::maybe; };
        if (option == "--dscp") {
            const auto dscp = static_cast<unsigned>(std::strtoul(value.c_str(), nullptr, 0));
            return [=](P p) { return p.tos ? tri(*p.tos >> 2 == static_cast<int>(dscp)) : Tri::maybe; };
        }
        if (option == "--ctdir")
            return [=](P p) { return p.ct_reply ? tri(*p.ct_reply == (value == "REPLY")) : Tri::maybe; };
        if (option == "--ctorigdstport") return [=](P p) { return port_test(p.original_port, value); };
        if (option == "--ctorigdst") return [=](P p) { return network_test(p.original_destination, value); };
        if (option == "-s") return [=](P p) { return network_test(p.source, value); };
        if (option == "-d") return [=](P p) { return network_test(p.destination, value); };
        if (option == "-i") return [=](P p) { return interface_test(p.has_iif, p.iif, value); };
        if (option == "-o") return [=](P p) { return interface_test(p.has_oif, p.oif, value); };
        if (option == "-p") {
            const auto wanted = protocol_number(value);
            if (value == "all") return {};
            return [=](P p) { return p.protocol && wanted ? tri(*p.protocol == *wanted) : Tri::maybe; };
        }
        if (option == "--dport" || option == "--dports")
            return [=](P p) { return port_test(p.destination_port, value); };
        if (option == "--sport" || option == "--sports")
            return [=](P p) { return port_test(p.source_port, value); };
        if (option == "--ports")
            return
                [=](P p) { return port_test(p.source_port, value) | port_test(p.destination_port, value); };
        if (option == "--src-range") return [=](P p) { return range_test(p.source, value); };
        if (option == "--dst-range") return [=](P p) { return range_test(p.destination, value); };
        if (option == "--length") return [=](P p) { return length_test(p, value); };
        if (option == "--pkt-type")
            return [=](P p) {
                const int wanted = value == "unicast"     ? 0
                                   : value == "broadcast" ? 1
                                   : value == "multicast" ? 2
                                                          : -1;
                return p.link_type && wanted >= 0 ? tri(*p.link_type == wanted) : Tri::maybe;
            };
        if (option == "--ctstate" || option == "--state") {
            bool known = true;
            const std::uint32_t states = states_of(value, known);
            return [=](P p) { return known ? state_is(p, states) : Tri::maybe; };
        }
        return [](P) { return Tri::maybe; };
    }

    std::vector<Test> tests_;
    std::string target_;
    bool goto_ = false;
    nlohmann::json ipsets_;
    mutable std::vector<SetElement>* elements_ = nullptr;  // of the evaluation that runs
};

}  // namespace

std::unique_ptr<FirewallMatch> make_iptables_match(std::string_view rule, std::string_view expression) {
    return std::make_unique<IptablesMatch>(rule, expression);
}

}  // namespace waggle::facts
