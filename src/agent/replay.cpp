// SPDX-License-Identifier: Apache-2.0
#include "agent/replay.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

#include "agent/drops/drop_causes.h"
#include "agent/rule_book.h"
#include "agent/self.h"
#include "agent/sources.h"
#include "agent/watched_command.h"
#include "base/text.h"
#include "base/units.h"
#include "recording/recording_format.h"
#include "waggle/owned_fd.h"

namespace waggle::agent {

// Puts what the reader tells into the store. The first thing that cannot be stored ends the filling.
class Replay::Filler final : public RecordingVisitor {
  public:
    explicit Filler(Replay& replay) : replay_(replay) {}

    void on_memory(std::size_t bytes) override {
        if (!replay_.store_) make_store(bytes);
    }
    void on_schema(const Schema& recorded, bool is_fact) override {
        if (!replay_.store_) make_store(64u << 20);
        if (!replay_.store_) return;
        const Schema& schema = *replay_.with_absent_fields(&recorded);
        if (is_fact) facts_.emplace(schema.name);
        if (replay_.whole_ && !is_fact) {
            const Result<RecordedRows*> added = replay_.store_->add_recorded_rows(schema);
            if (!added) failure = added.error().message;
            if (added) whole_[&recorded] = *added;
            return;
        }
        const Result<Table*> table =
            is_fact ? replay_.store_->add_recorded_fact(schema) : replay_.store_->add_table(schema);
        if (!table) failure = table.error().message;
    }
    void on_row(const Row& row) override {
        Table* table = replay_.store_ ? replay_.store_->table(row.schema().name) : nullptr;
        last_row_ns = row.schema().has_subject ? std::max<std::uint64_t>(last_row_ns, row.header().time_ns)
                                               : last_row_ns;
        if (first_row_ns == 0) first_row_ns = last_row_ns;
        if (const auto lies = whole_.find(&row.schema()); lies != whole_.end())
            lies->second->add(row.bytes());
        if (table) table->append(row);
        if (!facts_.contains(row.schema().name)) ++rows[std::string(row.schema().name)];
    }
    void on_name(std::string_view dictionary, std::uint64_t value, std::string_view name) override {
        if (!replay_.store_) make_store(64u << 20);
        if (replay_.store_) replay_.store_->names().set(dictionary, value, std::string(name));
    }
    void on_subject(const SubjectKey& who, Subject subject) override {
        replay_.subjects_.add(who, std::move(subject));
    }
    void on_fact_again(const Schema& fact) override {
        if (Table* table = replay_.store_ ? replay_.store_->table(fact.name) : nullptr) table->clear();
    }
    void on_user_rules(const explain::OwnedRuleFile& file) override { replay_.user_rules_.push_back(file); }
    void on_note(std::string_view name, std::string_view text) override {
        replay_.notes_[std::string(name)] = text;
    }
    void on_moment(RecordedMoment moment) override { replay_.moment_ = std::move(moment); }

    void make_store(std::size_t bytes) {
        constexpr std::size_t most = std::size_t{4} << 30;
        // What recorded it may have had fewer tables to share little memory; some it can have made itself.
        const std::size_t least = 2 * Store::least_memory(row_schemas());
        Result<std::unique_ptr<Store>> store =
            Store::create(std::clamp(bytes, least, most), replay_.subjects_);
        if (!store) {
            failure = store.error().message;
            return;
        }
        replay_.store_ = std::move(*store);
        if (auto shared = replay_.store_->expect(row_schemas()); !shared) failure = shared.error().message;
        if (auto added = add_drop_causes(*replay_.store_); !added) failure = added.error().message;
    }

    std::uint64_t rows_of(const Source& source) const {
        std::uint64_t sum = 0;
        const std::string beginning = fmt::format("{}_", source.name);
        for (const auto& [table, count] : rows) {
            // Tables that a source makes when it starts begin with its name.
            const bool made =
                source.schemas.empty() && (table == source.name || table.starts_with(beginning));
            const bool fixed =
                std::ranges::find(source.schemas, table, &Schema::name) != source.schemas.end();
            if (made || fixed) sum += count;
        }
        return sum;
    }

    // The recorder was stopped after this moment: what came later is looked at too.
    void lengthen_the_moment() {
        RecordedMoment& moment = replay_.moment_;
        for (explain::SensorCoverage& part : moment.coverage) {
            std::uint64_t seen = 0;
            if (const Source* source = source_named(part.sensor)) seen = rows_of(*source);
            part.seen = std::max(part.seen, seen);
        }
        if (last_row_ns <= moment.window.to_ns) return;
        moment.problems.push_back(
            fmt::format("the facts and the count of lost records are those of {} before the recording's end",
                        format_duration_ns(static_cast<double>(last_row_ns - moment.window.to_ns))));
        moment.window.to_ns = last_row_ns;
    }

    // The recorder was stopped before it could say what it looked at: the rows themselves tell what they can.
    void tell_the_moment() {
        replay_.moment_.window.from_ns = first_row_ns;
        replay_.moment_.window.to_ns = last_row_ns;
        for (const Source* source : sources()) {
            explain::SensorCoverage part;
            part.sensor = source->name;
            part.seen = rows_of(*source);
            if (part.seen > 0) replay_.moment_.coverage.push_back(std::move(part));
        }
        replay_.moment_.problems.emplace_back(
            "the facts and the count of lost records stand at a recording's end, and are missing");
    }

    std::string failure;
    std::map<std::string, std::uint64_t, std::less<>> rows;  // that happened, by schema
    std::uint64_t first_row_ns = 0;
    std::uint64_t last_row_ns = 0;

