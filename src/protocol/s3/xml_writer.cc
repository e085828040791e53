#include "protocol/s3/xml_writer.h"

namespace keelson::s3 {

void append_xml_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        // A reader would turn a carriage return, and in places a tab or line feed, into something else.
        if (static_cast<uint8_t>(c) < 0x20) {
          constexpr std::string_view kDigits = "0123456789abcdef";
          out += "&#x";
          if (static_cast<uint8_t>(c) >= 0x10) out += '1';
          out += kDigits[static_cast<uint8_t>(c) & 15];
          out += ';';
        } else {
          out += c;
        }
    }
  }
}

void XmlWriter::open_root(std::string_view name) {
  text_.append("<").append(name).append(" xmlns=\"").append(kXmlNamespace).append("\">");
}

void XmlWriter::text(std::string_view content) { append_xml_escaped(text_, content); }

void XmlWriter::element(std::string_view name, std::string_view content) {
  text_.append("<").append(name).append(">");
  append_xml_escaped(text_, content);
  text_.append("</").append(name).append(">");
}

}  // namespace keelson::s3
