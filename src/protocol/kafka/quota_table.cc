#include "protocol/kafka/quota_table.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/coding.h"

namespace keelson::kafka {
namespace {

using enum QuotaName::Kind;

constexpr double kNsPerSecond = 1e9;
constexpr int64_t kNsPerMs = 1'000'000;
// A year: a rate near zero must not overflow what is reckoned with.
constexpr int64_t kDebtNsMax = int64_t{365} * 24 * 3600 * 1'000'000'000;

// What a quota's number says, in the kind's amount a second.
double rate_of(QuotaKind kind, double value) {
  return kind == QuotaKind::kRequestTime ? value / 100 * kNsPerSecond : value;
}

bool matches_part(const QuotaFilter::Part& part, const QuotaName& name, bool is_strict) {
  switch (part.match) {
    case QuotaFilter::Match::kNotAsked:
      return !is_strict || name.kind == kNone;
    case QuotaFilter::Match::kExact:
      return name.kind == kNamed && name.name == part.name;
    case QuotaFilter::Match::kDefault:
      return name.kind == kDefault;
    case QuotaFilter::Match::kAnyTold:
      return name.kind != kNone;
  }
  return false;
}

void append_name(std::string& text, const QuotaName& name) {
  append_u8(text, static_cast<uint8_t>(name.kind));
  if (name.kind == kNamed) append_string(text, name.name);
}

bool read_name(std::string_view& text, QuotaName& name) {
  uint8_t kind = 0;
  if (!read_u8(text, kind) || kind > static_cast<uint8_t>(kNamed)) return false;
  name.kind = static_cast<QuotaName::Kind>(kind);
  std::string_view read;
  if (name.kind == kNamed && !read_string(text, read)) return false;
  name.name = std::string(read);
  return true;
}

}  // namespace

std::optional<QuotaKind> quota_kind(std::string_view key) {
  const auto* found = std::ranges::find(kQuotaKeys, key);
  if (found == kQuotaKeys.end()) return std::nullopt;
  return static_cast<QuotaKind>(found - kQuotaKeys.begin());
}

void QuotaTable::set(const QuotaEntity& entity, const QuotaValues& values) {
  const auto before = entries_.find(entity);
  for (size_t kind = 0; kind < kQuotaKinds; ++kind) {
    if (before != entries_.end() && before->second[kind]) --counts_[kind];
    if (values[kind]) ++counts_[kind];
  }
  if (std::ranges::none_of(values, [](const std::optional<double>& value) { return value.has_value(); })) {
    entries_.erase(entity);
  } else {
    entries_[entity] = values;
  }
}

std::optional<QuotaMatch> QuotaTable::find(std::string_view user, std::string_view client_id, QuotaKind kind) const {
  if (!has(kind)) return std::nullopt;
  const QuotaName no_one;
  const QuotaName others{.kind = kDefault, .name = {}};
  const QuotaName this_user{.kind = kNamed, .name = std::string(user)};
  const QuotaName this_client{.kind = kNamed, .name = std::string(client_id)};
  const QuotaEntity by_rank[] = {{this_user, this_client}, {this_user, others}, {this_user, no_one},
                                 {others, this_client},    {others, others},    {others, no_one},
                                 {no_one, this_client},    {no_one, others}};
  for (const QuotaEntity& entity : by_rank) {
    const auto found = entries_.find(entity);
    if (found == entries_.end()) continue;
    const std::optional<double>& value = found->second[static_cast<size_t>(kind)];
    if (!value) continue;
    QuotaMatch match{.rate = rate_of(kind, *value), .meter = {}};
    append_u8(match.meter, static_cast<uint8_t>(kind));
    append_name(match.meter, entity.user.kind == kNone ? no_one : this_user);
    append_name(match.meter, entity.client_id.kind == kNone ? no_one : this_client);
    append_u64(match.meter, std::bit_cast<uint64_t>(match.rate));
    return match;
  }
  return std::nullopt;
}

bool QuotaFilter::matches(const QuotaEntity& entity) const {
  return matches_part(user, entity.user, is_strict) && matches_part(client_id, entity.client_id, is_strict);
}

std::string quota_entity_text(const QuotaEntity& entity) {
  std::string text;
  append_name(text, entity.user);
  append_name(text, entity.client_id);
  return text;
}

std::optional<QuotaEntity> read_quota_entity(std::string_view text) {
  QuotaEntity entity;
  if (!read_name(text, entity.user) || !read_name(text, entity.client_id) || !text.empty()) return std::nullopt;
  if (entity.user.kind == kNone && entity.client_id.kind == kNone) return std::nullopt;
  return entity;
}

std::string quota_values_text(const QuotaValues& values) {
  std::string text;
  for (const std::optional<double>& value : values) {
    append_u8(text, value ? 1 : 0);
    if (value) append_u64(text, std::bit_cast<uint64_t>(*value));
  }
  return text;
}

std::optional<QuotaValues> read_quota_values(std::string_view text) {
  QuotaValues values;
  for (std::optional<double>& value : values) {
    uint8_t is_there = 0;
    uint64_t bits = 0;
    if (!read_u8(text, is_there) || is_there > 1 || (is_there == 1 && !read_u64(text, bits))) return std::nullopt;
    if (is_there == 0) continue;
    value = std::bit_cast<double>(bits);
    if (!std::isfinite(*value) || *value <= 0) return std::nullopt;
  }
  return text.empty() ? std::optional<QuotaValues>(values) : std::nullopt;
}

int32_t QuotaMeter::charge(int64_t now_ns, double rate, uint64_t amount) const {
  const auto cost_ns = static_cast<int64_t>(
      std::min(static_cast<double>(amount) / rate * kNsPerSecond, static_cast<double>(kDebtNsMax)));
  int64_t before_ns = used_until_ns_.load(std::memory_order_relaxed);
  int64_t after_ns = 0;
  do {
    // No debt is longer than kDebtNsMax, so that sums stay far from the type's end.
    const int64_t from_ns = std::max(before_ns, now_ns - kQuotaBurstNs);
    after_ns = from_ns + std::min(cost_ns, now_ns + kDebtNsMax - from_ns);
  } while (!used_until_ns_.compare_exchange_weak(before_ns, after_ns, std::memory_order_relaxed));
  if (after_ns <= now_ns) return 0;
  return static_cast<int32_t>(std::min<int64_t>((after_ns - now_ns + kNsPerMs - 1) / kNsPerMs, kThrottleMsMax));
}

}  // namespace keelson::kafka