  private:
    Replay& replay_;
    std::map<const Schema*, RecordedRows*> whole_;
    std::set<std::string, std::less<>> facts_;  // tables that say how things stand
};

Replay::~Replay() = default;

const std::string& Replay::note(std::string_view name) const {
    static const std::string none;
    const auto found = notes_.find(name);
    return found == notes_.end() ? none : found->second;
}

Result<std::unique_ptr<Replay>> Replay::open(const std::string& path, std::string_view language) {
    const Result<std::string> text = read_file(path, std::size_t{4} << 30);
    if (!text) return text.error();
    std::vector<std::uint64_t> words((text->size() + 7) / 8);
    if (!text->empty()) std::memcpy(words.data(), text->data(), text->size());
    Result<std::unique_ptr<Replay>> replay = read(std::move(words), text->size(), language);
    if (!replay) return while_doing(escape_control(path), replay.error());
    return replay;
}

Result<std::unique_ptr<Replay>> Replay::read(std::vector<std::uint64_t> words, std::size_t size,
                                             std::string_view language) {
    std::unique_ptr<Replay> replay(new Replay);
    replay->words_ = std::move(words);
    const Bytes file(reinterpret_cast<const std::byte*>(replay->words_.data()), size);
    return fill(std::move(replay), file, language);
}

Replay::Mapping::~Mapping() {
    if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

Result<Replay::Mapping> Replay::Mapping::of(const std::string& path) {
    const OwnedFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status{};
    if (!fd || ::fstat(fd.get(), &status) != 0)
        return Error{fmt::format("cannot read {}: {}", escape_control(path), std::strerror(errno))};
    Mapping mapping;
    const auto size = static_cast<std::size_t>(status.st_size);
    if (!S_ISREG(status.st_mode) || size == 0) return mapping;
    void* at = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (at == MAP_FAILED)
        return Error{fmt::format("cannot read {}: {}", escape_control(path), std::strerror(errno))};
    mapping.bytes_ = {static_cast<const std::byte*>(at), size};
    return mapping;
}

Result<std::unique_ptr<Replay>> Replay::open_whole(const std::string& path) {
    Result<Mapping> mapping = Mapping::of(path);
    if (!mapping) return mapping.error();
    // What cannot be mapped, as a pipe, is read.
    if (mapping->bytes().empty()) return open(path);
    std::unique_ptr<Replay> replay(new Replay);
    replay->mapping_ = std::move(*mapping);
    replay->whole_ = true;
    const Bytes file = replay->mapping_.bytes();
    Result<std::unique_ptr<Replay>> filled = fill(std::move(replay), file, "en");
    if (!filled) return while_doing(escape_control(path), filled.error());
    return filled;
}

Result<std::unique_ptr<Replay>> Replay::fill(std::unique_ptr<Replay> replay, Bytes file,
                                             std::string_view language) {
    // Through FactTable, for the delta columns that rules name.
    for (std::unique_ptr<facts::Fact>& fact : facts::all_facts())
        replay->absent_facts_.push_back(std::make_unique<FactTable>(std::move(fact)));
    Result<RecordingReader> reader = RecordingReader::open(file);
    if (!reader) return reader.error();
    replay->reader_ = std::make_unique<RecordingReader>(std::move(*reader));
    Filler filler(*replay);
    replay->problem_ = replay->reader_->read(filler);
    if (!replay->store_) filler.make_store(64u << 20);
    if (!replay->store_) return Error{filler.failure};
    if (!filler.failure.empty() && replay->problem_.empty()) replay->problem_ = filler.failure;
    // What the recording lacks is there to be asked all the same, empty.
    for (const Schema* schema : row_schemas()) {
        if (replay->store_->relation(schema->name)) continue;
        if (auto added = replay->store_->add_table(*schema); !added) return added.error();
    }
    if (replay->moment_.window.to_ns == 0)
        filler.tell_the_moment();
    else if (!replay->moment_.closing)
        filler.lengthen_the_moment();
    for (const std::unique_ptr<FactTable>& fact : replay->absent_facts_) {
        if (replay->store_->table(fact->schema().name)) continue;
        if (auto added = replay->store_->add_recorded_fact(fact->schema()); !added) return added.error();
    }
    replay->rules_ = std::make_unique<explain::RuleBook>(
        load_rule_book(replay->user_rules_, replay->store_->sql(), language));
    replay->store_->begin_moment(replay->moment_.window, 0);
    return replay;
}

const Schema* Replay::with_absent_fields(const Schema* recorded) {
    const Schema* today = nullptr;
    for (const Source* source : sources())
        for (const Schema* schema : source->schemas)
            if (schema->name == recorded->name) today = schema;
    for (const std::unique_ptr<FactTable>& fact : absent_facts_)
        if (fact->schema().name == recorded->name) today = &fact->schema();
    if (!today ||
        std::ranges::all_of(today->fields, [&](const Field& field) { return recorded->find(field.name); }))
        return recorded;
    GrownSchema& grown = *grown_schemas_.emplace_back(std::make_unique<GrownSchema>());
    grown.fields.assign(recorded->fields.begin(), recorded->fields.end());
    for (const Field& field : today->fields)
        if (!recorded->find(field.name))
            grown.fields.push_back(make_field(field.name, field.type, field.unit, 0, 0, field.meaning,
                                              field.traits | trait_absent, field.dictionary));
    grown.schema = *recorded;
    grown.schema.fields = grown.fields;
    return &grown.schema;
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

}  // namespace waggle::agent
