// SPDX-License-Identifier: Apache-2.0
// Unix sockets whose queue of connections that wait for accept() is full. The kernel lets one more wait than listen()
// asked for; whoever connects then waits, or fails with EAGAIN.
#include <fmt/format.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/put.h"
#include "facts/looks_in_a_row.h"
#include "facts/makers.h"
#include "facts/sockets/socket_owners.h"
#include "host/netlink.h"
#include "host/procfs.h"
#include "model/record_writer.h"

namespace waggle::facts {
namespace {

struct full_unix_listener_fact {
    __u64 full_ns;
    __u32 netns;
    __u32 inode;
    __u32 waiting;
    __u32 backlog;
    __u32 looks;
    __u32 pid;
    __u32 owners;
    char comm[WAGGLE_COMM_LEN];
    waggle_text path;
    waggle_text exe;
};

constexpr Field full_unix_listeners_fields[] = {
    WAGGLE_FIELD(full_unix_listener_fact, netns, Unit::identifier, "The network namespace by its number.",
                 trait_key),
    WAGGLE_FIELD(full_unix_listener_fact, inode, Unit::identifier, "The socket by its inode number.",
                 trait_key | trait_hidden),
    WAGGLE_FIELD(full_unix_listener_fact, path, Unit::none,
                 "Its path; @ begins one that is in no file system; empty where it has none."),
    WAGGLE_FIELD(full_unix_listener_fact, waiting, Unit::count, "Connections that wait to be taken."),
    WAGGLE_FIELD(full_unix_listener_fact, backlog, Unit::count,
                 "What was asked for in listen(); one more can wait."),
    WAGGLE_FIELD(full_unix_listener_fact, looks, Unit::count,
                 "At how many looks in a row it was full, this one with them."),
    WAGGLE_FIELD(full_unix_listener_fact, full_ns, Unit::nanoseconds,
                 "From the first of these looks to this one."),
    WAGGLE_FIELD(full_unix_listener_fact, pid, Unit::identifier,
                 "The process that has it, the lowest where several do; 0 where none was found."),
    WAGGLE_FIELD(full_unix_listener_fact, owners, Unit::count, "How many processes have it."),
    WAGGLE_FIELD(full_unix_listener_fact, comm, Unit::none, "The process's name, at most 15 characters."),
    WAGGLE_FIELD(full_unix_listener_fact, exe, Unit::none, "Path of its executable.", trait_hidden),
};
constexpr Schema full_unix_listeners_schema = {"full_unix_listeners",
                                               "A unix socket whose queue of connections that wait for "
                                               "accept() is full: who connects waits, or gets EAGAIN.",
                                               sizeof(full_unix_listener_fact), full_unix_listeners_fields,
                                               false};

struct FullListener {
    std::uint32_t netns = 0, inode = 0, waiting = 0, backlog = 0;
    std::string path;
};

// "@name" of the abstract name "\0name", as ss prints it.
std::string path_of(Bytes name) {
    std::string path(reinterpret_cast<const char*>(name.data()), name.size());
    if (!path.empty() && path.front() == '\0') path.front() = '@';
    while (!path.empty() && path.back() == '\0') path.pop_back();
    return path;
}

class FullUnixListeners final : public NamespaceFact {
  public:
    explicit FullUnixListeners(const Roots& roots) : NamespaceFact(roots) {}
    const Schema& schema() const override { return full_unix_listeners_schema; }
    bool looks_back() const override { return true; }

    Result<void> begin(std::span<const NetworkNamespace>, const RowSink&) override {
        found_.clear();
        return {};
    }

    // Where the kernel cannot list them (the module unix_diag) there are no rows.
    Result<void> read_in(const NetworkNamespace& netns, const RowSink&) override {
        auto netlink = Netlink::open(NETLINK_SOCK_DIAG);
        if (!netlink) return while_doing("list unix sockets", netlink.error());
        unix_diag_req request{};
        request.sdiag_family = AF_UNIX;
        request.udiag_states = 1u << TCP_LISTEN;
        request.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_RQLEN;
        const auto dumped =
            netlink->dump(SOCK_DIAG_BY_FAMILY, bytes_of(request), [&](const NetlinkMessage& message) {
                if (message.body.size() < sizeof(unix_diag_msg)) return;
                FullListener one;
                one.netns = netns.inode;
                one.inode = load<unix_diag_msg>(message.body).udiag_ino;
                each_attribute(message.body.subspan(sizeof(unix_diag_msg)),
                               [&](std::uint16_t type, Bytes value) {
                                   if (type == UNIX_DIAG_NAME) one.path = path_of(value);
                                   if (type != UNIX_DIAG_RQLEN || value.size() < sizeof(unix_diag_rqlen))
                                       return;
                                   one.waiting = load<unix_diag_rqlen>(value).udiag_rqueue;
                                   one.backlog = load<unix_diag_rqlen>(value).udiag_wqueue;
                               });
                if (one.waiting > one.backlog) found_.push_back(std::move(one));
            });
        if (!dumped && dumped.error().kind == ErrorKind::privilege)
            return while_doing("list unix sockets", dumped.error());
        return {};
    }

    Result<void> end(const RowSink& sink, Result<void> so_far) override {
        const std::uint64_t now_ns = clock_.monotonic_ns();
        full_.begin(now_ns);
        if (found_.empty()) return so_far;
        SocketOwners::Owners owners;
        for (const FullListener& one : found_) owners[one.inode] = {};
        Procfs proc(roots_.proc);
        SocketOwners::find_by_proc(proc, owners);
        for (const FullListener& one : found_)
            emit(one, owners[one.inode], full_.saw({one.netns, one.inode}), now_ns, sink);
        return so_far;
    }

  private:
    using Place = std::pair<std::uint32_t, std::uint32_t>;  // netns, inode

    void emit(const FullListener& one, const Owner& owner, const Since& since, std::uint64_t now_ns,
              const RowSink& sink) {
        record_.clear();
        record_.fixed.netns = one.netns;
        record_.fixed.inode = one.inode;
        record_.fixed.waiting = one.waiting;
        record_.fixed.backlog = one.backlog;
        record_.fixed.looks = since.looks;
        record_.fixed.full_ns = now_ns - since.first_ns;
        record_.fixed.pid = owner.pid;
        record_.fixed.owners = owner.count;
        put(record_.fixed.comm, owner.comm);
        record_.text(&full_unix_listener_fact::path, one.path);
        record_.text(&full_unix_listener_fact::exe, owner.exe);
        sink(Row(full_unix_listeners_schema, record_.finish()));
    }

    SystemClock clock_;
    RecordWriter<full_unix_listener_fact> record_;
    std::vector<FullListener> found_;  // on this tour
    LooksInARow<Place> full_;
};

}  // namespace

std::unique_ptr<Fact> make_full_unix_listeners(const Roots& roots) {
    return std::make_unique<FullUnixListeners>(roots);
}

}  // namespace waggle::facts
