// SPDX-License-Identifier: Apache-2.0
// RowSayer: rows as sentences, one each, for `waggle trace --say`.
#pragma once

#include <map>
#include <string>

#include "cli/command.h"
#include "model/columns.h"
#include "render/row_printer.h"
#include "waggle/explain.h"

namespace waggle::cli {

class RowSayer {
  public:
    // With options.json the row as JSON, with its sentence under "says".
    static Result<RowSayer> open(const Options& options, std::uint64_t realtime_minus_monotonic_ns,
                                 const Lookup& lookup);
    void add(const Row& row, std::string& out);

  private:
    RowSayer(Explainer explainer, bool json, std::uint64_t offset_ns, const Lookup& lookup)
        : explainer_(std::move(explainer)), json_(json), offset_ns_(offset_ns), lookup_(lookup) {}

    std::string columns_said(const Row& row, const std::vector<Column>& columns) const;

    Explainer explainer_;
    bool json_;
    std::uint64_t offset_ns_;
    Lookup lookup_;
    std::map<const Schema*, std::vector<Column>> columns_;
    TimeOfDay time_;
};

}  // namespace waggle::cli
