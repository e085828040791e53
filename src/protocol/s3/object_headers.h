// Between an object's headers and what the store keeps of it: the fields of a PUT, a copy, a form or a multipart upload
// on the way in, the fields of an answer on the way out.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/blob/object.h"
#include "net/http/conditions.h"
#include "protocol/s3/call.h"
#include "protocol/s3/error.h"

namespace keelson::s3 {

// S3: "the user-defined metadata is limited to 2 KB".
inline constexpr size_t kUserMetadataBytesMax = 2048;

// Content-Type and its like, x-amz-meta-, x-amz-website-redirect-location. kMetadataTooLarge.
[[nodiscard]] S3Result<blob::Pairs> read_object_headers(const RequestView& request);
// A PUT with half of what names a part (partNumber, uploadId) is a slip, and writes no object. kInvalidArgument,
// kMethodNotAllowed.
[[nodiscard]] S3Result<> check_not_a_part(const Query& query);
// All that a request says of a new object, headers and tags, ACL, lock and storage class, the bucket's defaults taken
// in; how it is encrypted goes to call.encryption as well. What is asked for and not built is kNotImplemented. The
// permissions for ACL, tags and locks are checked.
[[nodiscard]] S3Result<blob::ObjectMeta> read_object_meta(Call& call);
// x-amz-storage-class: empty for STANDARD. kInvalidStorageClass.
[[nodiscard]] S3Result<std::string> read_storage_class(const RequestView& request);
// If-Match and If-None-Match of a write. kNotImplemented for what S3 does not know either, kInvalidArgument.
[[nodiscard]] S3Result<blob::Condition> read_write_condition(const RequestView& request);

[[nodiscard]] std::string quoted(const blob::ETag& etag);

// The preconditions of a request on an object (RFC 9110 §13), compared as S3 does. `is_read`: of GET and HEAD.
[[nodiscard]] net::http::Precondition check_preconditions(const net::http::PreconditionFields& fields, bool is_read,
                                                          const blob::ObjectInfo& object);
// If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since.
[[nodiscard]] net::http::PreconditionFields precondition_fields(const RequestView& request);
// May a Range count, as If-Range says (§13.1.5)?
[[nodiscard]] bool range_applies(std::string_view if_range, const blob::ObjectInfo& object);
// Of the answer to a GET or HEAD of an object.
void add_object_fields(Call& call, const blob::ObjectInfo& object);
// x-amz-checksum- and x-amz-checksum-type of a whole object.
void add_checksum_fields(Call& call, const blob::ObjectMeta& meta);
// x-amz-version-id, if the bucket has versions.
void add_version_field(Call& call, const blob::ObjectInfo& object);
// Of the answer to a write: while versioning is suspended S3 says nothing of the null version that was written.
void add_written_version_field(Call& call, const blob::ObjectInfo& object);
// x-amz-expiration, if a rule will let it expire.
void add_expiration_field(Call& call, const blob::ObjectInfo& object);

}  // namespace keelson::s3
