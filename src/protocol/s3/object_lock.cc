#include "protocol/s3/object_lock.h"

#include <charconv>

#include "protocol/s3/dates.h"
#include "protocol/s3/xml.h"
#include "protocol/s3/xml_writer.h"

namespace keelson::s3 {

namespace {

constexpr int64_t kDayMs = int64_t{24} * 3'600'000;
// S3's bounds of a default retention.
constexpr uint32_t kDaysMax = 36'500;
constexpr uint32_t kYearsMax = 100;

std::unexpected<S3Error> malformed() { return s3_fail(ErrorCode::kMalformedXML); }

S3Result<uint32_t> read_count(std::string_view text, uint32_t most, std::string name) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return malformed();
  if (value <= 0 || value > most) {
    return invalid_argument(
        "Default retention period must be a positive integer value of at most " + std::to_string(most), std::move(name),
        std::string(text));
  }
  return static_cast<uint32_t>(value);
}

S3Result<Retention> make_retention(std::string_view mode, std::string_view until, int64_t now_ms) {
  const auto known = parse_retention_mode(mode);
  if (!known) return invalid_argument("Unknown wormMode directive.", "x-amz-object-lock-mode", std::string(mode));
  const auto until_ms = parse_iso8601(until);
  if (!until_ms) {
    return invalid_argument("The retain until date must be provided in ISO 8601 format",
                            "x-amz-object-lock-retain-until-date", std::string(until));
  }
  if (*until_ms <= now_ms) {
    return invalid_argument("The retain until date must be in the future!", "x-amz-object-lock-retain-until-date",
                            std::string(until));
  }
  return Retention{*known, *until_ms};
}

}  // namespace

std::optional<RetentionMode> parse_retention_mode(std::string_view text) {
  if (text == "GOVERNANCE") return RetentionMode::kGovernance;
  if (text == "COMPLIANCE") return RetentionMode::kCompliance;
  return std::nullopt;
}

std::string_view retention_mode_text(RetentionMode mode) {
  return mode == RetentionMode::kCompliance ? "COMPLIANCE" : mode == RetentionMode::kGovernance ? "GOVERNANCE" : "";
}

S3Result<ObjectLockConfiguration> ObjectLockConfiguration::parse(std::string_view xml) {
  const auto root = parse_xml(xml);
  if (!root || root->name != "ObjectLockConfiguration" || root->child_text("ObjectLockEnabled") != "Enabled") {
    return malformed();
  }
  ObjectLockConfiguration configuration;
  const XmlElement* rule = root->child("Rule");
  if (rule == nullptr) return configuration;
  const XmlElement* retention = rule->child("DefaultRetention");
  if (retention == nullptr) return malformed();
  const auto mode = parse_retention_mode(retention->child_text("Mode").value_or(std::string_view()));
  const auto days = retention->child_text("Days");
  const auto years = retention->child_text("Years");
  if (!mode || days.has_value() == years.has_value()) return malformed();
  configuration.mode = *mode;
  auto count = days ? read_count(*days, kDaysMax, "Days") : read_count(*years, kYearsMax, "Years");
  if (!count) return std::unexpected(std::move(count.error()));
  (days ? configuration.days : configuration.years) = *count;
  return configuration;
}

std::string ObjectLockConfiguration::document() const {
  XmlWriter xml;
  xml.open_root("ObjectLockConfiguration");
  xml.element("ObjectLockEnabled", "Enabled");
  if (mode != RetentionMode::kNone) {
    xml.open("Rule");
    xml.open("DefaultRetention");
    xml.element("Mode", retention_mode_text(mode));
    if (days != 0) xml.element("Days", uint64_t{days});
    if (years != 0) xml.element("Years", uint64_t{years});
    xml.close("DefaultRetention");
    xml.close("Rule");
  }
  xml.close("ObjectLockConfiguration");
  return xml.take();
}

Retention ObjectLockConfiguration::retention_at(int64_t now_ms) const {
  if (mode == RetentionMode::kNone) return {};
  return {mode, now_ms + (int64_t{days} + int64_t{years} * 365) * kDayMs};
}

S3Result<Retention> parse_retention(std::string_view xml, int64_t now_ms) {
  const auto root = parse_xml(xml);
  if (!root || root->name != "Retention") return malformed();
  if (root->children.empty()) return Retention{};
  const auto mode = root->child_text("Mode");
  const auto until = root->child_text("RetainUntilDate");
  if (!mode || !until || !parse_retention_mode(*mode)) return malformed();
  return make_retention(*mode, *until, now_ms);
}

std::string retention_document(const Retention& retention) {
  XmlWriter xml;
  xml.open_root("Retention");
  xml.element("Mode", retention_mode_text(retention.mode));
  xml.element("RetainUntilDate", format_iso8601(retention.until_ms));
  xml.close("Retention");
  return xml.take();
}

S3Result<bool> parse_legal_hold(std::string_view xml) {
  const auto root = parse_xml(xml);
  const auto status = root && root->name == "LegalHold" ? root->child_text("Status") : std::nullopt;
  if (status != "ON" && status != "OFF") return malformed();
  return status == "ON";
}

std::string legal_hold_document(bool is_on) {
  XmlWriter xml;
  xml.open_root("LegalHold");
  xml.element("Status", is_on ? "ON" : "OFF");
  xml.close("LegalHold");
  return xml.take();
}

S3Result<LockHeaders> lock_of_headers(const RequestView& request, int64_t now_ms) {
  LockHeaders lock;
  const auto mode = request.header("x-amz-object-lock-mode");
  const auto until = request.header("x-amz-object-lock-retain-until-date");
  if (mode.has_value() != until.has_value()) {
    return invalid_argument("x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied",
                            mode ? "x-amz-object-lock-retain-until-date" : "x-amz-object-lock-mode", "");
  }
  if (mode) {
    auto retention = make_retention(*mode, *until, now_ms);
    if (!retention) return std::unexpected(std::move(retention.error()));
    lock.retention = *retention;
  }
  if (const auto hold = request.header("x-amz-object-lock-legal-hold")) {
    if (*hold != "ON" && *hold != "OFF") {
      return invalid_argument("Legal Hold must be either of 'ON' or 'OFF'", "x-amz-object-lock-legal-hold",
                              std::string(*hold));
    }
    lock.legal_hold = *hold == "ON";
  }
  return lock;
}

}  // namespace keelson::s3
