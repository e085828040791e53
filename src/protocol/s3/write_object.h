// The common way of bytes into an object: a payload's pieces go to a writer as they come, and nothing is visible before
// all checks have passed and the command is durable.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/task.h"
#include "engine/blob/commands.h"
#include "engine/blob/object.h"
#include "protocol/s3/call.h"
#include "protocol/s3/payload.h"

namespace keelson::s3 {

// S3: "The maximum size of an object that can be uploaded in a single operation is 5 GB" (GiB); the same for a part.
inline constexpr uint64_t kSinglePutBytesMax = uint64_t{5} << 30;

// A payload that lies in the store, and the writer that keeps it there until it is named.
struct Written {
  blob::Payload payload;
  blob::ETag etag;
  std::optional<blob::Checksum> checksum;
  std::unique_ptr<blobstore::BlobWriter> writer;
};

// For what the call writes, encrypted as call.encryption says.
[[nodiscard]] blobstore::WriterOptions writer_options(const Call& call, std::optional<uint64_t> size_bytes,
                                                      bool is_part = false);
// kEntityTooLarge, and the reader's errors.
[[nodiscard]] Task<S3Result<Written>> write_payload(Call& call, PayloadReader reader, std::string key,
                                                    bool is_part = false);
// Does the condition of a write to this place hold now? Asked before its body is read, so that a client that waits for
// "100 Continue" need not send it, and again when the write is applied, which alone decides. kPreconditionFailed,
// kNoSuchKey.
[[nodiscard]] Task<S3Result<>> foresee_condition(Call& call, blob::Condition condition);
// Copies `size_bytes` of what the reader stands at. `algorithm`: a checksum to compute on the way.
[[nodiscard]] Task<S3Result<Written>> copy_payload(Call& call, blobstore::BlobReader& from, uint64_t size_bytes,
                                                   std::string key, std::optional<ChecksumAlgorithm> algorithm,
                                                   bool is_part = false);
// What an error of the store's bytes says to a client; logged.
[[nodiscard]] S3Error storage_error(const Error& error);

}  // namespace keelson::s3
