// SPDX-License-Identifier: Apache-2.0
#include "sensors/object/object.h"

#include <fmt/core.h>
#include <sys/epoll.h>

#include <algorithm>
#include <memory>

#include "base/clock.h"
#include "base/nearest.h"
#include "base/text.h"
#include "sensors/object/running_object.h"

namespace waggle::sensors {
namespace {

constexpr SourceOption file_option = {
    "object", OptionType::text, "FILE",
    "Load and attach this compiled BPF object, as waggle run does; its records and maps are tables."};
constexpr SourceOption attach_option = {
    "attach", OptionType::list, "PROGRAM=PLACE",
    "Attach this program of the object there, instead of where its section says."};
constexpr SourceOption all_options[] = {file_option, attach_option};

constexpr std::size_t records_at_once = 256;

Result<Wish> read_wish(const std::string& text, const std::vector<ObjectProgram>& programs) {
    std::string name;
    std::string_view rest = text;
    // A "=" also stands in options of the spec (pid=812), behind its first colon.
    if (const std::size_t equals = text.find('='); equals != std::string::npos && equals < text.find(':')) {
        name = text.substr(0, equals);
        rest.remove_prefix(equals + 1);
    } else if (programs.size() == 1) {
        name = programs.front().name;
    } else {
        return Error{fmt::format("--attach {}: the object has {} programs; write --attach PROGRAM=PLACE",
                                 escape_control(text), programs.size()),
                     ErrorKind::usage};
    }
    std::vector<std::string_view> known;
    for (const ObjectProgram& program : programs) known.push_back(program.name);
    if (std::ranges::find(known, name) == known.end())
        return Error{fmt::format("--attach {}: the object has no program named {}{}", escape_control(text),
                                 escape_control(name), did_you_mean(name, known, 1)),
                     ErrorKind::usage};
    const Result<AttachSpec> spec = AttachSpec::parse(rest);
    if (!spec) return while_doing("--attach " + escape_control(text), spec.error());
    return Wish{name, *spec};
}

}  // namespace

Result<void> RunningObject::open_records(const ObjectMap& map) {
    const Result<MapView> view = MapView::open(object_, map.name);
    if (!view) return view.error();
    RecordMap& made = record_maps_.emplace_back();
    made.name = map.name;
    if (types_) made.types.emplace(*types_, map.name, map.type == "perf_event_array");
    const std::vector<TypeId> known = made.types ? made.types->possible() : std::vector<TypeId>{};
    for (const TypeId type : known) {
        const std::string type_name = types_->name(type);
        std::string name = "object_" + map.name;
        if (known.size() > 1) name += "_" + type_name.substr(type_name.rfind(' ') + 1);
        MadeSchema& schema = new_schema(name, fmt::format("A record of {}: {}.", map.name, type_name), false);
        made.tables.emplace(type, RecordMap::Table{&schema, {schema, types_, type, 0, ""}});
        notes_.push_back({std::string(schema.schema().name), map.name, "record", type_name});
    }
    EventsOptions options;
    options.flush_after_ns = 0;
    Result<Events> events = Events::open(*view, options, [this, &made](std::span<const Bytes> records) {
        for (const Bytes record : records) take_record(made, record);
        return records.size();
    });
    if (!events) return events.error();
    made.events.emplace(std::move(*events));
    epoll_event event{};
    event.events = EPOLLIN;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, made.events->ready_fd(), &event);
    if (map.type == "ringbuf")
        problems_.push_back(
            fmt::format("whether {} was ever full, waggle cannot see", escape_control(map.name)));
    return {};
}

void RunningObject::take_record(RecordMap& map, Bytes record) {
    const kernel::RecordTypes::Choice choice =
        map.types ? map.types->of_length(record.size())
                  : kernel::RecordTypes::Choice{0, "the object says nothing of types"};
    const auto table = map.tables.find(choice.type);
    if (table != map.tables.end()) {
        records_.begin(*table->second.schema, SystemClock().monotonic_ns());
        table->second.columns.put(record, records_);
    } else {
        records_.begin(*bytes_, SystemClock().monotonic_ns());
        records_.text(0, map.name);
        records_.number(1, record.size());
        records_.text(2, hex(record));
        records_.text(3, choice.reason);
    }
    if (records_.count() >= records_at_once) hand_over();
}

void RunningObject::open_entries(const ObjectMap& map) {
    Result<MapView> view = MapView::open(object_, map.name);
    if (!view || view->shape().key_size == 0) return;
    const MapShape shape = view->shape();
    std::optional<Types> types;
    if (Result<Types> own = Types::of_map(*view)) {
        own->resolve_symbols(symbols_);
        types.emplace(std::move(*own));
    }
    MadeSchema& schema =
        new_schema("object_" + map.name, fmt::format("An entry of the map {}.", map.name), true);
    TypeColumns key(schema, types, shape.key_type, shape.key_size, "key");
    std::size_t cpu = 0;
    if (view->is_per_cpu())
        cpu = schema.add("cpu", Type::u64, {.meaning = "The processor whose value it is."});
    std::optional<TypeColumns> value;
    std::size_t stack = 0;
    if (shape.kind == MapKind::stack_trace)
        stack = schema.add(
            "value", Type::text_ref,
            {.meaning = "The functions, a line each, the innermost first.", .unit = Unit::identifier});
    else
        value.emplace(schema, types, shape.value_type, shape.value_size, "value");
    const auto name_of = [&](TypeId type) { return types && type ? types->name(type) : std::string(); };
    notes_.push_back({std::string(schema.schema().name), map.name, "entry", name_of(shape.value_type)});
    entry_maps_.push_back({map.name, std::move(*view), name_of(shape.key_type), name_of(shape.value_type),
                           &schema, std::move(key), cpu, std::move(value), stack, ""});
}

