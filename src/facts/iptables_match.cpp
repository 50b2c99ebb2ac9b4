// SPDX-License-Identifier: Apache-2.0
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <bit>
#include <functional>

#include "base/text.h"
#include "facts/firewall_match.h"
#include "facts/put.h"

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
    struct Flag {
        std::string_view name;
        std::uint8_t bit;
    };
    static constexpr Flag flags[] = {{"FIN", TH_FIN},  {"SYN", TH_SYN}, {"RST", TH_RST},
                                     {"PSH", TH_PUSH}, {"ACK", TH_ACK}, {"URG", TH_URG}};
    std::uint8_t bits = names == "ALL" ? 0x3f : 0;
    for (const std::string_view one : split(names, ','))
        for (const Flag& flag : flags)
            if (flag.name == one) bits = static_cast<std::uint8_t>(bits | flag.bit);
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

class IptablesMatch final : public FirewallMatch {
  public:
    explicit IptablesMatch(std::string_view rule) {
        const std::vector<std::string> words = words_of(rule);
        bool negated = false;
        for (std::size_t i = 0; i < words.size() && target_.empty(); ++i) {
            const std::string& word = words[i];
            if (word == "!") {
                negated = true;
                continue;
            }
            const std::string value = i + 1 < words.size() ? words[i + 1] : std::string();
            if (word == "-A" || word == "-m") {
                ++i;
            } else if (word == "-j" || word == "-g") {
                goto_ = word == "-g";
                target_ = value;
            } else if (word == "--tcp-flags") {
                const std::uint8_t mask = flags_of(value);
                const std::uint8_t set = flags_of(i + 2 < words.size() ? words[i + 2] : std::string());
                add(negated, [=](const FirewallPacket& p) { return flags_test(p, mask, set); });
                i += 2;
            } else if (word.starts_with('-')) {
                add(negated, test_of(word, value));
                while (i + 1 < words.size() && !words[i + 1].starts_with('-') && words[i + 1] != "!") ++i;
            }
            negated = false;
        }
    }

    std::vector<Outcome> outcomes(const FirewallPacket& packet) const override {
        using Kind = Outcome::Kind;
        Tri matches = Tri::yes;
        for (const Test& test : tests_) {
            matches = matches & test(packet);
            if (matches == Tri::no) return {};
        }
        if (target_.empty()) return {};
        if (goto_) return {{Kind::go_to, matches, target_}};
        if (target_ == "DROP" || target_ == "REJECT") return {{Kind::drop, matches, {}}};
        if (target_ == "ACCEPT" || target_ == "DNAT" || target_ == "SNAT" || target_ == "MASQUERADE" ||
            target_ == "REDIRECT" || target_ == "NETMAP")
            return {{Kind::accept, matches, {}}};
        if (target_ == "RETURN") return {{Kind::return_, matches, {}}};
        if (target_ == "QUEUE" || target_ == "NFQUEUE" || target_ == "SYNPROXY")
            return {{Kind::leaves, matches, {}}};
        // A chain of the user, or a target that goes on (LOG, MARK); the walk knows which chains there are.
        return {{Kind::jump, matches, target_}};
    }

    bool rewrites() const override {
        return target_ == "DNAT" || target_ == "REDIRECT" || target_ == "TPROXY";
    }

  private:
    void add(bool negated, Test test) {
        if (!test) return;
        if (negated)
            tests_.emplace_back([test = std::move(test)](const FirewallPacket& p) { return !test(p); });
        else
            tests_.push_back(std::move(test));
    }

    // Null for what is no test; a test that says maybe for what is not known here (limit, mark, sets).
    static Test test_of(const std::string& option, const std::string& value) {
        using P = const FirewallPacket&;
        if (option == "--comment") return {};
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
};

}  // namespace

std::unique_ptr<FirewallMatch> make_iptables_match(std::string_view rule) {
    return std::make_unique<IptablesMatch>(rule);
}

}  // namespace waggle::facts
