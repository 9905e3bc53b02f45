// Errors as values: every fallible function of the runtime returns Status or Result<T>, never throws or exits.
//
//   Result<File> open(path);            if (!file) return file.error();
//   CAA_TRY(auto text, readText(path)); // or return the error
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace caa {

/// What went wrong, told to a user: names the file and the place. `kind` becomes the exit status (docs/commands.md).
struct Error {
  enum class Kind { Input = 1, Usage = 2, Internal = 3 };
  std::string message;
  Kind kind = Kind::Input;
  /// Set where a kernel faulted on a GPU (runtime/cli/repetition.h).
  struct Fault {
    bool isNamed = false; // the message says which one it was; else any of those that were queued
    std::string again;    // what to do again to meet it again, in words of the command that failed; empty: all of it
  };
  std::optional<Fault> fault = {};
};

/// The input (file, data, model, device) is at fault: exit status 1.
inline Error inputError(std::string message) { return {std::move(message), Error::Kind::Input}; }
/// The command line is at fault: exit status 2.
inline Error usageError(std::string message) { return {std::move(message), Error::Kind::Usage}; }
/// We are at fault: exit status 3.
inline Error internalError(std::string message) { return {std::move(message), Error::Kind::Internal}; }

/// Success or an Error.
class [[nodiscard]] Status {
public:
  Status() = default;
  Status(Error error) : error_(std::move(error)) {}
  explicit operator bool() const { return !error_; }
  const Error &error() const { return *error_; }

private:
  std::optional<Error> error_;
};

/// A value or an Error.
template <typename T> class [[nodiscard]] Result {
public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}
  explicit operator bool() const { return state_.index() == 0; }
  T &operator*() { return std::get<0>(state_); }
  const T &operator*() const { return std::get<0>(state_); }
  T *operator->() { return &std::get<0>(state_); }
  const T *operator->() const { return &std::get<0>(state_); }
  const Error &error() const { return std::get<1>(state_); }

private:
  std::variant<T, Error> state_;
};

} // namespace caa

#define CAA_CONCAT_INNER(a, b) a##b
#define CAA_CONCAT(a, b) CAA_CONCAT_INNER(a, b)
/// Declares `declaration` from a Result, or returns its error from the enclosing function.
#define CAA_TRY(declaration, expression) CAA_TRY_NAMED(CAA_CONCAT(caaResult, __LINE__), declaration, expression)
#define CAA_TRY_NAMED(name, declaration, expression)                                                                   \
  auto name = (expression);                                                                                            \
  if (!name)                                                                                                           \
    return name.error();                                                                                               \
  declaration = std::move(*name)
/// Returns the error of a Status from the enclosing function, if there is one.
#define CAA_CHECK(expression)                                                                                          \
  do {                                                                                                                 \
    if (auto caaStatus = (expression); !caaStatus)                                                                     \
      return caaStatus.error();                                                                                        \
  } while (false)
