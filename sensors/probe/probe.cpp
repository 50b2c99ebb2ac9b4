// SPDX-License-Identifier: Apache-2.0
#include "sensors/probe/probe.h"

#include <fmt/core.h>

#include <memory>
#include <optional>

#include "base/clock.h"
#include "base/text.h"
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
    "Only where this holds at the place: \"len > 100 && flags & 0x40\". Asked in the kernel."};
constexpr SourceOption stack_option = {
    "stack", OptionType::yes_no, "",
    "The stack as well: the kernel's; of a program's function, the process's own."};
constexpr SourceOption count_option = {
    "count", OptionType::yes_no, "",
    "Count in the kernel instead: by command, by --by FIELD, or by --stack."};
constexpr SourceOption by_option = {"by", OptionType::text, "FIELD", "What --count counts by."};
constexpr SourceOption hist_option = {
    "hist", OptionType::text, "FIELD",
    "A distribution of this field instead: an argument, return or latency_ns."};
constexpr SourceOption all_options[] = {place_option, filter_option, stack_option,
                                        count_option, by_option,     hist_option};

enum Kind : std::uint16_t { kind_event, kind_count, kind_histogram };
constexpr std::size_t records_at_once = 256;

Result<ProbeRequest> request_of(const StartOptions& options) {
    const OptionValues& values = options.values;
    if (!values.given(place_option))
        return Error{"it watches a place: waggle probe kprobe:vfs_read, or --probe kprobe:vfs_read",
                     ErrorKind::usage};
    if (values.yes(count_option) && values.given(hist_option))
        return Error{"--count and --hist are two answers; ask for one", ErrorKind::usage};
    if (values.given(by_option) && !values.yes(count_option))
        return Error{"--by says what --count counts by; --count is missing", ErrorKind::usage};
    const Result<AttachSpec> spec = AttachSpec::parse(values.text(place_option));
    if (!spec) return spec.error();
    ProbeRequest request;
    request.spec = *spec;
    request.mode = values.yes(count_option)    ? ProbeRequest::Mode::counts
                   : values.given(hist_option) ? ProbeRequest::Mode::histogram
                                               : ProbeRequest::Mode::events;
    request.filter = values.text(filter_option);
    request.measured = values.yes(count_option) ? values.text(by_option) : values.text(hist_option);
    request.stack = values.yes(stack_option);
    request.start = options;
    request.start.mode = request.mode == ProbeRequest::Mode::events ? Mode::events : Mode::aggregate;
    return request;
}

// "const char *, as the kernel declares it." What a field of a place is, in words.
std::string meaning_of(const ProbeField& field) {
    if (field.figure.source == PROBE_RETURN)
        return field.type.empty() ? "What it returned." : fmt::format("What it returned: {}.", field.type);
    if (field.figure.source == PROBE_LATENCY) return "Between entry and return.";
    if (field.figure.source == PROBE_CPU) return "The processor it happened on.";
    const std::string_view kind =
        field.figure.source == PROBE_CONTEXT ? "Of the tracepoint's record" : "Argument";
    return field.type.empty() ? fmt::format("{}.", kind) : fmt::format("{}: {}.", kind, field.type);
}

// An address and raw bytes stand for a thing; they are no text.
Unit unit_of(const ProbeField& field) {
    if (field.figure.source == PROBE_LATENCY) return Unit::nanoseconds;
    const bool thing = field.shape == ProbeField::Shape::pointer || field.shape == ProbeField::Shape::bytes;
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
        const bool is_text = field.shape != Shape::number;
        const Type type = is_text ? Type::text_ref : field.figure.is_signed ? Type::i64 : Type::u64;
        const std::string dictionary = field.names.empty() ? "" : "probe." + field.name;
        const std::string meaning = meaning_of(field);
        const std::size_t number =
            schema.add(field.name, type,
                       {.meaning = meaning,
                        .unit = unit_of(field),
                        .traits = static_cast<unsigned>(field.always ? trait_hidden : trait_none),
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
            if (request_.mode == ProbeRequest::Mode::counts) tell_counts(sink);
            if (request_.mode == ProbeRequest::Mode::histogram) tell_histogram(sink);
        });
    }
    bool finish() override {
        pace_.read_next();  // the last state is the one that counts
        return true;
    }

    std::vector<HookUse> hooks() const override {
        std::string where;
        for (const Attachment& each : place_.attachments()) where += (where.empty() ? "" : ", ") + each.where;
        return {{"place", where, "", ""}};
    }
    std::vector<Loss> losses() const override { return place_.losses(); }
    std::vector<std::string> problems() const override {
        return problem_.empty() ? std::vector<std::string>{} : std::vector<std::string>{problem_};
    }

  private:
    Probe(const ProbeRequest& request, ProbedPlace place, const std::string& where)
        : request_(request), place_(std::move(place)), events_(place_.fields(), where, request.stack) {
        key_ =
            counts_.add("key", Type::text_ref,
                        {.meaning = "What was counted: the command's name, the field's value or the stack."});
        value_ = counts_.add("value", Type::i64,
                             {.meaning = "The field's value as a number, where one was counted by.",
                              .traits = trait_nullable | trait_hidden});
        times_ =
            counts_.add("times", Type::u64, {.meaning = "How often since the start.", .unit = Unit::count});
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
            const std::uint64_t figure = figure_of(event, column.field->figure);
            if (!column.is_text)
                records_.number(column.number, figure);
            else if (column.field->shape == ProbeField::Shape::pointer)
                records_.text(column.number, words_.address(figure));
            else
                records_.text(column.number, words_.text(event, *column.field).value_or(""));
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
        const ProbeField* by = request_.measured.empty() ? nullptr : place_.fields().find(request_.measured);
        const std::uint64_t now_ns = SystemClock().monotonic_ns();
        for (const ProbedPlace::Count& count : *counts) {
            records_.begin(counts_, now_ns);
            const std::string_view comm(count.key.comm, ::strnlen(count.key.comm, sizeof count.key.comm));
            const std::string stack = words_.stack(count.key.kernel_stack, count.key.user_stack, only_pid());
            records_.text(key_, by              ? words_.number(*by, count.key.value)
                                : stack.empty() ? std::string(comm)
                                                : stack);
            records_.number(value_, by ? count.key.value : static_cast<std::uint64_t>(null_i64));
            records_.number(times_, count.times);
        }
        sink(counts_.schema(), records_.take());
    }

    void tell_histogram(const StateSink& sink) {
        const Result<std::vector<std::uint64_t>> slots = place_.histogram();
        if (!slots) {
            problem_ = fmt::format("the distribution cannot be read: {}", slots.error().message);
            return;
        }
        std::vector<std::byte> blob;
        pack_histogram(blob, HistogramForm::log_linear(0, 64), std::span(*slots).first(PROBE_SLOTS));
        records_.begin(histograms_, SystemClock().monotonic_ns());
        records_.text(measured_, request_.measured);
        records_.text(values_, {reinterpret_cast<const char*>(blob.data()), blob.size()});
        records_.number(negative_, slots->back());
        sink(histograms_.schema(), records_.take());
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
    std::size_t key_ = 0, value_ = 0, times_ = 0, measured_ = 0, values_ = 0, negative_ = 0;
    MadeRecords records_;
    std::string problem_;
    StatePace pace_;
};

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
};

}  // namespace waggle::sensors
