// What lifecycle rules must do to a bucket, computed the plain way from Amazon's words ("Managing the lifecycle of
// objects", Amazon S3 user guide), apart from the code under test: on copies of everything, until nothing changes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace keelson::sim_test {

struct OracleFilter {
  std::string prefix = {};
  std::string tag = {};  // the value of tag "t"; empty: any
  std::optional<uint64_t> above = {};
  std::optional<uint64_t> below = {};
};

struct OracleRule {
  std::string id = {};
  bool is_enabled = true;
  OracleFilter filter = {};
  std::optional<int> expire_days = {};
  std::optional<int64_t> expire_date_ms = {};
  bool expires_markers = false;
  std::optional<int> noncurrent_days = {};
  std::optional<unsigned> noncurrent_kept = {};
  std::optional<int> abort_days = {};
};

struct OracleVersion {
  std::string id = {};  // "new": made by the rules
  bool is_marker = false;
  int64_t made_ms = 0;
  uint64_t size = 0;
  std::string tag = {};
  int64_t locked_until_ms = 0;
  bool is_held = false;
};

struct OracleKey {
  std::string key = {};
  std::vector<OracleVersion> versions = {};  // newest first
};

struct OracleUpload {
  std::string key = {};
  std::string id = {};
  int64_t made_ms = 0;
  bool operator==(const OracleUpload&) const = default;
};

enum class OracleVersioning : uint8_t { kOff, kOn, kSuspended };

struct OracleBucket {
  OracleVersioning versioning = OracleVersioning::kOff;
  std::vector<OracleKey> keys = {};  // those without versions are left out
  std::vector<OracleUpload> uploads = {};
};

[[nodiscard]] OracleBucket after_lifecycle(OracleBucket bucket, const std::vector<OracleRule>& rules, int64_t now_ms);
// When the current version expires, or nothing.
[[nodiscard]] std::optional<int64_t> oracle_expiry(const OracleKey& key, const std::vector<OracleRule>& rules);
// As a document of PutBucketLifecycleConfiguration.
[[nodiscard]] std::string document_of(const std::vector<OracleRule>& rules);
// One line for each version and upload, to compare; what the rules have made is "new".
[[nodiscard]] std::string text_of(const OracleBucket& bucket);

}  // namespace keelson::sim_test