// .rodata holds the object's constants and the texts it prints: nothing it found out.
void RunningObject::open_globals(const ObjectMap& map) {
    if (map.name.find(".rodata") != std::string::npos) return;
    Result<MapView> view = MapView::open(object_, map.name);
    if (!view) return;
    Result<Types> types = Types::of_map(*view);
    if (!types) return;
    types->resolve_symbols(symbols_);
    global_maps_.push_back({map.name, std::move(*view), std::move(*types)});
}

Result<void> RunningObject::attach(const std::vector<Wish>& wishes) {
    std::string problems;
    for (const ObjectProgram& program : object_.programs()) {
        if (!program.loaded) {
            problems_of_[program.name] = "not loaded: its section begins with ?";
            continue;
        }
        bool wished = false;
        for (const Wish& wish : wishes) {
            if (wish.program != program.name) continue;
            wished = true;
            if (auto name = object_.attach(program.name, wish.spec); !name) return name.error();
        }
        if (!wished)
            if (auto name = object_.attach(program.name); !name) {
                problems_of_[program.name] = name.error().message;
                problems += (problems.empty() ? "" : "; ") + name.error().message;
            }
        std::string& where = attached_[program.name];
        for (const Attachment& attachment : object_.attachments())
            if (attachment.program == program.name) where += (where.empty() ? "" : ", ") + attachment.where;
    }
    if (object_.attachments().empty())
        return Error{fmt::format("nothing is attached{}{}; say where with --attach PROGRAM=PLACE",
                                 problems.empty() ? "" : ": ", problems)};
    return {};
}

Result<void> RunningObject::load_all(const StartOptions& options) {
    std::vector<Wish> wishes;
    for (const std::string& text : options.values.list(attach_option)) {
        Result<Wish> wish = read_wish(text, object_.programs());
        if (!wish) return wish.error();
        wishes.push_back(std::move(*wish));
    }
    for (const Wish& wish : wishes) {
        if (auto chosen = object_.set_autoload(wish.program, true); !chosen) return chosen;
        if (auto planned = object_.plan(wish.program, wish.spec); !planned) return planned;
    }
    if (auto loaded = object_.load(); !loaded) return loaded;
    make_own_tables();
    // The readers stand before the first event comes.
    for (const ObjectMap& map : object_.maps()) {
        if (holds_events(map)) {
            if (auto opened = open_records(map); !opened) return opened;
        } else if (map.global_data) {
            open_globals(map);
        } else {
            open_entries(map);
        }
    }
    return attach(wishes);
}

Result<std::unique_ptr<Running>> RunningObject::start(const StartOptions& options, Names&) {
    if (!options.values.given(file_option))
        return Error{"it loads an object: waggle run FILE, or --object FILE", ErrorKind::usage};
    const std::string path(options.values.text(file_option));
    const Result<std::string> elf = read_file(path);
    if (!elf) return elf.error();
    Result<Object> object = Object::open_file(path);
    if (!object) return object.error();
    std::unique_ptr<RunningObject> running(new RunningObject(std::move(*object)));
    if (Result<SymbolNames> names = kernel_symbol_names()) running->symbols_ = std::move(*names);
    if (Result<Types> types = Types::of_elf(bytes_of(std::string_view(*elf)))) {
        types->resolve_symbols(running->symbols_);
        running->types_.emplace(std::move(*types));
    } else {
        running->problems_.push_back(fmt::format("{}: {}; its records are shown as bytes",
                                                 escape_control(path), types.error().message));
    }
    // Without it the runs of programs are not counted, and nothing else is missing.
    if (Result<RunStatistics> statistics = RunStatistics::enable())
        running->statistics_.emplace(std::move(*statistics));
    running->epoll_ = OwnedFd(::epoll_create1(EPOLL_CLOEXEC));
    if (auto loaded = running->load_all(options); !loaded) return loaded.error();
    return std::unique_ptr<Running>(std::move(running));
}

// What was submitted until now still counts; what comes after does not.
bool RunningObject::finish() {
    if (detached_) return true;
    detached_ = true;
    object_.detach_all();
    return false;
}

constinit const Source object_source = {
    .name = "object",
    .question = "What does this compiled BPF object see?",
    .options = all_options,
    .asked_by = &file_option,
    .top_query =
        "SELECT program, runs, run_ns, run_ns / max(runs, 1) AS mean_run_ns FROM object_program "
        "ORDER BY run_ns DESC, program",
    .start = RunningObject::start,
};

}  // namespace waggle::sensors
