// SPDX-License-Identifier: Apache-2.0
// run: loads any BPF object, attaches its programs, streams its events and prints its maps, all by its own
// types.
#include <fmt/core.h>
#include <poll.h>

#include <algorithm>
#include <list>
#include <optional>

#include "base/clock.h"
#include "base/text.h"
#include "base/units.h"
#include "cli/command.h"
#include "cli/run_maps.h"
#include "explain/knowledge.h"
#include "explain/knowledge_files.h"
#include "kernel/record_types.h"
#include "kernel/value_printer.h"
#include "waggle/events.h"
#include "waggle/object.h"

namespace waggle::cli {
namespace {

using kernel::json_string;
using kernel::RecordTypes;

// The object as it runs, and what is printed of it.
class Runner {
  public:
    Runner(const Options& options, Object object, std::optional<Types> types, explain::Knowledge knowledge)
        : options_(options),
          object_(std::move(object)),
          types_(std::move(types)),
          knowledge_(std::move(knowledge)) {
        form_.json = options.json;
        if (options.rows) form_.rows = options.rows;
        if (Result<SymbolNames> names = kernel_symbol_names()) form_.symbols = std::move(*names);
        if (types_) types_->resolve_symbols(form_.symbols);
    }

    Result<void> start();
    void stream();
    void finish();

  private:
    struct Source {
        std::string map;
        std::optional<RecordTypes> types;  // none: the object has no types
        std::optional<Events> events;
        std::vector<std::size_t> told;  // lengths whose reason was said
    };
    struct Wish {
        std::string program;
        AttachSpec spec;
    };

    Result<std::vector<Wish>> wishes() const;
    Result<void> attach(const std::vector<Wish>& wishes);
    Result<void> open_events();
    void say_program(const ObjectProgram& program, const std::string& where, const std::string& problem);
    void say_map(const ObjectMap& map);
    std::string record_line(Source& source, Bytes record);
    void put(const std::string& text) {
        if (!text.empty() && !print(text)) ended_ = true;
    }
    // What the knowledge says of a kind of map or program.
    explain::Explanation words_of(std::string_view kind, std::string_view name) const;

