// The XML documents of S3's answers and requests, as a client reads and writes them (Amazon S3 API Reference). Pure
// functions; a document that is not what it should be is BlobErrc::kServer.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace keelson::cli {

struct RemoteBucket {
  std::string name = {};
  int64_t created_ms = 0;
};
[[nodiscard]] Result<std::vector<RemoteBucket>> parse_bucket_list(std::string_view xml);

struct RemoteObject {
  std::string key = {};
  uint64_t size_bytes = 0;
  int64_t modified_ms = 0;
  std::string etag = {};  // without quotes
  std::string storage_class = {};
  std::string version_id = {};  // of listings of versions alone, as the following
  bool is_latest = true;
  bool is_delete_marker = false;
};

// A page of ListObjectsV2 or ListObjectVersions. Keys asked for with encoding-type=url are decoded.
struct ListPage {
  std::vector<RemoteObject> objects = {};
  std::vector<std::string> prefixes = {};  // CommonPrefixes
  bool is_truncated = false;
  std::string next_token = {};  // NextContinuationToken, or NextKeyMarker
  std::string next_version_id_marker = {};
};
[[nodiscard]] Result<ListPage> parse_list_page(std::string_view xml);

struct RemoteUpload {
  std::string key = {};
  std::string id = {};
  int64_t initiated_ms = 0;
};
struct UploadPage {
  std::vector<RemoteUpload> uploads = {};
  bool is_truncated = false;
  std::string next_key_marker = {};
  std::string next_id_marker = {};
};
[[nodiscard]] Result<UploadPage> parse_upload_page(std::string_view xml);

struct RemotePart {
  uint32_t number = 0;
  uint64_t size_bytes = 0;
  std::string etag = {};    // without quotes
  std::string crc32c = {};  // base64; empty if the server keeps none
};
struct PartPage {
  std::vector<RemotePart> parts = {};
  std::string algorithm = {};  // ChecksumAlgorithm; empty: none
  std::string type = {};       // ChecksumType
  bool is_truncated = false;
  std::string next_marker = {};
};
[[nodiscard]] Result<PartPage> parse_part_page(std::string_view xml);

// The text of one element of the root, such as UploadId; an error without it.
[[nodiscard]] Result<std::string> parse_one(std::string_view xml, std::string_view element);
// VersioningConfiguration's Status; empty if it was never switched on.
[[nodiscard]] Result<std::string> parse_versioning_status(std::string_view xml);

// Names and values of a TagSet.
[[nodiscard]] Result<std::vector<std::pair<std::string, std::string>>> parse_tags(std::string_view xml);

struct DeleteFailure {
  std::string key = {};
  std::string code = {};
  std::string message = {};
};
[[nodiscard]] Result<std::vector<DeleteFailure>> parse_delete_result(std::string_view xml);

// Of DeleteObjects; answers name failures alone.
[[nodiscard]] std::string delete_document(std::span<const RemoteObject> objects);
[[nodiscard]] std::string complete_document(std::span<const RemotePart> parts);
// Empty for the region that has no name in the document.
[[nodiscard]] std::string create_bucket_document(std::string_view region);

// "\"abc\"" without its quotes.
[[nodiscard]] std::string_view unquoted(std::string_view etag);

}  // namespace keelson::cli
