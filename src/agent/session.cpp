// SPDX-License-Identifier: Apache-2.0
#include "agent/session.h"

#include <fmt/core.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>
#include <thread>

#include "agent/drops/drop_causes.h"
#include "agent/rule_book.h"
#include "agent/self.h"
#include "agent/sources.h"
#include "base/text.h"
#include "facts/fact.h"

namespace waggle::agent {
namespace {

constexpr std::uint64_t second_ns = 1'000'000'000;
// How often who listens is looked at; never for more than 1/400 of a processor's time, which matters where
// there are hundreds of network namespaces.
constexpr std::uint64_t look_every_ns = 5 * second_ns;
constexpr std::uint64_t look_share = 400;
constexpr std::uint64_t longest_wait_ns = 100'000'000;  // so that done() and a signal are seen in time
// While records keep coming the ring is read at this pace and asks for no wake-ups, which would cost the
// watched programs six times the record itself.
constexpr std::uint64_t pace_ns = 10'000'000;
constexpr std::uint64_t longest_finish_ns =
    60 * second_ns;  // printing large maps with their symbols takes a while

bool is_named(const SessionOptions& options, const Source& source) {
    return std::ranges::find(options.sensors, source.name) != options.sensors.end();
}

bool is_named_besides(const SessionOptions& options, const Source& source) {
    return std::ranges::find(options.besides, source.name) != options.besides.end();
}

// Whether one that runs only for its topic, or only where it is named, runs now.
bool is_its_topic(const SessionOptions& options, const Source& source) {
    if (is_named_besides(options, source)) return true;
    if (source.only_named) return false;
    return source.only_for.empty() ||
           (options.topic && (options.topic->empty() || *options.topic == source.only_for));
}

// What it cannot filter it would show unfiltered.
Result<void> check_filters(const Source& source, const Running& running, const StartOptions& options) {
    for (const FieldFilter& filter : options.filters)
        if (!can_filter(running.schemas(), filter.field))
            return Error{fmt::format("{} cannot be asked for one {} alone", source.name, filter.field),
                         ErrorKind::usage};
    return {};
}

}  // namespace

Result<std::unique_ptr<Session>> Session::start(const SessionOptions& options, const Clock& clock,
                                                std::span<const Source* const> own) {
    Result<context::ProcessDirectory> directory = context::ProcessDirectory::open({}, clock);
    if (!directory) return directory.error();
    std::unique_ptr<Session> session(new Session(clock, std::move(*directory)));
    Result<std::unique_ptr<Store>> store = Store::create(options.memory_bytes, session->directory_);
    if (!store) return store.error();
    session->store_ = std::move(*store);
    if (auto added = add_drop_causes(*session->store_); !added) return added.error();
    session->sliding_window_ns_ = options.sliding_window_ns;
    session->epoll_ = OwnedFd(epoll_create1(EPOLL_CLOEXEC));
    if (!session->epoll_) return Error{fmt::format("cannot wait for events: {}", std::strerror(errno))};
    if (auto known = check_source_names(options.sensors); !known) return known.error();
    if (auto added = session->add_fixed_tables(); !added) return added.error();
    if (!options.facts_only)
        if (auto started = session->start_sources(options, own); !started) return started.error();
    for (std::unique_ptr<facts::Fact>& fact : facts::all_facts())
        if (auto added = session->store_->add_fact(std::move(fact), &clock); !added) return added.error();
    session->load_rules(options);
    session->begin();
    return session;
}

Result<void> Session::watch(const SessionOptions& options) {
    if (auto started = start_sources(options, {}); !started) return started;
    begin();
    return {};
}

void Session::begin() {
    // While the last sensor starts the first counts for seconds already, and a disk that idled then would
    // look idle in the answer's first second.
    for (const Started& each : sources_) each.running->snapshot([](std::span<const Bytes>) {});
    started_ns_ = clock_.monotonic_ns();
    started_realtime_ns_ = clock_.realtime_ns();
    next_snapshot_ns_ = started_ns_ + second_ns;
    // What was counted before this moment is not of this session.
    counts_.assign(sources_.size(), {});
    noted_.assign(sources_.size(), {});
    marks_.clear();
    told_ = {};
    take_all_state();
    mark(all_counts());
}

// Every fixed table is there to be asked, whether its source runs or not: rules name them.
Result<void> Session::add_fixed_tables() {
    const std::vector<const Schema*> schemas = row_schemas();
    if (auto shared = store_->expect(schemas); !shared) return shared;
    for (const Schema* schema : schemas)
        if (auto added = store_->add_table(*schema); !added) return added.error();
    return {};
}

Result<void> Session::start_sources(const SessionOptions& options, std::span<const Source* const> own) {
    Error last{"this build has no sensors"};
    for (const Source* source : agent::sources()) {
        const bool named = is_named(options, *source);
        const bool asked = source->asked_by && (options.start.values.given(*source->asked_by) ||
                                                is_named_besides(options, *source));
        if (!named && !asked &&
            (source->asked_by || !options.sensors.empty() || !is_its_topic(options, *source)))
            continue;
        if (auto started = start_source(*source, options); !started) {
            last = started.error();
            if (named || asked || last.kind == ErrorKind::privilege) return last;
            problems_.push_back(last.message);
        }
    }
    for (const Source* source : own)
        if (auto started = start_source(*source, options); !started) return started;
    if (sources_.empty()) return last;
    return {};
}

Result<void> Session::start_source(const Source& source, const SessionOptions& options) {
    Result<std::unique_ptr<Running>> started = source.start(options.start, store_->names());
    if (!started) return while_doing(fmt::format("sensor {} did not start", source.name), started.error());
    const Running& running = **started;
    if (auto able = check_filters(source, running, options.start); !able) return able;
    for (const Schema* schema : running.schemas()) {
        const Table* known = store_->table(schema->name);
        if (known && &known->schema() != schema)
            return Error{
                fmt::format("{} and another source both have a table {}", source.name, schema->name)};
        if (auto added = store_->add_table(*schema); !added) return added.error();
    }
    if (running.ready_fd() >= 0) {
        epoll_event event{};
        event.events = EPOLLIN | EPOLLET;
        epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, running.ready_fd(), &event);
    }
    sources_.push_back({&source, std::move(*started)});
    return {};
}

