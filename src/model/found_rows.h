// SPDX-License-Identifier: Apache-2.0
// FindsRows: what a relation can do besides, where it finds rows without going through all of them.
#pragma once

#include <cstdint>
#include <memory>

#include "model/table.h"

namespace waggle {

class FindsRows {
  public:
    virtual ~FindsRows() = default;
    // The rows whose value of `field`, an integer of the relation's schema, is `value`, in the relation's order.
    virtual std::unique_ptr<Cursor> open_where(const Field& field, std::int64_t value) const = 0;
};

}  // namespace waggle
