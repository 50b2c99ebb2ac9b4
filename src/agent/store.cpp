// SPDX-License-Identifier: Apache-2.0
#include "agent/store.h"

#include "agent/firewall_functions.h"

namespace waggle::agent {
namespace {

// A recorded fact has no bound of its own: the file it came from has been read whole already.
constexpr std::size_t unbounded = SIZE_MAX / 2;

}  // namespace

Store::Store(std::size_t memory_bytes, const Subjects& subjects, explain::Sql sql)
    : memory_bytes_(memory_bytes), lookup_{&names_, &subjects}, sql_(std::move(sql)) {}

Store::~Store() = default;

Result<std::unique_ptr<Store>> Store::create(std::size_t memory_bytes, const Subjects& subjects) {
    Result<explain::Sql> sql = explain::Sql::open();
    if (!sql) return sql.error();
    std::unique_ptr<Store> store(new Store(memory_bytes, subjects, std::move(*sql)));
    if (auto added = store->sql_.add(store->window_, store->lookup_); !added) return added.error();
    store->firewall_ = std::make_unique<FirewallFunctions>();
    if (auto added = store->firewall_->add_to(store->sql_); !added) return added.error();
    return store;
}

Result<Table*> Store::insert(const Schema& schema, std::size_t budget) {
    auto made = std::make_unique<Table>(schema, budget);
    if (auto added = sql_.add(*made, lookup_); !added) return added.error();
    Table* raw = made.get();
    tables_[std::string(schema.name)] = std::move(made);
    return raw;
}

Result<Table*> Store::add_table(const Schema& schema) {
    if (Table* known = table(schema.name)) return known;
    const Result<Table*> made = insert(schema, memory_bytes_ / tables_sharing_memory);
    if (made) order_.push_back(*made);
    return made;
}

Result<Table*> Store::add_recorded_fact(const Schema& schema) {
    const Result<Table*> made = insert(schema, unbounded);
    if (made && schema.name == "firewall_rules") firewall_->look_at(**made);
    return made;
}

Table* Store::table(std::string_view name) {
    const auto found = tables_.find(name);
    return found == tables_.end() ? nullptr : found->second.get();
}

Result<void> Store::add_fact(std::unique_ptr<facts::Fact> fact) {
    auto made = std::make_unique<FactTable>(std::move(fact));
    if (auto added = sql_.add(*made, lookup_); !added) return added;
    if (made->schema().name == "firewall_rules") firewall_->look_at(*made);
    facts_.push_back(std::move(made));
    return {};
}

void Store::begin_moment(const explain::Window& window, std::uint64_t oldest_ns) {
    window_.set(window);
    firewall_->forget();
    for (const std::unique_ptr<FactTable>& fact : facts_) fact->begin_moment(window.to_ns, oldest_ns);
}

}  // namespace waggle::agent