void Session::load_rules(const SessionOptions& options) {
    user_rules_ = read_user_rules(options.user_folder, problems_);
    rules_ =
        std::make_unique<explain::RuleBook>(load_rule_book(user_rules_, store_->sql(), options.language));
    // A window that slides is asked about each second; one answer takes what it takes.
    if (options.sliding_window_ns > 0) rules_->give_each_rule(explain::share_of_a_rule);
}

void Session::read_baseline_of(std::span<const std::string> tables) {
    store_->begin_moment(window(), 0);
    store_->read_facts([&](const FactTable& fact) {
        return (fact.has_counters() || fact.looks_back()) &&
               std::find(tables.begin(), tables.end(), fact.schema().name) != tables.end();
    });
}

void Session::read_baseline(std::string_view topic) {
    std::vector<std::string> tables;
    for (const explain::RuleBook::Entry& rule : rules_->entries())
        if (topic.empty() || rule.topic == topic)
            tables.insert(tables.end(), rule.tables.begin(), rule.tables.end());
    read_baseline_of(tables);
}

void Session::take(std::size_t index, std::span<const Bytes> records, const Callbacks& callbacks) {
    const Running& running = *sources_[index].running;
    batch_.clear();
    for (const Bytes record : records) {
        const Result<Row> row = running.read(record);
        if (!row) {
            ++counts_[index].unreadable;
            continue;
        }
        directory_.learn(*row);
        store_->table(row->schema().name)->append(*row);
        batch_.push_back(*row);
    }
    counts_[index].seen += batch_.size();
    if (batch_.empty()) return;
    if (const std::lock_guard lock(writing_); writer_) {
        // A frame holds rows of one schema: write the batch in runs.
        for (std::size_t from = 0, to = 0; from < batch_.size(); from = to) {
            while (to < batch_.size() && &batch_[to].schema() == &batch_[from].schema()) ++to;
            writer_->rows(batch_[from].schema(), false, std::span(batch_).subspan(from, to - from),
                          store_->lookup());
        }
    }
    if (callbacks.rows) callbacks.rows(batch_);
}

