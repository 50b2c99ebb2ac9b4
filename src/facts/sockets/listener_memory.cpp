// SPDX-License-Identifier: Apache-2.0
#include "facts/sockets/listener_memory.h"

#include <algorithm>
#include <set>
#include <tuple>

namespace waggle::facts {

void ListenerMemory::saw(std::uint32_t netns, const SocketState& socket, std::string_view interface,
                         const Owner& owner) {
    Listener& listener = by_cookie_[socket.cookie];
    listener.netns = netns;
    listener.protocol = socket.protocol;
    listener.address = socket.local;
    listener.port = socket.local_port;
    listener.interface = interface;
    listener.v6_only = socket.v6_only;
    // A socket whose owner is just ending keeps the name it had.
    if (owner.pid != 0 || listener.owner.pid == 0) listener.owner = owner;
    listener.last_seen_ns = now_ns_;
}

void ListenerMemory::end(bool complete) {
    if (complete) complete_ns_ = now_ns_;
    if (by_cookie_.size() <= most) return;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> by_age;  // last seen, cookie
    by_age.reserve(by_cookie_.size());
    for (const auto& [cookie, listener] : by_cookie_) by_age.emplace_back(listener.last_seen_ns, cookie);
    std::sort(by_age.begin(), by_age.end());
    for (std::size_t i = 0; by_cookie_.size() > most; ++i) by_cookie_.erase(by_age[i].second);
}

const Owner* ListenerMemory::owner_of(std::uint64_t cookie) const {
    const auto found = by_cookie_.find(cookie);
    return found == by_cookie_.end() || found->second.owner.pid == 0 ? nullptr : &found->second.owner;
}

std::vector<const Listener*> ListenerMemory::gone() const {
    const auto place = [](const Listener& l) {
        return std::tuple(l.netns, l.protocol, l.port, l.interface, l.v6_only, l.address.family,
                          std::string_view(reinterpret_cast<const char*>(l.address.bytes), 16));
    };
    std::set<decltype(place(Listener{}))> taken;
    for (const auto& [cookie, listener] : by_cookie_)
        if (listener.last_seen_ns >= complete_ns_) taken.insert(place(listener));
    std::vector<const Listener*> gone;
    for (const auto& [cookie, listener] : by_cookie_)
        if (listener.last_seen_ns < complete_ns_ && !taken.contains(place(listener)))
            gone.push_back(&listener);
    std::stable_sort(gone.begin(), gone.end(),
                     [](const Listener* a, const Listener* b) { return a->last_seen_ns < b->last_seen_ns; });
    return gone;
}

}  // namespace waggle::facts
