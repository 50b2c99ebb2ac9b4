// SPDX-License-Identifier: Apache-2.0
#include "sensors/probe/probe.h"

#include <fmt/core.h>

#include <map>
#include <memory>
#include <optional>
#include <span>

#include "base/clock.h"
#include "base/text.h"
#include "engine/attach/places.h"
#include "model/histogram.h"
#include "sensing/made_schema.h"
#include "sensing/state_pace.h"
#include "sensors/probe/probe_words.h"
#include "sensors/probe/probed_place.h"

namespace waggle::sensors {
namespace {

constexpr SourceOption place_option = {
    "probe", OptionType::text, "PLACE",
    "Watch this place, as waggle probe does; what it sees is the table probe."};
constexpr SourceOption filter_option = {
    "filter", OptionType::text, "EXPR",
    "Only where this holds at the place, asked in the kernel: len > 100 && "
    "filename == \"/etc/*\". There are && || ! and brackets."};
constexpr SourceOption show_option = {
    "show", OptionType::text, "A,B",
    "These too, each a field of the table probe: str(arg0), ip(arg1), path->dentry->d_name.name."};
constexpr SourceOption stack_option = {
    "stack", OptionType::yes_no, "",
    "The stack as well: the kernel's; of a program's function, the process's own."};
constexpr SourceOption user_stack_option = {
    "ustack", OptionType::yes_no, "",
    "The process's own stack as well, the same code of many processes as one."};
constexpr SourceOption count_option = {
    "count", OptionType::yes_no, "", "Count in the kernel instead: by command, by --by A,B, or by --stack."};
constexpr SourceOption by_option = {"by", OptionType::text, "A,B",
                                    "What --count, --sum and --hist count by: up to four fields."};
constexpr SourceOption hist_option = {
    "hist", OptionType::text, "FIELD",
    "A distribution of this field instead: an argument, return or latency_ns."};
constexpr SourceOption sum_option = {
    "sum", OptionType::text, "FIELD",
    "The sum of this field instead, with how often: by command, or --by A,B."};
constexpr SourceOption all_options[] = {place_option, filter_option,     show_option,
                                        stack_option, user_stack_option, count_option,
                                        by_option,    hist_option,       sum_option};

enum Kind : std::uint16_t { kind_event, kind_count, kind_histogram };
constexpr std::size_t records_at_once = 256;
constexpr auto not_known = static_cast<std::uint64_t>(null_i64);

std::vector<std::string> listed(std::string_view text) {
    std::vector<std::string> out;
    for (const std::string_view each : split(text, ','))
        if (!trim(each).empty()) out.emplace_back(trim(each));
    return out;
}

Result<ProbeRequest> request_of(const StartOptions& options) {
    const OptionValues& values = options.values;
    if (!values.given(place_option))
        return Error{"it watches a place: waggle probe kprobe:vfs_read, or --probe kprobe:vfs_read",
                     ErrorKind::usage};
    const bool counts = values.yes(count_option), histogram = values.given(hist_option),
               sums = values.given(sum_option);
    if (counts + histogram + sums > 1)
        return Error{"--count, --hist and --sum are answers of their own; ask for one", ErrorKind::usage};
    if (values.given(by_option) && counts + histogram + sums == 0)
        return Error{"--by says what --count, --hist or --sum counts by; --count is missing",
                     ErrorKind::usage};
    const Result<AttachSpec> spec = AttachSpec::parse(values.text(place_option));
    if (!spec) return spec.error();
    ProbeRequest request;
    request.spec = *spec;
    request.mode = counts      ? ProbeRequest::Mode::counts
                   : histogram ? ProbeRequest::Mode::histogram
                   : sums      ? ProbeRequest::Mode::sums
                               : ProbeRequest::Mode::events;
    request.filter = values.text(filter_option);
    request.measured = histogram ? values.text(hist_option) : values.text(sum_option);
    request.by = listed(values.text(by_option));
    request.shown = listed(values.text(show_option));
    const bool of_user = spec->kind == AttachKind::uprobe || spec->kind == AttachKind::uretprobe ||
                         spec->kind == AttachKind::usdt;
    request.kernel_stack = values.yes(stack_option) && !of_user;
    request.user_stack = values.yes(user_stack_option) || (values.yes(stack_option) && of_user);
    request.start = options;
    request.start.mode = request.mode == ProbeRequest::Mode::events ? Mode::events : Mode::aggregate;
    return request;
}

// "const char *, as the kernel declares it." What a field of a place is, in words.
std::string meaning_of(const ProbeField& field) {
    if (field.figure.source == PROBE_RETURN)
        return field.type.empty() ? "What it returned." : fmt::format("What it returned: {}.", field.type);
    if (field.figure.source == PROBE_LATENCY) return "Between entry and return.";
    if (field.figure.source == PROBE_PLACE) return "Which of the places.";
    if (!field.expression.empty()) return fmt::format("{}: {}.", field.expression, field.type);
    if (field.figure.source == PROBE_CPU) return "The processor it happened on.";
    const std::string_view kind =
        field.figure.source == PROBE_ARGUMENT ? "Argument" : "Of the tracepoint's record";
    return field.type.empty() ? fmt::format("{}.", kind) : fmt::format("{}: {}.", kind, field.type);
}

// "unsigned int len", "const char * filename": as a program would declare it.
std::string declaration_of(const ProbeField& field) {
    if (field.type.empty()) return field.name;
    const bool has_name =
        field.type.ends_with(" " + field.name) || field.type.find(field.name + "[") != std::string::npos;
    return has_name ? field.type : fmt::format("{} {}", field.type, field.name);
}

// An address and raw bytes stand for a thing; they are no text.
Unit unit_of(const ProbeField& field) {
    if (field.figure.source == PROBE_LATENCY) return Unit::nanoseconds;
    const bool thing = field.shape == ProbeField::Shape::pointer || field.shape == ProbeField::Shape::bytes ||
                       field.shape == ProbeField::Shape::address || !field.flags.empty();
    return thing ? Unit::identifier : Unit::none;
}

// The table of a place's events: which column says which of its fields.
struct EventTable {
    struct Column {
        const ProbeField* field;
        std::size_t number;
        bool is_text;
    };
    MadeSchema schema;
    std::vector<Column> columns;
    std::size_t stack = 0;
    bool has_stack;

