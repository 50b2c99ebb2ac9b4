// SPDX-License-Identifier: Apache-2.0
#include <net/if.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <optional>
#include <thread>
#include <unordered_map>

#include "base/put.h"
#include "facts/makers.h"
#include "facts/sockets/socket_reading.h"
#include "host/procfs.h"
#include "model/record_writer.h"

namespace waggle::facts {

namespace {

struct socket_fact {
    __u32 netns;
    __u32 inode;
    __u64 cookie;
    char protocol[8];
    char state[16];
    waggle_address local_address;
    waggle_address peer_address;
    __u16 local_port;
    __u16 peer_port;
    __u32 uid;
    __u64 receive_queue_bytes;
    __u64 send_queue_bytes;
    __u32 accept_queue;
    __u32 accept_backlog;
    __u64 receive_buffer_bytes;
    __u64 receive_buffer_used_bytes;
    __u64 send_buffer_bytes;
    __u64 drops;
    __u32 pid;
    __u32 owners;
    char comm[WAGGLE_COMM_LEN];
    char interface[16];
    waggle_text exe;
    __s64 reuseport;
    __s64 acked_bytes;
    __s64 read_bytes;
    __s64 last_sent_ns;
    __s64 receiver_limited_ns;
    __s64 send_buffer_limited_ns;
    __s64 busy_ns;
    __s64 round_trip_ns;
    __s64 send_buffer_fixed;
    __s64 receive_buffer_fixed;
    __s64 peer_window_bytes;
    __s64 unanswered_probes;
    __u32 accept_queue_lowest;
    __u8 v6_only;
    __u8 reserved[3];
};

constexpr Field sockets_fields[] = {
    WAGGLE_FIELD(socket_fact, netns, Unit::identifier, "The network namespace by its number.", trait_key),
    WAGGLE_FIELD(socket_fact, inode, Unit::identifier,
                 "The socket's number as /proc/PID/fd shows it; 0 where no process holds it any more.",
                 trait_key),
    WAGGLE_FIELD(socket_fact, cookie, Unit::identifier,
                 "The socket's number that is never used twice while the machine runs.",
                 trait_key | trait_hidden),
    WAGGLE_FIELD(socket_fact, protocol, Unit::none, "tcp or udp."),
    WAGGLE_FIELD(socket_fact, state, Unit::none,
                 "The TCP state (LISTEN, ESTABLISHED ...); UNCONNECTED for a UDP socket that takes packets "
                 "from anyone. TIME_WAIT is left out."),
    WAGGLE_FIELD(socket_fact, local_address, Unit::none, "The address it is bound to."),
    WAGGLE_FIELD(socket_fact, local_port, Unit::identifier, "The port it is bound to."),
    WAGGLE_FIELD(socket_fact, peer_address, Unit::none, "The address it is connected to."),
    WAGGLE_FIELD(socket_fact, peer_port, Unit::identifier, "The port it is connected to; 0 where none."),
    WAGGLE_FIELD(socket_fact, uid, Unit::identifier, "The user who owns the socket.", trait_hidden),
    WAGGLE_FIELD(socket_fact, receive_queue_bytes, Unit::bytes,
                 "Received and not yet read by the program; 0 for listeners."),
    WAGGLE_FIELD(socket_fact, send_queue_bytes, Unit::bytes,
                 "Written by the program and not yet acknowledged; 0 for listeners."),
    WAGGLE_FIELD(socket_fact, accept_queue, Unit::count,
                 "Listeners: connections that wait for the program's accept()."),
    WAGGLE_FIELD(socket_fact, accept_backlog, Unit::count,
                 "Listeners: how many connections may wait: the smaller of listen()'s backlog and "
                 "net.core.somaxconn."),
    WAGGLE_FIELD(
        socket_fact, accept_queue_lowest, Unit::count,
        "Listeners: the fewest that waited in four looks within 0.1 s, where the first look found the "
        "queue full; else the same as accept_queue. A queue that empties meanwhile filled up in a burst.",
        trait_hidden),
    WAGGLE_FIELD(socket_fact, receive_buffer_bytes, Unit::bytes,
                 "The receive buffer's size, with the kernel's overhead (SO_RCVBUF)."),
    WAGGLE_FIELD(socket_fact, receive_buffer_used_bytes, Unit::bytes,
                 "How much of the receive buffer is in use."),
    WAGGLE_FIELD(socket_fact, send_buffer_bytes, Unit::bytes, "The send buffer's size (SO_SNDBUF)."),
    WAGGLE_FIELD(socket_fact, acked_bytes, Unit::bytes,
                 "TCP: data that the other side has confirmed; null for listeners and where not known.",
                 trait_cumulative | trait_nullable),
    WAGGLE_FIELD(socket_fact, read_bytes, Unit::bytes,
                 "TCP: data that programs have read from it; null for listeners and where not known.",
                 trait_cumulative | trait_nullable),
    WAGGLE_FIELD(
        socket_fact, last_sent_ns, Unit::nanoseconds,
        "TCP: how long ago it sent data last; where it has sent none, how long ago it was opened; null as "
        "before.",
        trait_nullable),
    WAGGLE_FIELD(
        socket_fact, receiver_limited_ns, Unit::nanoseconds,
        "TCP: how long data waited here because the other side had no room for it (its receive window "
        "was full); null as before.",
        trait_cumulative | trait_nullable),
    WAGGLE_FIELD(
        socket_fact, send_buffer_limited_ns, Unit::nanoseconds,
        "TCP: how long the program had more to send and everything was sent that the send buffer holds, "
        "so that it was full of what was not yet confirmed; null as before.",
        trait_cumulative | trait_nullable),
    WAGGLE_FIELD(socket_fact, busy_ns, Unit::nanoseconds,
                 "TCP: how long data waited to be sent or confirmed; null as before.",
                 trait_cumulative | trait_nullable),
    WAGGLE_FIELD(socket_fact, round_trip_ns, Unit::nanoseconds,
                 "TCP: time to the other side and back, as the kernel smooths it; null as before.",
                 trait_nullable),
    WAGGLE_FIELD(
        socket_fact, send_buffer_fixed, Unit::none,
        "1 where the program has set the send buffer's size (SO_SNDBUF), so that the kernel does not let "
        "it grow; null where not known.",
        trait_nullable),
    WAGGLE_FIELD(
        socket_fact, receive_buffer_fixed, Unit::none,
        "1 where the program has set the receive buffer's size (SO_RCVBUF), so that the kernel does not "
        "let it grow; null where not known.",
        trait_nullable),
    WAGGLE_FIELD(
        socket_fact, peer_window_bytes, Unit::bytes,
        "TCP: how much not yet confirmed data the other side takes (its receive window); null as before.",
        trait_nullable),
    WAGGLE_FIELD(socket_fact, unanswered_probes, Unit::count,
                 "TCP: questions whether there is room now, or whether the other side is there, that had no "
                 "answer yet; null as before.",
                 trait_nullable),
    WAGGLE_FIELD(socket_fact, drops, Unit::count,
                 "Packets (listeners: connections) the kernel dropped at this socket since it exists.",
                 trait_cumulative),
    WAGGLE_FIELD(socket_fact, pid, Unit::identifier,
                 "The process that holds it, the lowest pid where several do; 0 where none is found."),
    WAGGLE_FIELD(socket_fact, owners, Unit::count, "How many processes hold it.", trait_hidden),
    WAGGLE_FIELD(socket_fact, comm, Unit::none, "The process's name, at most 15 characters."),
    WAGGLE_FIELD(socket_fact, exe, Unit::none, "Path of the process's executable."),
    WAGGLE_FIELD(socket_fact, interface, Unit::none,
                 "The network interface it is bound to; empty where to none.", trait_hidden),
    WAGGLE_FLAG(socket_fact, v6_only, "An IPv6 listener that takes no IPv4 packets.", trait_hidden),
    WAGGLE_FIELD(
        socket_fact, reuseport, Unit::none,
        "1 where it shares its port with others of its kind (SO_REUSEPORT), 0 where not; null where not "
        "known.",
        trait_nullable | trait_hidden),
};
constexpr Schema sockets_schema = {
    "sockets",
    "A TCP or UDP socket of any network namespace (a network stack of its own, "
    "as containers have), with its queues, buffers and owner.",
    sizeof(socket_fact), sockets_fields, false};

struct past_listener_fact {
    __u32 netns;
    __u32 pid;
    __u64 last_seen_ns;
    waggle_address local_address;
    char protocol[8];
    char comm[WAGGLE_COMM_LEN];
    waggle_text exe;
    char interface[16];
    __u64 start_ns;
    __s64 process_lives;
    __u16 local_port;
    __u8 v6_only;
    __u8 reserved[5];
};

constexpr Field past_listener_fields[] = {
    WAGGLE_FIELD(past_listener_fact, netns, Unit::identifier, "The network namespace by its number.",
                 trait_key),
    WAGGLE_FIELD(past_listener_fact, protocol, Unit::none, "tcp or udp.", trait_key),
    WAGGLE_FIELD(past_listener_fact, local_address, Unit::none, "The address it was bound to.", trait_key),
    WAGGLE_FIELD(past_listener_fact, local_port, Unit::identifier, "The port it listened on.", trait_key),
    WAGGLE_FIELD(past_listener_fact, pid, Unit::identifier, "The process that held it; 0 where unknown.",
                 trait_key),
    WAGGLE_FIELD(past_listener_fact, comm, Unit::none, "The process's name, at most 15 characters."),
    WAGGLE_FIELD(past_listener_fact, exe, Unit::none, "Path of the process's executable."),
    WAGGLE_FIELD(past_listener_fact, last_seen_ns, Unit::nanoseconds,
                 "When it was last seen, by the clock CLOCK_MONOTONIC.", trait_hidden),
    WAGGLE_FIELD(
        past_listener_fact, process_lives, Unit::none,
        "1 where that process is still there: it stopped listening by itself; 0 where it is gone; null "
        "where it was never known.",
        trait_nullable),
    WAGGLE_FIELD(past_listener_fact, start_ns, Unit::nanoseconds,
                 "When that process began, by the clock CLOCK_BOOTTIME, to 1/100 s.", trait_hidden),
    WAGGLE_FIELD(past_listener_fact, interface, Unit::none,
                 "The network interface it was bound to; empty where to none.", trait_hidden),
    WAGGLE_FLAG(past_listener_fact, v6_only, "An IPv6 listener that took no IPv4 packets.", trait_hidden),
};
constexpr Schema past_schema = {"past_listeners",
                                "A socket that listened when waggle looked earlier and is gone now.",
                                sizeof(past_listener_fact), past_listener_fields, false};

// One read of the sockets: dumped per namespace, then joined with their owners.
class SocketTour {
  public:
    SocketTour(const Roots& roots, SocketReading& reading, bool listeners_only)
        : roots_(roots),
          proc_(roots.proc),
          memory_(reading.memory),
          find_(reading.owners),
          listeners_only_(listeners_only) {
        memory_.begin();
    }

