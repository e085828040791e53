// A bucket's lifecycle configuration ("Managing the lifecycle of objects", Amazon S3 user guide): which objects, old
// versions and abandoned uploads are to go, and when. Transitions to other storage classes are refused: there are none.
//
// Times: days are counted as S3 does, rounded up to the next midnight UTC; with a shorter day (a setting, for tests)
// they are counted from the object's time without rounding. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/s3/error.h"
#include "protocol/s3/tags.h"

namespace keelson::s3 {

inline constexpr int64_t kDayMs = int64_t{24} * 3'600'000;

struct LifecycleFilter {
  std::string prefix = {};
  Tags tags = {};
  std::optional<uint64_t> size_above = {};  // greater than
  std::optional<uint64_t> size_below = {};  // less than
};

struct LifecycleRule {
  std::string id = {};
  bool is_enabled = false;
  LifecycleFilter filter = {};
  // How the filter was written, so that it reads back the same: a bare <Prefix>, or within <Filter>.
  bool has_bare_prefix = false;
  std::optional<uint32_t> expire_days = {};
  std::optional<int64_t> expire_date_ms = {};
  bool expire_delete_marker = false;
  std::optional<uint32_t> noncurrent_days = {};
  std::optional<uint32_t> noncurrent_kept = {};  // newer noncurrent versions that stay
  std::optional<uint32_t> abort_upload_days = {};
};

// What a rule needs to know of an object or a version.
struct LifecycleObject {
  std::string_view key;
  const Tags* tags = nullptr;
  uint64_t size_bytes = 0;
};

struct LifecycleConfiguration {
  static constexpr size_t kRulesMax = 1000;
  std::vector<LifecycleRule> rules;

  // Rules without an ID get one, "rule-<n>". kMalformedXML, kInvalidArgument, kInvalidRequest,
  // kNotImplemented (a transition).
  static S3Result<LifecycleConfiguration> parse(std::string_view xml);
  [[nodiscard]] std::string document() const;
};

[[nodiscard]] bool matches_filter(const LifecycleFilter& filter, const LifecycleObject& object);
// When something of this time is `days` old.
[[nodiscard]] int64_t due_ms(int64_t since_ms, uint32_t days, int64_t day_ms);

// The earliest time at which an enabled rule lets the current version expire, with the rule's id; nullopt: never. For
// x-amz-expiration too.
struct Expiration {
  int64_t at_ms = 0;
  std::string rule_id;
};
[[nodiscard]] std::optional<Expiration> expiration_of(const LifecycleConfiguration& configuration,
                                                      const LifecycleObject& object, int64_t modified_ms,
                                                      int64_t day_ms);
// Is a noncurrent version due, that stopped being current at `since_ms` and has `newer_noncurrent` newer ones before
// it?
[[nodiscard]] bool is_noncurrent_due(const LifecycleConfiguration& configuration, const LifecycleObject& object,
                                     int64_t since_ms, uint32_t newer_noncurrent, int64_t now_ms, int64_t day_ms);
// Is an upload due that was begun at `initiated_ms`?
[[nodiscard]] bool is_upload_due(const LifecycleConfiguration& configuration, std::string_view key,
                                 int64_t initiated_ms, int64_t now_ms, int64_t day_ms);
// Is a delete marker, the only version of its key, to go?
[[nodiscard]] bool expires_delete_marker(const LifecycleConfiguration& configuration, std::string_view key,
                                         int64_t modified_ms, int64_t now_ms, int64_t day_ms);

}  // namespace keelson::s3
