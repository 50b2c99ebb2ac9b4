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

// Why something failed.
struct Error {
    std::string message;                 // one sentence for a person, without a final full stop
    ErrorKind kind = ErrorKind::failed;  // for programs
};

// A T, or the Error why there is none. Reading the one that is not there is undefined: ask `if (result)`
// first.
template <class T>
class [[nodiscard]] Result {
  public:
    // A value converts by itself.
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    // So does a reason.
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

    // Whether there is a value.
    explicit operator bool() const { return state_.index() == 0; }
    // The value.
    T& operator*() { return *std::get_if<0>(&state_); }
    // The value.
    const T& operator*() const { return *std::get_if<0>(&state_); }
    // A member of the value.
    T* operator->() { return std::get_if<0>(&state_); }
    // A member of the value.
    const T* operator->() const { return std::get_if<0>(&state_); }
    // The reason.
    const Error& error() const { return *std::get_if<1>(&state_); }

  private:
    std::variant<T, Error> state_;
};

// Done, or the Error why not.
template <>
class [[nodiscard]] Result<void> {
  public:
    // Done.
    Result() = default;
    // Not done, for this reason.
    Result(Error error) : error_(std::move(error)), failed_(true) {}

    // Whether it was done.
    explicit operator bool() const { return !failed_; }
    // The reason.
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
