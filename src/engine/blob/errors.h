// What a blob command can be answered with when it changes or finds nothing. The names follow S3's error codes.
#pragma once

#include <cstdint>
#include <string_view>

namespace keelson::blob {

enum class BlobErrc : uint8_t {
  kOk = 0,
  kNoSuchBucket,
  kBucketAlreadyExists,
  kBucketNotEmpty,
  kNoSuchKey,      // no version, or the latest is a delete marker (Answer::object then says so)
  kNoSuchVersion,  // of that id
  kNoSuchUpload,
  kInvalidPart,       // completing: a part that is not there, or has another etag
  kInvalidPartOrder,  // completing: numbers must rise
  kEntityTooSmall,    // completing: a part but the last is smaller than asked for
  kEntityTooLarge,    // completing: above kObjectBytesMax
  kPreconditionFailed,
  kObjectLocked,          // retention or legal hold forbids it (S3: AccessDenied)
  kObjectLockNotEnabled,  // the bucket has no object lock (S3: InvalidRequest)
  kIsDeleteMarker,        // the version named is a delete marker (S3: MethodNotAllowed)
  kNoSuchDocument,
  kInvalid,  // the command breaks a limit of object.h
};
// A few words for log lines.
[[nodiscard]] std::string_view errc_text(BlobErrc code);

}  // namespace keelson::blob
