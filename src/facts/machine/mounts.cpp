// SPDX-License-Identifier: Apache-2.0
#include "base/put.h"
#include "base/text.h"
#include "facts/makers.h"
#include "host/mountinfo.h"
#include "model/record_writer.h"

namespace waggle::facts {
namespace {

struct mount_fact {
    __u64 mount_id;
    char device[16];
    char kind[24];
    waggle_text mounted_at;
    waggle_text source;
    waggle_text root;
    waggle_text options;
    __u8 read_only;
    __u8 reserved[7];
};

constexpr Field mounts_fields[] = {
    WAGGLE_FIELD(mount_fact, mount_id, Unit::identifier, "The mount by its number.",
                 trait_key | trait_hidden),
    WAGGLE_FIELD(mount_fact, mounted_at, Unit::none, "The directory where it is seen."),
    WAGGLE_FIELD(mount_fact, source, Unit::none,
                 "What is mounted: a device, or a name the file system chose."),
    WAGGLE_FIELD(mount_fact, kind, Unit::none, "The file system: ext4, overlay, tmpfs ..."),
    WAGGLE_FIELD(mount_fact, device, Unit::none, "The device's number, major:minor."),
    WAGGLE_FIELD(mount_fact, root, Unit::none, "The part of the file system that is shown; / for all of it.",
                 trait_hidden),
    WAGGLE_FIELD(mount_fact, options, Unit::none, "How it is mounted: rw,noatime ..."),
    WAGGLE_FLAG(mount_fact, read_only, "Nothing can be written there."),
};
constexpr Schema mount_schema = {"mounts", "A file system that is mounted where waggle runs.",
                                 sizeof(mount_fact), mounts_fields, false};

// Blanks are written as \040.
std::string unescape(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 3 < text.size()) {
            unsigned value = 0;
            const auto parsed = std::from_chars(text.data() + i + 1, text.data() + i + 4, value, 8);
            if (parsed.ptr == text.data() + i + 4) {
                out += static_cast<char>(value);
                i += 3;
                continue;
            }
        }
        out += text[i];
    }
    return out;
}

bool has_option(std::string_view options, std::string_view wanted) {
    for (const std::string_view option : split(options, ','))
        if (option == wanted) return true;
    return false;
}

class Mounts final : public Fact {
  public:
    explicit Mounts(const Roots& roots) : roots_(roots) {}
    const Schema& schema() const override { return mount_schema; }

    Result<void> read(const RowSink& sink) override {
        const auto text = read_file(roots_.proc + "/self/mountinfo");
        if (!text) return text.error();
        RecordWriter<mount_fact> record;
        for (const std::string_view line : split(*text, '\n')) {
            const auto mount = parse_mount(line);
            if (!mount) continue;
            record.clear();
            record.fixed.mount_id = mount->id;
            put(record.fixed.device, mount->device);
            put(record.fixed.kind, mount->kind);
            record.text(&mount_fact::mounted_at, mount->mounted_at);
            record.text(&mount_fact::source, mount->source);
            record.text(&mount_fact::root, mount->root);
            record.text(&mount_fact::options, mount->options);
            record.fixed.read_only =
                has_option(mount->options, "ro") || has_option(mount->super_options, "ro") ? 1 : 0;
            sink(Row(mount_schema, record.finish()));
        }
        return {};
    }

  private:
    Roots roots_;
};

}  // namespace

std::optional<Mount> parse_mount(std::string_view line) {
    const std::size_t dash = line.find(" - ");
    const auto words = split(line, ' ');
    if (dash == std::string_view::npos || words.size() < 10) return {};
    const auto tail = split(line.substr(dash + 3), ' ');
    if (tail.size() < 3) return {};
    return Mount{number_of<std::uint64_t>(words[0]),
                 std::string(words[2]),
                 unescape(words[3]),
                 unescape(words[4]),
                 std::string(words[5]),
                 std::string(tail[0]),
                 unescape(tail[1]),
                 std::string(tail[2])};
}

std::unique_ptr<Fact> make_mounts(const Roots& roots) { return std::make_unique<Mounts>(roots); }

}  // namespace waggle::facts
