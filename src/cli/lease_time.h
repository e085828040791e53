// When a lease may have run out elsewhere, seen from here.
//
// The server counts a lease's time from when it has read the request that grants or keeps it, which is after that was
// sent. So until `sent + time to live` by our own clock nobody else can have it, if both clocks run at nearly the same
// speed. What must be over by then is over at kill_at_ns(), a tenth of the time earlier: that is for clocks that differ
// in speed, and for the moment that a process takes to die. It is asked to end the grace period before that.
//
// Plain numbers of a monotonic clock, in nanoseconds.
#pragma once

#include <algorithm>
#include <cstdint>

namespace keelson::cli {

class LeaseTime {
 public:
  LeaseTime(int64_t time_to_live_ns, int64_t grace_ns) : time_to_live_ns_(time_to_live_ns), grace_ns_(grace_ns) {}

  // A request that was sent at this time has granted or kept the lease.
  void confirmed(int64_t sent_ns) { confirmed_ns_ = std::max(confirmed_ns_, sent_ns); }

  [[nodiscard]] int64_t kill_at_ns() const { return confirmed_ns_ + time_to_live_ns_ / 10 * 9; }
  [[nodiscard]] int64_t end_at_ns() const { return kill_at_ns() - grace_ns_; }
  // How often to keep it: three tries before end_at_ns() with the default grace period.
  [[nodiscard]] int64_t keep_every_ns() const { return (time_to_live_ns_ / 10 * 9 - grace_ns_) / 3; }

 private:
  int64_t time_to_live_ns_;
  int64_t grace_ns_;
  int64_t confirmed_ns_ = 0;
};

}  // namespace keelson::cli
