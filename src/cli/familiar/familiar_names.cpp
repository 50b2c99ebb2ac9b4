// SPDX-License-Identifier: Apache-2.0
#include "cli/familiar/familiar_names.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace waggle::cli {
namespace {

constexpr FamiliarName names[] = {
    {"biolatency", "How long disks take, as distributions.", "hist block_io"},
    {"biosnoop", "Each request to a disk: who asked, and how long it waited and took.",
     "trace block_io --fields time_ns,comm,pid,device,operation,sector,bytes,queue_ns,device_ns"},
    {"biotop", "Who keeps the disks busy.", "top block_io"},
    {"bpflist", "The BPF programs of this machine, whose they are and where they are attached.", "bpf list"},
    {"bpftop", "What each BPF program costs.", "bpf top"},
    {"dnssnoop", "Each question to a name server: who asked, for which name, and what the answer was.",
     "trace dns_lookup --fields time_ns,comm,pid,name,type,server,code,latency_ns,tries"},
    {"dropwatch", "Each packet that is dropped, why, and by which function of the kernel.",
     "trace packet_drop --fields "
     "time_ns,reason,location,protocol,source,source_port,destination,destination_port,device,length_bytes"},
    {"execsnoop", "Each program that is started.",
     "trace process_exec --fields time_ns,comm,pid,parent_pid,uid,arguments"},
    {"exitsnoop", "Each process that ends: how long it lived, and how it ended.",
     "trace process_exit --fields time_ns,comm,pid,parent_pid,ran_ns,exit_code,signal"},
    {"futexctn", "Which locks the threads of a program wait for, and how long.", "top lock"},
    {"gethostlatency", "How long programs waited for the addresses of each name, and what they were told.",
     "trace name_lookup --fields time_ns,pid,comm,latency_ns,name,result"},
    {"hardirqs", "What interrupts take of each processor.", "top interrupt"},
    {"irqtop", "What interrupts take of each processor.", "top interrupt"},
    {"killsnoop", "Which process sends which signal to which.",
     "trace process_signal --fields time_ns,comm,pid,signal,target_pid,target_comm,outcome"},
    {"klockstat", "For which locks of the kernel who waits, in which function, and how long.",
     "top kernel_lock"},
    {"runqlat", "How long threads wait for a processor, as a distribution.", "hist run_queue"},
    {"runqslower", "Each wait for a processor that takes 10 ms and more.",
     "trace run_queue --run-queue-least 10ms"},
    {"softirqs", "What softirqs take of each processor.", "top interrupt"},
    {"tcpconnlat", "How long it takes to connect, as a distribution.", "hist tcp"},
    {"tcplife", "Each TCP connection at its end: whose, with whom, how long, and how much.",
     "trace tcp_connection --fields "
     "time_ns,comm,pid,role,local_address,local_port,remote_address,remote_port,sent_bytes,received_bytes,"
     "lived_ns,ended"},
    {"tcprtt", "How long packets took to the other side and back, for each TCP connection at its end.",
     "trace tcp_connection --fields time_ns,comm,pid,remote_address,remote_port,rtt_ns,least_rtt_ns"},
    {"tcptop", "Who sends and receives most by TCP.", "top tcp"},
};
static_assert(std::ranges::is_sorted(names, {}, &FamiliarName::name));

// What the tools of one name have in common, as waggle spells it.
struct FamiliarFlag {
    std::string_view theirs, ours;
};
constexpr FamiliarFlag flags[] = {
    {"-p", "--pid"},      {"--PID", "--pid"},      {"-n", "--comm"},
    {"--name", "--comm"}, {"-j", "--output=json"}, {"--json", "--output=json"},
};

bool is_number(std::string_view word) {
    return !word.empty() && word.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

std::span<const FamiliarName> familiar_names() { return names; }

Result<const FamiliarName*> make_ours(std::vector<std::string>& arguments) {
    if (arguments.empty()) return nullptr;
    const auto* const found =
        std::ranges::find(names, std::string_view(arguments.front()), &FamiliarName::name);
    if (found == std::end(names)) return nullptr;
    std::vector<std::string> ours;
    for (const std::string_view word : split(found->command, ' ')) ours.emplace_back(word);
    bool has_interval = false, is_value = false;
    for (auto word = arguments.begin() + 1; word != arguments.end(); ++word) {
        const auto* const flag = std::ranges::find(flags, std::string_view(*word), &FamiliarFlag::theirs);
        if (flag != std::end(flags)) {
            ours.emplace_back(flag->ours);
            is_value = !flag->ours.ends_with("json");
        } else if (is_number(*word) && !is_value) {
            if (has_interval && *word != "1")
                return Error{fmt::format("{} prints once here, or each second on a terminal: leave out {}",
                                         found->name, *word),
                             ErrorKind::usage};
            if (!has_interval) ours.insert(ours.end(), {"--for", *word + "s"});
            has_interval = true;
        } else {
            ours.push_back(*word);
            is_value = word->starts_with("--") && word->find('=') == std::string::npos;
        }
    }
    arguments = std::move(ours);
    return found;
}

std::string familiar_table() {
    std::string out = "| known as | shows | here |\n| --- | --- | --- |\n";
    for (const FamiliarName& each : names)
        out += fmt::format("| `waggle {}` | {} | `waggle {}` |\n", each.name, each.shows, each.command);
    return out;
}

}  // namespace waggle::cli
