// SPDX-License-Identifier: Apache-2.0
// Facts: tables read from the system at the moment a query asks: firewall rules, sockets, sysctls, interfaces
// … One file per fact; each is a schema and a reader.
//
// Not thread-safe; the agent's thread asks. Rows have no subject header: what a row is about stands in its
// fields.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "host/roots.h"
#include "model/row.h"
#include "waggle/result.h"

namespace waggle::facts {

using RowSink = std::function<void(const Row&)>;

class Fact {
  public:
    virtual ~Fact() = default;
    virtual const Schema& schema() const = 0;
    // Reads the system now. An error says what could not be read and why; rows handed out before it stay
    // valid facts. Rows live until the sink returns.
    virtual Result<void> read(const RowSink& sink) = 0;
    // Its rows tell of what earlier readings saw: it is read now and then also when nobody asks.
    virtual bool looks_back() const { return false; }
};

// Every fact this build has, in the order of the documentation.
std::vector<std::unique_ptr<Fact>> all_facts(const Roots& roots = {});

}  // namespace waggle::facts
