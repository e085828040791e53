#include "protocol/s3/website.h"

#include <algorithm>
#include <charconv>

#include "protocol/s3/uri.h"
#include "protocol/s3/xml.h"
#include "protocol/s3/xml_writer.h"

namespace keelson::s3 {

namespace {

std::unexpected<S3Error> malformed() { return s3_fail(ErrorCode::kMalformedXML); }

// 306 is of no use since HTTP/1.1 (RFC 9110, section 15.4.7).
constexpr uint16_t kSwitchProxy = 306;

std::optional<uint16_t> read_status(std::string_view text) {
  uint16_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

S3Result<WebsiteRedirect> read_redirect(const XmlElement& element) {
  WebsiteRedirect redirect;
  for (const XmlElement& child : element.children) {
    if (child.name == "Protocol") {
      if (child.text != "http" && child.text != "https") {
        return s3_fail(ErrorCode::kInvalidRequest, "Invalid protocol, protocol can be http or https.");
      }
      redirect.protocol = child.text;
    } else if (child.name == "HostName") {
      redirect.host = child.text;
    } else if (child.name == "ReplaceKeyPrefixWith") {
      redirect.replace_prefix = child.text;
    } else if (child.name == "ReplaceKeyWith") {
      redirect.replace_key = child.text;
    } else if (child.name == "HttpRedirectCode") {
      const auto status = read_status(child.text);
      if (!status) return malformed();
      if (*status < 301 || *status > 308 || *status == kSwitchProxy) {
        return s3_fail(ErrorCode::kInvalidRequest, "The provided HTTP redirect code (" + child.text +
                                                       ") is not valid. Valid codes are 3XX except 300.");
      }
      redirect.status = *status;
    } else {
      return malformed();
    }
  }
  // These go into a header field.
  for (const std::string* text : {&redirect.host}) {
    if (std::any_of(text->begin(), text->end(), [](char c) { return static_cast<uint8_t>(c) <= 0x20; }))
      return malformed();
  }
  if (redirect.replace_prefix && redirect.replace_key) {
    return s3_fail(ErrorCode::kInvalidRequest, "You can only define ReplaceKeyPrefix or ReplaceKey but not both.");
  }
  return redirect;
}

S3Result<WebsiteRule> read_rule(const XmlElement& element) {
  WebsiteRule rule;
  const XmlElement* redirect = element.child("Redirect");
  if (element.name != "RoutingRule" || redirect == nullptr || redirect->children.empty()) return malformed();
  auto read = read_redirect(*redirect);
  if (!read) return std::unexpected(std::move(read.error()));
  rule.redirect = std::move(*read);
  if (const XmlElement* condition = element.child("Condition")) {
    if (condition->children.empty()) return malformed();
    rule.key_prefix = condition->child_text("KeyPrefixEquals").value_or(std::string_view());
    if (const auto text = condition->child_text("HttpErrorCodeReturnedEquals")) {
      rule.error_status = read_status(*text);
      if (!rule.error_status) return malformed();
      if (*rule.error_status < 400 || *rule.error_status > 599) {
        return s3_fail(ErrorCode::kInvalidRequest, "The provided HTTP error code (" + std::string(*text) +
                                                       ") is not valid. Valid codes are 4XX or 5XX.");
      }
    }
  }
  return rule;
}

void write_redirect(XmlWriter& xml, std::string_view name, const WebsiteRedirect& redirect, bool with_status) {
  xml.open(name);
  xml.optional_element("HostName", redirect.host);
  xml.optional_element("Protocol", redirect.protocol);
  if (redirect.replace_prefix) xml.element("ReplaceKeyPrefixWith", *redirect.replace_prefix);
  if (redirect.replace_key) xml.element("ReplaceKeyWith", *redirect.replace_key);
  if (with_status) xml.element("HttpRedirectCode", uint64_t{redirect.status});
  xml.close(name);
}

}  // namespace

S3Result<WebsiteConfiguration> WebsiteConfiguration::parse(std::string_view xml) {
  const auto root = parse_xml(xml);
  if (!root || root->name != "WebsiteConfiguration") return malformed();
  WebsiteConfiguration website;
  if (const XmlElement* all = root->child("RedirectAllRequestsTo")) {
    if (root->children.size() != 1) return malformed();
    auto redirect = read_redirect(*all);
    if (!redirect) return std::unexpected(std::move(redirect.error()));
    if (redirect->host.empty()) return malformed();
    website.redirect_all = std::move(*redirect);
    return website;
  }
  const XmlElement* index = root->child("IndexDocument");
  website.index_suffix =
      index != nullptr ? index->child_text("Suffix").value_or(std::string_view()) : std::string_view();
  if (website.index_suffix.empty() || website.index_suffix.find('/') != std::string::npos) {
    return invalid_argument("A value for IndexDocument Suffix must be provided, without a slash", "IndexDocument",
                            website.index_suffix);
  }
  if (const XmlElement* error = root->child("ErrorDocument")) {
    website.error_key = error->child_text("Key").value_or(std::string_view());
    if (website.error_key.empty()) {
      return invalid_argument("The ErrorDocument Key is not well formed", "ErrorDocument", "");
    }
  }
  if (const XmlElement* rules = root->child("RoutingRules")) {
    if (rules->children.empty()) return malformed();
    if (rules->children.size() > kRulesMax) {
      return s3_fail(ErrorCode::kInvalidRequest,
                     std::to_string(rules->children.size()) +
                         " routing rules provided, the number of routing rules in a website configuration is limited "
                         "to " +
                         std::to_string(kRulesMax) + ".");
    }
    for (const XmlElement& element : rules->children) {
      auto rule = read_rule(element);
      if (!rule) return std::unexpected(std::move(rule.error()));
      website.rules.push_back(std::move(*rule));
    }
  }
  return website;
}

std::string WebsiteConfiguration::document() const {
  XmlWriter xml;
  xml.open_root("WebsiteConfiguration");
  if (redirect_all) {
    write_redirect(xml, "RedirectAllRequestsTo", *redirect_all, false);
  } else {
    xml.open("IndexDocument");
    xml.element("Suffix", index_suffix);
    xml.close("IndexDocument");
    if (!error_key.empty()) {
      xml.open("ErrorDocument");
      xml.element("Key", error_key);
      xml.close("ErrorDocument");
    }
  }
  if (!rules.empty()) {
    xml.open("RoutingRules");
    for (const WebsiteRule& rule : rules) {
      xml.open("RoutingRule");
      if (!rule.key_prefix.empty() || rule.error_status) {
        xml.open("Condition");
        xml.optional_element("KeyPrefixEquals", rule.key_prefix);
        if (rule.error_status) xml.element("HttpErrorCodeReturnedEquals", uint64_t{*rule.error_status});
        xml.close("Condition");
      }
      write_redirect(xml, "Redirect", rule.redirect, true);
      xml.close("RoutingRule");
    }
    xml.close("RoutingRules");
  }
  xml.close("WebsiteConfiguration");
  return xml.take();
}

const WebsiteRule* WebsiteConfiguration::find_rule(std::string_view key, std::optional<uint16_t> error_status) const {
  const auto found = std::find_if(rules.begin(), rules.end(), [&](const WebsiteRule& rule) {
    return rule.error_status == error_status && key.starts_with(rule.key_prefix);
  });
  return found == rules.end() ? nullptr : &*found;
}

std::string WebsiteConfiguration::index_key(std::string_view key) const {
  std::string out(key);
  if (out.empty() || out.ends_with('/')) out.append(index_suffix);
  return out;
}

std::string redirect_location(const WebsiteRedirect& redirect, std::string_view key, std::string_view rule_prefix,
                              std::string_view request_host, std::string_view request_protocol) {
  std::string target(key);
  if (redirect.replace_key) target = *redirect.replace_key;
  if (redirect.replace_prefix) {
    target = *redirect.replace_prefix + std::string(key.substr(std::min(rule_prefix.size(), key.size())));
  }
  std::string location(redirect.protocol.empty() ? request_protocol : std::string_view(redirect.protocol));
  location.append("://").append(redirect.host.empty() ? request_host : std::string_view(redirect.host)).append("/");
  append_uri_encoded(location, target, Slash::kKeep);
  return location;
}

}  // namespace keelson::s3
