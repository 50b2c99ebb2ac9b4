// SPDX-License-Identifier: Apache-2.0
#include "sensors/probe/probe_fields.h"

#include <bpf/btf.h>
#include <fmt/core.h>

#include <algorithm>
#include <memory>
#include <span>

#include "base/nearest.h"
#include "base/text.h"
#include "engine/attach/tracefs.h"
#include "engine/support/libbpf_log.h"
#include "sensors/probe/kernel_types.h"
#include "sensors/probe/tracepoint_format.h"

namespace waggle::sensors {
namespace {

probe_figure figure_from(probe_origin source, __u16 size, __u32 at = 0) {
    probe_figure figure{};
    figure.source = source;
    figure.size = size;
    figure.at = at;
    return figure;
}

void add_prototype(const btf* types, const btf_type* proto, int skipped, ProbeFields& out) {
    const int given = btf_vlen(proto) - skipped;
    for (int i = 0; i < given && i < PROBE_ARGUMENTS; ++i) {
        const btf_param& param = btf_params(proto)[i + skipped];
        std::string name = btf__name_by_offset(types, param.name_off);
        if (name.empty()) name = fmt::format("arg{}", i);
        ProbeField field = field_of_type(types, param.type, std::move(name));
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
        field.figure = figure_from(PROBE_ARGUMENT, 8, i);
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
    if (proto) field = field_of_type(types, proto->type, "");
    field.name = "return";
    field.figure.source = PROBE_RETURN;
    out.fields.push_back(std::move(field));
    ProbeField latency;
    latency.name = "latency_ns";
    latency.type = "unsigned long";
    latency.figure = figure_from(PROBE_LATENCY, 8);
    out.fields.push_back(std::move(latency));
}

void add_always(ProbeFields& out) {
    const auto add = [&](std::string_view name, probe_origin source, __u16 size) {
        if (out.find(name)) return;
        ProbeField field;
        field.name = name;
        field.figure = figure_from(source, size);
        field.always = true;
        if (source == PROBE_COMM) {
            field.shape = ProbeField::Shape::text;
            field.figure.text = PROBE_STRING;
        }
        out.fields.push_back(std::move(field));
    };
    add("pid", PROBE_PID, 4);
    add("tid", PROBE_TID, 4);
    add("uid", PROBE_UID, 4);
    add("cpu", PROBE_CPU, 4);
    add("comm", PROBE_COMM, WAGGLE_COMM_LEN);
}

std::shared_ptr<btf> kernel_types() {
    kernel::capture_libbpf_log();
    return {btf__load_vmlinux_btf(), btf__free};
}

// "struct sock * sk" in a tracepoint's record: that struct, where the kernel describes it.
void point_into_types(const btf* types, ProbeField& field) {
    const std::size_t at = field.type.find("struct ");
    if (field.target || field.figure.size != 8 || at == std::string::npos ||
        field.type.find('*') == std::string::npos)
        return;
    const std::string_view behind = std::string_view(field.type).substr(at + 7);
    const std::string name(behind.substr(0, behind.find(' ')));
    const int id = btf__find_by_name_kind(types, name.c_str(), BTF_KIND_STRUCT);
    if (id > 0) field.target = static_cast<std::uint32_t>(id);
}

template <class Fields>
auto found_in(Fields& fields, std::string_view name) {
    const auto found = std::ranges::find_if(fields, [&](const ProbeField& field) {
        return field.name == name || (!field.expression.empty() && field.expression == name);
    });
    return found == fields.end() ? nullptr : &*found;
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

const ProbeField* ProbeFields::find(std::string_view name) const { return found_in(fields, name); }

bool ProbeField::in_record() const {
    if (figure.hops > 0) return false;
    return figure.source == PROBE_RECORD || figure.source == PROBE_DATA_LOC ||
           figure.source == PROBE_REL_LOC || (figure.source == PROBE_CONTEXT && !is_text());
}

namespace {

Error unknown(std::string_view name, const ProbeFields& fields) {
    std::vector<std::string_view> known;
    std::string all;
    for (const ProbeField& field : fields.fields) {
        known.push_back(field.name);
        all += (all.empty() ? "" : ", ") + field.name;
    }
    const std::string near = did_you_mean(name, known, 1);
    return Error{
        fmt::format("no field named {}{}", escape_control(name), near.empty() ? "; there are " + all : near),
        ErrorKind::usage};
}

// What str() and ip() make of a field.
Result<void> read_as(std::string_view what, ProbeField& field) {
    using Shape = ProbeField::Shape;
    const bool is_pointer = field.figure.text != PROBE_NUMBER || field.figure.size == 8;
    if (what == "str") {
        if (!is_pointer)
            return Error{fmt::format("{} is no pointer to a text", field.name), ErrorKind::usage};
        field.shape = Shape::text;
        field.figure.text = field.figure.text == PROBE_LIST ? PROBE_LIST : PROBE_STRING;
        return {};
    }
    const bool holds_address = field.figure.size == 4 || field.figure.size == 16;
    if (!holds_address && field.shape != Shape::address)
        return Error{fmt::format("{} is no address of IP: it has neither 4 nor 16 bytes", field.name),
                     ErrorKind::usage};
    field.shape = Shape::address;
    field.figure.is_signed = 0;
    return {};
}

// "path->dentry->name" is called name, or path_dentry_name where there is a name already.
std::string free_name(std::string_view expression, std::string_view last, const ProbeFields& fields) {
    if (!fields.find(last)) return std::string(last);
    std::string out;
    for (const char c : expression)
        if (is_word(c))
            out += c;
        else if (!out.ends_with('_'))
            out += '_';
    return out;
}

}  // namespace

Result<const ProbeField*> ProbeFields::need(std::string_view expression) {
    for (const std::string_view word : {"args->", "args."})
        if (expression.starts_with(word)) expression.remove_prefix(word.size());
    if (expression == "retval") expression = "return";
    if (const ProbeField* field = find(expression)) return field;
    for (const std::string_view what : {"str", "ip"}) {
        if (!expression.starts_with(what) || !expression.substr(what.size()).starts_with('(') ||
            !expression.ends_with(')'))
            continue;
        const std::string_view inner =
            expression.substr(what.size() + 1, expression.size() - what.size() - 2);
        Result<const ProbeField*> field = need(trim(inner));
        if (!field) return field;
        if (auto read = read_as(what, *found_in(fields, (*field)->name)); !read) return read.error();
        return field;
    }
    std::size_t end = 0;
    while (end < expression.size() && is_word(expression[end])) ++end;
    ProbeField* from = found_in(fields, expression.substr(0, end));
    if (!from || end == expression.size()) return unknown(expression, *this);
    const std::string_view path = expression.substr(end);
    if (!path.starts_with("->") && !path.starts_with('.')) return unknown(expression, *this);
    if (!types) types = kernel_types();
    if (!types) return Error{"this kernel does not describe its types (build option CONFIG_DEBUG_INFO_BTF)"};
    point_into_types(types.get(), *from);
    Result<ProbeField> made = member_of(types.get(), *from, path);
    if (!made) return made.error();
    made->expression = expression;
    made->name = free_name(expression, made->name, *this);
    fields.push_back(std::move(*made));
    return &fields.back();
}

Result<ProbeFields> probe_fields(const AttachSpec& spec, const std::string& tracefs) {
    ProbeFields out;
    const auto described = [&]() -> const btf* {
        if (!out.types) out.types = kernel_types();
        return out.types.get();
    };
    switch (spec.kind) {
        case AttachKind::kprobe:
        case AttachKind::fentry: {
            const btf* known = described();
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
            const btf* known = described();
            const btf_type* proto = known ? function_prototype(known, spec.target) : nullptr;
            if (proto && spec.kind == AttachKind::fexit) add_prototype(known, proto, 0, out);
            add_return(known, proto, out);
            break;
        }
        case AttachKind::raw_tp:
        case AttachKind::tp_btf: {
            const btf* known = described();
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
            add_tracepoint_fields(*format, out);
            if (spec.group == "syscalls" || spec.group == "raw_syscalls")
                name_system_call_fields(spec.target, out);
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
        case AttachKind::iter: {
            const btf* known = described();
            const btf_type* proto = known ? function_prototype(known, "bpf_iter_" + spec.target) : nullptr;
            if (proto) add_prototype(known, proto, 1, out);  // the first one tells of the walk
            break;
        }
        case AttachKind::section:
        case AttachKind::kretprobe_multi:
        case AttachKind::lsm:
        case AttachKind::xdp:
        case AttachKind::tc:
        case AttachKind::cgroup_skb:
        case AttachKind::sockops:
            return Error{
                fmt::format(
                    "waggle probe has no program for {}; it takes kprobe, kretprobe, kprobe.multi, "
                    "fentry, fexit, uprobe, uretprobe, usdt, tracepoint, raw_tp, tp_btf, iter and perf",
                    to_string(spec.kind)),
                ErrorKind::usage};
    }
    add_always(out);
    return out;
}

Result<ProbeFields> probe_fields(const std::vector<AttachSpec>& specs) {
    Result<ProbeFields> out = probe_fields(specs.front());
    if (!out) return out;
    for (const AttachSpec& spec : std::span(specs).subspan(1)) {
        const Result<ProbeFields> other = probe_fields(spec);
        if (!other) return other.error();
        out->arguments = std::min(out->arguments, other->arguments);
        out->context_bytes = std::min(out->context_bytes, other->context_bytes);
        std::erase_if(out->fields, [&](const ProbeField& field) {
            const ProbeField* same = other->find(field.name);
            return !same || same->type != field.type || same->figure.source != field.figure.source ||
                   same->figure.at != field.figure.at || same->figure.size != field.figure.size;
        });
    }
    add_always(*out);  // where one place had a field of its own of that name
    if (out->find("probe")) return out;
    ProbeField probe;
    probe.name = "probe";
    probe.figure = figure_from(PROBE_PLACE, 4);
    probe.always = specs.size() == 1;
    for (std::size_t i = 0; i < specs.size(); ++i) {
        AttachSpec named = specs[i];
        named.cookie = 0;  // ours
        probe.names.emplace(i, to_string(named));
    }
    out->fields.push_front(std::move(probe));
    return out;
}

}  // namespace waggle::sensors
