// Object lock: a bucket's configuration, an object's retention and legal hold ("Locking objects with Object Lock",
// Amazon S3 user guide). Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/blob/object.h"
#include "protocol/s3/error.h"
#include "protocol/s3/request.h"

namespace keelson::s3 {

using blob::Retention;
using blob::RetentionMode;

[[nodiscard]] std::optional<RetentionMode> parse_retention_mode(std::string_view text);
[[nodiscard]] std::string_view retention_mode_text(RetentionMode mode);

// <ObjectLockConfiguration>: what new objects get if their request says nothing.
struct ObjectLockConfiguration {
  RetentionMode mode = RetentionMode::kNone;  // none: no default
  uint32_t days = 0;                          // one of the two, if there is a mode
  uint32_t years = 0;

  // kMalformedXML, kInvalidArgument.
  static S3Result<ObjectLockConfiguration> parse(std::string_view xml);
  [[nodiscard]] std::string document() const;
  [[nodiscard]] Retention retention_at(int64_t now_ms) const;
};

// <Retention>; an empty one lifts it. kMalformedXML, kInvalidArgument (a date that has passed).
[[nodiscard]] S3Result<Retention> parse_retention(std::string_view xml, int64_t now_ms);
[[nodiscard]] std::string retention_document(const Retention& retention);
// <LegalHold>: is it on? kMalformedXML.
[[nodiscard]] S3Result<bool> parse_legal_hold(std::string_view xml);
[[nodiscard]] std::string legal_hold_document(bool is_on);

// What x-amz-object-lock-mode, -retain-until-date and -legal-hold say of a new object.
struct LockHeaders {
  std::optional<Retention> retention;
  std::optional<bool> legal_hold;
};
// kInvalidArgument, kInvalidRequest.
[[nodiscard]] S3Result<LockHeaders> lock_of_headers(const RequestView& request, int64_t now_ms);

}  // namespace keelson::s3