    struct Found {
        std::uint32_t netns;
        SocketState socket;
        std::string interface;
        std::uint32_t lowest_accept_queue;

        bool is_full_queue() const {
            return socket.tcp() && socket.listens() && socket.receive_queue > 0 &&
                   socket.receive_queue >= socket.send_queue;
        }
    };

    // Of the namespace that this thread is in.
    Result<void> read_in(const NetworkNamespace& netns) {
        const std::string sockstat(proc_.file("thread-self/net/sockstat"));
        const auto counts = parse_socket_counts(sockstat, proc_.file("thread-self/net/sockstat6"));
        if (counts && counts->none()) return {};
        auto sock_diag = Netlink::open(NETLINK_SOCK_DIAG);
        if (!sock_diag) return while_doing("read sockets", sock_diag.error());
        std::unordered_map<std::uint32_t, std::string> interfaces;
        bool any_full = false;
        const auto dumped = dump_sockets(*sock_diag, listeners_only_, counts, [&](const SocketState& socket) {
            if (listeners_only_ && !socket.listens()) return;
            found.push_back({netns.inode, socket, {}, socket.receive_queue});
            if (socket.ifindex != 0) found.back().interface = interface_name(interfaces, socket.ifindex);
            any_full |= found.back().is_full_queue();
        });
        if (any_full && !listeners_only_) at_full_queues_.push_back(std::move(*sock_diag));
        return dumped;
    }

