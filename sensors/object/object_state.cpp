// SPDX-License-Identifier: Apache-2.0
// How the object's programs, maps and globals stand, as rows.
#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>

#include "base/clock.h"
#include "base/text.h"
#include "sensors/object/running_object.h"

namespace waggle::sensors {

MadeSchema& RunningObject::new_schema(const std::string& wanted, std::string_view meaning, bool is_state) {
    const std::string name = sql_name(wanted);
    std::string free = name;
    for (int i = 2; !names_.insert(to_lower(free)).second; ++i) free = fmt::format("{}_{}", name, i);
    MadeSchema& made = schemas_.emplace_back(
        free, meaning,
        MadeSchema::Form{.kind = static_cast<std::uint16_t>(schemas_.size()), .is_state = is_state});
    pointers_.push_back(&made.schema());
    return made;
}

void RunningObject::make_own_tables() {
    using About = MadeSchema::About;
    const auto text = [](MadeSchema& schema, std::string_view name, std::string_view meaning) {
        schema.add(name, Type::text_ref, About{.meaning = meaning});
    };
    const auto number = [](MadeSchema& schema, std::string_view name, std::string_view meaning,
                           Unit unit = Unit::none) {
        schema.add(name, Type::u64, About{.meaning = meaning, .unit = unit});
    };
    programs_ = &new_schema("object_program", "A program of the object.", true);
    text(*programs_, "object", "The object's name.");
    text(*programs_, "program", "The program's name.");
    text(*programs_, "type", "Its type, as the kernel calls it.");
    text(*programs_, "section", "The section it stands in, which says where it wants to be attached.");
    number(*programs_, "id", "The kernel's number for it.", Unit::identifier);
    number(*programs_, "instructions", "How long it is, as compiled.", Unit::count);
    text(*programs_, "attached", "Where it is attached; empty where it is not.");
    text(*programs_, "problem", "Why it is not attached.");
    number(*programs_, "runs", "How often it ran.", Unit::count);
    number(*programs_, "run_ns", "How long all its runs took.", Unit::nanoseconds);
    maps_ = &new_schema("object_map", "A map of the object.", true);
    text(*maps_, "map", "Its name.");
    text(*maps_, "type", "Its type, as the kernel calls it.");
    number(*maps_, "id", "The kernel's number for it.", Unit::identifier);
    number(*maps_, "key_size", "Bytes of a key.", Unit::bytes);
    number(*maps_, "value_size", "Bytes of a value.", Unit::bytes);
    number(*maps_, "max_entries", "How many entries it has room for; of a ring, bytes.", Unit::count);
    text(*maps_, "key_type", "The type of its keys; empty where it is not known.");
    text(*maps_, "value_type", "The type of its values; empty where it is not known.");
    maps_->add("is_globals", Type::flag, About{.meaning = "Whether it holds the object's global variables."});
    text(*maps_, "problem", "Why its entries cannot be listed.");
    tables_ = &new_schema("object_table", "A table that waggle makes of the object.", true);
    text(*tables_, "table_name", "The table.");
    text(*tables_, "map", "The map whose records or entries it holds.");
    text(*tables_, "holds", "record, entry or bytes.");
    text(*tables_, "type", "The type of its records or values.");
    globals_ = &new_schema("object_global", "A global variable of the object.", true);
    text(*globals_, "map", "The map that holds it.");
    text(*globals_, "name", "Its name.");
    globals_->add("value", Type::text_ref, About{.meaning = "Its value.", .unit = Unit::identifier});
    globals_->add("number", Type::i64,
                  About{.meaning = "Its value where it is a whole number.", .traits = trait_nullable});
    bytes_ = &new_schema("object_bytes", "A record whose type is not known.", false);
    text(*bytes_, "map", "The ring or perf buffer it came by.");
    number(*bytes_, "length", "How long it is.", Unit::bytes);
    bytes_->add("bytes", Type::text_ref,
                About{.meaning = "Itself, in hexadecimal.", .unit = Unit::identifier});
    text(*bytes_, "reason", "Why its type is not known.");
    notes_.push_back({std::string(bytes_->schema().name), "", "bytes", ""});
}

void RunningObject::state(const StateSink& sink) {
    if (detached_) pace_.read_next();
    pace_.pace([&] {
        tell_programs(sink);
        for (EntryMap& map : entry_maps_) tell_entries(map, sink);
        tell_maps(sink);
        tell_tables(sink);
        tell_globals(sink);
    });
}

void RunningObject::tell_programs(const StateSink& sink) {
    for (const ObjectProgram& program : object_.programs()) {
        rows_.begin(*programs_, SystemClock().monotonic_ns());
        rows_.text(0, object_.name());
        rows_.text(1, program.name);
        rows_.text(2, program.type);
        rows_.text(3, program.section);
        rows_.number(4, program.id);
        rows_.number(5, program.instructions);
        if (const auto where = attached_.find(program.name); where != attached_.end())
            rows_.text(6, where->second);
        if (const auto problem = problems_of_.find(program.name); problem != problems_of_.end())
            rows_.text(7, problem->second);
        rows_.number(8, program.runs);
        rows_.number(9, program.run_ns);
    }
    sink(programs_->schema(), rows_.take());
}

void RunningObject::tell_maps(const StateSink& sink) {
    for (const ObjectMap& map : object_.maps()) {
        rows_.begin(*maps_, SystemClock().monotonic_ns());
        rows_.text(0, map.name);
        rows_.text(1, map.type);
        rows_.number(2, map.id);
        rows_.number(3, map.key_size);
        rows_.number(4, map.value_size);
        rows_.number(5, map.max_entries);
        rows_.number(8, map.global_data);
        const auto entries = std::ranges::find(entry_maps_, map.name, &EntryMap::name);
        if (entries == entry_maps_.end()) {
            if (!map.global_data && !holds_events(map)) rows_.text(9, "it has no keys by which to list it");
            continue;
        }
        rows_.text(6, entries->key_type);
        rows_.text(7, entries->value_type);
        rows_.text(9, entries->problem);
    }
    sink(maps_->schema(), rows_.take());
}

void RunningObject::tell_tables(const StateSink& sink) {
    for (const TableNote& note : notes_) {
        rows_.begin(*tables_, SystemClock().monotonic_ns());
        rows_.text(0, note.table);
        rows_.text(1, note.map);
        rows_.text(2, note.holds);
        rows_.text(3, note.type);
    }
    sink(tables_->schema(), rows_.take());
}

std::string RunningObject::frames(Bytes stack) const {
    std::string out;
    for (std::size_t at = 0; at + 8 <= stack.size(); at += 8) {
        const auto address = waggle::load<std::uint64_t>(stack, at);
        if (address == 0) break;
        const std::string name = symbols_ ? symbols_(address) : "";
        out += (out.empty() ? "" : "\n") + (name.empty() ? fmt::format("{:#x}", address) : name);
    }
    return out;
}

// An array has all its entries from the beginning: those that are zero say nothing.
void RunningObject::tell_entries(EntryMap& map, const StateSink& sink) {
    const MapShape& shape = map.view.shape();
    const bool skip_zero = shape.kind == MapKind::array || shape.kind == MapKind::percpu_array;
    const std::uint64_t now_ns = SystemClock().monotonic_ns();
    const auto is_zero = [](Bytes bytes) {
        return std::ranges::all_of(bytes, [](std::byte each) { return each == std::byte{0}; });
    };
    const auto walked = map.view.each([&](Bytes key, Bytes value) {
        if (skip_zero && is_zero(value)) return true;
        const std::size_t parts = map.view.is_per_cpu() ? map.view.cpus() : 1;
        const std::size_t stride = value.size() / std::max<std::size_t>(parts, 1);
        for (std::size_t cpu = 0; cpu < parts; ++cpu) {
            rows_.begin(*map.schema, now_ns);
            map.key.put(key, rows_);
            if (map.view.is_per_cpu()) rows_.number(map.cpu, cpu);
            const Bytes own = value.subspan(cpu * stride, std::min<std::size_t>(shape.value_size, stride));
            if (map.value)
                map.value->put(own, rows_);
            else
                rows_.text(map.stack, frames(own));
        }
        return true;
    });
    map.problem = walked ? "" : walked.error().message;
    sink(map.schema->schema(), rows_.take());
}

void RunningObject::tell_globals(const StateSink& sink) {
    for (const GlobalMap& map : global_maps_) {
        const Result<std::vector<std::byte>> bytes = map.view.read(bytes_of(std::uint32_t{0}));
        if (!bytes) continue;
        for (const TypeField& field : kernel::section_fields(map.types, map.view.shape().value_type)) {
            if (field.offset > bytes->size() || field.size > bytes->size() - field.offset) continue;
            const Bytes own = Bytes(*bytes).subspan(field.offset, field.size);
            const Result<std::string> value = map.types.text(field.type_id, own);
            if (!value) continue;
            const kernel::FieldKind kind = kernel::kind_of_field(map.types, field);
            const bool whole = kind == kernel::FieldKind::number || kind == kernel::FieldKind::signed_number;
            rows_.begin(*globals_, SystemClock().monotonic_ns());
            rows_.text(0, map.name);
            rows_.text(1, field.name);
            rows_.text(2, *value);
            rows_.number(3, whole ? static_cast<std::uint64_t>(std::strtoll(value->c_str(), nullptr, 10))
                                  : static_cast<std::uint64_t>(null_i64));
        }
    }
    sink(globals_->schema(), rows_.take());
}

}  // namespace waggle::sensors
