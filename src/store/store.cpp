// SPDX-License-Identifier: Apache-2.0
#include "store/store.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/text.h"
#include "base/units.h"
#include "store/socket_functions.h"

namespace waggle::agent {
namespace {

// A recorded fact has no bound of its own: the file it came from has been read whole already.
constexpr std::size_t unbounded = SIZE_MAX / 2;

// That tables whose weights sum up to `weights` find room together, the lightest of weight `least` too.
std::size_t needed_for(std::size_t weights, std::size_t least) {
    return (Table::smallest_budget * weights + least - 1) / least;
}

}  // namespace

Store::Store(std::size_t memory_bytes, const Subjects& subjects, explain::Sql sql)
    : memory_bytes_(memory_bytes), lookup_{&names_, &subjects}, sql_(std::move(sql)) {}

Store::~Store() = default;

Result<std::unique_ptr<Store>> Store::create(std::size_t memory_bytes, const Subjects& subjects) {
    Result<explain::Sql> sql = explain::Sql::open();
    if (!sql) return sql.error();
    std::unique_ptr<Store> store(new Store(memory_bytes, subjects, std::move(*sql)));
    if (auto added = store->window_.add_to(store->sql_); !added) return added.error();
    store->functions_ = std::make_unique<SocketFunctions>();
    if (auto added = store->functions_->add_to(store->sql_); !added) return added.error();
    return store;
}

std::size_t Store::least_memory(std::span<const Schema* const> schemas) {
    std::size_t weights = 0, least = SIZE_MAX;
    for (const Schema* schema : schemas) {
        weights += schema->memory_weight;
        least = std::min<std::size_t>(least, schema->memory_weight);
    }
    return schemas.empty() ? 0 : needed_for(weights, least);
}

const Relation* Store::relation(std::string_view name) const {
    for (const std::unique_ptr<TableView>& view : views_)
        if (view->schema().name == name) return view.get();
    for (const std::unique_ptr<RecordedRows>& rows : recorded_)
        if (rows->schema().name == name) return rows.get();
    for (const std::unique_ptr<FactTable>& fact : facts_)
        if (fact->schema().name == name) return fact.get();
    for (const std::unique_ptr<Derived>& derived : derived_)
        if (derived->schema().name == name) return derived.get();
    return nullptr;
}

Result<void> Store::add_derived(std::unique_ptr<Derived> derived) {
    if (auto added = sql_.add(*derived, lookup_); !added) return added;
    derived_.push_back(std::move(derived));
    return {};
}

Result<Table*> Store::insert(const Schema& schema, std::size_t budget) {
    auto made = std::make_unique<Table>(schema, budget);
    auto view = std::make_unique<TableView>(*made);
    if (auto added = sql_.add(*view, lookup_); !added) return added.error();
    views_.push_back(std::move(view));
    Table* raw = made.get();
    tables_[std::string(schema.name)] = std::move(made);
    return raw;
}

Result<Table*> Store::add_table(const Schema& schema) {
    if (Table* known = table(schema.name)) return known;
    if (!expected_.contains(schema.name))
        if (auto shared = share_memory(schema); !shared) return shared.error();
    const Result<Table*> made = insert(schema, share_of(schema));
    if (made) order_.push_back(*made);
    return made;
}

std::size_t Store::share_of(const Schema& schema) const {
    return static_cast<std::size_t>(static_cast<double>(memory_bytes_) * schema.memory_weight / all_weights_);
}

Result<void> Store::share_memory(const Schema& newcomer) {
    const std::uint32_t weights = all_weights_ + newcomer.memory_weight;
    const std::uint32_t least = std::min(least_weight_, newcomer.memory_weight);
    if (memory_bytes_ < needed_for(weights, least))
        return Error{fmt::format(
            "no memory is left for the table {}: {} of memory are shared by {} already, and each needs {}; "
            "--memory gives more",
            newcomer.name, format_bytes(static_cast<double>(memory_bytes_)), counted(sharing_, "table"),
            format_bytes(static_cast<double>(Table::smallest_budget)))};
    all_weights_ = weights;
    least_weight_ = least;
    ++sharing_;
    for (Table* table : order_) table->set_budget(share_of(table->schema()));
    return {};
}

Result<void> Store::expect(std::span<const Schema* const> schemas) {
    for (const Schema* schema : schemas) {
        if (!expected_.emplace(schema->name).second) continue;
        if (auto shared = share_memory(*schema); !shared) return shared;
    }
    return {};
}

Result<Table*> Store::add_recorded_fact(const Schema& schema) {
    const Result<Table*> made = insert(schema, unbounded);
    if (made) functions_->look_at(schema.name, **made);
    return made;
}

Result<RecordedRows*> Store::add_recorded_rows(const Schema& schema) {
    auto made = std::make_unique<RecordedRows>(schema);
    if (auto added = sql_.add(*made, lookup_); !added) return added.error();
    recorded_.push_back(std::move(made));
    return recorded_.back().get();
}

Table* Store::table(std::string_view name) {
    const auto found = tables_.find(name);
    return found == tables_.end() ? nullptr : found->second.get();
}

Result<void> Store::add_fact(std::unique_ptr<facts::Fact> fact, const Clock* clock) {
    auto made = std::make_unique<FactTable>(std::move(fact), &tour_, clock);
    if (auto added = sql_.add(*made, lookup_); !added) return added;
    functions_->look_at(made->schema().name, *made);
    facts_.push_back(std::move(made));
    return {};
}

void Store::read_facts(const std::function<bool(const FactTable&)>& is_due) {
    std::vector<const FactTable*> due;
    for (const std::unique_ptr<FactTable>& fact : facts_)
        if (is_due(*fact)) due.push_back(fact.get());
    FactTable::read_together(due, tour_);
}

void Store::begin_moment(const explain::Window& window, std::uint64_t oldest_ns) {
    window_.set(window);
    sql_.forget_views();
    functions_->forget();
    for (const std::unique_ptr<Derived>& derived : derived_) derived->forget();
    for (const std::unique_ptr<TableView>& view : views_) view->begin_moment();
    tour_.begin_moment();
    for (const std::unique_ptr<FactTable>& fact : facts_) fact->begin_moment(window.to_ns, oldest_ns);
}

}  // namespace waggle::agent
