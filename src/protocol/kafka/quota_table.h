// Clients' quotas: what they are (KIP-13, KIP-55, KIP-124, KIP-546), which one is a client's, and the meter that tells
// how long a client that is above its own has to be silent. Values; a table that is read by several threads is not
// changed any more.
//
// A quota belongs to an entity: a user, a client id, or both together, each by name or as the default for all that have
// none of their own. Of those that fit, the most particular holds, as in Kafka: user and client id, user and default
// client id, user; then the same of the default user; then client id, default client id. Whoever shares an entity's
// name shares its quota; a default is everyone's own.
#pragma once

#include <array>
#include <atomic>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/kafka/access.h"

namespace keelson::kafka {

// One part of an entity: not told, the default, or a name.
struct QuotaName {
  enum class Kind : uint8_t { kNone, kDefault, kNamed };
  Kind kind = Kind::kNone;
  std::string name;  // of kNamed
  auto operator<=>(const QuotaName&) const = default;
};

struct QuotaEntity {
  QuotaName user;
  QuotaName client_id;
  auto operator<=>(const QuotaEntity&) const = default;
};

// In the order of QuotaKind. Bytes a second, and percent of one core.
inline constexpr size_t kQuotaKinds = 3;
inline constexpr std::array<std::string_view, kQuotaKinds> kQuotaKeys = {"producer_byte_rate", "consumer_byte_rate",
                                                                         "request_percentage"};
[[nodiscard]] std::optional<QuotaKind> quota_kind(std::string_view key);

using QuotaValues = std::array<std::optional<double>, kQuotaKinds>;

inline constexpr size_t kQuotaEntitiesMax = 10'000;
inline constexpr size_t kQuotaNameBytesMax = 1024;

struct QuotaMatch {
  double rate = 0;    // of the kind's amount (access.h), a second
  std::string meter;  // the name of the meter: who shares it, and at which rate, since what a meter holds is time
};

class QuotaTable {
 public:
  [[nodiscard]] const std::map<QuotaEntity, QuotaValues>& entries() const { return entries_; }
  [[nodiscard]] bool empty() const { return entries_.empty(); }
  // Whether any entity has one of this kind.
  [[nodiscard]] bool has(QuotaKind kind) const { return counts_[static_cast<size_t>(kind)] != 0; }
  // Without values: the entity goes.
  void set(const QuotaEntity& entity, const QuotaValues& values);
  // nullopt: there is no limit.
  [[nodiscard]] std::optional<QuotaMatch> find(std::string_view user, std::string_view client_id, QuotaKind kind) const;

 private:
  std::map<QuotaEntity, QuotaValues> entries_;
  std::array<size_t, kQuotaKinds> counts_{};  // of values of each kind
};

// What DescribeClientQuotas asks about one part of entities: a name, the default, or whatever is told.
struct QuotaFilter {
  enum class Match : uint8_t { kNotAsked, kExact, kDefault, kAnyTold };
  struct Part {
    Match match = Match::kNotAsked;
    std::string name;
  };
  Part user;
  Part client_id;
  bool is_strict = false;  // entities with parts that are not asked about do not match
  [[nodiscard]] bool matches(const QuotaEntity& entity) const;
};

// As it is kept. nullopt: malformed.
[[nodiscard]] std::string quota_entity_text(const QuotaEntity& entity);
[[nodiscard]] std::optional<QuotaEntity> read_quota_entity(std::string_view text);
[[nodiscard]] std::string quota_values_text(const QuotaValues& values);
[[nodiscard]] std::optional<QuotaValues> read_quota_values(std::string_view text);

// A burst that is forgiven: so much of the rate's amount at once, after silence.
inline constexpr int64_t kQuotaBurstNs = 1'000'000'000;
// Below clients' request.timeout.ms (30 s by default). What is owed beyond it is asked for next time.
inline constexpr int32_t kThrottleMsMax = 10'000;

// Counts what those who share a quota use: the time at which, at the quota's rate, all of it would have been used up.
// Any thread.
class QuotaMeter {
 public:
  // Milliseconds to be silent, 0 within the quota.
  [[nodiscard]] int32_t charge(int64_t now_ns, double rate, uint64_t amount) const;

 private:
  mutable std::atomic<int64_t> used_until_ns_{0};
};

}  // namespace keelson::kafka
