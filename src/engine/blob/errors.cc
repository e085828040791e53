#include "engine/blob/errors.h"

namespace keelson::blob {

std::string_view errc_text(BlobErrc code) {
  switch (code) {
    case BlobErrc::kOk:
      return "ok";
    case BlobErrc::kNoSuchBucket:
      return "no such bucket";
    case BlobErrc::kBucketAlreadyExists:
      return "the bucket already exists";
    case BlobErrc::kBucketNotEmpty:
      return "the bucket is not empty";
    case BlobErrc::kNoSuchKey:
      return "no such key";
    case BlobErrc::kNoSuchVersion:
      return "no such version";
    case BlobErrc::kNoSuchUpload:
      return "no such upload";
    case BlobErrc::kInvalidPart:
      return "a part is missing or has another etag";
    case BlobErrc::kInvalidPartOrder:
      return "the parts are not in order";
    case BlobErrc::kEntityTooSmall:
      return "a part is too small";
    case BlobErrc::kEntityTooLarge:
      return "the object is too large";
    case BlobErrc::kPreconditionFailed:
      return "a condition does not hold";
    case BlobErrc::kObjectLocked:
      return "the object is locked";
    case BlobErrc::kObjectLockNotEnabled:
      return "the bucket has no object lock";
    case BlobErrc::kIsDeleteMarker:
      return "the version is a delete marker";
    case BlobErrc::kNoSuchDocument:
      return "no such document";
    case BlobErrc::kInvalid:
      return "the command is malformed or beyond a limit";
  }
  return "unknown";
}

}  // namespace keelson::blob
