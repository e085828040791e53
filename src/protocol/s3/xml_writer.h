// Writes XML documents: elements and text, escaped. The caller closes what it opens.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace keelson::s3 {

// XML 1.0 has no way to write most control characters; S3 writes them as character references, which lenient parsers
// take, and clients that need to be sure ask for encoding-type=url. Bytes that are not UTF-8 go out as they are.
class XmlWriter {
 public:
  // Begins with the XML declaration.
  XmlWriter() : text_("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n") {}

  void open(std::string_view name) { text_.append("<").append(name).append(">"); }
  // The root of a document in S3's name space.
  void open_root(std::string_view name);
  // `attributes` are written as they are: `xmlns:xsi="..." xsi:type="CanonicalUser"`.
  void open_with(std::string_view name, std::string_view attributes) {
    text_.append("<").append(name).append(" ").append(attributes).append(">");
  }
  void close(std::string_view name) { text_.append("</").append(name).append(">"); }
  void element(std::string_view name, std::string_view content);
  void element(std::string_view name, const char* content) { element(name, std::string_view(content)); }
  void element(std::string_view name, uint64_t number) { element(name, std::string_view(std::to_string(number))); }
  void element(std::string_view name, bool value) { element(name, std::string_view(value ? "true" : "false")); }
  // Not if it is empty.
  void optional_element(std::string_view name, std::string_view content) {
    if (!content.empty()) element(name, content);
  }
  // Text of the element that is open.
  void text(std::string_view content);

  [[nodiscard]] size_t size() const { return text_.size(); }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

// The name space of S3's documents.
inline constexpr std::string_view kXmlNamespace = "http://s3.amazonaws.com/doc/2006-03-01/";

void append_xml_escaped(std::string& out, std::string_view text);

}  // namespace keelson::s3