    const Options& options_;
    Object object_;
    std::optional<Types> types_;
    explain::Knowledge knowledge_;
    MapForm form_;
    std::list<Source> sources_;
    std::uint64_t printed_ = 0;
    bool ended_ = false;
};

explain::Explanation Runner::words_of(std::string_view kind, std::string_view name) const {
    const auto found = knowledge_.find(fmt::format("{} {}", kind, name));
    return found && !found->empty() ? found->front() : explain::Explanation{};
}

// "PROGRAM=SPEC", or "SPEC" alone where there is one program.
Result<std::vector<Runner::Wish>> Runner::wishes() const {
    const std::vector<ObjectProgram> programs = object_.programs();
    std::vector<Wish> out;
    for (const std::string& text : options_.attach) {
        std::string name;
        std::string_view rest = text;
        // A "=" also stands in options of the spec (pid=812), behind its first colon.
        if (const std::size_t equals = text.find('=');
            equals != std::string::npos && equals < text.find(':')) {
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
        if (std::find(known.begin(), known.end(), name) == known.end()) {
            const std::vector<std::string> near = nearest_words(name, known, 1);
            return Error{fmt::format("--attach {}: the object has no program named {}{}",
                                     escape_control(text), escape_control(name),
                                     near.empty() ? "" : fmt::format("; did you mean {}", near.front())),
                         ErrorKind::usage};
        }
        const Result<AttachSpec> spec = AttachSpec::parse(rest);
        if (!spec) return while_doing("--attach " + escape_control(text), spec.error());
        out.push_back({name, *spec});
    }
    return out;
}

Result<void> Runner::start() {
    const Result<std::vector<Wish>> wanted = wishes();
    if (!wanted) return wanted.error();
    for (const Wish& wish : *wanted) {
        if (auto chosen = object_.set_autoload(wish.program, true); !chosen) return chosen;
        if (auto planned = object_.plan(wish.program, wish.spec); !planned) return planned;
    }
    const SystemClock clock;
    const std::uint64_t begin = clock.monotonic_ns();
    if (auto loaded = object_.load(); !loaded) return loaded;
    if (!options_.json)
        put(fmt::format("{}: {} and {}, loaded in {}.\n", escape_control(object_.name()),
                        counted(object_.programs().size(), "program"), counted(object_.maps().size(), "map"),
                        format_duration_ns(static_cast<double>(clock.monotonic_ns() - begin))));
    // The readers stand before the first event comes.
    if (auto opened = open_events(); !opened) return opened;
    if (auto attached = attach(*wanted); !attached) return attached;
    for (const ObjectMap& map : object_.maps())
        if (!map.global_data) say_map(map);
    if (!options_.json) put(sources_.empty() ? "\n" : "\nEvents\n");
    return {};
}

Result<void> Runner::attach(const std::vector<Wish>& wishes) {
    std::string problems;
    for (const ObjectProgram& program : object_.programs()) {
        if (!program.loaded) {
            say_program(program, "", "not loaded: its section begins with ?");
            continue;
        }
        std::string problem;
        bool wished = false;
        for (const Wish& wish : wishes) {
            if (wish.program != program.name) continue;
            wished = true;
            if (auto name = object_.attach(program.name, wish.spec); !name) return name.error();
        }
        if (!wished)
            if (auto name = object_.attach(program.name); !name) {
                problem = name.error().message;
                problems += (problems.empty() ? "" : "; ") + problem;
            }
        std::string where;
        for (const Attachment& attachment : object_.attachments())
            if (attachment.program == program.name) where += (where.empty() ? "" : ", ") + attachment.where;
        say_program(program, where, problem);
    }
    if (object_.attachments().empty())
        return Error{fmt::format("nothing is attached{}{}; say where with --attach PROGRAM=PLACE",
                                 problems.empty() ? "" : ": ", problems)};
    return {};
}

void Runner::say_program(const ObjectProgram& program, const std::string& where, const std::string& problem) {
    const explain::Explanation words = words_of("program_type", program.type);
    if (options_.json)
        return put(fmt::format(
            "{{\"kind\":\"program\",\"name\":{},\"type\":{},\"section\":{},\"id\":{},\"instructions\":{},"
            "\"attached\":{},\"problem\":{},\"what\":{},\"impact\":{}}}\n",
            json_string(program.name), json_string(program.type), json_string(program.section), program.id,
            program.instructions, json_string(where), json_string(problem), json_string(words.what),
            json_string(words.impact)));
    std::string text =
        fmt::format("\nProgram {} ({}, {} instructions), {}\n", escape_control(program.name), program.type,
                    program.instructions,
                    where.empty() ? "not attached" : fmt::format("attached: {}", escape_control(where)));
    if (!problem.empty()) text += fmt::format("  {}\n", problem);
    if (!words.what.empty()) text += fmt::format("  {}\n  {}\n", words.what, words.impact);
    put(text);
}

void Runner::say_map(const ObjectMap& map) {
    const explain::Explanation words = words_of("map_type", map.type);
    std::string entry;
    if (const Result<MapView> view = MapView::open(object_, map.name); view && view->shape().key_size)
        entry = fmt::format(", {}, {}", entry_type(*view, true), entry_type(*view, false));
    if (options_.json)
        return put(
            fmt::format("{{\"kind\":\"map\",\"name\":{},\"type\":{},\"id\":{},\"key_size\":{},"
                        "\"value_size\":{},\"max_entries\":{},\"what\":{},\"impact\":{}}}\n",
                        json_string(map.name), json_string(map.type), map.id, map.key_size, map.value_size,
                        map.max_entries, json_string(words.what), json_string(words.impact)));
    std::string room;
    if (map.type == "ringbuf")
        room = fmt::format(", {}", format_bytes(map.max_entries));
    else if (map.max_entries)
        room = fmt::format(", room for {}", format_count(map.max_entries));
    std::string text = fmt::format("\nMap {} ({}{}{})\n", escape_control(map.name), map.type, entry, room);
    if (!words.what.empty()) text += fmt::format("  {}\n  {}\n", words.what, words.impact);
    put(text);
}

Result<void> Runner::open_events() {
    for (const ObjectMap& map : object_.maps()) {
        if (map.type != "ringbuf" && map.type != "perf_event_array") continue;
        const Result<MapView> view = MapView::open(object_, map.name);
        if (!view) return view.error();
        Source& source = sources_.emplace_back();
        source.map = map.name;
        if (types_) source.types.emplace(*types_, map.name, map.type == "perf_event_array");
        EventsOptions options;
        options.flush_after_ns = 0;
        Result<Events> events = Events::open(*view, options, [this, &source](std::span<const Bytes> records) {
            std::string text;
            for (const Bytes record : records) {
                if (options_.rows && printed_ == options_.rows) {
                    ended_ = true;
                    break;
                }
                ++printed_;
                text += record_line(source, record);
            }
            put(text);
            return records.size();
        });
        if (!events) return events.error();
        source.events.emplace(std::move(*events));
    }
    return {};
}

std::string Runner::record_line(Source& source, Bytes record) {
    const RecordTypes::Choice choice = source.types
                                           ? source.types->of_length(record.size())
                                           : RecordTypes::Choice{0, "the object says nothing of types"};
    const std::string map = options_.json ? json_string(source.map) : escape_control(source.map);
    if (choice.type != 0) {
        const Result<std::string> value =
            options_.json ? types_->json(choice.type, record) : types_->text(choice.type, record);
        if (value)
            return options_.json
                       ? fmt::format("{{\"kind\":\"record\",\"map\":{},\"type\":{},\"record\":{}}}\n", map,
                                     json_string(types_->name(choice.type)), *value)
                       : fmt::format("  {}  {}\n", map, *value);
    }
    std::string hex;
    for (const std::byte each : record) hex += fmt::format("{:02x}", static_cast<unsigned>(each));
    if (options_.json)
        return fmt::format(
            "{{\"kind\":\"record\",\"map\":{},\"type\":null,\"bytes\":\"{}\",\"reason\":{}}}\n", map, hex,
            json_string(choice.reason));
    std::string line = fmt::format("  {}  {}\n", map, hex);
    if (std::find(source.told.begin(), source.told.end(), record.size()) == source.told.end()) {
        source.told.push_back(record.size());
        line += fmt::format("  (bytes, because the type of these records is not known: {})\n", choice.reason);
    }
    return line;
}

void Runner::stream() {
    const SystemClock clock;
    const std::uint64_t end = options_.for_ns ? clock.monotonic_ns() + options_.for_ns : UINT64_MAX;
    std::vector<pollfd> ready;
    for (const Source& source : sources_) ready.push_back({source.events->ready_fd(), POLLIN, 0});
    while (!interrupted && !ended_ && clock.monotonic_ns() < end) {
        // Programs that submit without a wake-up are seen all the same.
        const std::uint64_t left_ms = (end - clock.monotonic_ns()) / 1'000'000;
        ::poll(ready.data(), ready.size(), static_cast<int>(std::min<std::uint64_t>(left_ms, 100)));
        for (Source& source : sources_)
            if (!ended_) source.events->poll();
    }
}

void Runner::finish() {
    // What was submitted until now still counts; what comes after does not.
    const std::vector<ObjectProgram> programs = object_.programs();
    object_.detach_all();
    for (Source& source : sources_) {
        while (!ended_ && source.events->poll() > 0) {
        }
        source.events->finish();
    }
    for (const ObjectMap& map : object_.maps()) {
        if (map.type == "ringbuf" || map.type == "perf_event_array") continue;
        if (const Result<MapView> view = MapView::open(object_, map.name))
            put(map_contents(map, *view, form_));
    }
    std::uint64_t seen = 0;
    std::string losses, json_losses, json_runs, runs;
    for (const Source& source : sources_) {
        seen += source.events->counts().seen;
        for (const Loss& loss : source.events->losses()) {
            losses += fmt::format(", {} lost ({}: {})", loss.count, escape_control(source.map), loss.cause);
            json_losses +=
                fmt::format("{}{{\"map\":{},\"cause\":{},\"count\":{}}}", json_losses.empty() ? "" : ",",
                            json_string(source.map), json_string(loss.cause), loss.count);
        }
        if (!source.events->losses_known())
            losses +=
                fmt::format("; whether {} was ever full, waggle cannot see", escape_control(source.map));
    }
    for (const ObjectProgram& program : programs) {
        if (!program.loaded) continue;
        json_runs +=
            fmt::format("{}{{\"program\":{},\"runs\":{},\"run_ns\":{}}}", json_runs.empty() ? "" : ",",
                        json_string(program.name), program.runs, program.run_ns);
        runs +=
            fmt::format("Program {} ran {}{}.\n", escape_control(program.name), counted(program.runs, "time"),
                        program.runs ? fmt::format(", {} ns each", program.run_ns / program.runs) : "");
    }
    if (options_.json)
        put(fmt::format("{{\"kind\":\"summary\",\"records\":{},\"lost\":[{}],\"programs\":[{}]}}\n", seen,
                        json_losses, json_runs));
    else
        put(fmt::format("\n{}{}{}{}", runs, sources_.empty() ? "" : counted(seen, "record"), losses,
                        sources_.empty() ? "" : ".\n"));
}

}  // namespace

int run_run(const Options& options) {
    if (auto may = check_privilege("loading programs"); !may) return fail(may.error());
    const std::string& path = options.words.front();
    Result<explain::Knowledge> knowledge = explain::Knowledge::open(explain::knowledge_files());
    if (!knowledge) return fail(knowledge.error());
    const Result<std::string> elf = read_file(path);
    if (!elf) return fail(elf.error());
    Result<Object> object = Object::open_file(path);
    if (!object) return fail(object.error());
    std::optional<Types> types;
    if (Result<Types> read = Types::of_elf(bytes_of(std::string_view(*elf))))
        types.emplace(std::move(*read));
    else
        fmt::print(stderr, "waggle: {}: {}; its records are printed as bytes.\n", escape_control(path),
                   read.error().message);
    // Without it the runs of programs are not counted, and nothing else is missing.
    const Result<RunStatistics> statistics = RunStatistics::enable();
    Runner runner(options, std::move(*object), std::move(types), std::move(*knowledge));
    if (auto started = runner.start(); !started) return fail(started.error());
    runner.stream();
    runner.finish();
    return exit_fine;
}

}  // namespace waggle::cli
