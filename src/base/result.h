// Errors are values: a function that can fail returns Result<T> (or Status), which must be looked at.
//
// An Error is a code of some module's enum (through std::error_code, so two modules never clash) and a sentence
// that says what happened, where, and what to do. Errors are for the environment and for input; a defect of ours
// is a KEELSON_CHECK. Building an Error allocates, so hot paths use small enums of their own instead.
#pragma once

#include <expected>
#include <string>
#include <system_error>
#include <utility>

namespace keelson {

class [[nodiscard]] Error {
 public:
  Error(std::error_code code, std::string message) : code_(code), message_(std::move(message)) {}

  [[nodiscard]] std::error_code code() const { return code_; }
  // The whole sentence, for a log line or a person.
  [[nodiscard]] const std::string& message() const { return message_; }

 private:
  std::error_code code_;
  std::string message_;
};

template <class T = void>
class [[nodiscard]] Result : public std::expected<T, Error> {
 public:
  using std::expected<T, Error>::expected;
  [[nodiscard]] bool ok() const { return this->has_value(); }
};

using Status = Result<void>;

// return fail(Errc::kDiskFull, "log: cannot preallocate " + path);
[[nodiscard]] inline std::unexpected<Error> fail(std::error_code code, std::string message) {
  return std::unexpected<Error>(Error(code, std::move(message)));
}

// Hands on somebody else's error: if (!r.ok()) return forward_error(r);
template <class T>
[[nodiscard]] std::unexpected<Error> forward_error(Result<T>& from) {
  return std::unexpected<Error>(std::move(from.error()));
}

}  // namespace keelson
