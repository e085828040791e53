// Everything that happens in a simulated life of coordination: what clients asked and were answered, what watchers were
// told, what replicas applied. In the end it is judged. Lives as long as the world.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "engine/coord/types.h"
#include "tests/sim/linear_store.h"
#include "tests/sim/watch_checker.h"

namespace keelson::sim_test {

class CoordBook {
 public:
  // ---- Clients. A call stands in the book from its beginning; it is struck out if it is certain to have had no
  // effect.
  size_t call(linear::StoreCall call, unsigned by, int64_t now_ns);
  void answered(size_t number, linear::StoreCall with_answer, int64_t now_ns);
  void had_no_effect(size_t number) { is_void_[number] = true; }
  // The lease's keys may go from then on, at the earliest. Called again after each keep-alive.
  void lease_holds_until(int64_t lease, int64_t until_ns);
  void compacting(int64_t revision) { compacted_ = std::max(compacted_, revision); }
  [[nodiscard]] int64_t compacted() const { return compacted_; }

  // ---- Watchers. The reference holds as long as the book.
  WatchRecord& watch() { return watches_.emplace_back(); }
  // Nothing is written any more, and everything was told: who still stands must know everything.
  [[nodiscard]] std::deque<WatchRecord>& watches() { return watches_; }

  // ---- Replicas. Every one tells everything that it applies; all must tell the same.
  void applied(unsigned node, WatchedEvent now);
  // The last one that was applied anywhere.
  [[nodiscard]] int64_t last_revision() const;
  // Keys that stand under a lease, after all that was applied.
  [[nodiscard]] std::vector<std::string> leased_keys() const;

  void violate(const std::string& what) {
    if (violation_.empty()) violation_ = what;
  }
  [[nodiscard]] const std::string& violation() const { return violation_; }

  struct Sums {
    uint64_t answered = 0;
    uint64_t unanswered = 0;
    uint64_t events = 0;  // that really happened
    uint64_t events_watched = 0;
    uint64_t leases = 0;  // that were granted
    uint64_t leased = 0;  // puts under one
  };
  [[nodiscard]] Sums sums() const;
  // The first promise that was broken, or empty. Undecided: as linear.h says.
  [[nodiscard]] std::string judge(linear::Limits limits, bool& is_undecided) const;

 private:
  [[nodiscard]] linear::StoreHistory settled_history() const;

  linear::StoreHistory history_;
  std::vector<bool> is_void_;
  std::map<int64_t, int64_t> leases_;  // until when each holds, in ns
  int64_t compacted_ = 0;
  std::deque<WatchRecord> watches_;
  TrueHistory truth_;
  std::map<std::string, int64_t> revision_of_value_;
  std::string violation_;
};

// An event of the engine or the service in the judge's words.
[[nodiscard]] WatchedEvent to_watched(const coord::KeyValue& kv);

}  // namespace keelson::sim_test
