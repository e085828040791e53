// The times of leases on the node that leads. See lease.h. For this folder alone; on the shard's reactor.
//
// A deadline that is put off stays where it is in the queue, and is looked at again when its old time comes: so a
// keep-alive costs a look-up. That of a lease that is gone stays too, until there are more of these than of others.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "coord/lease.h"
#include "coord/statistics.h"
#include "engine/coord/answer.h"
#include "engine/coord/commands.h"
#include "env/reactor.h"

namespace keelson::coord {

class LeaseClock {
 public:
  // Logs the end of these leases; expired() follows, in a later turn or within the call.
  using Expire = std::function<void(std::vector<LeaseExpire::Item> items)>;
  using Answer = std::move_only_function<void(LeaseAnswer)>;

  LeaseClock(env::Reactor& home, Statistics& statistics, Expire expire);

  // Leads from now on, with these leases; each has its whole time. A second call begins anew.
  void begin(std::span<const LeaseInfo> leases);
  // Does not lead any more.
  void end();

  // What was applied. Nothing while this node does not lead.
  void granted(const LeaseInfo& lease);
  void gone(LeaseId lease);

  // kNoLeader if this node does not lead. A lease whose end is being logged answers when that is decided.
  void keep_alive(LeaseId lease, Answer answer);
  [[nodiscard]] LeaseAnswer time_to_live(LeaseId lease) const;

  enum class Ended : uint8_t {
    kLogged,
    kNotLogged,  // and never will be: the leases go on, and who wanted them kept alive has them
    kUnknown,    // the record may end them yet: they are kept alive for nobody, and their end is logged again
  };
  // What became of what expire() asked for.
  void expired(Ended ended);

  // Deadlines that are kept, those of leases that are gone among them.
  [[nodiscard]] size_t deadlines() const { return due_.size(); }
  // Of leases that are gone, this many besides as many as there are leases: for few leases it is not worth the while.
  static constexpr size_t kGoneDeadlinesMax = 1000;

  // Leases in one record: their keys are deleted in one call of the engine's.
  static constexpr size_t kExpireMax = 100;
  // After a record that failed.
  static constexpr int64_t kRetryMs = 500;

 private:
  struct Timed {
    LeaseInfo info;
    int64_t deadline_ns = 0;
    bool is_ending = false;
    std::vector<Answer> waiting;  // keep-alives that came too late, maybe
  };
  struct Due {
    int64_t at_ns = 0;
    LeaseId lease = 0;
    uint64_t grant = 0;
    // The heap's top is the greatest: the earliest, and of these the smallest.
    bool operator<(const Due& other) const { return at_ns != other.at_ns ? at_ns > other.at_ns : lease > other.lease; }
  };

  [[nodiscard]] int64_t now_ns() const { return home_.clock().monotonic_ns(); }
  void add(const LeaseInfo& lease, int64_t now);
  void push(const Due& due);
  void put_off(Timed& timed, int64_t now) const;
  [[nodiscard]] LeaseAnswer renew(Timed& timed);
  void arm();
  void look();

  env::Reactor& home_;
  Statistics& statistics_;
  Expire expire_;
  bool is_leading_ = false;
  boost::unordered_flat_map<LeaseId, Timed> leases_;
  std::vector<Due> due_;                   // a heap
  std::vector<LeaseExpire::Item> ending_;  // of the record that is under way
  bool is_expiring_ = false;
  env::Timer timer_;
};

}  // namespace keelson::coord
