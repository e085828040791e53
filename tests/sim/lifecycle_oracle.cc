#include "tests/sim/lifecycle_oracle.h"

#include <algorithm>

#include "protocol/s3/dates.h"

namespace keelson::sim_test {

namespace {

constexpr int64_t kDayMs = int64_t{86'400'000};

// "adding the number of days specified in the rule to the object creation time and rounding the resulting time to the
// next day midnight UTC".
int64_t due_of(int64_t made_ms, int days) {
  const int64_t into_the_day_ms = made_ms % kDayMs;
  const int64_t midnight_ms = into_the_day_ms == 0 ? made_ms : made_ms - into_the_day_ms + kDayMs;
  return midnight_ms + days * kDayMs;
}

bool is_for(const OracleFilter& filter, const std::string& key, const OracleVersion& version) {
  return key.starts_with(filter.prefix) && (filter.tag.empty() || filter.tag == version.tag) &&
         (!filter.above || version.size > *filter.above) && (!filter.below || version.size < *filter.below);
}

bool has_noncurrent_ended(const std::string& key, const OracleVersion& version, int64_t since_ms, unsigned newer,
                          const std::vector<OracleRule>& rules, int64_t now_ms) {
  for (const OracleRule& rule : rules) {
    if (!rule.is_enabled || !rule.noncurrent_days || !is_for(rule.filter, key, version)) continue;
    if (newer >= rule.noncurrent_kept.value_or(0) && due_of(since_ms, *rule.noncurrent_days) <= now_ms) return true;
  }
  return false;
}

bool has_marker_ended(const OracleKey& key, const std::vector<OracleRule>& rules, int64_t now_ms) {
  for (const OracleRule& rule : rules) {
    if (!rule.is_enabled || !key.key.starts_with(rule.filter.prefix)) continue;
    if (rule.expires_markers) return true;
    if (rule.expire_days && due_of(key.versions.front().made_ms, *rule.expire_days) <= now_ms) return true;
  }
  return false;
}

// The current version is made noncurrent, or goes.
void expire(OracleKey& key, OracleVersioning versioning, int64_t now_ms) {
  if (versioning == OracleVersioning::kOff) {
    key.versions.erase(key.versions.begin());
    return;
  }
  if (versioning == OracleVersioning::kSuspended) {
    std::erase_if(key.versions, [](const OracleVersion& version) { return version.id == "null"; });
  }
  const std::string id = versioning == OracleVersioning::kOn ? "new" : "null";
  key.versions.insert(key.versions.begin(), {.id = id, .is_marker = true, .made_ms = now_ms});
}

bool run_once(OracleBucket& bucket, const std::vector<OracleRule>& rules, int64_t now_ms) {
  bool has_changed = false;
  for (OracleKey& key : bucket.keys) {
    std::vector<OracleVersion> kept{key.versions.front()};
    for (size_t i = 1; i < key.versions.size(); ++i) {
      const OracleVersion& version = key.versions[i];
      const bool is_locked = version.is_held || version.locked_until_ms > now_ms;
      const bool goes = !is_locked && has_noncurrent_ended(key.key, version, key.versions[i - 1].made_ms,
                                                           static_cast<unsigned>(i - 1), rules, now_ms);
      if (!goes) kept.push_back(version);
    }
    has_changed = has_changed || kept.size() != key.versions.size();
    const auto expiry = oracle_expiry(key, rules);
    const bool is_alone = key.versions.size() == 1;
    key.versions = kept;
    if (expiry && *expiry <= now_ms) {
      expire(key, bucket.versioning, now_ms);
      has_changed = true;
    } else if (kept.front().is_marker && is_alone && has_marker_ended(key, rules, now_ms)) {
      key.versions.clear();
      has_changed = true;
    }
  }
  std::erase_if(bucket.keys, [](const OracleKey& key) { return key.versions.empty(); });
  return has_changed;
}

}  // namespace

std::optional<int64_t> oracle_expiry(const OracleKey& key, const std::vector<OracleRule>& rules) {
  std::optional<int64_t> first;
  if (key.versions.front().is_marker) return first;
  for (const OracleRule& rule : rules) {
    if (!rule.is_enabled || !is_for(rule.filter, key.key, key.versions.front())) continue;
    std::optional<int64_t> at = rule.expire_date_ms;
    if (rule.expire_days) at = due_of(key.versions.front().made_ms, *rule.expire_days);
    if (at && (!first || *at < *first)) first = at;
  }
  return first;
}

OracleBucket after_lifecycle(OracleBucket bucket, const std::vector<OracleRule>& rules, int64_t now_ms) {
  while (run_once(bucket, rules, now_ms)) {
  }
  std::erase_if(bucket.uploads, [&](const OracleUpload& upload) {
    return std::ranges::any_of(rules, [&](const OracleRule& rule) {
      return rule.is_enabled && rule.abort_days && upload.key.starts_with(rule.filter.prefix) &&
             due_of(upload.made_ms, *rule.abort_days) <= now_ms;
    });
  });
  return bucket;
}

std::string document_of(const std::vector<OracleRule>& rules) {
  std::string xml = "<LifecycleConfiguration>";
  const auto element = [&](const char* name, const std::string& text) {
    xml.append("<").append(name).append(">").append(text).append("</").append(name).append(">");
  };
  for (const OracleRule& rule : rules) {
    const OracleFilter& filter = rule.filter;
    const bool is_plain = filter.tag.empty() && !filter.above && !filter.below;
    xml += "<Rule>";
    element("ID", rule.id);
    element("Status", rule.is_enabled ? "Enabled" : "Disabled");
    xml += is_plain ? "<Filter>" : "<Filter><And>";
    element("Prefix", filter.prefix);
    if (!filter.tag.empty()) xml += "<Tag><Key>t</Key><Value>" + filter.tag + "</Value></Tag>";
    if (filter.above) element("ObjectSizeGreaterThan", std::to_string(*filter.above));
    if (filter.below) element("ObjectSizeLessThan", std::to_string(*filter.below));
    xml += is_plain ? "</Filter>" : "</And></Filter>";
    if (rule.expire_days) element("Expiration", "<Days>" + std::to_string(*rule.expire_days) + "</Days>");
    if (rule.expire_date_ms) element("Expiration", "<Date>" + s3::format_iso8601(*rule.expire_date_ms) + "</Date>");
    if (rule.expires_markers) {
      element("Expiration", "<ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker>");
    }
    if (rule.noncurrent_days) {
      xml += "<NoncurrentVersionExpiration>";
      element("NoncurrentDays", std::to_string(*rule.noncurrent_days));
      if (rule.noncurrent_kept) element("NewerNoncurrentVersions", std::to_string(*rule.noncurrent_kept));
      xml += "</NoncurrentVersionExpiration>";
    }
    if (rule.abort_days) {
      element("AbortIncompleteMultipartUpload",
              "<DaysAfterInitiation>" + std::to_string(*rule.abort_days) + "</DaysAfterInitiation>");
    }
    xml += "</Rule>";
  }
  return xml + "</LifecycleConfiguration>";
}

std::string text_of(const OracleBucket& bucket) {
  std::string text;
  for (const OracleKey& key : bucket.keys) {
    for (const OracleVersion& version : key.versions) {
      text += key.key + " " + version.id + (version.is_marker ? " marker" : "") + "\n";
    }
  }
  for (const OracleUpload& upload : bucket.uploads) text += "upload " + upload.key + " " + upload.id + "\n";
  return text;
}

}  // namespace keelson::sim_test
