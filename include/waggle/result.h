// SPDX-License-Identifier: Apache-2.0
// Result<T>: a value or the reason why there is none. waggle throws nothing of its own.
#pragma once

#include <string>
#include <utility>
#include <variant>

namespace waggle {

// What kind of failure it is, for code that acts on it: the command line makes its exit code of it (DESIGN:
// exit codes), a reader of maps tells "not there" from "not possible". The message says it to a person.
enum class ErrorKind {
    failed,     // none of the others
    usage,      // asked wrongly
    privilege,  // a capability is missing
    // Of maps (waggle/map.h):
    no_such_map,       // the object has none of this name, or the descriptor is no map
    unsupported,       // this kind of map cannot do this
    wrong_key_size,    // the key has another size than the map's keys
    wrong_value_size,  // the same for the value
    wrong_key_type,    // the size fits, but the map's BTF says another kind of type
    wrong_value_type,
    full,         // no room for one more entry
    missing_key,  // no entry of this key; a queue or stack that is empty
    exists,       // an entry of this key is there already
};

struct Error {
    std::string message;  // one sentence for a person, without a final full stop
    ErrorKind kind = ErrorKind::failed;
};

template <class T>
class [[nodiscard]] Result {
  public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

    explicit operator bool() const { return state_.index() == 0; }
    T& operator*() { return *std::get_if<0>(&state_); }
    const T& operator*() const { return *std::get_if<0>(&state_); }
    T* operator->() { return std::get_if<0>(&state_); }
    const T* operator->() const { return std::get_if<0>(&state_); }
    const Error& error() const { return *std::get_if<1>(&state_); }

  private:
    std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
  public:
    Result() = default;
    Result(Error error) : error_(std::move(error)), failed_(true) {}

    explicit operator bool() const { return !failed_; }
    const Error& error() const { return error_; }

  private:
    Error error_;
    bool failed_ = false;
};

// Adds what was being done in front of the reason: "load block_io: <reason>".
inline Error while_doing(std::string what, const Error& error) {
    return {std::move(what) + ": " + error.message, error.kind};
}

}  // namespace waggle
