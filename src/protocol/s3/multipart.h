// What the handlers of multipart uploads share.
#pragma once

#include <cstdint>
#include <optional>

#include "base/task.h"
#include "engine/blob/answer.h"
#include "protocol/s3/call.h"
#include "protocol/s3/checksum.h"

namespace keelson::s3 {

// 1 to 10,000. kInvalidArgument.
[[nodiscard]] S3Result<uint32_t> read_part_number(const Query& query);
// The upload that uploadId names, with a page of its parts. kNoSuchUpload.
[[nodiscard]] Task<S3Result<blob::Answer>> find_upload(Call& call, uint32_t after_number, uint32_t count_max);
// The checksum that its parts have.
[[nodiscard]] std::optional<ChecksumAlgorithm> algorithm_of(const blob::UploadInfo& upload);

}  // namespace keelson::s3