// What stands replaces what stood. It is no news: whoever watches rows is not told, and a recording keeps it
// with the facts.
void Session::take_state(std::size_t index, const Schema& schema, std::span<const Bytes> records) {
    batch_.clear();
    for (const Bytes record : records) {
        const Result<Row> row = sources_[index].running->read(record);
        if (row && &row->schema() == &schema)
            batch_.push_back(*row);
        else
            ++counts_[index].unreadable;
    }
    store_->table(schema.name)->replace(batch_);
}

void Session::take_all_state() {
    for (std::size_t i = 0; i < sources_.size(); ++i)
        sources_[i].running->state(
            [&](const Schema& schema, std::span<const Bytes> records) { take_state(i, schema, records); });
}

bool Session::drain_all(const Callbacks& callbacks) {
    bool any = false;
    for (std::size_t i = 0; i < sources_.size(); ++i)
        sources_[i].running->drain([&](std::span<const Bytes> records) {
            any = true;
            take(i, records, callbacks);
        });
    return any;
}

void Session::snapshot_all(const Callbacks& callbacks) {
    for (std::size_t i = 0; i < sources_.size(); ++i)
        sources_[i].running->snapshot([&](std::span<const Bytes> records) { take(i, records, callbacks); });
    take_all_state();
    std::vector<Counts> counts = all_counts();
    note_losses(counts);
    mark(std::move(counts));
    const std::lock_guard lock(writing_);
    if (!writer_) return;
    writer_->flush();
    change_part();
}

Session::Counts Session::counts_of(std::size_t index) const {
    Counts counts = counts_[index];
    counts.losses = sources_[index].running->losses();
    if (counts.unreadable > 0) counts.losses.push_back({"unreadable record", counts.unreadable});
    for (const Schema* schema : sources_[index].running->schemas())
        counts.evicted += store_->table(schema->name)->evicted();
    return counts;
}

std::vector<Session::Counts> Session::all_counts() const {
    std::vector<Counts> counts;
    for (std::size_t i = 0; i < sources_.size(); ++i) counts.push_back(counts_of(i));
    return counts;
}

void Session::note_losses(std::span<const Counts> counts) {
    RecordWriter<self_record> writer;
    Table* self = store_->table(self_schema().name);
    for (std::size_t i = 0; i < sources_.size(); ++i) {
        Counts now = counts[i];
        now.losses.push_back({"table full", now.evicted});
        for (const Loss& loss : now.losses) {
            const auto before = std::find_if(noted_[i].losses.begin(), noted_[i].losses.end(),
                                             [&](const Loss& said) { return said.cause == loss.cause; });
            const std::uint64_t added = loss.count - (before == noted_[i].losses.end() ? 0 : before->count);
            if (added == 0) continue;
            const Row row(self_schema(), self_row(writer, clock_.monotonic_ns(), sources_[i].source->name,
                                                  loss.cause, added));
            self->append(row);
            if (const std::lock_guard lock(writing_); writer_)
                writer_->rows(self_schema(), false, {&row, 1}, store_->lookup());
        }
        noted_[i] = std::move(now);
    }
}

void Session::tell_of(WatchedCommand command) {
    facts::Procfs proc("/proc");
    if (!command.ended) command.waiting = facts::waiting_below(proc, command.pid);
    RecordWriter<watched_command_record> writer;
    const Row row(watched_command_schema(), watched_command_row(writer, command));
    store_->table(watched_command_schema().name)->append(row);
    if (writer_) writer_->rows(watched_command_schema(), false, {&row, 1}, store_->lookup());
}

