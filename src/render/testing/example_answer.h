// SPDX-License-Identifier: Apache-2.0
// An answer for the sinks' tests.
#pragma once

#include "explain/finding.h"
#include "query/testing/tables.h"

namespace waggle::sinks::samples {

using explain::samples::cell;

inline explain::Answer example_answer() {
    using namespace explain;
    Answer answer;
    answer.window = {1'000'000'000, 11'000'000'000, 1'714'564'800'000'000'000};
    Finding finding;
    finding.id = "udp_receiver_too_slow: UDP port 53";
    finding.rule = "udp_receiver_too_slow";
    finding.severity = Severity::critical;
    finding.confidence = Confidence::high;
    finding.what =
        "named (pid 812) reads its UDP socket on port 53 too slowly: 1,312 packets were lost in 10 s.";
    finding.because = {"The socket's receive buffer was full 1,312 times.",
                       "net.core.rmem_max limits the buffer to 208 KiB."};
    Evidence evidence;
    evidence.says = "The lost packets of pid 812 by sender.";
    evidence.query = "SELECT source, comm, packets FROM drops WHERE pid = 812";
    evidence.rows.columns = {{"source", Unit::none}, {"comm", Unit::none}, {"packets", Unit::count}};
    evidence.rows.rows = {{cell("192.0.2.7"), cell("a\x1b[2Jb"), cell(std::int64_t{1300})},
                          {cell("198.51.100.1"), Cell{}, cell(std::int64_t{12})}};
    finding.evidence = {evidence};
    finding.impact = "named misses 131 packets each second; their senders wait for an answer and ask again.";
    finding.try_ = {"sysctl -w net.core.rmem_max=8388608    # now 208 KiB",
                    "Give named more processor time, or let several threads read."};
    finding.check = {"waggle why drops --for 10s"};
    finding.subject = {{"pid", "812"}, {"comm", "named"}};
    finding.object = {"socket", "UDP port 53", "212992"};
    answer.findings = {finding};
    finding.id = "symptom: x";
    finding.severity = Severity::warning;
    finding.what = "Short.";
    finding.evidence.clear();
    finding.because = {"It follows."};
    finding.because_of = "udp_receiver_too_slow: UDP port 53";
    answer.findings.push_back(finding);
    answer.coverage = {
        {"packet_drop", 1312, {{"ring full", 7}, {"map full", 0}}, 3, {{"drop", "tp_btf/kfree_skb", "", ""}}},
        {"block_io", 40, {{"ring full", 0}}, 0, {{"error", "", "Errors of requests are not seen.", ""}}}};
    answer.problems = {"Firewall rules could not be read: nft is not installed."};
    return answer;
}

}  // namespace waggle::sinks::samples
