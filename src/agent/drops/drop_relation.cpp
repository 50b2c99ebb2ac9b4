// SPDX-License-Identifier: Apache-2.0
#include "agent/drops/drop_relation.h"

namespace waggle::agent {

DropMoment::DropMoment(const Store& store)
    : window_(store.window()),
      tables_{[&store](std::string_view name) { return store.relation(name); }, store.lookup()} {}

explain::WindowRelation::Record DropMoment::window() const {
    Row row;
    const auto cursor = window_.open();
    if (!cursor->next(row)) return {};
    return load<explain::WindowRelation::Record>(row.bytes());
}

const DropScene& DropMoment::scene() {
    if (!scene_) scene_ = DropScene::read(tables_, window().from_ns);
    return *scene_;
}

void DropRelation::forget() {
    table_.reset();
    moment_->forget();
}

std::unique_ptr<Cursor> DropRelation::open() const {
    if (!table_) {
        table_ = std::make_unique<Table>(schema(), budget_bytes());
        fill(*moment_, *table_);
    }
    return table_->open();
}

}  // namespace waggle::agent
