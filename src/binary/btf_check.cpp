// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>
#include <linux/btf.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "binary/object_check.h"

namespace waggle::kernel {
namespace {

// BTF_KIND_ENUM64 came with 6.0; older headers lack it.
constexpr unsigned kind_decl_tag = 17, kind_type_tag = 18, kind_enum64 = 19;

Error bad(std::string what) { return Error{"its types (BTF) are broken: " + std::move(what)}; }

class Checker {
  public:
    Checker(Bytes types, Bytes strings) : types_(types), strings_(strings) {}

    Result<void> check() {
        if (strings_.empty() || strings_.front() != std::byte{0} || strings_.back() != std::byte{0})
            return bad("the names do not begin and end with a zero");
        if (auto found = find_types(); !found) return found;
        for (std::uint32_t id = 1; id < at_.size(); ++id)
            if (auto checked = check_type(id); !checked) return checked;
        return check_cycles();
    }

  private:
    btf_type type(std::uint32_t id) const { return load<btf_type>(types_, at_[id]); }
    static unsigned kind_of(const btf_type& type) { return BTF_INFO_KIND(type.info); }

    // What stands behind the type's own 12 bytes.
    static std::size_t tail(const btf_type& type) {
        const std::size_t count = BTF_INFO_VLEN(type.info);
        switch (kind_of(type)) {
            case BTF_KIND_INT:
            case BTF_KIND_VAR:
            case kind_decl_tag:
                return 4;
            case BTF_KIND_ARRAY:
                return sizeof(btf_array);
            case BTF_KIND_STRUCT:
            case BTF_KIND_UNION:
            case BTF_KIND_DATASEC:
            case kind_enum64:
                return count * 12;
            case BTF_KIND_ENUM:
            case BTF_KIND_FUNC_PROTO:
                return count * 8;
            default:
                return 0;
        }
    }

    Result<void> find_types() {
        at_.push_back(0);  // number 0 is void
        for (std::size_t at = 0; at < types_.size();) {
            if (types_.size() - at < sizeof(btf_type))
                return bad(fmt::format("type {} is cut off", at_.size()));
            const auto each = load<btf_type>(types_, at);
            if (kind_of(each) == 0 || kind_of(each) > kind_enum64)
                return bad(fmt::format("type {} is of unknown kind {}", at_.size(), kind_of(each)));
            const std::size_t size = sizeof(btf_type) + tail(each);
            if (types_.size() - at < size) return bad(fmt::format("type {} is cut off", at_.size()));
            at_.push_back(at);
            at += size;
        }
        return {};
    }

    bool named(std::uint32_t offset) const { return offset < strings_.size(); }
    bool known(std::uint32_t id) const { return id < at_.size(); }

    // The types it names: each number, and whether a value of the type holds one of those.
    template <class Each>
    void for_each_reference(std::uint32_t id, Each&& each) const {
        const btf_type self = type(id);
        const std::size_t more = at_[id] + sizeof(btf_type);
        const std::size_t count = BTF_INFO_VLEN(self.info);
        switch (kind_of(self)) {
            case BTF_KIND_PTR:
            case BTF_KIND_FUNC:
            case kind_decl_tag:
                each(self.type, false);
                break;
            case BTF_KIND_TYPEDEF:
            case BTF_KIND_VOLATILE:
            case BTF_KIND_CONST:
            case BTF_KIND_RESTRICT:
            case BTF_KIND_VAR:
            case kind_type_tag:
                each(self.type, true);
                break;
            case BTF_KIND_ARRAY: {
                const auto array = load<btf_array>(types_, more);
                each(array.type, true);
                each(array.index_type, true);
                break;
            }
            case BTF_KIND_STRUCT:
            case BTF_KIND_UNION:
                for (std::size_t i = 0; i < count; ++i)
                    each(load<btf_member>(types_, more + i * sizeof(btf_member)).type, true);
                break;
            case BTF_KIND_FUNC_PROTO:
                each(self.type, false);
                for (std::size_t i = 0; i < count; ++i)
                    each(load<btf_param>(types_, more + i * sizeof(btf_param)).type, false);
                break;
            case BTF_KIND_DATASEC:
                for (std::size_t i = 0; i < count; ++i)
                    each(load<btf_var_secinfo>(types_, more + i * sizeof(btf_var_secinfo)).type, true);
                break;
            default:
                break;
        }
    }