    void end(bool complete) {
        look_again_at_full_queues();
        find_owners(listeners_only_);
        for (const Found& one : found)
            if (one.socket.listens()) memory_.saw(one.netns, one.socket, one.interface, owner_of(one.socket));
        memory_.end(complete);
    }

    const Owner& owner_of(const SocketState& socket) const {
        static const Owner nobody;
        const auto owner = owners_.find(socket.inode);
        return socket.inode == 0 || owner == owners_.end() ? nobody : owner->second;
    }

    std::vector<Found> found;

  private:
    static const std::string& interface_name(std::unordered_map<std::uint32_t, std::string>& names,
                                             std::uint32_t index) {
        const auto [entry, fresh] = names.try_emplace(index);
        char name[IF_NAMESIZE] = "";
        if (fresh && ::if_indextoname(index, name)) entry->second = name;
        return entry->second;
    }

    // One look cannot tell a queue that stays full from one that was filled by a burst a moment ago. A netlink socket
    // asks in the namespace where it was opened, whoever uses it; these keep theirs for a tenth of a second.
    void look_again_at_full_queues() {
        constexpr int looks = 3;
        constexpr std::chrono::milliseconds pause(30);
        std::unordered_map<std::uint64_t, Found*> full;  // by cookie
        if (!at_full_queues_.empty())
            for (Found& one : found)
                if (one.is_full_queue()) full[one.socket.cookie] = &one;
        for (int look = 0; look < looks && !full.empty(); ++look) {
            std::this_thread::sleep_for(pause);
            for (Netlink& sock_diag : at_full_queues_) {
                // What cannot be read now was read before: nothing more is known of it.
                [[maybe_unused]] const Result<void> again =
                    dump_sockets(sock_diag, true, std::nullopt, [&](const SocketState& socket) {
                        const auto known = full.find(socket.cookie);
                        if (known == full.end()) return;
                        std::uint32_t& lowest = known->second->lowest_accept_queue;
                        lowest = std::min(lowest, socket.receive_queue);
                    });
            }
        }
        at_full_queues_.clear();
    }

