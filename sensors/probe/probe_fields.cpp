// SPDX-License-Identifier: Apache-2.0
#include "sensors/probe/probe_fields.h"

#include <bpf/btf.h>
#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "base/nearest.h"
#include "base/text.h"
#include "engine/attach/tracefs.h"
#include "engine/support/libbpf_log.h"

namespace waggle::sensors {
namespace {

using Btf = std::unique_ptr<btf, decltype(&btf__free)>;

const btf_type* resolved(const btf* types, __u32 id) {
    const btf_type* type = btf__type_by_id(types, id);
    while (type && (btf_is_mod(type) || btf_is_typedef(type) || btf_is_type_tag(type)))
        type = btf__type_by_id(types, type->type);
    return type;
}

// "const char *", "struct sock *", "unsigned int".
std::string type_name(const btf* types, __u32 id) {
    std::string behind;
    for (int depth = 0; depth < 16; ++depth) {
        const btf_type* type = btf__type_by_id(types, id);
        if (!type || id == 0) return "void" + behind;
        if (btf_is_ptr(type)) {
            behind = (behind.starts_with("*") || behind.empty() ? "*" + behind : "* " + behind);
        } else if (btf_is_const(type)) {
            const std::string inner = type_name(types, type->type);
            return (inner.ends_with("*") ? inner + " const" : "const " + inner) +
                   (behind.empty() ? "" : " " + behind);
        } else if (!btf_is_mod(type) && !btf_is_type_tag(type)) {
            const std::string_view kind = btf_is_struct(type)     ? "struct "
                                          : btf_is_union(type)    ? "union "
                                          : btf_is_any_enum(type) ? "enum "
                                                                  : "";
            std::string_view name = btf__name_by_offset(types, type->name_off);
            if (name.empty()) name = btf_is_func_proto(type) ? "function" : "(unnamed)";
            return fmt::format("{}{}{}{}", kind, name, behind.empty() ? "" : " ", behind);
        }
        id = type->type;
    }
    return behind;
}

ProbeField field_of(const btf* types, __u32 id, std::string name) {
    ProbeField field;
    field.name = std::move(name);
    field.type = type_name(types, id);
    field.figure.size = 8;
    const btf_type* type = resolved(types, id);
    if (!type) return field;
    if (btf_is_ptr(type)) {
        const btf_type* target = resolved(types, type->type);
        field.shape = ProbeField::Shape::pointer;
        if (target && btf_is_int(target) && target->size == 1 &&
            field.type.find("char") != std::string::npos) {
            field.shape = ProbeField::Shape::text;
        }
    } else if (btf_is_int(type)) {
        field.figure.size = static_cast<__u16>(std::min<__u32>(type->size, 8));
        field.figure.is_signed = (btf_int_encoding(type) & BTF_INT_SIGNED) != 0;
    } else if (btf_is_any_enum(type)) {
        field.figure.size = static_cast<__u16>(type->size);
        for (int i = 0; i < btf_vlen(type); ++i) {
            if (btf_is_enum(type)) {
                const auto& value = btf_enum(type)[i];
                field.names.emplace(static_cast<__u32>(value.val),
                                    btf__name_by_offset(types, value.name_off));
            } else {
                const auto& value = btf_enum64(type)[i];
                field.names.emplace(btf_enum64_value(&value), btf__name_by_offset(types, value.name_off));
            }
        }
    }
    return field;
}

void add_prototype(const btf* types, const btf_type* proto, int skipped, ProbeFields& out) {
    const int given = btf_vlen(proto) - skipped;
    for (int i = 0; i < given && i < PROBE_ARGUMENTS; ++i) {
        const btf_param& param = btf_params(proto)[i + skipped];
        std::string name = btf__name_by_offset(types, param.name_off);
        if (name.empty()) name = fmt::format("arg{}", i);
        ProbeField field = field_of(types, param.type, std::move(name));
        field.figure.source = PROBE_ARGUMENT;
        field.figure.at = static_cast<__u32>(i);
        out.fields.push_back(std::move(field));
    }
    out.arguments = static_cast<std::uint32_t>(std::clamp(given, 0, PROBE_ARGUMENTS));
}

void add_unnamed(std::uint32_t count, ProbeFields& out) {
    for (std::uint32_t i = 0; i < count; ++i) {
        ProbeField field;
        field.name = fmt::format("arg{}", i);
        field.shape = ProbeField::Shape::pointer;  // in hexadecimal, since nobody knows what it is
        field.figure = {PROBE_ARGUMENT, 0, 8, i};
        out.fields.push_back(std::move(field));
    }
    out.arguments = count;
}

void add_return(const btf* types, const btf_type* proto, ProbeFields& out) {
    out.returns = true;
    ProbeField field;
    field.shape = ProbeField::Shape::number;
    field.figure.size = 8;
    field.figure.is_signed = 1;
    if (proto) field = field_of(types, proto->type, "");
    if (field.shape == ProbeField::Shape::text) field.shape = ProbeField::Shape::pointer;
    field.name = "return";
    field.figure.source = PROBE_RETURN;
    out.fields.push_back(std::move(field));
    ProbeField latency;
    latency.name = "latency_ns";
    latency.type = "unsigned long";
    latency.figure = {PROBE_LATENCY, 0, 8, 0};
    out.fields.push_back(std::move(latency));
}

// "	field:unsigned short common_type;	offset:0;	size:2;	signed:0;"
void add_tracepoint(std::string_view format, ProbeFields& out) {
    const auto number_behind = [](std::string_view line, std::string_view word) -> std::int64_t {
        const std::size_t at = line.find(word);
        std::int64_t value = -1;
        if (at != std::string_view::npos)
            std::from_chars(line.data() + at + word.size(), line.data() + line.size(), value);
        return value;
    };
    for (const std::string_view line : split(format, '\n')) {
        const std::size_t begin = line.find("field:");
        if (begin == std::string_view::npos) continue;
        const std::size_t end = line.find(';', begin);
        if (end == std::string_view::npos) continue;
        std::string_view declared = line.substr(begin + 6, end - begin - 6);
        const std::int64_t offset = number_behind(line, "offset:"), size = number_behind(line, "size:");
        if (offset < 0 || size < 0 || offset + size > PROBE_CONTEXT_MAX) continue;
        out.context_bytes = std::max(out.context_bytes, static_cast<std::uint32_t>(offset + size));
        const std::size_t bracket = declared.find('[');
        const bool elsewhere = declared.starts_with("__data_loc") || declared.starts_with("__rel_loc");
        std::string_view before = elsewhere ? declared : trim(declared.substr(0, bracket));
        const std::size_t space = before.find_last_of(" *");
        ProbeField field;
        field.name = before.substr(space == std::string_view::npos ? 0 : space + 1);
        field.type = declared;
        if (field.name.starts_with("common_")) continue;
        field.figure = {PROBE_CONTEXT, static_cast<__u8>(number_behind(line, "signed:") == 1),
                        static_cast<__u16>(size), static_cast<__u32>(offset)};
        const bool is_char = declared.find("char") != std::string_view::npos;
        if (elsewhere) out.context_bytes = PROBE_CONTEXT_MAX;  // its bytes lie behind the fixed fields
        if (elsewhere && is_char)
            field.shape = ProbeField::Shape::text;
        else if (bracket != std::string_view::npos)
            field.shape = is_char ? ProbeField::Shape::text : ProbeField::Shape::bytes;
        else if (declared.find('*') != std::string_view::npos)
            field.shape = ProbeField::Shape::pointer;
        out.fields.push_back(std::move(field));
    }
}

void add_always(ProbeFields& out) {
    const auto add = [&](std::string_view name, __u8 source, __u16 size) {
        if (out.find(name)) return;
        ProbeField field;
        field.name = name;
        field.figure = {source, 0, size, 0};
        field.always = true;
        out.fields.push_back(std::move(field));
    };
    add("pid", PROBE_PID, 4);
    add("tid", PROBE_TID, 4);
    add("uid", PROBE_UID, 4);
    add("cpu", PROBE_CPU, 4);
}

const btf_type* function_prototype(const btf* types, const std::string& name) {
    const int id = btf__find_by_name_kind(types, name.c_str(), BTF_KIND_FUNC);
    return id > 0 ? btf__type_by_id(types, btf__type_by_id(types, static_cast<__u32>(id))->type) : nullptr;
}

const btf_type* typedef_prototype(const btf* types, const std::string& name) {
    const int id = btf__find_by_name_kind(types, name.c_str(), BTF_KIND_TYPEDEF);
    const btf_type* pointer = id > 0 ? resolved(types, static_cast<__u32>(id)) : nullptr;
    const btf_type* proto = pointer && btf_is_ptr(pointer) ? btf__type_by_id(types, pointer->type) : nullptr;
    return proto && btf_is_func_proto(proto) ? proto : nullptr;
}

}  // namespace

const ProbeField* ProbeFields::find(std::string_view name) const {
    const auto found = std::ranges::find(fields, name, &ProbeField::name);
    return found == fields.end() ? nullptr : &*found;
}

Result<const ProbeField*> ProbeFields::need(std::string_view name) const {
    if (const ProbeField* field = find(name)) return field;
    std::vector<std::string_view> known;
    std::string all;
    for (const ProbeField& field : fields) {
        known.push_back(field.name);
        all += (all.empty() ? "" : ", ") + field.name;
    }
    const std::string near = did_you_mean(name, known, 1);
    return Error{
        fmt::format("no field named {}{}", escape_control(name), near.empty() ? "; there are " + all : near),
        ErrorKind::usage};
}

Result<ProbeFields> probe_fields(const AttachSpec& spec, const std::string& tracefs) {
    ProbeFields out;
    kernel::capture_libbpf_log();
    Btf types(nullptr, btf__free);
    const auto kernel_types = [&]() -> const btf* {
        if (!types) types.reset(btf__load_vmlinux_btf());
        return types.get();
    };
    switch (spec.kind) {
        case AttachKind::kprobe:
        case AttachKind::fentry: {
            const btf* known = kernel_types();
            const btf_type* proto =
                known && spec.offset == 0 ? function_prototype(known, spec.target) : nullptr;
            if (proto)
                add_prototype(known, proto, 0, out);
            else if (spec.kind == AttachKind::kprobe)
                add_unnamed(6, out);
            break;
        }
        case AttachKind::kretprobe:
        case AttachKind::fexit: {
            const btf* known = kernel_types();
            const btf_type* proto = known ? function_prototype(known, spec.target) : nullptr;
            if (proto && spec.kind == AttachKind::fexit) add_prototype(known, proto, 0, out);
            add_return(known, proto, out);
            break;
        }
        case AttachKind::raw_tp:
        case AttachKind::tp_btf: {
            const btf* known = kernel_types();
            // The function that calls the probes has the arguments' names; the typedef only their types.
            const btf_type* proto = known ? function_prototype(known, "__traceiter_" + spec.target) : nullptr;
            if (!proto && known) proto = typedef_prototype(known, "btf_trace_" + spec.target);
            if (proto) add_prototype(known, proto, 1, out);
            break;
        }
        case AttachKind::tracepoint: {
            const Result<kernel::Tracefs> list = kernel::Tracefs::open(tracefs);
            if (!list) return list.error();
            const Result<std::string> format = list->format(spec.group, spec.target);
            if (!format) return format.error();
            add_tracepoint(*format, out);
            break;
        }
        case AttachKind::uretprobe:
            add_return(nullptr, nullptr, out);
            break;
        case AttachKind::uprobe:
        case AttachKind::kprobe_multi:
            add_unnamed(6, out);
            break;
        case AttachKind::usdt:
            add_unnamed(PROBE_ARGUMENTS, out);
            break;
        case AttachKind::perf:
            break;
        case AttachKind::section:
        case AttachKind::kretprobe_multi:
        case AttachKind::lsm:
        case AttachKind::iter:
        case AttachKind::xdp:
        case AttachKind::tc:
        case AttachKind::cgroup_skb:
        case AttachKind::sockops:
            return Error{
                fmt::format("waggle probe has no program for {}; it takes kprobe, kretprobe, kprobe.multi, "
                            "fentry, fexit, uprobe, uretprobe, usdt, tracepoint, raw_tp, tp_btf and perf",
                            to_string(spec.kind)),
                ErrorKind::usage};
    }
    add_always(out);
    return out;
}

Result<std::vector<probe_condition>> parse_conditions(std::string_view text, const ProbeFields& fields) {
    struct Sign {
        std::string_view text;
        probe_comparison comparison;
    };
    static constexpr Sign signs[] = {{"==", PROBE_EQUAL},    {"!=", PROBE_UNEQUAL}, {"<=", PROBE_AT_MOST},
                                     {">=", PROBE_AT_LEAST}, {"<", PROBE_LESS},     {">", PROBE_MORE},
                                     {"&", PROBE_HAS_BIT}};
    std::vector<probe_condition> out;
    const auto wrong = [&](std::string_view at, std::string why) {
        return Error{fmt::format("--filter: column {}: {}", at.data() - text.data() + 1, why),
                     ErrorKind::usage};
    };
    std::string_view rest = text;
    for (bool more = true; more;) {
        const std::size_t joint = rest.find("&&");
        more = joint != std::string_view::npos;
        const std::string_view part = trim(rest.substr(0, joint));
        if (part.empty()) return wrong(rest, "a comparison is missing, as in len > 100");
        rest = more ? rest.substr(joint + 2) : std::string_view();
        const std::size_t at = part.find_first_of("=!<>&");
        const Sign* sign = nullptr;
        for (const Sign& each : signs)
            if (at != std::string_view::npos && part.substr(at).starts_with(each.text)) {
                sign = &each;
                break;
            }
        if (!sign) return wrong(part, "no comparison; there are == != < <= > >= and &");
        const std::string_view left = trim(part.substr(0, at));
        const std::string_view right = trim(part.substr(at + sign->text.size()));
        const Result<const ProbeField*> field = fields.need(left);
        if (!field) return wrong(part, field.error().message);
        if ((*field)->shape == ProbeField::Shape::text || (*field)->shape == ProbeField::Shape::bytes)
            return wrong(part, fmt::format("{} is no number", left));
        probe_condition condition{(*field)->figure, static_cast<__u64>(sign->comparison), 0};
        const bool negative = right.starts_with('-');
        const std::string_view digits = right.substr(negative ? 1 : 0);
        const bool hex = digits.starts_with("0x");
        const char* end = digits.data() + digits.size();
        const auto read = std::from_chars(digits.data() + (hex ? 2 : 0), end, condition.value, hex ? 16 : 10);
        if (read.ec != std::errc() || read.ptr != end) {
            const auto& names = (*field)->names;
            const auto named = std::ranges::find(
                names, right, [](const auto& each) { return std::string_view(each.second); });
            if (named == names.end())
                return wrong(right.empty() ? part : right,
                             fmt::format("a number is wanted behind {}", sign->text));
            condition.value = named->first;
        }
        if (negative) condition.value = -condition.value;
        out.push_back(condition);
    }
    if (out.size() > PROBE_CONDITIONS)
        return Error{fmt::format("--filter: {} comparisons; {} are the most", out.size(), PROBE_CONDITIONS),
                     ErrorKind::usage};
    return out;
}

}  // namespace waggle::sensors