    Result<void> check_type(std::uint32_t id) const {
        const btf_type self = type(id);
        if (!named(self.name_off)) return bad(fmt::format("type {} has a name outside the names", id));
        std::uint32_t unknown = 0;
        for_each_reference(id, [&](std::uint32_t other, bool) {
            if (!known(other)) unknown = other;
        });
        if (unknown)
            return bad(
                fmt::format("type {} names type {}, and there are only {}", id, unknown, at_.size() - 1));
        const std::size_t more = at_[id] + sizeof(btf_type);
        const std::size_t count = BTF_INFO_VLEN(self.info);
        const unsigned kind = kind_of(self);
        for (std::size_t i = 0; i < count; ++i) {
            std::uint32_t name = 0;
            if (kind == BTF_KIND_STRUCT || kind == BTF_KIND_UNION || kind == kind_enum64)
                name = load<std::uint32_t>(types_, more + i * 12);
            else if (kind == BTF_KIND_ENUM || kind == BTF_KIND_FUNC_PROTO)
                name = load<std::uint32_t>(types_, more + i * 8);
            if (!named(name))
                return bad(fmt::format("member {} of type {} has a name outside the names", i, id));
            if (kind != BTF_KIND_DATASEC) continue;
            const std::uint32_t held = load<std::uint32_t>(types_, more + i * 12);
            const unsigned held_kind = held ? kind_of(type(held)) : 0;
            if (held_kind != BTF_KIND_VAR && held_kind != BTF_KIND_FUNC)
                return bad(fmt::format("section {} holds type {}, which is no variable", id, held));
        }
        if (kind == BTF_KIND_FUNC && (self.type == 0 || kind_of(type(self.type)) != BTF_KIND_FUNC_PROTO))
            return bad(fmt::format("function {} has no signature", id));
        return {};
    }

    // Depth first over what holds what, without recursion: a chain can be as long as there are types.
    Result<void> check_cycles() const {
        enum class State : unsigned char { fresh, open, done };
        std::vector<State> state(at_.size(), State::fresh);
        state[0] = State::done;
        struct Step {
            std::uint32_t id;
            bool leave;
        };
        std::vector<Step> steps;
        for (std::uint32_t first = 1; first < at_.size(); ++first) {
            if (state[first] == State::done) continue;
            steps.push_back({first, false});
            while (!steps.empty()) {
                const Step step = steps.back();
                steps.pop_back();
                if (step.leave) {
                    state[step.id] = State::done;
                    continue;
                }
                if (state[step.id] != State::fresh) continue;
                state[step.id] = State::open;
                steps.push_back({step.id, true});
                std::uint32_t again = 0;
                for_each_reference(step.id, [&](std::uint32_t other, bool by_value) {
                    if (!by_value) return;
                    if (state[other] == State::open) again = other;
                    if (state[other] == State::fresh) steps.push_back({other, false});
                });
                if (again) return bad(fmt::format("type {} contains itself", again));
            }
        }
        return {};
    }

    Bytes types_;
    Bytes strings_;
    std::vector<std::size_t> at_;  // by number
};

}  // namespace

Result<void> check_btf(Bytes btf) {
    if (btf.size() < sizeof(btf_header)) return bad("the header is cut off");
    const auto header = load<btf_header>(btf);
    if (header.magic != BTF_MAGIC) return bad("they do not begin with BTF's number 0xeb9f");
    if (header.version != BTF_VERSION)
        return bad(fmt::format("they are of version {}, not 1", header.version));
    if (header.hdr_len < sizeof(btf_header) || header.hdr_len > btf.size())
        return bad("the header is cut off");
    const Bytes body = btf.subspan(header.hdr_len);
    const auto part = [&](std::uint64_t offset, std::uint64_t size) {
        return offset <= body.size() && size <= body.size() - offset;
    };
    if (!part(header.type_off, header.type_len) || header.type_off % 4 != 0)
        return bad("the types are cut off");
    if (!part(header.str_off, header.str_len)) return bad("the names are cut off");
    return Checker(body.subspan(header.type_off, header.type_len),
                   body.subspan(header.str_off, header.str_len))
        .check();
}

}  // namespace waggle::kernel
