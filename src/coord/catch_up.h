// Watchers that are told history, in cohorts. For this folder alone.
//
// A cohort is a set of watchers that are told the same stretch of history together, so that ten thousand clients that
// come back at once cost one walk through it. It has a position, up to which its members have been told everything that
// concerns them; a member that wants to begin later is passed by until then. A step reads one slice for one cohort,
// each in turn, so that none waits for another, and puts what it matched before its members; one whose client's queue
// is full leaves. Where a cohort reaches another's position they become one; where it reaches the present, its members
// are synced.
//
// There are few cohorts. A watcher joins one that is behind where it wants to begin and near enough; or the one that is
// about to begin, which waits a moment for others and begins where the first of them wants to; or, when all cohorts are
// on their way, it waits.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "coord/gathering.h"
#include "coord/stream_state.h"
#include "env/reactor.h"

namespace keelson::coord {

class WatchHub;

class CatchUp {
 public:
  // `begin_work`: there is something to do again.
  CatchUp(WatchHub& hub, env::Reactor& home, std::function<void()> begin_work);

  // A watcher that is in no list: it wants what happened from its next_revision on.
  void join(Watcher& watcher);
  // Takes a watcher (kBehind or kWaiting) out again, without a list.
  void leave(Watcher& watcher);
  // The first revision that it has not been told of.
  [[nodiscard]] Revision next_of(const Watcher& watcher) const;
  [[nodiscard]] bool has_work() const { return cohorts_under_way_ != 0; }
  void step();
  void stop() { gather_timer_.disarm(); }

 private:
  // More cohorts share less of their reading; fewer let one that begins far back hold up those near the end.
  static constexpr size_t kCohortsMax = 8;
  // etcd waits up to 100 ms for others. It is what a slow client waits for each of its full queues, too.
  static constexpr int64_t kGatherNs = 2'000'000;
  // Members that become synced in one step.
  static constexpr size_t kMovesMax = 10'000;

  struct Cohort {
    Revision position = 0;
    std::vector<Watcher*> members;
    bool is_used = false;
    bool is_under_way = false;  // else it still waits for others
  };

  void begin_gathered();
  void add(size_t which, Watcher& watcher);
  void take_out(Watcher& watcher);
  void end_if_empty(size_t which);
  void pass_compaction(size_t which);
  // The last revision that was read.
  Revision read(size_t which, Revision to);
  void tell(size_t which);
  void merge(size_t from, size_t into);
  void finish(size_t which);
  [[nodiscard]] size_t next_cohort();

  WatchHub& hub_;
  std::array<Cohort, kCohortsMax> cohorts_;
  size_t cohorts_under_way_ = 0;
  size_t gathering_cohort_ = kCohortsMax;  // kCohortsMax: none
  env::Timer gather_timer_;
  std::function<void()> begin_work_;
  size_t last_turn_ = 0;
  Watcher* waiting_ = nullptr;
  Gathering gathering_;
};

}  // namespace keelson::coord
