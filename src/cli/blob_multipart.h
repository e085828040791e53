// A multipart upload under way, and its end.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "cli/blob_documents.h"
#include "cli/blob_service.h"

namespace keelson::cli {

inline constexpr std::string_view kCrc32cHeader = "x-amz-checksum-crc32c";
inline constexpr std::string_view kChecksumTypeHeader = "x-amz-checksum-type";
inline constexpr std::string_view kFullObject = "FULL_OBJECT";

struct Upload {
  BlobUrl to = {};
  std::string id = {};
  bool is_full_object = false;         // the server keeps the CRC32C of the whole
  std::vector<RemotePart> parts = {};  // by number, from 1 at index 0; number 0: not there yet
};

// With the upload's id in its query.
[[nodiscard]] BlobRequest upload_request(const Upload& upload, std::string method);

// The server makes the object, and compares the CRC32C of the whole if it keeps one. Sent again after an answer that
// was lost, it finds no upload any more: then the object that is there tells whether it is this one.
Task<Status> complete_upload(BlobService& service, const Upload& upload, bool no_clobber);

}  // namespace keelson::cli
