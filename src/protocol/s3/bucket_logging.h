// A bucket's logging configuration, <BucketLoggingStatus>: where the lines about its requests go ("PutBucketLogging",
// Amazon S3 API reference). Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/s3/error.h"

namespace keelson::s3 {

struct BucketLogging {
  // S3 allows prefixes as long as keys; the rest of a log object's name must find room behind it.
  static constexpr size_t kPrefixBytesMax = 800;

  // How the keys of log objects go on behind the prefix.
  enum class KeyFormat : uint8_t {
    kUnsaid,            // as kSimple; nothing was written, nothing reads back
    kSimple,            // <time>-<unique>
    kPartitionedEvent,  // <account>/<region>/<bucket>/<year>/<month>/<day>/<day, 00-00-00>-<unique>, the requests' day
    kPartitionedDelivery,  // the same, with the time of delivery
  };

  std::string target_bucket;  // empty: logging is off
  std::string target_prefix;
  KeyFormat key_format = KeyFormat::kUnsaid;

  [[nodiscard]] bool is_on() const { return !target_bucket.empty(); }
  // kMalformedXML, kInvalidArgument, kNotImplemented (TargetGrants).
  static S3Result<BucketLogging> parse(std::string_view xml);
  [[nodiscard]] std::string document() const;
};

// The key of a log object. `time_ms`: of delivery, or, partitioned by event, any time of the requests' day.
[[nodiscard]] std::string log_object_key(const BucketLogging& logging, std::string_view source_bucket,
                                         std::string_view region, int64_t time_ms, std::string_view unique);

}  // namespace keelson::s3
