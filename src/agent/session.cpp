// SPDX-License-Identifier: Apache-2.0
#include "agent/session.h"

#include <fmt/core.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "agent/rule_book.h"
#include "agent/self.h"
#include "base/text.h"
#include "facts/fact.h"
#include "sensors/rooms.h"

namespace waggle::agent {
namespace {

constexpr std::uint64_t second_ns = 1'000'000'000;
constexpr std::uint64_t look_every_ns = 5 * second_ns;
constexpr std::uint64_t longest_wait_ns = 100'000'000;  // so that done() and a signal are seen in time
// While records keep coming the ring is read at this pace and asks for no wake-ups, which would cost the
// watched programs six times the record itself.
constexpr std::uint64_t pace_ns = 10'000'000;
constexpr std::uint64_t longest_finish_ns =
    60 * second_ns;  // printing large maps with their symbols takes a while

std::string names_of_rooms() {
    std::string out;
    for (const sensors::Room& room : sensors::rooms())
        out += (out.empty() ? "" : ", ") + std::string(room.name);
    return out;
}

}  // namespace

Session::~Session() {
    for (const std::unique_ptr<Sensor>& sensor : sensors_) sensor->stop();
}

Result<std::unique_ptr<Session>> Session::start(const SessionOptions& options, const Clock& clock) {
    Result<context::ProcessDirectory> directory = context::ProcessDirectory::open({}, clock);
    if (!directory) return directory.error();
    std::unique_ptr<Session> session(new Session(clock, std::move(*directory)));
    Result<std::unique_ptr<Store>> store = Store::create(options.memory_bytes, session->directory_);
    if (!store) return store.error();
    session->store_ = std::move(*store);
    session->sliding_window_ns_ = options.sliding_window_ns;
    session->epoll_ = OwnedFd(epoll_create1(EPOLL_CLOEXEC));
    if (!session->epoll_) return Error{fmt::format("cannot wait for events: {}", std::strerror(errno))};
    if (auto started = session->start_sensors(options); !started) return started.error();
    for (std::unique_ptr<facts::Fact>& fact : facts::all_facts())
        if (auto added = session->store_->add_fact(std::move(fact)); !added) return added.error();
    if (auto loaded = session->load_rules(options); !loaded) return loaded.error();
    session->started_ns_ = clock.monotonic_ns();
    session->started_realtime_ns_ = clock.realtime_ns();
    session->next_snapshot_ns_ = session->started_ns_ + second_ns;
    // What was counted before this moment is not of this session.
    session->counts_.assign(session->sensors_.size(), {});
    session->noted_.assign(session->sensors_.size(), {});
    session->mark();
    return session;
}

Result<void> Session::start_sensors(const SessionOptions& options) {
    for (const std::string& wanted : options.sensors) {
        const auto rooms = sensors::rooms();
        if (std::none_of(rooms.begin(), rooms.end(),
                         [&](const sensors::Room& room) { return room.name == wanted; })) {
            std::vector<std::string_view> known;
            for (const sensors::Room& room : rooms) known.push_back(room.name);
            const std::vector<std::string> near = nearest_words(wanted, known, 1);
            return Error{fmt::format("there is no sensor named {}{}; there are {}", escape_control(wanted),
                                     near.empty() ? "" : "; did you mean " + near.front(), names_of_rooms()),
                         ErrorKind::usage};
        }
    }
    if (auto added = store_->add_table(self_schema()); !added) return added.error();
    Error last{"this build has no sensors"};
    for (const sensors::Room& room : sensors::rooms()) {
        std::unique_ptr<Sensor> sensor = room.make();
        // Every sensor's tables are there to be asked, whether it runs or not: rules name them.
        for (const Schema* schema : sensor->schemas())
            if (auto added = store_->add_table(*schema); !added) return added.error();
        const auto& wanted = options.sensors;
        if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), room.name) == wanted.end()) continue;
        if (wanted.empty() && sensor->on_request() && options.start.script.empty()) continue;
        if (auto started = sensor->start(options.start, store_->names()); !started) {
            last = while_doing(fmt::format("sensor {} did not start", room.name), started.error());
            if (!wanted.empty() || sensor->on_request() || last.kind == ErrorKind::privilege) return last;
            problems_.push_back(last.message);
            continue;
        }
        if (sensor->ready_fd() >= 0) {
            epoll_event event{};
            event.events = EPOLLIN | EPOLLET;
            epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, sensor->ready_fd(), &event);
        }
        sensors_.push_back(std::move(sensor));
    }
    if (sensors_.empty()) return last;
    return {};
}

