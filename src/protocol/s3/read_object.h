// The common way of an object's bytes to a client.
#pragma once

#include <cstdint>

#include "base/task.h"
#include "blobstore/store.h"
#include "protocol/s3/call.h"

namespace keelson::s3 {

// Bytes of an object: `size` of them from `offset`; of an empty one none.
struct ByteRange {
  uint64_t offset = 0;
  uint64_t size = 0;
};

// Answers with these bytes; the fields are added already. After the head has left, a failure breaks the answer off.
[[nodiscard]] Task<S3Result<>> send_object(Call& call, blobstore::BlobReader& reader, ByteRange range, uint16_t status);

// Does the request ask to pass over governance retention?
[[nodiscard]] inline bool wants_bypass(const Call& call) {
  return is_header(call.request.header_or_empty("x-amz-bypass-governance-retention"), "true");
}

}  // namespace keelson::s3
