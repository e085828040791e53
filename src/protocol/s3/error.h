// S3's errors: one table of codes, statuses and messages (error_table.def), and the value in which functions hand them
// on.
//
// An S3Error is for the client that asked: its text goes out as it is. Failures of the machine become kInternalError or
// kServiceUnavailable and a log line, and tell the client nothing of the server's insides.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace keelson::s3 {

enum class ErrorCode : uint8_t {
#define S3_ERROR(code, status, message) k##code,
#include "protocol/s3/error_table.def"
#undef S3_ERROR
};

struct ErrorSpec {
  std::string_view code;  // as it stands in <Code>
  uint16_t status;
  std::string_view message;
};

[[nodiscard]] const ErrorSpec& error_spec(ErrorCode code);

struct S3Error {
  ErrorCode code = ErrorCode::kInternalError;
  std::string message = {};  // empty: the table's
  // Further elements of the document, in order: {"StringToSign", ...}, {"ArgumentName", ...}.
  std::vector<std::pair<std::string, std::string>> details = {};

  [[nodiscard]] const ErrorSpec& spec() const { return error_spec(code); }
  [[nodiscard]] std::string_view text() const { return message.empty() ? spec().message : std::string_view(message); }
};

template <class T = void>
using S3Result = std::expected<T, S3Error>;

// return s3_fail(ErrorCode::kNoSuchKey);
[[nodiscard]] inline std::unexpected<S3Error> s3_fail(ErrorCode code, std::string message = {}) {
  return std::unexpected<S3Error>(S3Error{.code = code, .message = std::move(message)});
}
// An argument that is wrong: its name and value stand in the document.
[[nodiscard]] std::unexpected<S3Error> invalid_argument(std::string message, std::string name, std::string value);

// The document of an error, as S3 sends it.
[[nodiscard]] std::string error_document(const S3Error& error, std::string_view resource, std::string_view request_id,
                                         std::string_view host_id);

}  // namespace keelson::s3
