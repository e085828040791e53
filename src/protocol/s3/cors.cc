#include "protocol/s3/cors.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "net/http/scan.h"
#include "protocol/s3/policy.h"
#include "protocol/s3/xml.h"
#include "protocol/s3/xml_writer.h"

namespace keelson::s3 {

namespace {

constexpr std::array<std::string_view, 5> kMethods = {"GET", "PUT", "HEAD", "POST", "DELETE"};
constexpr size_t kValuesMax = 100;  // of one list of a rule

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// A header's name, with a wildcard perhaps.
bool is_header_pattern(std::string_view text) {
  return net::http::is_token(text);  // '*' is of a token
}

S3Result<> check_header_names(const CorsRule& rule) {
  for (const auto* list : {&rule.allowed_headers, &rule.exposed_headers}) {
    for (const std::string& one : *list) {
      if (is_header_pattern(one)) continue;
      const std::string_view element = list == &rule.allowed_headers ? "AllowedHeader" : "ExposeHeader";
      return s3_fail(ErrorCode::kInvalidRequest, std::string(element) + " \"" + one + "\" contains invalid character.");
    }
  }
  return {};
}

S3Result<> check_rule(const CorsRule& rule) {
  if (rule.origins.empty() || rule.methods.empty()) return s3_fail(ErrorCode::kMalformedXML);
  if (auto good = check_header_names(rule); !good) return good;
  for (const std::string& method : rule.methods) {
    if (!is_cors_method(method)) {
      return s3_fail(ErrorCode::kInvalidRequest,
                     "Found unsupported HTTP method in CORS config. Unsupported method is " + method);
    }
  }
  for (const auto* list : {&rule.origins, &rule.allowed_headers}) {
    if (list->size() > kValuesMax) return s3_fail(ErrorCode::kInvalidRequest, "A CORS rule has too many values.");
    for (const std::string& one : *list) {
      if (std::count(one.begin(), one.end(), '*') > 1) {
        return s3_fail(ErrorCode::kInvalidRequest,
                       list == &rule.origins ? "AllowedOrigin \"" + one + "\" can not have more than one wildcard."
                                             : "AllowedHeader \"" + one + "\" can not have more than one wildcard.");
      }
    }
  }
  for (const std::string& one : rule.exposed_headers) {
    if (one.find('*') != std::string::npos) {
      return s3_fail(ErrorCode::kInvalidRequest, "ExposeHeader \"" + one +
                                                     "\" contains wildcard. We currently do not "
                                                     "support wildcard for ExposeHeader.");
    }
  }
  return {};
}

S3Result<CorsRule> read_rule(const XmlElement& element) {
  CorsRule rule;
  for (const XmlElement& child : element.children) {
    if (child.name == "ID") {
      rule.id = child.text;
    } else if (child.name == "AllowedOrigin") {
      rule.origins.push_back(child.text);
    } else if (child.name == "AllowedMethod") {
      rule.methods.push_back(child.text);
    } else if (child.name == "AllowedHeader") {
      rule.allowed_headers.push_back(child.text);
    } else if (child.name == "ExposeHeader") {
      rule.exposed_headers.push_back(child.text);
    } else if (child.name == "MaxAgeSeconds") {
      uint32_t seconds = 0;
      const auto [end, error] = std::from_chars(child.text.data(), child.text.data() + child.text.size(), seconds);
      if (error != std::errc() || end != child.text.data() + child.text.size())
        return s3_fail(ErrorCode::kMalformedXML);
      rule.max_age_s = seconds;
    } else {
      return s3_fail(ErrorCode::kMalformedXML);
    }
  }
  if (auto good = check_rule(rule); !good) return std::unexpected(std::move(good.error()));
  return rule;
}

}  // namespace

S3Result<CorsConfiguration> CorsConfiguration::parse(std::string_view xml) {
  const auto root = parse_xml(xml);
  if (!root || root->name != "CORSConfiguration" || root->children.empty() || root->children.size() > kRulesMax) {
    return s3_fail(ErrorCode::kMalformedXML);
  }
  CorsConfiguration configuration;
  for (const XmlElement& child : root->children) {
    if (child.name != "CORSRule") return s3_fail(ErrorCode::kMalformedXML);
    auto rule = read_rule(child);
    if (!rule) return std::unexpected(std::move(rule.error()));
    configuration.rules.push_back(std::move(*rule));
  }
  return configuration;
}

std::string CorsConfiguration::document() const {
  XmlWriter xml;
  xml.open_root("CORSConfiguration");
  for (const CorsRule& rule : rules) {
    xml.open("CORSRule");
    xml.optional_element("ID", rule.id);
    for (const std::string& one : rule.allowed_headers) xml.element("AllowedHeader", one);
    for (const std::string& one : rule.methods) xml.element("AllowedMethod", one);
    for (const std::string& one : rule.origins) xml.element("AllowedOrigin", one);
    for (const std::string& one : rule.exposed_headers) xml.element("ExposeHeader", one);
    if (rule.max_age_s) xml.element("MaxAgeSeconds", *rule.max_age_s);
    xml.close("CORSRule");
  }
  xml.close("CORSConfiguration");
  return xml.take();
}

const CorsRule* CorsConfiguration::find(std::string_view origin, std::string_view method,
                                        std::string_view request_headers) const {
  const auto allows_headers = [&](const CorsRule& rule) {
    std::string_view rest = request_headers;
    while (!rest.empty()) {
      const size_t end = std::min(rest.find(','), rest.size());
      const std::string name = lower(trim(rest.substr(0, end)));
      rest.remove_prefix(std::min(end + 1, rest.size()));
      const bool is_allowed =
          name.empty() || std::any_of(rule.allowed_headers.begin(), rule.allowed_headers.end(),
                                      [&](const std::string& one) { return wildcard_match(lower(one), name); });
      if (!is_allowed) return false;
    }
    return true;
  };
  for (const CorsRule& rule : rules) {
    const bool has_origin = std::any_of(rule.origins.begin(), rule.origins.end(),
                                        [&](const std::string& one) { return wildcard_match(one, origin); });
    const bool has_method = std::find(rule.methods.begin(), rule.methods.end(), method) != rule.methods.end();
    if (has_origin && has_method && allows_headers(rule)) return &rule;
  }
  return nullptr;
}

bool is_cors_method(std::string_view method) {
  return std::find(kMethods.begin(), kMethods.end(), method) != kMethods.end();
}

bool allows_any_origin(const CorsRule& rule) {
  return std::find(rule.origins.begin(), rule.origins.end(), "*") != rule.origins.end();
}

}  // namespace keelson::s3
