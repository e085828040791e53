// The part of Keyspace that is about idle time, frequency and eviction.
#include <algorithm>
#include <limits>

#include "base/hash.h"
#include "engine/kv/access_clock.h"
#include "engine/kv/database.h"
#include "engine/kv/eviction_pool.h"
#include "engine/kv/keyspace.h"

namespace keelson::kv {
namespace {

[[nodiscard]] const Entry* entry_of(const Database& in, const ExpiryKey& key) {
  return in.table.find_where(key.hash, [&](const Entry& candidate) {
    return candidate.has_expiry() && candidate.expires_at_ms() == key.at_ms;
  });
}

}  // namespace

void EvictionPool::offer(uint64_t score, uint16_t database, std::string_view key) {
  for (auto it = candidates_.begin(); it != candidates_.end(); ++it) {
    if (it->victim.database != database || it->victim.key != key) continue;
    candidates_.erase(it);
    break;
  }
  if (candidates_.size() == kCandidatesMax) {
    if (score <= candidates_.front().score) return;
    candidates_.erase(candidates_.begin());
  }
  const auto place = std::upper_bound(candidates_.begin(), candidates_.end(), score,
                                      [](uint64_t value, const Candidate& other) { return value < other.score; });
  candidates_.insert(place, {score, {database, std::string(key)}});
}

EvictionPool::Candidate EvictionPool::take() {
  Candidate best = std::move(candidates_.back());
  candidates_.pop_back();
  return best;
}

int64_t Keyspace::idle_ms(const Value& value, int64_t now_ms) const {
  return int64_t{lru_idle_s(value.entry()->clock(), lru_clock(now_ms))} * 1000;
}

uint8_t Keyspace::frequency(const Value& value, int64_t now_ms) const {
  return lfu_decayed(value.entry()->clock(), lfu_minutes(now_ms), options_.lfu_decay_time_min);
}

void Keyspace::set_idle(Value& value, int64_t idle_ms_value, int64_t now_ms) {
  value.entry()->set_clock(lru_clock(now_ms - std::min(idle_ms_value, now_ms)));
}

void Keyspace::set_frequency(Value& value, uint8_t count, int64_t now_ms) {
  value.entry()->set_clock(lfu_clock(lfu_minutes(now_ms), count));
}

// Offers `samples` keys of the database to the pool.
void Keyspace::sample_victims(uint16_t database, unsigned samples, uint64_t& chance, int64_t now_ms) {
  const Database& in = *databases_[database];
  const EvictionPolicy policy = options_.eviction_policy;
  const size_t keys = is_volatile_only(policy) ? in.expiries.size() : in.table.size();
  if (keys == 0) return;
  for (unsigned i = 0; i < samples; ++i) {
    chance = mix64(chance + 0x9e3779b97f4a7c15ULL);
    const Entry* entry =
        is_volatile_only(policy) ? entry_of(in, in.expiries.at(chance % keys)) : in.table.random(chance);
    if (entry == nullptr) continue;
    uint64_t score = 0;
    switch (policy) {
      case EvictionPolicy::kAllKeysLru:
      case EvictionPolicy::kVolatileLru:
        score = lru_idle_s(entry->clock(), lru_clock(now_ms));
        break;
      case EvictionPolicy::kAllKeysLfu:
      case EvictionPolicy::kVolatileLfu:
        score = 255U - lfu_decayed(entry->clock(), lfu_minutes(now_ms), options_.lfu_decay_time_min);
        break;
      case EvictionPolicy::kVolatileTtl:
        score = std::numeric_limits<uint64_t>::max() - static_cast<uint64_t>(entry->expires_at_ms());
        break;
      default:
        score = chance >> 1;
        break;
    }
    eviction_pool_->offer(score, database, entry->key());
  }
}

std::optional<Victim> Keyspace::pick_victim(unsigned samples, uint64_t seed, int64_t now_ms) {
  const EvictionPolicy policy = options_.eviction_policy;
  if (policy == EvictionPolicy::kNoEviction) return std::nullopt;
  if (eviction_pool_ == nullptr) eviction_pool_ = std::make_unique<EvictionPool>();
  if (eviction_pool_->policy != policy) eviction_pool_->clear();
  eviction_pool_->policy = policy;
  const bool is_random = policy == EvictionPolicy::kAllKeysRandom || policy == EvictionPolicy::kVolatileRandom;
  if (is_random) eviction_pool_->clear();

  uint64_t chance = mix64(seed);
  if (policy == EvictionPolicy::kVolatileTtl) {
    // The index knows the earliest exactly.
    eviction_pool_->clear();
    for (unsigned i = 0; i < databases_.size(); ++i) {
      const Database& in = *databases_[i];
      if (in.expiries.size() == 0) continue;
      const ExpiryKey& first = in.expiries.at(0);
      if (const Entry* entry = entry_of(in, first)) {
        eviction_pool_->offer(std::numeric_limits<uint64_t>::max() - static_cast<uint64_t>(first.at_ms),
                              static_cast<uint16_t>(i), entry->key());
      }
    }
  } else {
    const size_t first = chance % databases_.size();
    for (size_t i = 0; i < databases_.size(); ++i) {
      const auto database = static_cast<uint16_t>((first + i) % databases_.size());
      sample_victims(database, is_random ? 1 : samples, chance, now_ms);
      if (is_random && !eviction_pool_->empty()) break;
    }
  }
  // What was good when it was sampled may be gone.
  while (!eviction_pool_->empty()) {
    Victim best = eviction_pool_->take().victim;
    const Table<EntryTraits>& table = databases_[best.database]->table;
    const Entry* entry = table.find(best.key, table.hash(best.key));
    if (entry != nullptr && (!is_volatile_only(policy) || entry->has_expiry())) return best;
  }
  return std::nullopt;
}

}  // namespace keelson::kv
