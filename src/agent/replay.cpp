// SPDX-License-Identifier: Apache-2.0
#include "agent/replay.h"

#include <fmt/core.h>

#include <cstring>

#include "agent/recording_format.h"
#include "agent/rule_book.h"
#include "agent/self.h"
#include "base/text.h"
#include "sensors/rooms.h"

namespace waggle::agent {

// Puts what the reader tells into the store. The first thing that cannot be stored ends the filling.
class Replay::Filler final : public RecordingVisitor {
  public:
    explicit Filler(Replay& replay) : replay_(replay) {}

    void on_memory(std::size_t bytes) override {
        if (!replay_.store_) make_store(bytes);
    }
    void on_schema(const Schema& schema, bool is_fact) override {
        if (!replay_.store_) make_store(64u << 20);
        if (!replay_.store_) return;
        const Result<Table*> table =
            is_fact ? replay_.store_->add_recorded_fact(schema) : replay_.store_->add_table(schema);
        if (!table) failure = table.error().message;
    }
    void on_row(const Row& row) override {
        Table* table = replay_.store_ ? replay_.store_->table(row.schema().name) : nullptr;
        last_row_ns = row.schema().has_subject ? std::max<std::uint64_t>(last_row_ns, row.header().time_ns)
                                               : last_row_ns;
        if (first_row_ns == 0) first_row_ns = last_row_ns;
        if (!table) return;
        table->append(row);
        ++rows[std::string(row.schema().name)];
    }
    void on_name(std::string_view dictionary, std::uint64_t value, std::string_view name) override {
        if (!replay_.store_) make_store(64u << 20);
        if (replay_.store_) replay_.store_->names().set(dictionary, value, std::string(name));
    }
    void on_subject(const SubjectKey& who, Subject subject) override {
        replay_.subjects_.add(who, std::move(subject));
    }
    void on_moment(RecordedMoment moment) override { replay_.moment_ = std::move(moment); }

    void make_store(std::size_t bytes) {
        constexpr std::size_t most = std::size_t{4} << 30;
        Result<std::unique_ptr<Store>> store = Store::create(std::min(bytes, most), replay_.subjects_);
        if (store)
            replay_.store_ = std::move(*store);
        else
            failure = store.error().message;
    }

    // The recorder was stopped before it could say what it looked at: the rows themselves tell what they can.
    void tell_the_moment() {
        replay_.moment_.window.from_ns = first_row_ns;
        replay_.moment_.window.to_ns = last_row_ns;
        for (const std::unique_ptr<Sensor>& sensor : replay_.sensors_) {
            explain::SensorCoverage part;
            part.sensor = sensor->name();
            for (const Schema* schema : sensor->schemas())
                if (const auto count = rows.find(schema->name); count != rows.end())
                    part.seen += count->second;
            if (part.seen > 0) replay_.moment_.coverage.push_back(std::move(part));
        }
        replay_.moment_.problems.emplace_back(
            "the facts and the count of lost records stand at a recording's end, and are missing");
    }

    std::string failure;
    std::map<std::string, std::uint64_t, std::less<>> rows;  // by schema
    std::uint64_t first_row_ns = 0;
    std::uint64_t last_row_ns = 0;

  private:
    Replay& replay_;
};

Replay::~Replay() = default;

Result<std::unique_ptr<Replay>> Replay::open(const std::string& path) {
    const Result<std::string> text = read_file(path, std::size_t{4} << 30);
    if (!text) return text.error();
    std::vector<std::uint64_t> words((text->size() + 7) / 8);
    if (!text->empty()) std::memcpy(words.data(), text->data(), text->size());
    Result<std::unique_ptr<Replay>> replay = read(std::move(words), text->size());
    if (!replay) return while_doing(escape_control(path), replay.error());
    return replay;
}

Result<std::unique_ptr<Replay>> Replay::read(std::vector<std::uint64_t> words, std::size_t size) {
    std::unique_ptr<Replay> replay(new Replay);
    replay->words_ = std::move(words);
    Result<RecordingReader> reader =
        RecordingReader::open({reinterpret_cast<const std::byte*>(replay->words_.data()), size});
    if (!reader) return reader.error();
    replay->reader_ = std::make_unique<RecordingReader>(std::move(*reader));
    Filler filler(*replay);
    replay->problem_ = replay->reader_->read(filler);
    if (!replay->store_) filler.make_store(64u << 20);
    if (!replay->store_) return Error{filler.failure};
    if (!filler.failure.empty() && replay->problem_.empty()) replay->problem_ = filler.failure;
    // What the recording lacks is there to be asked all the same, empty.
    if (auto added = replay->store_->add_table(self_schema()); !added) return added.error();
    for (const sensors::Room& room : sensors::rooms()) {
        replay->sensors_.push_back(room.make());
        for (const Schema* schema : replay->sensors_.back()->schemas())
            if (auto added = replay->store_->add_table(*schema); !added) return added.error();
    }
    if (replay->moment_.window.to_ns == 0) filler.tell_the_moment();
    for (std::unique_ptr<facts::Fact>& fact : facts::all_facts()) {
        // Through FactTable, for the delta columns that rules name.
        replay->absent_facts_.push_back(std::make_unique<FactTable>(std::move(fact)));
        const Schema& schema = replay->absent_facts_.back()->schema();
        if (replay->store_->table(schema.name)) continue;
        if (auto added = replay->store_->add_recorded_fact(schema); !added) return added.error();
    }
    Result<explain::RuleBook> rules = load_rule_book({}, replay->store_->sql(), replay->rule_texts_);
    if (!rules) return rules.error();
    replay->rules_ = std::make_unique<explain::RuleBook>(std::move(*rules));
    replay->store_->begin_moment(replay->moment_.window, 0);
    return replay;
}

explain::Answer Replay::answer(std::string_view topic) {
    explain::Answer answer;
    answer.window = moment_.window;
    answer.coverage = moment_.coverage;
    store_->begin_moment(answer.window, 0);
    rules_->ask(store_->sql(), topic, answer);
    answer.problems.insert(answer.problems.begin(), moment_.problems.begin(), moment_.problems.end());
    if (!problem_.empty()) answer.problems.insert(answer.problems.begin(), problem_);
    return answer;
}

Result<std::size_t> check_rules() {
    // An empty recording has every table, so its rules are all of them.
    std::vector<std::uint64_t> words(recording_magic.size() / 8);
    std::memcpy(words.data(), recording_magic.data(), recording_magic.size());
    const Result<std::unique_ptr<Replay>> empty = Replay::read(std::move(words), recording_magic.size());
    if (!empty) return empty.error();
    return (*empty)->rules().entries().size();
}

}  // namespace waggle::agent
