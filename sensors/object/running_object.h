// SPDX-License-Identifier: Apache-2.0
// RunningObject: a foreign object at work; its records, entries and globals as rows. object.cpp loads and attaches it and
// reads its rings; object_state.cpp tells how its programs and maps stand.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/types/record_types.h"
#include "model/source.h"
#include "sensing/made_schema.h"
#include "sensing/state_pace.h"
#include "sensors/object/object_columns.h"
#include "waggle/events.h"
#include "waggle/map.h"
#include "waggle/object.h"
#include "waggle/owned_fd.h"

namespace waggle::sensors {

inline bool holds_events(const ObjectMap& map) {
    return map.type == "ringbuf" || map.type == "perf_event_array";
}

// "PROGRAM=SPEC", or "SPEC" alone where there is one program.
struct Wish {
    std::string program;
    AttachSpec spec;
};

// A ring or perf buffer, and the tables of the types its records can have.
struct RecordMap {
    std::string name;
    std::optional<kernel::RecordTypes> types;
    struct Table {
        MadeSchema* schema;
        TypeColumns columns;
    };
    std::map<TypeId, Table> tables;
    std::optional<Events> events;
};

// A map of global variables.
struct GlobalMap {
    std::string name;
    MapView view;
    Types types;
};

// Any other map: its entries.
struct EntryMap {
    std::string name;
    MapView view;
    std::string key_type, value_type;  // empty where they are not known
    MadeSchema* schema;
    TypeColumns key;
    std::size_t cpu;  // of the schema's fields; used where values are per CPU
    std::optional<TypeColumns> value;
    std::size_t stack;  // instead of it, where values are stacks
    std::string problem;
};

class RunningObject final : public Running {
  public:
    static Result<std::unique_ptr<Running>> start(const StartOptions& options, Names&);

    std::span<const Schema* const> schemas() const override { return pointers_; }
    int ready_fd() const override { return epoll_.get(); }
    bool prepare_to_wait() override { return true; }
    void drain(const RecordSink& sink) override {
        sink_ = &sink;
        for (RecordMap& map : record_maps_) map.events->poll();
        hand_over();
        sink_ = nullptr;
    }
    void state(const StateSink& sink) override;
    bool finish() override;

    std::vector<HookUse> hooks() const override {
        std::vector<HookUse> out;
        for (const auto& [program, where] : attached_)
            if (!where.empty()) out.push_back({program, where, "", ""});
        for (const auto& [program, problem] : problems_of_)
            out.push_back({program, "", "What this program would see.", problem});
        return out;
    }
    std::vector<Loss> losses() const override {
        std::vector<Loss> out;
        for (const RecordMap& map : record_maps_)
            for (const Loss& loss : map.events->losses())
                out.push_back({fmt::format("{}: {}", escape_control(map.name), loss.cause), loss.count});
        return out;
    }
    std::vector<std::string> problems() const override { return problems_; }

  private:
    explicit RunningObject(Object object) : object_(std::move(object)) {}
    Result<void> load_all(const StartOptions& options);
    Result<void> attach(const std::vector<Wish>& wishes);
    Result<void> open_records(const ObjectMap& map);
    void open_entries(const ObjectMap& map);
    void open_globals(const ObjectMap& map);
    MadeSchema& new_schema(const std::string& wanted, std::string_view meaning, bool is_state);
    void make_own_tables();
    void take_record(RecordMap& map, Bytes record);
    void hand_over() {
        if (const std::vector<Bytes> records = records_.take(); sink_ && !records.empty()) (*sink_)(records);
    }
    std::string frames(Bytes stack) const;
    void tell_programs(const StateSink& sink);
    void tell_maps(const StateSink& sink);
    void tell_tables(const StateSink& sink);
    void tell_entries(EntryMap& map, const StateSink& sink);
    void tell_globals(const StateSink& sink);

    Object object_;
    std::optional<Types> types_;
    SymbolNames symbols_;
    std::optional<RunStatistics> statistics_;
    std::map<std::string, std::string> attached_;     // program: places
    std::map<std::string, std::string> problems_of_;  // program: why it is not attached
    std::vector<std::string> problems_;

    std::list<MadeSchema> schemas_;
    std::vector<const Schema*> pointers_;
    std::set<std::string> names_;
    struct TableNote {
        std::string table, map, holds, type;
    };
    std::vector<TableNote> notes_;
    MadeSchema *programs_ = nullptr, *maps_ = nullptr, *tables_ = nullptr, *globals_ = nullptr,
               *bytes_ = nullptr;
    std::list<RecordMap> record_maps_;
    std::list<EntryMap> entry_maps_;
    std::list<GlobalMap> global_maps_;
    OwnedFd epoll_;
    MadeRecords records_;  // that came
    MadeRecords rows_;     // that stand
    const RecordSink* sink_ = nullptr;
    StatePace pace_;
    bool detached_ = false;
};

}  // namespace waggle::sensors
