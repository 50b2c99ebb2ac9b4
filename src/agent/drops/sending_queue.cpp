// SPDX-License-Identifier: Apache-2.0
#include "agent/drops/sending_queue.h"

#include <algorithm>

namespace waggle::agent {
namespace {

// They drop only what has no room any more.
constexpr std::string_view plain_queues[] = {"pfifo", "bfifo", "pfifo_fast", "pfifo_head_drop"};

bool is_plain(std::string_view kind) {
    return std::find(std::begin(plain_queues), std::end(plain_queues), kind) != std::end(plain_queues);
}

// "1:" of "1:20"; empty for the root.
std::string handle_above(const std::string& parent) {
    const std::size_t colon = parent.find(':');
    return colon == std::string::npos ? std::string() : parent.substr(0, colon + 1);
}

bool has_handle(const Qdisc& qdisc) { return qdisc.handle != "0:"; }

// Without a handle only a root holds others (mq).
bool is_child_of(const Qdisc& child, const Qdisc& parent) {
    if (&child == &parent || handle_above(child.parent) != parent.handle) return false;
    return has_handle(parent) || parent.parent == "root";
}

const Qdisc* above(const std::vector<Qdisc>& qdiscs, const Qdisc& child) {
    for (const Qdisc& other : qdiscs)
        if (is_child_of(child, other)) return &other;
    return nullptr;
}

DroppingQueue::Why why_of(const Qdisc& qdisc, bool has_queues, std::string_view reason) {
    if (is_plain(qdisc.kind) || reason == "QDISC_OVERLIMIT") return DroppingQueue::Why::full;
    // What has no room it lets its own queue drop, which is then counted there; by itself it turns away what
    // never fits (sch_tbf.c, tbf_enqueue).
    if (has_queues) return qdisc.kind == "tbf" ? DroppingQueue::Why::oversized : DroppingQueue::Why::itself;
    return DroppingQueue::Why::other;
}

DroppingQueue describe(const std::vector<Qdisc>& qdiscs, const Qdisc& qdisc, std::int64_t own,
                       bool has_queues, std::string_view reason) {
    DroppingQueue found;
    found.counted = own;
    found.why = why_of(qdisc, has_queues, reason);
    const Qdisc* named = &qdisc;
    const Qdisc* holder = above(qdiscs, qdisc);
    // The plain queue inside a tbf is its own: it is shown and set as the tbf.
    if (!has_handle(qdisc) && holder && holder->kind == "tbf") {
        named = holder;
        holder = above(qdiscs, *holder);
    }
    found.kind = named->kind;
    if (has_handle(*named)) found.handle = named->handle;
    found.parent = named->parent;
    if (!holder) return found;
    found.class_name = named->parent;
    found.class_kind = holder->kind;
    found.class_handle = holder->handle;
    return found;
}

}  // namespace

std::vector<DroppingQueue> dropping_queues(const std::vector<Qdisc>& qdiscs, std::int64_t packets,
                                           std::string_view reason) {
    std::vector<DroppingQueue> found;
    std::int64_t all = 0;
    for (const Qdisc& qdisc : qdiscs) {
        std::int64_t own = qdisc.drops;
        bool has_queues = false;
        for (const Qdisc& child : qdiscs) {
            if (!is_child_of(child, qdisc)) continue;
            has_queues = true;
            own -= child.drops;
        }
        if (own <= 0) continue;
        all += own;
        found.push_back(describe(qdiscs, qdisc, own, has_queues, reason));
    }
    // Counters and drops are read a moment apart; half or double is more than that moment.
    if (all * 2 < packets || all > packets * 2) return {};
    std::stable_sort(found.begin(), found.end(),
                     [](const DroppingQueue& a, const DroppingQueue& b) { return a.counted > b.counted; });
    std::int64_t told = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
        if (told * 10 >= all * 9) {
            found.resize(i);
            break;
        }
        told += found[i].counted;
    }
    return found;
}

}  // namespace waggle::agent
