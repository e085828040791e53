// Tags of objects and buckets, in the document form and in x-amz-tagging's ("Categorizing your objects using tags",
// Amazon S3 user guide). Pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "engine/blob/object.h"
#include "protocol/s3/error.h"

namespace keelson::s3 {

struct XmlElement;
using Tags = blob::Pairs;

inline constexpr size_t kObjectTagsMax = 10;
inline constexpr size_t kBucketTagsMax = 50;
// In characters, not bytes of UTF-8.
inline constexpr size_t kTagKeyCharactersMax = 128;
inline constexpr size_t kTagValueCharactersMax = 256;

// <Tagging><TagSet><Tag><Key/><Value/></Tag></TagSet></Tagging>. kMalformedXML, kInvalidTag, kBadRequest (too many).
[[nodiscard]] S3Result<Tags> parse_tagging_document(std::string_view xml, size_t count_max);
// A <TagSet> or another element that holds <Tag>s.
[[nodiscard]] S3Result<Tags> parse_tag_set(const XmlElement& set, size_t count_max);
[[nodiscard]] std::string tagging_document(const Tags& tags);
// "project=x&stage=y", form-encoded. kInvalidArgument, kInvalidTag.
[[nodiscard]] S3Result<Tags> parse_tagging_header(std::string_view text);

}  // namespace keelson::s3
