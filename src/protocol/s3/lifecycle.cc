#include "protocol/s3/lifecycle.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "protocol/s3/dates.h"
#include "protocol/s3/xml.h"
#include "protocol/s3/xml_writer.h"

namespace keelson::s3 {

namespace {

constexpr size_t kIdBytesMax = 255;
constexpr uint32_t kKeptMax = 100;

std::unexpected<S3Error> malformed() { return s3_fail(ErrorCode::kMalformedXML); }

template <class Number>
bool read_number(std::string_view text, Number least, std::optional<Number>& into) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least) return false;
  into = value;
  return true;
}

// At most a century, so that days in milliseconds stay far from the end of 64 bits.
constexpr uint32_t kDaysMax = 36'500;

S3Result<> read_days(const XmlElement& element, std::optional<uint32_t>& into) {
  if (!read_number<uint32_t>(element.text, 1, into) || *into > kDaysMax) {
    return invalid_argument("'" + element.name + "' must be a positive integer", element.name, element.text);
  }
  return {};
}

S3Result<> read_filter_members(const XmlElement& element, LifecycleFilter& filter) {
  for (const XmlElement& child : element.children) {
    bool is_good = true;
    if (child.name == "Prefix") {
      filter.prefix = child.text;
    } else if (child.name == "Tag") {
      const auto key = child.child_text("Key");
      const auto value = child.child_text("Value");
      is_good = key && value && filter.tags.size() < kObjectTagsMax;
      if (is_good) filter.tags.emplace_back(*key, *value);
    } else if (child.name == "ObjectSizeGreaterThan") {
      is_good = read_number<uint64_t>(child.text, 0, filter.size_above);
    } else if (child.name == "ObjectSizeLessThan") {
      is_good = read_number<uint64_t>(child.text, 1, filter.size_below);
    } else {
      is_good = false;
    }
    if (!is_good) return malformed();
  }
  return {};
}

S3Result<> read_filter(const XmlElement& element, LifecycleFilter& filter) {
  if (element.children.size() > 1) return malformed();
  if (const XmlElement* both = element.child("And")) return read_filter_members(*both, filter);
  return read_filter_members(element, filter);
}

S3Result<> read_expiration(const XmlElement& element, LifecycleRule& rule) {
  if (element.children.size() != 1) return malformed();
  const XmlElement& child = element.children.front();
  if (child.name == "Days") return read_days(child, rule.expire_days);
  if (child.name == "Date") {
    const auto date_ms = parse_iso8601(child.text);
    if (!date_ms) return malformed();
    if (*date_ms % kDayMs != 0) return invalid_argument("'Date' must be at midnight GMT", "Date", child.text);
    rule.expire_date_ms = date_ms;
    return {};
  }
  if (child.name != "ExpiredObjectDeleteMarker") return malformed();
  rule.expire_delete_marker = child.text == "true";
  return {};
}

S3Result<> read_noncurrent(const XmlElement& element, LifecycleRule& rule) {
  for (const XmlElement& child : element.children) {
    if (child.name == "NoncurrentDays") {
      if (auto read = read_days(child, rule.noncurrent_days); !read) return read;
    } else if (child.name == "NewerNoncurrentVersions") {
      if (!read_number<uint32_t>(child.text, 1, rule.noncurrent_kept) || *rule.noncurrent_kept > kKeptMax) {
        return invalid_argument("'NewerNoncurrentVersions' must be between 1 and 100", child.name, child.text);
      }
    } else {
      return malformed();
    }
  }
  return rule.noncurrent_days ? S3Result<>() : malformed();
}

S3Result<> read_member(const XmlElement& child, LifecycleRule& rule) {
  if (child.name == "ID") {
    if (child.text.size() > kIdBytesMax) {
      return invalid_argument("ID length should not exceed allowed limit of 255", "ID", child.text);
    }
    rule.id = child.text;
    return {};
  }
  if (child.name == "Status") {
    rule.is_enabled = child.text == "Enabled";
    return rule.is_enabled || child.text == "Disabled" ? S3Result<>() : malformed();
  }
  if (child.name == "Prefix") {
    rule.filter.prefix = child.text;
    rule.has_bare_prefix = true;
    return {};
  }
  if (child.name == "Filter") return read_filter(child, rule.filter);
  if (child.name == "Expiration") return read_expiration(child, rule);
  if (child.name == "NoncurrentVersionExpiration") return read_noncurrent(child, rule);
  if (child.name == "AbortIncompleteMultipartUpload") {
    const XmlElement* days = child.child("DaysAfterInitiation");
    return days != nullptr ? read_days(*days, rule.abort_upload_days) : malformed();
  }
  if (child.name == "Transition" || child.name == "NoncurrentVersionTransition") {
    return s3_fail(ErrorCode::kNotImplemented, "Transitions are not implemented: this server has one storage class.");
  }
  return malformed();
}

