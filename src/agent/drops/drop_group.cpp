// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <set>

#include "agent/drops/drop_cause.h"

namespace waggle::agent {
namespace {

constexpr std::int64_t enough_packets = 10;
constexpr double enough_per_second = 1;
constexpr std::size_t scattered_targets = 8;
constexpr std::size_t scattered_senders = 8;
constexpr std::int64_t least_seconds = 3;
constexpr double nearly_all = 0.75;      // of the time that was watched: then all of it
constexpr std::int64_t few_packets = 8;  // of one sender: an attempt to connect and its repetitions

// A client without an answer asks again after 1 s, 2 s, 4 s: a second packet of one connection is no stray.
constexpr std::int64_t enough_of_repeated_tries = 3;
// Somebody who loses one each second and goes on waits for it. A clock is not exact: a little less than one.
constexpr std::size_t steady_seconds = 4;
constexpr std::int64_t steady_tries =
    5;  // to connect; those that wait for a neighbour are lost in one moment
constexpr double steady_per_second = 0.7;
// The kernel asks three times, a second apart, and gives up what waits: who tries without end loses one in 3 s.
constexpr std::size_t tries_of_a_neighbour = 3;

// One value that all share, or how many there are and which has the most packets.
template <class Value>
struct Shares {
    std::map<Value, std::int64_t> packets;
    void add(const Value& value, std::int64_t count) { packets[value] += count; }
    bool one() const { return packets.size() == 1; }
    const Value& first() const { return packets.begin()->first; }
    std::pair<Value, std::int64_t> top() const {
        const auto most = std::max_element(packets.begin(), packets.end(),
                                           [](const auto& a, const auto& b) { return a.second < b.second; });
        return *most;
    }
};

// What comes back from a service: TCP that acknowledges, or from a service's port to a program's.
bool is_answer(const Drop& drop) {
    for (const DropSample& sample : drop.samples) {
        if (sample.tcp_flags.find("ACK") != std::string::npos) return true;
        const auto from = sample.packet.packet.source_port;
        if (drop.protocol == "udp" && from && *from < 1024 && drop.port >= 1024) return true;
    }
    return false;
}

}  // namespace

std::int64_t DropGroup::packets() const {
    std::int64_t sum = 0;
    for (const Drop* drop : drops_) sum += drop->packets;
    return sum;
}

// Over the time in which packets were lost, where that is known: they were lost in three different seconds or more,
// and none of these holds far more than its part. A reading has the time of the last packet of one drop and says
// nothing of when its first was lost, so the first second only begins the time. A burst, or what one late reading
// brought, says nothing of the time it took: then over all the time that was watched, and so where it was most of it.
double DropGroup::packets_per_second(double window_seconds) const {
    struct Second {
        std::int64_t packets = 0;
        double weighed_seconds = 0;
        double at() const { return weighed_seconds / static_cast<double>(packets); }
    };
    std::uint64_t first_ns = UINT64_MAX;
    for (const Drop* drop : drops_)
        if (!drop->readings.empty()) first_ns = std::min(first_ns, drop->readings.begin()->first);
    std::map<std::uint64_t, Second> seconds;
    std::int64_t most = 0;
    for (const Drop* drop : drops_) {
        for (auto reading = drop->readings.begin(); reading != drop->readings.end();) {
            const std::uint64_t second = (reading->first - first_ns) / 1'000'000'000;
            std::int64_t count = 0;
            std::uint64_t last_ns = 0;
            for (; reading != drop->readings.end() && (reading->first - first_ns) / 1'000'000'000 == second;
                 ++reading) {
                count += reading->second;
                last_ns = reading->first - first_ns;
            }
            if (count <= 0) continue;
            seconds[second].packets += count;
            seconds[second].weighed_seconds +=
                static_cast<double>(count) * static_cast<double>(last_ns) / 1e9;
            most = std::max(most, seconds[second].packets);
        }
    }
    if (seconds.empty()) return 0;
    const auto all = static_cast<double>(packets());
    const auto number = static_cast<std::int64_t>(seconds.size());
    const Second &first = seconds.begin()->second, &last = seconds.rbegin()->second;
    double lasted = window_seconds > 0 ? window_seconds : last.at() - first.at() + 1;
    if (number >= least_seconds && most * number <= 2 * packets()) {
        const double known = (last.at() - first.at()) * all / (all - static_cast<double>(first.packets));
        if (window_seconds <= 0 || known < nearly_all * window_seconds) lasted = known;
    }
    return all / std::max(lasted, 0.001);
}

std::size_t DropGroup::senders() const {
    std::set<std::string> sources;
    for (const Drop* drop : drops_) sources.insert(drop->source);
    return sources.size();
}

// Each probe goes to the next port (traceroute, mtr, tracepath and monitors that use them); no service has these.
bool DropGroup::asks_for_the_way() const {
    constexpr std::uint16_t first_port = 33434, last_port = 33689;
    return std::all_of(drops_.begin(), drops_.end(), [](const Drop* drop) {
        return drop->protocol == "udp" && drop->port >= first_port && drop->port <= last_port;
    });
}

bool DropGroup::is_scattered() const {
    std::map<std::string, std::int64_t> by_sender;
    Shares<std::pair<std::string, std::uint16_t>> targets;
    for (const Drop* drop : drops_) {
        by_sender[drop->source] += drop->packets;
        targets.add({drop->destination, drop->port}, drop->packets);
    }
    const std::int64_t all = packets();
    std::int64_t answers = 0;
    for (const Drop* drop : drops_)
        if (is_answer(*drop)) answers += drop->packets;
    if (answers * 2 > all) return false;  // every connection asks from a port of its own: that is no scan
    const bool many_targets = targets.packets.size() >= scattered_targets && targets.top().second * 3 < all;
    const bool many_senders = by_sender.size() >= scattered_senders &&
                              std::all_of(by_sender.begin(), by_sender.end(),
                                          [](const auto& sender) { return sender.second <= few_packets; });
    return many_targets || many_senders;
}

void DropGroup::describe(DropCause& cause, double window_seconds) const {
    Shares<std::string> sources, destinations, protocols, devices, directions, comms;
    Shares<std::uint16_t> ports;
    Shares<std::uint32_t> netns, pids;
    std::int64_t bytes = 0;
    for (const Drop* drop : drops_) {
        bytes += drop->bytes;
        sources.add(drop->source, drop->packets);
        destinations.add(drop->destination, drop->packets);
        protocols.add(drop->protocol, drop->packets);
        devices.add(drop->device, drop->packets);
        directions.add(drop->direction, drop->packets);
        netns.add(drop->netns, drop->packets);
        ports.add(drop->has_port() ? drop->port : 0, drop->packets);
        pids.add(drop->direction == "out" ? drop->pid : 0, drop->packets);
        comms.add(drop->direction == "out" ? drop->comm : "", drop->packets);
    }
    if (netns.first())
        cause["netns"] = static_cast<std::int64_t>(netns.first());  // 0: the kernel did not say
    cause["packets"] = packets();
    cause["bytes"] = bytes;
    cause["packets_per_second"] = packets_per_second(window_seconds);
    cause["senders"] = static_cast<std::int64_t>(sources.packets.size());
    cause["destinations"] = static_cast<std::int64_t>(destinations.packets.size());
    if (sources.one())
        cause["source"] = sources.first();
    else {
        cause["top_source"] = sources.top().first;
        cause["top_source_packets"] = sources.top().second;
    }
    if (destinations.one()) {
        const std::string& destination = destinations.first();
        cause["destination"] = destination;
        cause["alone_in"] = static_cast<std::int64_t>(is_loopback(destination) ? netns.first() : 0);
    }
    if (protocols.one() && protocols.first() != "none") cause["protocol"] = protocols.first();
    if (devices.one()) cause["device"] = devices.first();
    if (directions.one()) cause["direction"] = directions.first();
    if (protocols.one() && ports.one() && ports.first())
        cause["port"] = static_cast<std::int64_t>(ports.first());
    else if (ports.packets.size() > 1) {
        cause["ports"] = static_cast<std::int64_t>(ports.packets.size());
        const auto [port, most] = ports.top();
        if (protocols.one() && port && most * 4 >= packets()) {
            cause["top_port"] = static_cast<std::int64_t>(port);
            cause["top_port_packets"] = most;
        }
    }
    if (pids.one() && pids.first()) {
        cause["sender_pid"] = static_cast<std::int64_t>(pids.first());
        if (comms.one()) cause["sender_comm"] = comms.first();
    }
    describe_talk(cause);
}

void DropGroup::describe_talk(DropCause& cause) const {
    const auto all = [&](bool (Drop::*is)() const) {
        return std::all_of(drops_.begin(), drops_.end(), [is](const Drop* drop) { return (drop->*is)(); });
    };
    if (all(&Drop::is_try)) cause["tries"] = packets();
    const bool one_protocol = std::all_of(drops_.begin(), drops_.end(), [&](const Drop* drop) {
        return drop->protocol == drops_.front()->protocol;
    });
    if (!one_protocol || !all(&Drop::is_answer)) return;
    cause[drops_.front()->protocol == "tcp" ? "connection_answers" : "request_answers"] = packets();
    std::set<std::uint16_t> ports;
    std::set<std::string> states;
    for (const Drop* drop : drops_) {
        ports.insert(drop->talk.answers_from.begin(), drop->talk.answers_from.end());
        states.insert(drop->talk.answer_states.begin(), drop->talk.answer_states.end());
    }
    if (ports.size() == 1) cause["answer_port"] = static_cast<std::int64_t>(*ports.begin());
    if (states.size() == 1) cause["answer_state"] = *states.begin();
}

bool DropGroup::is_cut_off(const DropScene& scene) const {
    return std::all_of(drops_.begin(), drops_.end(), [&](const Drop* drop) {
        return drop->is_try() && !scene.is_connected(drop->source, drop->destination, drop->port);
    });
}

bool DropGroup::has_repeated_try() const {
    return std::any_of(drops_.begin(), drops_.end(), [](const Drop* drop) {
        const auto& tries = drop->talk.tries_from;
        return std::any_of(tries.begin(), tries.end(), [](const auto& port) { return port.second > 1; });
    });
}

bool DropGroup::is_steady() const {
    return std::any_of(drops_.begin(), drops_.end(), [](const Drop* drop) {
        if (drop->protocol == "none") return false;
        return drop->talk.seconds.size() >= steady_seconds || drop->talk.tries >= steady_tries;
    });
}

bool DropGroup::waits_for_a_neighbour() const {
    return std::any_of(drops_.begin(), drops_.end(), [](const Drop* drop) {
        // The kernel gives no reason for IPv6 there.
        const bool waited = drop->reason == "NEIGH_FAILED" || drop->function() == "neigh_invalidate";
        return waited && drop->is_try() &&
               std::min<std::size_t>(drop->talk.seconds.size(), static_cast<std::size_t>(drop->talk.tries)) >=
                   tries_of_a_neighbour;
    });
}

void DropGroup::name_owner(DropCause& cause, const DropScene& scene) const {
    if (is_cut_off(scene)) cause["cut_off"] = packets();
    const SocketRow* owner = nullptr;
    for (const Drop* drop : drops_) {
        if (drop->direction != "in" || !drop->has_port()) return;
        const SocketRow* socket = scene.socket(drop->netns, drop->protocol, drop->destination, drop->port);
        if (!socket || (owner && owner->pid != socket->pid)) return;
        owner = socket;
    }
    if (!owner) return;
    cause["pid"] = static_cast<std::int64_t>(owner->pid);
    cause["comm"] = owner->comm;
    cause["exe"] = owner->exe;
    // A UDP socket that takes packets from all can be one that only asks.
    const bool only_asks = cause.contains("request_answers") ||
                           std::any_of(drops_.begin(), drops_.end(),
                                       [](const Drop* drop) { return is_client_port(drop->port); });
    if (owner->state == "LISTEN" || (owner->state == "UNCONNECTED" && !only_asks))
        cause["listens"] = std::int64_t{1};
}

bool is_enough(const DropGroup& group, double window_seconds) {
    const double rate = group.packets_per_second(window_seconds);
    if (group.packets() >= enough_packets && rate >= enough_per_second) return true;
    if (group.packets() >= enough_of_repeated_tries && group.has_repeated_try()) return true;
    if (group.waits_for_a_neighbour()) return true;
    return rate >= steady_per_second && group.is_steady();
}

}  // namespace waggle::agent
