// SPDX-License-Identifier: Apache-2.0
#include "cli/run_maps.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "base/units.h"
#include "kernel/btf_types.h"
#include "kernel/value_printer.h"

namespace waggle::cli {
namespace {

using kernel::BtfKind;
using kernel::BtfTypes;
using kernel::json_string;

std::string hex(Bytes bytes) {
    std::string out;
    for (const std::byte each : bytes) out += fmt::format("{:02x}", static_cast<unsigned>(each));
    return out;
}

// Prints keys and values of one map.
class EntryPrinter {
  public:
    EntryPrinter(const MapView& view, const MapForm& form) : view_(view), form_(form) {
        Result<Types> types = Types::of_map(view);
        if (!types) return;
        types->resolve_symbols(form.symbols);
        types_.emplace(std::move(*types));
    }

    const std::optional<Types>& types() const { return types_; }

    std::string key(Bytes bytes) const { return one(view_.shape().key_type, bytes); }
    std::string value(Bytes bytes) const {
        if (view_.shape().kind == MapKind::stack_trace) return stack(bytes);
        if (!view_.is_per_cpu()) return one(view_.shape().value_type, bytes);
        const std::size_t stride = bytes.size() / std::max<std::size_t>(view_.cpus(), 1);
        std::string out = "[";
        for (std::size_t cpu = 0; cpu < view_.cpus(); ++cpu)
            out += (cpu ? (form_.json ? "," : ", ") : "") +
                   one(view_.shape().value_type, bytes.subspan(cpu * stride, view_.shape().value_size));
        return out + "]";
    }
    std::string one(TypeId type, Bytes bytes) const {
        if (types_ && type != 0)
            if (const auto printed = form_.json ? types_->json(type, bytes) : types_->text(type, bytes))
                return *printed;
        // Without a type: a number where it has the size of one.
        if (bytes.size() == 4) return fmt::format("{}", load<std::uint32_t>(bytes));
        if (bytes.size() == 8) return fmt::format("{}", load<std::uint64_t>(bytes));
        return form_.json ? json_string(hex(bytes)) : hex(bytes);
    }

  private:
    std::string stack(Bytes bytes) const {
        std::string out = "[";
        for (std::size_t at = 0; at + 8 <= bytes.size(); at += 8) {
            const auto address = load<std::uint64_t>(bytes, at);
            if (address == 0) break;
            std::string frame = form_.symbols ? form_.symbols(address) : "";
            if (frame.empty()) frame = fmt::format("{:#x}", address);
            out += (at ? (form_.json ? "," : ", ") : "") +
                   (form_.json ? json_string(frame) : escape_control(frame));
        }
        return out + "]";
    }

    const MapView& view_;
    const MapForm& form_;
    std::optional<Types> types_;
};

std::string globals(const ObjectMap& map, const MapView& view, const EntryPrinter& printer,
                    const MapForm& form) {
    const Result<std::vector<std::byte>> bytes = view.read(bytes_of(std::uint32_t{0}));
    if (!bytes || !printer.types()) return {};
    const BtfTypes& btf = printer.types()->btf();
    const BtfTypes::Type section = btf.type(view.shape().value_type);
    std::string out;
    for (std::uint32_t i = 0; section.kind == BtfKind::section && i < section.count; ++i) {
        const BtfTypes::Placed placed = btf.placed(section, i);
        const std::string_view name = btf.type(placed.type).name;
        if (placed.offset > bytes->size() || placed.size > bytes->size() - placed.offset) continue;
        const std::string value = printer.one(placed.type, Bytes(*bytes).subspan(placed.offset, placed.size));
        out += form.json ? fmt::format("{{\"kind\":\"global\",\"map\":{},\"name\":{},\"value\":{}}}\n",
                                       json_string(map.name), json_string(name), value)
                         : fmt::format("  {} = {}\n", escape_control(name), value);
    }
    if (out.empty() || form.json) return out;
    return fmt::format("\nGlobals {}\n", escape_control(map.name)) + out;
}

}  // namespace

std::string entry_type(const MapView& view, bool key) {
    const MapShape& shape = view.shape();
    const std::uint32_t size = key ? shape.key_size : shape.value_size;
    const TypeId type = key ? shape.key_type : shape.value_type;
    std::string head = fmt::format("{}-byte {}", size, key ? "key" : "value");
    if (type == 0) return head;
    const Result<Types> types = Types::of_map(view);
    return types ? fmt::format("{} ({})", head, types->name(type)) : head;
}

std::string map_contents(const ObjectMap& map, const MapView& view, const MapForm& form) {
    const EntryPrinter printer(view, form);
    // .rodata holds the object's constants and the texts it prints: nothing it found out.
    if (map.global_data)
        return map.name.find(".rodata") == std::string::npos ? globals(map, view, printer, form) : "";
    std::string lines;
    std::uint64_t entries = 0, shown = 0, zero = 0;
    const bool skip_zero = view.shape().kind == MapKind::array || view.shape().kind == MapKind::percpu_array;
    const auto walked = view.each([&](Bytes key, Bytes value) {
        ++entries;
        if (skip_zero &&
            std::all_of(value.begin(), value.end(), [](std::byte each) { return each == std::byte{0}; })) {
            ++zero;
            return true;
        }
        if (shown == form.rows) return true;
        ++shown;
        lines += form.json ? fmt::format("{{\"kind\":\"entry\",\"map\":{},\"key\":{},\"value\":{}}}\n",
                                         json_string(map.name), printer.key(key), printer.value(value))
                           : fmt::format("  {}: {}\n", printer.key(key), printer.value(value));
        return true;
    });
    if (form.json)
        return walked ? lines
                      : lines + fmt::format("{{\"kind\":\"unlisted\",\"map\":{},\"reason\":{}}}\n",
                                            json_string(map.name), json_string(walked.error().message));
    std::string head = fmt::format("\nMap {} ({}", escape_control(map.name), map.type);
    if (!walked) return head + fmt::format(")\n  not listed: {}\n", walked.error().message);
    head += fmt::format(", {} {})\n", format_count(static_cast<std::int64_t>(entries)),
                        entries == 1 ? "entry" : "entries");
    const std::uint64_t more = entries - zero - shown;
    if (zero) lines += fmt::format("  {} are zero\n", format_count(static_cast<std::int64_t>(zero)));
    if (more)
        lines +=
            fmt::format("  {} more; --rows N shows more\n", format_count(static_cast<std::int64_t>(more)));
    return head + lines;
}

}  // namespace waggle::cli
