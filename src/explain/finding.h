// SPDX-License-Identifier: Apache-2.0
// Finding: a rule's answer, in the parts every explanation has. Answer: all findings of one window with what
// they rest on.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "query/sql.h"
#include "query/window.h"
#include "waggle/coverage.h"

namespace waggle::explain {

enum class Severity : std::uint8_t { note, warning, critical };
enum class Confidence : std::uint8_t { low, medium, high };

std::string_view severity_name(Severity severity);
std::string_view confidence_name(Confidence confidence);

struct Evidence {
    std::string says;   // what the rows show, in words
    std::string query;  // SQL with every parameter written out
    ResultSet rows;
};

struct Object {
    std::string kind;   // "firewall rule", "socket", "disk", "executable" …
    std::string name;   // "inet fw input handle 14"
    std::string value;  // "tcp dport 7777 drop"
};

// What to do: a command to run, or a sentence.
struct Advice {
    enum class Kind : std::uint8_t { command, say };
    enum class Part : std::uint8_t { try_, check };
    Part part = Part::try_;
    Kind kind = Kind::say;
    std::string text;  // the command alone, or the sentence
    std::string why;   // what the command is for; empty where it says nothing
};

struct Finding {
    std::string id;  // rule and object, stable between windows: "firewall_drop: inet fw input handle 14"
    std::string rule;
    Severity severity = Severity::note;
    Confidence confidence = Confidence::low;
    std::string what;
    std::vector<std::string> because;  // nearest cause first
    std::vector<Evidence> evidence;
    std::string impact;
    std::vector<std::string> try_;  // commands or sentences, most likely first
    std::vector<std::string> check;
    std::vector<Advice> advice;  // the entries of try_ and then of check once more, apart
    std::vector<std::pair<std::string, std::string>> subject;  // pid, exe, unit, container …: key and value
    Object object;
    std::string because_of;    // id of the finding that causes this one; empty for a root
    std::uint64_t age_ns = 0;  // how long before the answer it was found; 0 where it was found by it
};

// One sensor's part in an answer.
struct SensorCoverage {
    std::string sensor;
    std::uint64_t seen = 0;     // rows that reached the tables in the window
    std::vector<Loss> lost;     // records that did not, by cause, in the window; empty: not known
    std::uint64_t evicted = 0;  // rows that left the tables before the answer because of the memory bound
    std::vector<HookUse> hooks;

    // Of all causes together.
    std::uint64_t lost_count() const {
        std::uint64_t sum = 0;
        for (const Loss& loss : lost) sum += loss.count;
        return sum;
    }
};

struct Answer {
    Window window;
    std::vector<Finding> findings;  // roots first, each followed by what it causes; most severe root first
    std::vector<SensorCoverage> coverage;
    std::vector<std::string>
        problems;        // facts that could not be read, rules that could not be asked: a sentence each
    std::string source;  // empty for this machine, else what is being replayed
};

}  // namespace waggle::explain
