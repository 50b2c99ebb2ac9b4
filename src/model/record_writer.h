// SPDX-License-Identifier: Apache-2.0
// RecordWriter: makes a record of a struct and the texts its waggle_text members point to. For facts, which
// are read in user space, and for tests; kernel programs write their own.
#pragma once

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "model/schema.h"
#include "waggle/bytes.h"

namespace waggle {

template <class Struct>
class RecordWriter {
  public:
    static_assert(std::is_trivially_copyable_v<Struct>);

    Struct fixed{};

    // RecordWriter<nft_rule_fact> w; w.text(&nft_rule_fact::rule, "tcp dport 7777 drop");
    void text(waggle_text Struct::* member, std::string_view value) {
        fixed.*member = {static_cast<__u32>(sizeof(Struct) + tail_.size()), static_cast<__u32>(value.size())};
        tail_.append(value);
    }

    // A histogram's blob (model/histogram.h).
    void histogram(waggle_histogram Struct::* member, std::string_view blob) {
        fixed.*member = {static_cast<__u32>(sizeof(Struct) + tail_.size()), static_cast<__u32>(blob.size())};
        tail_.append(blob);
    }

    // The whole record; valid until the next call on this writer. Sets header.size where the struct has a
    // header.
    Bytes finish() {
        const std::size_t size = sizeof(Struct) + tail_.size();
        if constexpr (requires { fixed.header.size; }) fixed.header.size = static_cast<__u32>(size);
        record_.resize((size + 7) / 8);
        auto* out = reinterpret_cast<std::byte*>(record_.data());
        std::memcpy(out, &fixed, sizeof fixed);
        if (!tail_.empty()) std::memcpy(out + sizeof fixed, tail_.data(), tail_.size());
        return {out, size};
    }

    void clear() {
        fixed = Struct{};
        tail_.clear();
    }

  private:
    std::string tail_;
    std::vector<std::uint64_t> record_;  // u64: keeps the record 8-byte aligned
};

}  // namespace waggle
