// A Raft group of simulated members: a network that loses, delays, doubles, reorders and cuts one way or both; crashes
// that lose unsynced writes; slow disks; changes of members, transfers of leadership, checkpoints and truncation at
// tiny thresholds. All from one seed, on virtual time.
//
// Checked all the while: one leader for each term; the same state at the same index on every member; what was
// acknowledged stays in the history; a read sees every write acknowledged before it began; what a leader knows to match
// stays below what it sends next. After the faults end: a leader within a bound, and everybody agrees.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <vector>

#include "env/sim/chance.h"
#include "tests/sim/raft_member.h"

namespace keelson::tests {

struct RaftCounts {
  uint64_t acknowledged = 0;
  uint64_t reads = 0;
  uint64_t elections = 0;  // terms that had a leader
  uint64_t crashes = 0;
  uint64_t snapshots = 0;
  uint64_t changes = 0;
};

class RaftWorld {
 public:
  RaftWorld(uint64_t seed, RaftBug bug);
  // None: every promise was kept; else which was broken.
  std::optional<std::string> run();
  [[nodiscard]] const RaftCounts& counts() const { return counts_; }

 private:
  struct Event {
    uint64_t at_us = 0;
    uint64_t order = 0;
    std::function<void()> run;
    bool operator<(const Event& other) const {
      return at_us != other.at_us ? at_us > other.at_us : order > other.order;
    }
  };
  struct Faults {
    double loss = 0;
    double doubled = 0;
    int64_t delay_us_max = 5'000;
    int64_t sync_us_max = 5'000;
    int64_t crash_every_us = 0;
    int64_t cut_every_us = 0;
    int64_t change_every_us = 0;
    int64_t transfer_every_us = 0;
    int64_t checkpoint_every_us = 200'000;
  };

  void after(int64_t delay_us, std::function<void()> run);
  void run_until(uint64_t at_us);
  void each(int64_t about_us, const std::function<void()>& run);

  void draw_faults();
  void start_member(MemberId id);
  void tick(MemberId id);
  void settle(RaftMember& member);
  void send(MemberId from, Send send);
  void deliver(MemberId from, const Send& send);
  void sync(MemberId id);

  void propose();
  void read();
  void crash_one();
  void cut_links();
  void change_members();
  void transfer();
  void checkpoint_one();

  void check_applied(const RaftMember& member, const AppliedEntry& entry);
  void check_leader(RaftMember& member);
  void answer_reads(RaftMember& member);
  void check_end();
  void fail(const std::string& what);
  RaftMember* pick_up();
  RaftMember* leader();

  const RaftBug bug_;
  env::sim::Chance chance_;
  Faults faults_;
  uint64_t now_us_ = 0;
  uint64_t events_ = 0;
  std::priority_queue<Event> queue_;
  bool has_faults_ = true;
  std::map<MemberId, std::unique_ptr<RaftMember>> members_;
  std::map<MemberId, uint64_t> lives_;  // counts starts: an event of an earlier life does nothing
  std::set<std::pair<MemberId, MemberId>> cut_;

  struct History {
    uint64_t term = 0;
    uint64_t hash = 0;
    std::string context;
  };
  std::map<uint64_t, History> history_;    // index -> what was applied there
  std::map<uint64_t, MemberId> leaders_;   // term -> who
  std::map<std::string, MemberId> asked_;  // proposals under way -> to whom
  uint64_t acknowledged_index_ = 0;
  struct Read {
    MemberId at = 0;
    uint64_t life = 0;
    uint64_t must_see = 0;  // the last index acknowledged when it began
    std::optional<uint64_t> index;
  };
  std::map<std::string, Read> reads_;
  uint64_t next_id_ = 1;
  std::optional<std::string> broken_;
  RaftCounts counts_;
};

}  // namespace keelson::tests