void Session::mark(std::vector<Counts> counts) {
    marks_.push_back({clock_.monotonic_ns(), std::move(counts)});
    // The mark just before the window's beginning is the one to subtract; without a sliding window that is
    // the first.
    while (sliding_window_ns_ > 0 && marks_.size() > 2 &&
           marks_[1].time_ns + sliding_window_ns_ <= marks_.back().time_ns)
        marks_.pop_front();
    if (sliding_window_ns_ == 0 && marks_.size() > 2) marks_.erase(marks_.begin() + 1);
    std::vector<std::string> problems;
    for (const Started& each : sources_)
        for (std::string& problem : each.running->problems()) problems.push_back(std::move(problem));
    {
        const std::lock_guard lock(mutex_);
        if (told_.snapshots == 0) told_.begin = marks_.front();
        told_.first = marks_.front();
        told_.last = marks_.back();
        told_.problems = std::move(problems);
        ++told_.snapshots;
    }
    told_more_.notify_one();
}

explain::Window Session::window() const {
    const std::uint64_t now = clock_.monotonic_ns();
    const bool slides = sliding_window_ns_ > 0 && now - started_ns_ > sliding_window_ns_;
    return window_between(slides ? now - sliding_window_ns_ : started_ns_, now);
}

explain::Window Session::window_between(std::uint64_t from_ns, std::uint64_t to_ns) const {
    explain::Window window;
    window.from_ns = std::max(from_ns, started_ns_);
    window.to_ns = to_ns;
    window.from_realtime_ns = started_realtime_ns_ + (window.from_ns - started_ns_);
    return window;
}

std::vector<explain::SensorCoverage> Session::coverage() const {
    const std::lock_guard lock(mutex_);
    return coverage_between(told_.first, told_.last);
}

std::vector<explain::SensorCoverage> Session::whole_coverage() const {
    const std::lock_guard lock(mutex_);
    return coverage_between(told_.begin, told_.last);
}

std::vector<explain::SensorCoverage> Session::coverage_between(const Mark& from, const Mark& to) const {
    std::vector<explain::SensorCoverage> out;
    for (std::size_t i = 0; i < sources_.size(); ++i) {
        const Counts& now = to.counts[i];
        const Counts& then = from.counts[i];
        explain::SensorCoverage part;
        part.sensor = sources_[i].source->name;
        part.seen = now.seen - then.seen;
        part.evicted = now.evicted - then.evicted;
        part.hooks = sources_[i].running->hooks();
        for (const Loss& loss : now.losses) {
            const auto before = std::find_if(then.losses.begin(), then.losses.end(),
                                             [&](const Loss& old) { return old.cause == loss.cause; });
            part.lost.push_back({loss.cause, loss.count - (before == then.losses.end() ? 0 : before->count)});
        }
        out.push_back(std::move(part));
    }
    return out;
}

