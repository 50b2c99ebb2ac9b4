// SPDX-License-Identifier: Apache-2.0
#include "facts/fact.h"

namespace waggle::facts {

Result<void> NamespaceFact::read(const RowSink& sink) {
    NamespaceTour tour(roots_);
    FactReading alone{this, sink, {}};
    read_facts({&alone, 1}, tour);
    return alone.result;
}

Result<void> NamespaceFact::begin(std::span<const NetworkNamespace>, const RowSink&) { return {}; }
Result<void> NamespaceFact::end(const RowSink&, Result<void> so_far) { return so_far; }

namespace {

void note(FactReading& reading, const Result<void>& result) {
    if (!result && reading.result) reading.result = result;
}

void read_on_tour(const std::vector<FactReading*>& on_tour, NamespaceTour& tour) {
    for (FactReading* reading : on_tour)
        note(*reading, reading->fact->by_namespace()->begin(tour.namespaces(), reading->sink));
    tour.visit_each(
        [&](const NetworkNamespace& netns) {
            for (FactReading* reading : on_tour)
                note(*reading, reading->fact->by_namespace()->read_in(netns, reading->sink));
        },
        [&](const Error& missed) {
            for (FactReading* reading : on_tour) note(*reading, missed);
        });
    for (FactReading* reading : on_tour)
        reading->result = reading->fact->by_namespace()->end(reading->sink, std::move(reading->result));
}

}  // namespace

void read_facts(std::span<FactReading> due, NamespaceTour& tour) {
    std::vector<FactReading*> on_tour;
    for (FactReading& reading : due) {
        reading.result = {};
        if (reading.fact->by_namespace()) on_tour.push_back(&reading);
    }
    if (!on_tour.empty()) read_on_tour(on_tour, tour);
    // After the tour: what is gone is told by what is there now, as of firewall rules.
    for (FactReading& reading : due)
        if (!reading.fact->by_namespace()) reading.result = reading.fact->read(reading.sink);
}

}  // namespace waggle::facts
