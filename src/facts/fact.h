// SPDX-License-Identifier: Apache-2.0
// Facts: tables read from the system at the moment a query asks: firewall rules, sockets, sysctls, interfaces
// … One file per fact; each is a schema and a reader.
//
// Not thread-safe; the agent's thread asks. Rows have no subject header: what a row is about stands in its
// fields.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/netns.h"
#include "host/roots.h"
#include "model/row.h"
#include "waggle/result.h"

namespace waggle::facts {

using RowSink = std::function<void(const Row&)>;

class NamespaceFact;

class Fact {
  public:
    virtual ~Fact() = default;
    virtual const Schema& schema() const = 0;
    // Reads the system now. An error says what could not be read and why; rows handed out before it stay
    // valid facts. Rows live until the sink returns.
    virtual Result<void> read(const RowSink& sink) = 0;
    // Its rows tell of what earlier readings saw: it is read now and then also when nobody asks.
    virtual bool looks_back() const { return false; }
    // Where it is read in each network namespace: itself.
    virtual NamespaceFact* by_namespace() { return nullptr; }
};

// A fact that is read in each network namespace. Several of them are read in one tour.
class NamespaceFact : public Fact {
  public:
    // Alone, in a tour of its own.
    Result<void> read(const RowSink& sink) final;
    NamespaceFact* by_namespace() final { return this; }

    // What is read besides, before the first namespace.
    virtual Result<void> begin(std::span<const NetworkNamespace> all, const RowSink& sink);
    // Reads the namespace that this thread is in.
    virtual Result<void> read_in(const NetworkNamespace& netns, const RowSink& sink) = 0;
    // After the last, on the asker's thread; `so_far` is the first error, and what this gives is the whole's.
    virtual Result<void> end(const RowSink& sink, Result<void> so_far);

  protected:
    explicit NamespaceFact(Roots roots) : roots_(std::move(roots)) {}
    Roots roots_;
};

// One fact that is due, and how its reading went.
struct FactReading {
    Fact* fact;
    RowSink sink;
    Result<void> result;
};

// Reads all that are due. Those of network namespaces go on one tour together: each namespace is entered once; the
// others are read after it. What one of them cannot read is no matter to the others.
void read_facts(std::span<FactReading> due, NamespaceTour& tour);

// Every fact this build has, in the order of the documentation.
std::vector<std::unique_ptr<Fact>> all_facts(const Roots& roots = {});

}  // namespace waggle::facts
