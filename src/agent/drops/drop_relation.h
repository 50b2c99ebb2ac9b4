// SPDX-License-Identifier: Apache-2.0
// DropRelation: a relation about dropped packets, worked out from the store's tables when it is first opened in a moment.
// All of them share one DropMoment, so that the scene is read once. Not thread-safe.
#pragma once

#include <memory>
#include <optional>

#include "agent/drops/drop_rows.h"
#include "query/window.h"
#include "store/store.h"

namespace waggle::agent {

// What such relations are worked out from.
class DropMoment {
  public:
    // The store outlives this object.
    explicit DropMoment(const Store& store);

    const DropTables& tables() const { return tables_; }
    explain::WindowRelation::Record window() const;
    const DropScene& scene();  // of the window; read when it is first asked for
    void forget() { scene_.reset(); }

  private:
    const explain::WindowRelation& window_;
    DropTables tables_;
    std::optional<DropScene> scene_;
};

class DropRelation : public Derived {
  public:
    explicit DropRelation(std::shared_ptr<DropMoment> moment) : moment_(std::move(moment)) {}

    void forget() override;
    std::unique_ptr<Cursor> open() const override;
    std::uint64_t row_count() const override { return 0; }

  protected:
    virtual std::size_t budget_bytes() const = 0;
    virtual void fill(DropMoment& moment, Table& table) const = 0;  // appends all rows

  private:
    std::shared_ptr<DropMoment> moment_;
    mutable std::unique_ptr<Table> table_;  // of this moment; made when first opened
};

}  // namespace waggle::agent
