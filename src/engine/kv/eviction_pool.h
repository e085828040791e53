// Candidates for eviction, the best last: what repeated small samples have found so far. Redis's approximation of LRU.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/kv/keyspace.h"

namespace keelson::kv {

class EvictionPool {
 public:
  static constexpr size_t kCandidatesMax = 16;

  struct Candidate {
    uint64_t score = 0;  // the higher, the sooner it goes
    Victim victim;
  };

  // Keeps it if it is among the best, once for each key.
  void offer(uint64_t score, uint16_t database, std::string_view key);
  [[nodiscard]] bool empty() const { return candidates_.empty(); }
  // The best.
  Candidate take();
  void clear() { candidates_.clear(); }
  // Under which policy the candidates were scored.
  EvictionPolicy policy = EvictionPolicy::kNoEviction;

 private:
  std::vector<Candidate> candidates_;  // ascending by score
};

}  // namespace keelson::kv
