// Reads the XML documents of requests: small, strict, bounded.
//
// The subset of XML 1.0 that S3's clients send: elements, attributes, text, CDATA sections, comments, the XML
// declaration, the five predefined entities and character references. A document type declaration, any other entity and
// any other processing instruction are refused: that is how XML bombs and foreign files come in. Name space prefixes
// are cut off names ("xsi:type" is "type"); S3's clients do not agree on the name space's address, so it is not looked
// at. Encodings other than UTF-8 are refused.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace keelson::s3 {

struct XmlLimits {
  size_t bytes_max = 8 << 20;     // of the document
  size_t depth_max = 16;          // S3's deepest document (lifecycle) has 7
  size_t elements_max = 100'000;  // CompleteMultipartUpload: 10,000 parts of up to 8 elements
  size_t attributes_max = 16;     // of an element
  size_t name_bytes_max = 128;
};

// An element with what stands in it. The text is that of the element itself, white space at both ends included, in one
// piece.
struct XmlElement {
  std::string name;
  std::string text;
  std::vector<std::pair<std::string, std::string>> attributes;
  std::vector<XmlElement> children;

  // The first child with this name, or null.
  [[nodiscard]] const XmlElement* child(std::string_view child_name) const;
  // Its text, or nullopt.
  [[nodiscard]] std::optional<std::string_view> child_text(std::string_view child_name) const;
  [[nodiscard]] size_t count(std::string_view child_name) const;
  [[nodiscard]] std::optional<std::string_view> attribute(std::string_view attribute_name) const;
};

// The root element; nullopt if the bytes are not such a document or pass a limit. Any thread.
[[nodiscard]] std::optional<XmlElement> parse_xml(std::string_view bytes, const XmlLimits& limits = {});

}  // namespace keelson::s3
