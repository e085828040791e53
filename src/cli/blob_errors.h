// What can go wrong with a blob verb, as error codes; the sentences say what to do.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

#include "base/result.h"

namespace keelson::cli {

enum class BlobErrc : uint8_t {
  kOk = 0,
  kUsage,         // an argument that cannot be meant so
  kNotFound,      // 404
  kNoSuchUpload,  // 404 of an upload: aborted, or completed already
  kDenied,        // 401, 403
  kPrecondition,  // 412: it is there already, or has changed
  kConflict,      // 409
  kRefused,       // every other 4xx
  kServer,        // 5xx and answers that make no sense
  kDamaged,       // content that is not what its checksum says
  kChanged,       // a file or object that changed while it was read
  kFailed,        // some of several: each was told already
};
std::error_code make_error_code(BlobErrc code);

// What a server said: an <Error> document, or only its status (answers to HEAD have no body).
struct ServerWords {
  uint16_t status = 0;
  std::string code = {};     // "NoSuchKey"; of the status if there was no document
  std::string message = {};  // may be empty
};
// `body` is what came; anything that is no such document leaves the status to speak.
[[nodiscard]] ServerWords read_server_words(uint16_t status, std::string_view body);
// May the same request succeed when it is sent again?
[[nodiscard]] bool is_worth_retrying(const ServerWords& words);
// "s3://b/k: the server says NoSuchBucket: ... . Make it with `keelson blob mb`". `place` is what was asked for.
[[nodiscard]] Error server_error(const ServerWords& words, std::string_view place);

}  // namespace keelson::cli

template <>
struct std::is_error_code_enum<keelson::cli::BlobErrc> : std::true_type {};