    // `only_new`: no pass over the processes when every listener's owner is remembered.
    void find_owners(bool only_new) {
        SocketOwners::Owners unknown;
        for (const Found& one : found) {
            if (one.socket.inode == 0) continue;
            const Owner* known = only_new ? memory_.owner_of(one.socket.cookie) : nullptr;
            if (known)
                owners_.emplace(one.socket.inode, *known);
            else
                unknown.try_emplace(one.socket.inode);
        }
        if (unknown.empty()) return;
        Procfs proc(roots_.proc);
        find_.find(proc, unknown);
        owners_.merge(unknown);
    }

    const Roots& roots_;
    Procfs proc_;
    ListenerMemory& memory_;
    SocketOwners& find_;
    bool listeners_only_;
    SocketOwners::Owners owners_;
    std::vector<Netlink> at_full_queues_;
};

class Sockets final : public NamespaceFact {
  public:
    Sockets(const Roots& roots, std::shared_ptr<SocketReading> reading)
        : NamespaceFact(roots), reading_(std::move(reading)) {}
    const Schema& schema() const override { return sockets_schema; }

    Result<void> begin(std::span<const NetworkNamespace>, const RowSink&) override {
        reader_.emplace(roots_, *reading_, false);
        reading_->all_are_read = true;
        return {};
    }
    Result<void> read_in(const NetworkNamespace& netns, const RowSink&) override {
        return reader_->read_in(netns);
    }
    Result<void> end(const RowSink& sink, Result<void> so_far) override {
        SocketTour& reader = *reader_;
        reader.end(static_cast<bool>(so_far));
        reading_->all_are_read = false;
        RecordWriter<socket_fact> record;
        for (const SocketTour::Found& one : reader.found) {
            const SocketState& socket = one.socket;
            const Owner& owner = reader.owner_of(socket);
            const bool listener = socket.tcp() && socket.listens();
            record.clear();
            record.fixed.netns = one.netns;
            record.fixed.inode = socket.inode;
            record.fixed.cookie = socket.cookie;
            put(record.fixed.protocol, socket.protocol);
            put(record.fixed.state, socket_state_name(socket));
            record.fixed.local_address = socket.local;
            record.fixed.peer_address = socket.peer;
            record.fixed.local_port = socket.local_port;
            record.fixed.peer_port = socket.peer_port;
            record.fixed.uid = socket.uid;
            record.fixed.receive_queue_bytes = listener ? 0 : socket.receive_queue;
            record.fixed.send_queue_bytes = listener ? 0 : socket.send_queue;
            record.fixed.accept_queue = listener ? socket.receive_queue : 0;
            record.fixed.accept_backlog = listener ? socket.send_queue : 0;
            record.fixed.accept_queue_lowest = listener ? one.lowest_accept_queue : 0;
            record.fixed.receive_buffer_bytes = socket.receive_buffer;
            record.fixed.receive_buffer_used_bytes = socket.receive_buffer_used;
            record.fixed.send_buffer_bytes = socket.send_buffer;
            record.fixed.drops = socket.drops;
            const auto if_known = [&](std::uint64_t figure) {
                return socket.has_tcp_info ? static_cast<std::int64_t>(figure) : null_i64;
            };
            record.fixed.acked_bytes = if_known(socket.acked_bytes);
            record.fixed.last_sent_ns = if_known(socket.last_sent_ns);
            // The end of the other side counts one in both.
            record.fixed.read_bytes = if_known(
                socket.received_bytes - std::min<std::uint64_t>(socket.receive_queue, socket.received_bytes));
            record.fixed.receiver_limited_ns = if_known(socket.receiver_limited_ns);
            record.fixed.send_buffer_limited_ns = if_known(socket.send_buffer_limited_ns);
            record.fixed.busy_ns = if_known(socket.busy_ns);
            record.fixed.round_trip_ns = if_known(socket.round_trip_ns);
            const auto if_told = [](const std::optional<bool>& flag) { return flag ? *flag : null_i64; };
            record.fixed.send_buffer_fixed = if_told(owner.send_buffer_fixed);
            record.fixed.receive_buffer_fixed = if_told(owner.receive_buffer_fixed);
            record.fixed.peer_window_bytes = if_known(socket.peer_window);
            record.fixed.unanswered_probes = if_known(socket.unanswered_probes);
            record.fixed.pid = owner.pid;
            record.fixed.owners = owner.count;
            put(record.fixed.comm, owner.comm);
            put(record.fixed.interface, one.interface);
            record.fixed.v6_only = socket.v6_only ? 1 : 0;
            record.fixed.reuseport = if_told(owner.reuseport);
            record.text(&socket_fact::exe, owner.exe);
            sink(Row(sockets_schema, record.finish()));
        }
        reader_.reset();
        return so_far;
    }

