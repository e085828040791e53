#include "protocol/s3/bucket_logging.h"

#include "protocol/s3/dates.h"
#include "protocol/s3/lifecycle.h"
#include "protocol/s3/policy.h"
#include "protocol/s3/xml.h"
#include "protocol/s3/xml_writer.h"

namespace keelson::s3 {

namespace {

std::unexpected<S3Error> malformed() { return s3_fail(ErrorCode::kMalformedXML); }

S3Result<BucketLogging::KeyFormat> read_key_format(const XmlElement& element) {
  using KeyFormat = BucketLogging::KeyFormat;
  if (element.children.size() != 1) return malformed();
  const XmlElement& format = element.children.front();
  if (format.name == "SimplePrefix") return KeyFormat::kSimple;
  if (format.name != "PartitionedPrefix") return malformed();
  const auto source = format.child_text("PartitionDateSource");
  if (source == "EventTime") return KeyFormat::kPartitionedEvent;
  // What S3 takes if nothing is said.
  if (source == "DeliveryTime" || !source) return KeyFormat::kPartitionedDelivery;
  return malformed();
}

}  // namespace

S3Result<BucketLogging> BucketLogging::parse(std::string_view xml) {
  const auto root = parse_xml(xml);
  if (!root || root->name != "BucketLoggingStatus" || root->children.size() > 1) return malformed();
  BucketLogging logging;
  const XmlElement* enabled = root->child("LoggingEnabled");
  if (enabled == nullptr) return root->children.empty() ? S3Result<BucketLogging>(logging) : malformed();
  for (const XmlElement& child : enabled->children) {
    if (child.name == "TargetBucket") {
      logging.target_bucket = child.text;
    } else if (child.name == "TargetPrefix") {
      logging.target_prefix = child.text;
    } else if (child.name == "TargetObjectKeyFormat") {
      const auto format = read_key_format(child);
      if (!format) return std::unexpected(format.error());
      logging.key_format = *format;
    } else if (child.name == "TargetGrants") {
      if (!child.children.empty()) {
        return s3_fail(ErrorCode::kNotImplemented,
                       "TargetGrants are not implemented. A policy of the target bucket says who may read the logs.");
      }
    } else {
      return malformed();
    }
  }
  // Without a prefix S3 refuses the document; an empty one is written as an empty element.
  if (logging.target_bucket.empty() || enabled->child("TargetPrefix") == nullptr) return malformed();
  if (logging.target_prefix.size() > kPrefixBytesMax) {
    return invalid_argument("The prefix has at most 800 bytes", "TargetPrefix", "");
  }
  return logging;
}

std::string BucketLogging::document() const {
  XmlWriter xml;
  xml.open_root("BucketLoggingStatus");
  if (is_on()) {
    xml.open("LoggingEnabled");
    xml.element("TargetBucket", target_bucket);
    xml.element("TargetPrefix", target_prefix);
    if (key_format != KeyFormat::kUnsaid) {
      xml.open("TargetObjectKeyFormat");
      if (key_format == KeyFormat::kSimple) {
        xml.element("SimplePrefix", "");
      } else {
        xml.open("PartitionedPrefix");
        xml.element("PartitionDateSource", key_format == KeyFormat::kPartitionedEvent ? "EventTime" : "DeliveryTime");
        xml.close("PartitionedPrefix");
      }
      xml.close("TargetObjectKeyFormat");
    }
    xml.close("LoggingEnabled");
  }
  xml.close("BucketLoggingStatus");
  return xml.take();
}

std::string log_object_key(const BucketLogging& logging, std::string_view source_bucket, std::string_view region,
                           int64_t time_ms, std::string_view unique) {
  using KeyFormat = BucketLogging::KeyFormat;
  // By event a log object is about one day, and its name says no more than that.
  if (logging.key_format == KeyFormat::kPartitionedEvent) time_ms -= time_ms % kDayMs;
  const std::string time = format_iso8601(time_ms);  // 2009-10-12T17:50:30.123Z
  const std::string_view year = std::string_view(time).substr(0, 4);
  const std::string_view month = std::string_view(time).substr(5, 2);
  const std::string_view day = std::string_view(time).substr(8, 2);
  std::string key = logging.target_prefix;
  const auto add = [&key](std::string_view text, char behind) { key.append(text).push_back(behind); };
  if (logging.key_format == KeyFormat::kPartitionedEvent || logging.key_format == KeyFormat::kPartitionedDelivery) {
    for (const std::string_view part : {kAccountId, region, source_bucket, year, month, day}) add(part, '/');
  }
  for (const std::string_view part : {year, month, day, std::string_view(time).substr(11, 2),
                                      std::string_view(time).substr(14, 2), std::string_view(time).substr(17, 2)}) {
    add(part, '-');
  }
  return key.append(unique);
}

}  // namespace keelson::s3
