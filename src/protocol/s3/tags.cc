#include "protocol/s3/tags.h"

#include <algorithm>

#include "protocol/s3/uri.h"
#include "protocol/s3/xml.h"
#include "protocol/s3/xml_writer.h"

namespace keelson::s3 {

namespace {

// Of UTF-8: every byte that begins one.
size_t character_count(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xc0) != 0x80; }));
}

// Letters, digits, blanks and + - = . _ : / @, letters of any script: of ASCII the rest is refused.
bool is_tag_text(std::string_view text) {
  constexpr std::string_view kMarks = " +-=._:/@";
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           static_cast<uint8_t>(c) >= 0x80 || kMarks.find(c) != std::string_view::npos;
  });
}

S3Result<> check_tags(const Tags& tags, size_t count_max) {
  if (tags.size() > count_max) {
    return s3_fail(ErrorCode::kBadRequest, count_max == kObjectTagsMax ? "Object tags cannot be greater than 10"
                                                                       : "Bucket tag count cannot be greater than 50");
  }
  for (size_t i = 0; i < tags.size(); ++i) {
    const auto& [key, value] = tags[i];
    if (key.empty() || character_count(key) > kTagKeyCharactersMax || !is_tag_text(key)) {
      return s3_fail(ErrorCode::kInvalidTag, "The TagKey you have provided is invalid");
    }
    if (character_count(value) > kTagValueCharactersMax || !is_tag_text(value)) {
      return s3_fail(ErrorCode::kInvalidTag, "The TagValue you have provided is invalid");
    }
    if (key.starts_with("aws:")) {
      return s3_fail(ErrorCode::kInvalidTag, "User-defined tag keys can't start with \"aws:\"");
    }
    for (size_t k = 0; k < i; ++k) {
      if (tags[k].first == key) {
        return s3_fail(ErrorCode::kInvalidTag, "Cannot provide multiple Tags with the same key");
      }
    }
  }
  return {};
}

}  // namespace

S3Result<Tags> parse_tag_set(const XmlElement& set, size_t count_max) {
  Tags tags;
  for (const XmlElement& tag : set.children) {
    const auto key = tag.child_text("Key");
    const auto value = tag.child_text("Value");
    if (tag.name != "Tag" || !key || !value) return s3_fail(ErrorCode::kMalformedXML);
    tags.emplace_back(*key, *value);
  }
  if (auto good = check_tags(tags, count_max); !good) return std::unexpected(std::move(good.error()));
  return tags;
}

S3Result<Tags> parse_tagging_document(std::string_view xml, size_t count_max) {
  const auto root = parse_xml(xml);
  if (!root || root->name != "Tagging" || root->count("TagSet") != 1) return s3_fail(ErrorCode::kMalformedXML);
  return parse_tag_set(*root->child("TagSet"), count_max);
}

std::string tagging_document(const Tags& tags) {
  XmlWriter xml;
  xml.open_root("Tagging");
  xml.open("TagSet");
  for (const auto& [key, value] : tags) {
    xml.open("Tag");
    xml.element("Key", key);
    xml.element("Value", value);
    xml.close("Tag");
  }
  xml.close("TagSet");
  xml.close("Tagging");
  return xml.take();
}

S3Result<Tags> parse_tagging_header(std::string_view text) {
  const auto wrong = [&] {
    return invalid_argument(
        "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters "
        "without tag name duplicates.",
        "x-amz-tagging", std::string(text));
  };
  const auto query = Query::parse(text);
  if (!query) return wrong();
  Tags tags = query->pairs();
  for (size_t i = 0; i < tags.size(); ++i) {
    if (tags[i].first.empty()) return wrong();
    const bool is_again = std::any_of(tags.begin(), tags.begin() + static_cast<ptrdiff_t>(i),
                                      [&](const auto& other) { return other.first == tags[i].first; });
    if (is_again) return wrong();
  }
  if (auto good = check_tags(tags, kObjectTagsMax); !good) return std::unexpected(std::move(good.error()));
  return tags;
}

}  // namespace keelson::s3
