// SPDX-License-Identifier: Apache-2.0
#include "model/schema.h"

namespace waggle {

std::string_view type_name(Type type) {
    switch (type) {
        case Type::u8:
            return "u8";
        case Type::u16:
            return "u16";
        case Type::u32:
            return "u32";
        case Type::u64:
            return "u64";
        case Type::i32:
            return "i32";
        case Type::i64:
            return "i64";
        case Type::real:
            return "real";
        case Type::flag:
            return "yes/no";
        case Type::text:
        case Type::text_ref:
            return "text";
        case Type::address:
            return "address";
        case Type::histogram:
        case Type::distribution:
            return "histogram";
    }
    return "";
}

const Field* Schema::find(std::string_view field) const {
    for (const Field& candidate : fields)
        if (candidate.name == field) return &candidate;
    return nullptr;
}

}  // namespace waggle