Result<void> Session::load_rules(const SessionOptions& options) {
    Result<explain::RuleBook> book = load_rule_book(options.user_rules, store_->sql(), rule_texts_);
    if (!book) return book.error();
    rules_ = std::make_unique<explain::RuleBook>(std::move(*book));
    return {};
}

void Session::read_baseline_of(std::span<const std::string> tables) {
    store_->begin_moment(window(), 0);
    for (const std::unique_ptr<FactTable>& fact : store_->facts())
        if ((fact->has_counters() || fact->looks_back()) &&
            std::find(tables.begin(), tables.end(), fact->schema().name) != tables.end())
            fact->read();
}

void Session::read_baseline(std::string_view topic) {
    std::vector<std::string> tables;
    for (const explain::RuleBook::Entry& rule : rules_->entries())
        if (topic.empty() || rule.topic == topic)
            tables.insert(tables.end(), rule.tables.begin(), rule.tables.end());
    read_baseline_of(tables);
}

void Session::take(std::size_t index, std::span<const Bytes> records, const Callbacks& callbacks) {
    const Sensor& sensor = *sensors_[index];
    batch_.clear();
    for (const Bytes record : records) {
        const Result<Row> row = sensor.read(record);
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
    if (writer_) {
        // A frame holds rows of one schema: write the batch in runs.
        for (std::size_t from = 0, to = 0; from < batch_.size(); from = to) {
            while (to < batch_.size() && &batch_[to].schema() == &batch_[from].schema()) ++to;
            writer_->rows(batch_[from].schema(), false, std::span(batch_).subspan(from, to - from),
                          store_->lookup());
        }
    }
    if (callbacks.rows) callbacks.rows(batch_);
}

bool Session::drain_all(const Callbacks& callbacks) {
    bool any = false;
    for (std::size_t i = 0; i < sensors_.size(); ++i)
        sensors_[i]->drain([&](std::span<const Bytes> records) {
            any = true;
            take(i, records, callbacks);
        });
    return any;
}

void Session::snapshot_all(const Callbacks& callbacks) {
    for (std::size_t i = 0; i < sensors_.size(); ++i)
        sensors_[i]->snapshot([&](std::span<const Bytes> records) { take(i, records, callbacks); });
    note_losses();
    mark();
}

Session::Counts Session::counts_of(std::size_t index) const {
    Counts counts = counts_[index];
    counts.losses = sensors_[index]->losses();
    if (counts.unreadable > 0) counts.losses.push_back({"unreadable record", counts.unreadable});
    for (const Schema* schema : sensors_[index]->schemas())
        counts.evicted += store_->table(schema->name)->evicted();
    return counts;
}

void Session::note_losses() {
    RecordWriter<self_record> writer;
    Table* self = store_->table(self_schema().name);
    for (std::size_t i = 0; i < sensors_.size(); ++i) {
        Counts now = counts_of(i);
        now.losses.push_back({"table full", now.evicted});
        for (const Loss& loss : now.losses) {
            const auto before = std::find_if(noted_[i].losses.begin(), noted_[i].losses.end(),
                                             [&](const Loss& said) { return said.cause == loss.cause; });
            const std::uint64_t added = loss.count - (before == noted_[i].losses.end() ? 0 : before->count);
            if (added == 0) continue;
            const Row row(self_schema(),
                          self_row(writer, clock_.monotonic_ns(), sensors_[i]->name(), loss.cause, added));
            self->append(row);
            if (writer_) writer_->rows(self_schema(), false, {&row, 1}, store_->lookup());
        }
        noted_[i] = std::move(now);
    }
}

void Session::mark() {
    Mark mark{clock_.monotonic_ns(), {}};
    for (std::size_t i = 0; i < sensors_.size(); ++i) mark.counts.push_back(counts_of(i));
    marks_.push_back(std::move(mark));
    // The mark just before the window's beginning is the one to subtract; without a sliding window that is
    // the first.
    while (sliding_window_ns_ > 0 && marks_.size() > 2 &&
           marks_[1].time_ns + sliding_window_ns_ <= marks_.back().time_ns)
        marks_.pop_front();
    if (sliding_window_ns_ == 0 && marks_.size() > 2) marks_.erase(marks_.begin() + 1);
}

explain::Window Session::window() const {
    explain::Window window;
    window.to_ns = clock_.monotonic_ns();
    window.from_ns = started_ns_;
    if (sliding_window_ns_ > 0 && window.to_ns - window.from_ns > sliding_window_ns_)
        window.from_ns = window.to_ns - sliding_window_ns_;
    window.from_realtime_ns = started_realtime_ns_ + (window.from_ns - started_ns_);
    return window;
}

std::vector<explain::SensorCoverage> Session::coverage() const {
    std::vector<explain::SensorCoverage> out;
    for (std::size_t i = 0; i < sensors_.size(); ++i) {
        const Counts now = counts_of(i);
        const Counts& then = marks_.front().counts[i];
        explain::SensorCoverage part;
        part.sensor = sensors_[i]->name();
        part.seen = now.seen - then.seen;
        part.evicted = now.evicted - then.evicted;
        part.hooks = sensors_[i]->hooks();
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
    for (const std::unique_ptr<Sensor>& sensor : sensors_) quiet &= sensor->prepare_to_wait();
    if (!quiet) return;
    epoll_event events[16];
    const int timeout_ms = static_cast<int>((limit - now + 999'999) / 1'000'000);
    epoll_wait(epoll_.get(), events, std::size(events), timeout_ms);
}

void Session::run(std::uint64_t until_ns, const std::atomic<bool>& stop, const Callbacks& callbacks) {
    // What was started for a script ends with it.
    const auto over = [this] {
        return std::ranges::any_of(sensors_, [](const auto& sensor) { return sensor->ended(); });
    };
    while (!stop.load(std::memory_order_relaxed) && !over()) {
        const std::uint64_t now = clock_.monotonic_ns();
        if (now >= until_ns || (callbacks.done && callbacks.done())) break;
        if (now >= next_snapshot_ns_) {
            snapshot_all(callbacks);
            next_snapshot_ns_ = std::max(next_snapshot_ns_ + second_ns, now + second_ns / 2);
            if (callbacks.second) callbacks.second();
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
        for (const std::unique_ptr<Sensor>& sensor : sensors_) finished &= sensor->finish();
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
    for (const std::unique_ptr<Sensor>& sensor : sensors_)
        for (std::string& problem : sensor->problems()) out.push_back(std::move(problem));
    for (const std::unique_ptr<FactTable>& fact : store_->facts())
        if (fact->was_read() && !fact->problem().empty()) out.push_back(fact->problem());
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
    if (writer_)
        for (const std::unique_ptr<FactTable>& fact : store_->facts()) fact->read();
    rules_->ask(store_->sql(), topic, answer);
    const std::vector<std::string> problems = this->problems();
    if (writer_) write_moment(answer, topic, problems);
    look_around(answer.window.to_ns);
    answer.problems.insert(answer.problems.begin(), problems.begin(), problems.end());
    return answer;
}

// What is here now and may be gone when a rule asks for it: who listens on which port.
void Session::look_around(std::uint64_t now_ns) {
    if (now_ns < next_look_ns_) return;
    next_look_ns_ = now_ns + look_every_ns;
    for (const std::unique_ptr<FactTable>& fact : store_->facts())
        if (fact->looks_back()) fact->read();
}

void Session::write_moment(const explain::Answer& answer, std::string_view topic,
                           std::span<const std::string> problems) {
    for (const std::unique_ptr<FactTable>& fact : store_->facts()) {
        std::vector<Row> rows;
        fact->rows().each([&](const Row& row) { rows.push_back(row); });
        writer_->rows(fact->schema(), true, rows, store_->lookup());
    }
    writer_->moment(answer, topic, problems, store_->lookup());
    writer_ = nullptr;
}

}  // namespace waggle::agent