    EventTable(const ProbeFields& fields, std::string_view place, bool with_stack)
        : schema("probe", fmt::format("One time that {} was passed.", place),
                 {.kind = kind_event, .of_process = true, .renamed = "arg_"}),
          has_stack(with_stack) {
        for (const ProbeField& field : fields.fields)
            if (!field.always || field.figure.source == PROBE_CPU) add(field);
        if (has_stack)
            stack =
                schema.add("stack", Type::text_ref,
                           {.meaning = "How it came there: the functions, a line each, the innermost first.",
                            .traits = trait_nullable});
    }

  private:
    void add(const ProbeField& field) {
        using Shape = ProbeField::Shape;
        const bool is_text = field.shape != Shape::number || !field.flags.empty();
        const bool can_fail = field.figure.hops > 0;
        const Type type = is_text                              ? Type::text_ref
                          : field.figure.is_signed || can_fail ? Type::i64
                                                               : Type::u64;
        const std::string dictionary = field.names.empty() ? "" : "probe." + field.name;
        const std::string meaning = meaning_of(field);
        const std::size_t number =
            schema.add(field.name, type,
                       {.meaning = meaning,
                        .unit = unit_of(field),
                        .traits = static_cast<unsigned>((field.always ? trait_hidden : trait_none) |
                                                        (can_fail && !is_text ? trait_nullable : trait_none)),
                        .dictionary = dictionary});
        columns.push_back({&field, number, is_text});
    }
};

class Probe final : public Running {
  public:
    static Result<std::unique_ptr<Running>> start(const StartOptions& options, Names& names) {
        const Result<ProbeRequest> request = request_of(options);
        if (!request) return request.error();
        Result<ProbedPlace> place = ProbedPlace::start(*request);
        if (!place) return place.error();
        if (request->spec.kind == AttachKind::iter)
            if (auto walked = place->walk(); !walked) return walked.error();
        auto running = std::unique_ptr<Probe>(
            new Probe(*request, std::move(*place), std::string(options.values.text(place_option))));
        for (const ProbeField& field : running->place_.fields().fields)
            for (const auto& [value, name] : field.names) names.set("probe." + field.name, value, name);
        return std::unique_ptr<Running>(std::move(running));
    }