  private:
    std::shared_ptr<SocketReading> reading_;
    std::optional<SocketTour> reader_;  // while it is read
};

class PastListeners final : public NamespaceFact {
  public:
    PastListeners(const Roots& roots, std::shared_ptr<SocketReading> reading)
        : NamespaceFact(roots), reading_(std::move(reading)) {}
    const Schema& schema() const override { return past_schema; }
    bool looks_back() const override { return true; }

    // Looks at the listeners itself, so that reading this fact now and then is enough to remember them; but for a tour
    // on which all sockets are looked at.
    Result<void> begin(std::span<const NetworkNamespace>, const RowSink&) override {
        if (!reading_->all_are_read) reader_.emplace(roots_, *reading_, true);
        return {};
    }
    Result<void> read_in(const NetworkNamespace& netns, const RowSink&) override {
        return reader_ ? reader_->read_in(netns) : Result<void>();
    }
    Result<void> end(const RowSink& sink, Result<void> so_far) override {
        if (reader_) reader_->end(static_cast<bool>(so_far));
        reader_.reset();
        Procfs proc(roots_.proc);
        RecordWriter<past_listener_fact> record;
        for (const Listener* listener : reading_->memory.gone()) {
            record.clear();
            record.fixed.netns = listener->netns;
            record.fixed.pid = listener->owner.pid;
            record.fixed.last_seen_ns = listener->last_seen_ns;
            record.fixed.local_address = listener->address;
            record.fixed.local_port = listener->port;
            put(record.fixed.protocol, listener->protocol);
            put(record.fixed.comm, listener->owner.comm);
            put(record.fixed.interface, listener->interface);
            record.fixed.v6_only = listener->v6_only ? 1 : 0;
            record.fixed.start_ns = listener->owner.start_ns;
            record.fixed.process_lives = lives(proc, listener->owner);
            record.text(&past_listener_fact::exe, listener->owner.exe);
            sink(Row(past_schema, record.finish()));
        }
        return so_far;
    }

  private:
    // As the column process_lives says it. A pid is not enough: it is used again.
    static std::int64_t lives(Procfs& proc, const Owner& owner) {
        if (owner.pid == 0 || owner.start_ns == 0) return null_i64;
        ProcessStat stat;
        if (!parse_stat(proc.file(owner.pid, "stat"), stat)) return 0;
        return stat.start_ns == owner.start_ns && stat.state != 'Z' && stat.state != 'X' ? 1 : 0;
    }

    std::shared_ptr<SocketReading> reading_;
    std::optional<SocketTour> reader_;  // while it is read
};

}  // namespace

std::shared_ptr<SocketReading> make_socket_reading(const Clock& clock) {
    return std::make_shared<SocketReading>(clock);
}
std::unique_ptr<Fact> make_sockets(const Roots& roots, std::shared_ptr<SocketReading> reading) {
    return std::make_unique<Sockets>(roots, std::move(reading));
}
std::unique_ptr<Fact> make_past_listeners(const Roots& roots, std::shared_ptr<SocketReading> reading) {
    return std::make_unique<PastListeners>(roots, std::move(reading));
}

}  // namespace waggle::facts
