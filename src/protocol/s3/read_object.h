// The common way of an object's bytes to a client.
#pragma once

#include "base/task.h"
#include "blobstore/store.h"
#include "protocol/s3/call.h"
#include "protocol/s3/conditions.h"

namespace keelson::s3 {

// Answers with these bytes; the fields are added already. After the head has left, a failure breaks the answer off.
[[nodiscard]] Task<S3Result<>> send_object(Call& call, blobstore::BlobReader& reader, ByteRange range, uint16_t status);

// Does the request ask to pass over governance retention?
[[nodiscard]] inline bool wants_bypass(const Call& call) {
  return is_header(call.request.header_or_empty("x-amz-bypass-governance-retention"), "true");
}

}  // namespace keelson::s3
