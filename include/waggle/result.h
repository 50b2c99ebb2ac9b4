// SPDX-License-Identifier: Apache-2.0
// Result<T>: a value or the reason why there is none. waggle throws nothing of its own.
#pragma once

#include <string>
#include <utility>
#include <variant>

namespace waggle {

// What kind of failure it is; the command line turns it into its exit code (DESIGN: exit codes).
enum class ErrorKind { failed, usage, privilege };

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