S3Result<> check_rule(const XmlElement& element, const LifecycleRule& rule) {
  if (element.count("Status") != 1 || element.count("Prefix") + element.count("Filter") > 1) return malformed();
  if (element.count("Expiration") > 1) return malformed();
  const bool does_something = rule.expire_days || rule.expire_date_ms || rule.expire_delete_marker ||
                              rule.noncurrent_days || rule.abort_upload_days;
  if (!does_something) {
    return s3_fail(ErrorCode::kInvalidRequest, "At least one action needs to be specified in a rule.");
  }
  if (rule.filter.size_above && rule.filter.size_below && *rule.filter.size_above >= *rule.filter.size_below) {
    return s3_fail(ErrorCode::kInvalidRequest, "ObjectSizeGreaterThan should be smaller than ObjectSizeLessThan");
  }
  const bool picks = !rule.filter.tags.empty() || rule.filter.size_above || rule.filter.size_below;
  if (picks && (rule.abort_upload_days || rule.expire_delete_marker)) {
    return s3_fail(
        ErrorCode::kInvalidRequest,
        "AbortIncompleteMultipartUpload and ExpiredObjectDeleteMarker cannot be specified with tags or sizes");
  }
  return {};
}

void write_filter(XmlWriter& xml, const LifecycleRule& rule) {
  const LifecycleFilter& filter = rule.filter;
  if (rule.has_bare_prefix) {
    xml.element("Prefix", filter.prefix);
    return;
  }
  const size_t members =
      (filter.prefix.empty() ? 0 : 1) + filter.tags.size() + (filter.size_above ? 1 : 0) + (filter.size_below ? 1 : 0);
  xml.open("Filter");
  if (members == 0) xml.element("Prefix", "");
  if (members > 1) xml.open("And");
  xml.optional_element("Prefix", filter.prefix);
  for (const auto& [key, value] : filter.tags) {
    xml.open("Tag");
    xml.element("Key", key);
    xml.element("Value", value);
    xml.close("Tag");
  }
  if (filter.size_above) xml.element("ObjectSizeGreaterThan", *filter.size_above);
  if (filter.size_below) xml.element("ObjectSizeLessThan", *filter.size_below);
  if (members > 1) xml.close("And");
  xml.close("Filter");
}

void write_rule(XmlWriter& xml, const LifecycleRule& rule) {
  xml.open("Rule");
  xml.element("ID", rule.id);
  write_filter(xml, rule);
  xml.element("Status", rule.is_enabled ? "Enabled" : "Disabled");
  if (rule.expire_days || rule.expire_date_ms || rule.expire_delete_marker) {
    xml.open("Expiration");
    if (rule.expire_days) xml.element("Days", uint64_t{*rule.expire_days});
    if (rule.expire_date_ms) xml.element("Date", format_iso8601(*rule.expire_date_ms));
    if (rule.expire_delete_marker) xml.element("ExpiredObjectDeleteMarker", true);
    xml.close("Expiration");
  }
  if (rule.noncurrent_days) {
    xml.open("NoncurrentVersionExpiration");
    xml.element("NoncurrentDays", uint64_t{*rule.noncurrent_days});
    if (rule.noncurrent_kept) xml.element("NewerNoncurrentVersions", uint64_t{*rule.noncurrent_kept});
    xml.close("NoncurrentVersionExpiration");
  }
  if (rule.abort_upload_days) {
    xml.open("AbortIncompleteMultipartUpload");
    xml.element("DaysAfterInitiation", uint64_t{*rule.abort_upload_days});
    xml.close("AbortIncompleteMultipartUpload");
  }
  xml.close("Rule");
}

}  // namespace