void Session::wait(std::uint64_t until_ns) {
    const std::uint64_t now = clock_.monotonic_ns();
    const std::uint64_t limit = std::min({until_ns, next_snapshot_ns_, now + longest_wait_ns});
    if (limit <= now) return;
    bool quiet = true;
    for (const Started& each : sources_) quiet &= each.running->prepare_to_wait();
    if (!quiet) return;
    epoll_event events[16];
    const int timeout_ms = static_cast<int>((limit - now + 999'999) / 1'000'000);
    epoll_wait(epoll_.get(), events, std::size(events), timeout_ms);
}

void Session::run(std::uint64_t until_ns, const std::atomic<bool>& stop, const Callbacks& callbacks) {
    std::atomic<bool> enough{false};
    told_.reading = true;
    std::thread reader([&] {
        read_until(
            until_ns,
            [&] { return enough.load(std::memory_order_relaxed) || stop.load(std::memory_order_relaxed); },
            callbacks);
        {
            const std::lock_guard lock(mutex_);
            told_.reading = false;
        }
        told_more_.notify_one();
    });
    std::unique_lock lock(mutex_);
    for (std::uint64_t seen = told_.snapshots; told_.reading;) {
        told_more_.wait_for(lock, std::chrono::nanoseconds(longest_wait_ns),
                            [&] { return !told_.reading || told_.snapshots != seen; });
        const bool second = told_.reading && told_.snapshots != seen;
        seen = told_.snapshots;
        lock.unlock();
        if (second && callbacks.second) callbacks.second();
        if (second) end_part();
        if (second && writer_ && clock_.monotonic_ns() >= next_keep_ns_) keep_recording();
        if (callbacks.done && callbacks.done()) enough = true;
        lock.lock();
    }
    lock.unlock();
    reader.join();
    end_part();
}

void Session::read_until(std::uint64_t until_ns, const std::function<bool()>& stop,
                         const Callbacks& callbacks) {
    // What was started for a script ends with it.
    const auto over = [this] {
        return std::ranges::any_of(sources_, [](const Started& each) { return each.running->ended(); });
    };
    while (!stop() && !over()) {
        const std::uint64_t now = clock_.monotonic_ns();
        if (now >= until_ns) break;
        if (now >= next_snapshot_ns_) {
            snapshot_all(callbacks);
            next_snapshot_ns_ = std::max(next_snapshot_ns_ + second_ns, now + second_ns / 2);
        }
        if (drain_all(callbacks)) {
            const timespec pause{0, static_cast<long>(std::min(pace_ns, until_ns - now))};
            nanosleep(&pause, nullptr);
        } else {
            wait(until_ns);
        }
    }
    finish(callbacks);
    snapshot_all(callbacks);
}

// All are drained while one of them still tells what it tells only at its end.
void Session::finish(const Callbacks& callbacks) {
    const std::uint64_t until_ns = clock_.monotonic_ns() + longest_finish_ns;
    for (;;) {
        bool finished = true;
        for (const Started& each : sources_) finished &= each.running->finish();
        drain_all(callbacks);
        const std::uint64_t now = clock_.monotonic_ns();
        if (finished || now >= until_ns) return;
        if (now >= next_snapshot_ns_) {
            snapshot_all(callbacks);
            next_snapshot_ns_ = now + second_ns;
        }
        const timespec pause{0, static_cast<long>(pace_ns)};
        nanosleep(&pause, nullptr);
    }
}

std::vector<std::string> Session::problems() const {
    std::vector<std::string> out = problems_;
    {
        const std::lock_guard lock(mutex_);
        out.insert(out.end(), told_.problems.begin(), told_.problems.end());
    }
    for (const std::unique_ptr<FactTable>& fact : store_->facts())
        if (fact->was_read() && !fact->problem().empty()) out.push_back(fact->problem());
    const std::lock_guard lock(writing_);
    if (!part_problem_.empty())
        out.push_back("the recording is not changed for a new file: " + part_problem_);
    return out;
}

explain::Answer Session::answer(std::string_view topic) {
    explain::Answer answer;
    answer.window = window();
    // A reading a little older than the window still serves: it was taken while the sensors started.
    store_->begin_moment(answer.window, answer.window.from_ns - std::min(answer.window.from_ns, second_ns));
    answer.coverage = coverage();
    // A recording keeps every fact; the facts' problems then belong to the answer, since a replay will name
    // them too.
    if (writer_) store_->read_facts([](const FactTable&) { return true; });
    rules_->ask(store_->sql(), topic, answer);
    const std::vector<std::string> problems = this->problems();
    if (writer_) {
        write_moment(*writer_, RecordingWriter::Moment::closing, of_part(answer), topic, problems);
        writer_ = nullptr;
    }
    look_around(answer.window.to_ns);
    answer.problems.insert(answer.problems.begin(), problems.begin(), problems.end());
    return answer;
}

// What is here now and may be gone when a rule asks for it: who listens on which port.
void Session::look_around(std::uint64_t now_ns) {
    if (now_ns < next_look_ns_) return;
    const std::uint64_t began_ns = explain::processor_time_ns(CLOCK_PROCESS_CPUTIME_ID);
    store_->read_facts([](const FactTable& fact) { return fact.looks_back(); });
    const std::uint64_t spent_ns = explain::processor_time_ns(CLOCK_PROCESS_CPUTIME_ID) - began_ns;
    next_look_ns_ = now_ns + std::max(look_every_ns, spent_ns * look_share);
}

}  // namespace waggle::agent