    std::span<const Schema* const> schemas() const override { return schemas_; }
    int ready_fd() const override { return place_.ready_fd(); }
    bool prepare_to_wait() override { return place_.prepare_to_wait(); }
    void drain(const RecordSink& sink) override {
        const auto hand_over = [&] {
            if (const std::vector<Bytes> records = records_.take(); !records.empty()) sink(records);
        };
        place_.drain([&](const probe_event& event) {
            put(event);
            if (records_.count() == records_at_once) hand_over();
        });
        hand_over();
    }
    void state(const StateSink& sink) override {
        pace_.pace([&] {
            if (request_.mode == ProbeRequest::Mode::counts || request_.mode == ProbeRequest::Mode::sums)
                tell_counts(sink);
            if (request_.mode == ProbeRequest::Mode::histogram) tell_histograms(sink);
        });
    }
    bool finish() override {
        pace_.read_next();  // the last state is the one that counts
        return true;
    }

    std::vector<HookUse> hooks() const override {
        const std::vector<Attachment> attachments = place_.attachments();
        std::string where;
        if (place_.places() > 1)
            where = fmt::format("{} ({} places)", to_string(request_.spec), place_.places());
        else
            for (const Attachment& each : attachments) where += (where.empty() ? "" : ", ") + each.where;
        return {{"place", where, "", ""}};
    }
    std::vector<Loss> losses() const override { return place_.losses(); }
    RunCost cost() const override { return place_.cost(); }
    bool ended() const override { return request_.spec.kind == AttachKind::iter; }
    std::vector<std::string> problems() const override {
        return problem_.empty() ? std::vector<std::string>{} : std::vector<std::string>{problem_};
    }

  private:
    Probe(const ProbeRequest& request, ProbedPlace place, const std::string& where)
        : request_(request), place_(std::move(place)), events_(place_.fields(), where, request.by_stack()) {
        key_ = counts_.add(
            "key", Type::text_ref,
            {.meaning = "What was counted: the command's name, the fields' values or the stack."});
        value_ = counts_.add("value", Type::i64,
                             {.meaning = "The field's value as a number, where one was counted by.",
                              .traits = trait_nullable | trait_hidden});
        times_ =
            counts_.add("times", Type::u64, {.meaning = "How often since the start.", .unit = Unit::count});
        sum_ = counts_.add("sum", Type::i64,
                           {.meaning = "The sum of the field that is summed up.", .traits = trait_nullable});
        histogram_key_ =
            histograms_.add("key", Type::text_ref,
                            {.meaning = "What was counted by; empty where it is one distribution.",
                             .traits = trait_nullable});
        measured_ = histograms_.add("field", Type::text_ref, {.meaning = "Whose values they are."});
        const Unit unit = request.measured == "latency_ns" ? Unit::nanoseconds : Unit::none;
        values_ = histograms_.add("distribution", Type::distribution,
                                  {.meaning = "How often each value was there.", .unit = unit});
        negative_ = histograms_.add("negative", Type::u64,
                                    {.meaning = "How many more were below 0.", .unit = Unit::count});
    }

    void put(const probe_event& event) {
        records_.begin(events_.schema, event.header);
        for (const EventTable::Column& column : events_.columns) {
            if (column.is_text)
                records_.text(column.number, words_.text(event, *column.field).value_or("(not readable)"));
            else
                records_.number(column.number, figure_of(event, *column.field).value_or(not_known));
        }
        if (!events_.has_stack) return;
        const std::string stack = words_.stack(event.kernel_stack, event.user_stack, event.header.pid);
        records_.text(events_.stack, stack);
    }

    std::uint32_t only_pid() const {
        for (const FieldFilter& filter : request_.start.filters)
            if (const auto* pid = std::get_if<std::uint32_t>(&filter.value); pid && filter.field == "pid")
                return *pid;
        return 0;
    }

    void tell_counts(const StateSink& sink) {
        const Result<std::vector<ProbedPlace::Count>> counts = place_.counts();
        if (!counts) {
            problem_ = fmt::format("what was counted cannot be read: {}", counts.error().message);
            return;
        }
        words_.look_again();
        const auto& keys = place_.keys();
        const bool one_number = keys.size() == 1 && !keys.front()->is_text();
        const bool sums = request_.mode == ProbeRequest::Mode::sums;
        // What has the same words is the same: two stacks that differ only where nothing is known.
        std::map<std::string, ProbedPlace::Count> said;
        for (const ProbedPlace::Count& count : *counts) {
            const auto [at, is_new] = said.try_emplace(words_.key(count.key, only_pid()), count);
            if (is_new) continue;
            at->second.times += count.times;
            at->second.sum += count.sum;
        }
        const std::uint64_t now_ns = SystemClock().monotonic_ns();
        for (const auto& [key, count] : said) {
            records_.begin(counts_, now_ns);
            records_.text(key_, key);
            records_.number(value_, one_number ? count.key.values[0] : not_known);
            records_.number(times_, count.times);
            records_.number(sum_, sums ? static_cast<std::uint64_t>(count.sum) : not_known);
        }
        sink(counts_.schema(), records_.take());
    }