S3Result<LifecycleConfiguration> LifecycleConfiguration::parse(std::string_view xml) {
  const auto root = parse_xml(xml);
  if (!root || root->name != "LifecycleConfiguration" || root->children.empty() || root->children.size() > kRulesMax) {
    return malformed();
  }
  LifecycleConfiguration configuration;
  for (const XmlElement& element : root->children) {
    if (element.name != "Rule") return malformed();
    LifecycleRule rule;
    for (const XmlElement& child : element.children) {
      if (auto read = read_member(child, rule); !read) return std::unexpected(std::move(read.error()));
    }
    if (auto good = check_rule(element, rule); !good) return std::unexpected(std::move(good.error()));
    if (rule.id.empty()) rule.id = "rule-" + std::to_string(configuration.rules.size() + 1);
    for (const LifecycleRule& other : configuration.rules) {
      if (other.id == rule.id) {
        return invalid_argument("Rule ID must be unique. Found same ID for more than one rule", "ID", rule.id);
      }
    }
    configuration.rules.push_back(std::move(rule));
  }
  return configuration;
}

std::string LifecycleConfiguration::document() const {
  XmlWriter xml;
  xml.open_root("LifecycleConfiguration");
  for (const LifecycleRule& rule : rules) write_rule(xml, rule);
  xml.close("LifecycleConfiguration");
  return xml.take();
}

bool matches_filter(const LifecycleFilter& filter, const LifecycleObject& object) {
  if (!object.key.starts_with(filter.prefix)) return false;
  if (filter.size_above && object.size_bytes <= *filter.size_above) return false;
  if (filter.size_below && object.size_bytes >= *filter.size_below) return false;
  return std::all_of(filter.tags.begin(), filter.tags.end(), [&](const auto& wanted) {
    return object.tags != nullptr && std::find(object.tags->begin(), object.tags->end(), wanted) != object.tags->end();
  });
}

int64_t due_ms(int64_t since_ms, uint32_t days, int64_t day_ms) {
  const int64_t exact_ms = since_ms + int64_t{days} * day_ms;
  if (day_ms != kDayMs) return exact_ms;
  return (exact_ms + kDayMs - 1) / kDayMs * kDayMs;
}

std::optional<Expiration> expiration_of(const LifecycleConfiguration& configuration, const LifecycleObject& object,
                                        int64_t modified_ms, int64_t day_ms) {
  std::optional<Expiration> first;
  for (const LifecycleRule& rule : configuration.rules) {
    if (!rule.is_enabled || !matches_filter(rule.filter, object)) continue;
    std::optional<int64_t> at_ms = rule.expire_date_ms;
    if (rule.expire_days) at_ms = due_ms(modified_ms, *rule.expire_days, day_ms);
    if (at_ms && (!first || *at_ms < first->at_ms)) first = Expiration{*at_ms, rule.id};
  }
  return first;
}

bool is_noncurrent_due(const LifecycleConfiguration& configuration, const LifecycleObject& object, int64_t since_ms,
                       uint32_t newer_noncurrent, int64_t now_ms, int64_t day_ms) {
  return std::any_of(configuration.rules.begin(), configuration.rules.end(), [&](const LifecycleRule& rule) {
    return rule.is_enabled && rule.noncurrent_days && matches_filter(rule.filter, object) &&
           newer_noncurrent >= rule.noncurrent_kept.value_or(0) &&
           due_ms(since_ms, *rule.noncurrent_days, day_ms) <= now_ms;
  });
}

bool is_upload_due(const LifecycleConfiguration& configuration, std::string_view key, int64_t initiated_ms,
                   int64_t now_ms, int64_t day_ms) {
  return std::any_of(configuration.rules.begin(), configuration.rules.end(), [&](const LifecycleRule& rule) {
    return rule.is_enabled && rule.abort_upload_days && key.starts_with(rule.filter.prefix) &&
           due_ms(initiated_ms, *rule.abort_upload_days, day_ms) <= now_ms;
  });
}

bool expires_delete_marker(const LifecycleConfiguration& configuration, std::string_view key, int64_t modified_ms,
                           int64_t now_ms, int64_t day_ms) {
  return std::any_of(configuration.rules.begin(), configuration.rules.end(), [&](const LifecycleRule& rule) {
    if (!rule.is_enabled || !key.starts_with(rule.filter.prefix)) return false;
    // A marker that is alone goes with its rule's days as well, as S3 does.
    return rule.expire_delete_marker || (rule.expire_days && due_ms(modified_ms, *rule.expire_days, day_ms) <= now_ms);
  });
}

}  // namespace keelson::s3