    void add_histogram(const std::string& key, std::span<const std::uint64_t> slots) {
        std::vector<std::byte> blob;
        pack_histogram(blob, HistogramForm::log_linear(0, 64), slots.first(PROBE_SLOTS));
        records_.begin(histograms_, SystemClock().monotonic_ns());
        records_.text(histogram_key_, key);
        records_.text(measured_, request_.measured);
        records_.text(values_, {reinterpret_cast<const char*>(blob.data()), blob.size()});
        records_.number(negative_, slots.back());
    }

    void tell_histograms(const StateSink& sink) {
        const bool is_keyed = !place_.keys().empty() || request_.by_stack();
        if (!is_keyed) {
            const Result<std::vector<std::uint64_t>> slots = place_.histogram();
            if (slots) add_histogram("", *slots);
            if (!slots) problem_ = fmt::format("the distribution cannot be read: {}", slots.error().message);
        } else {
            const Result<std::vector<ProbedPlace::Count>> counts = place_.counts();
            if (!counts)
                problem_ = fmt::format("the distributions cannot be read: {}", counts.error().message);
            std::map<std::string, std::vector<std::uint64_t>> by_key;
            words_.look_again();
            if (counts)
                for (const ProbedPlace::Count& count : *counts) {
                    std::vector<std::uint64_t>& slots = by_key[words_.key(count.key, only_pid())];
                    slots.resize(PROBE_SLOTS + 1);
                    slots.at(count.key.slot) += count.times;
                }
            for (const auto& [key, slots] : by_key) add_histogram(key, slots);
        }
        if (problem_.empty()) sink(histograms_.schema(), records_.take());
    }

    ProbeRequest request_;
    ProbedPlace place_;
    ProbeWords words_{place_};
    EventTable events_;
    MadeSchema counts_{"probe_count",
                       "How often the place was passed, by what it was counted by.",
                       {.kind = kind_count, .is_state = true}};
    MadeSchema histograms_{"probe_histogram",
                           "How the values of a field of the place are distributed.",
                           {.kind = kind_histogram, .is_state = true}};
    const Schema* schemas_[3] = {&events_.schema.schema(), &counts_.schema(), &histograms_.schema()};
    std::size_t key_ = 0, value_ = 0, times_ = 0, sum_ = 0;
    std::size_t histogram_key_ = 0, measured_ = 0, values_ = 0, negative_ = 0;
    MadeRecords records_;
    std::string problem_;
    StatePace pace_;
};

// The places that the option means, and of a single one what it has.
Result<std::string> list_places(const OptionValues& values) {
    const Result<AttachSpec> spec = AttachSpec::parse(values.text(place_option));
    if (!spec) return spec.error();
    const Result<std::vector<AttachSpec>> places = kernel::places_of(*spec);
    if (!places) return places.error();
    std::string out;
    for (const AttachSpec& place : *places) out += to_string(place) + "\n";
    if (places->size() > 1) return out;
    const Result<ProbeFields> fields = probe_fields(places->front());
    if (!fields) return fields.error();
    for (const ProbeField& field : fields->fields)
        if (!field.always) out += fmt::format("    {}\n", escape_control(declaration_of(field)));
    return out;
}

// What was counted in the kernel, else the events by who passed there.
constexpr std::string_view top_query =
    R"(SELECT key, times FROM probe_count UNION ALL
SELECT p.comm AS key, count(*) AS times FROM probe p, window w WHERE p.time_ns >= w.from_ns GROUP BY p.comm
ORDER BY times DESC, key)";

}  // namespace

constinit const Source probe_source = {
    .name = "probe",
    .question = "What happens at this place of the kernel or of a program?",
    .options = all_options,
    .asked_by = &place_option,
    .top_query = top_query,
    .start = Probe::start,
    .listing = list_places,
};

}  // namespace waggle::sensors
