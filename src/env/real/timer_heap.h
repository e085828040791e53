// The timers of one reactor: a heap with four children to a node, the earliest (time, then order of arming) on top.
//
// Each timer knows its slot, so that moving or disarming one costs no search. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "env/reactor.h"

namespace keelson::env {

class TimerHeap {
 public:
  [[nodiscard]] bool empty() const { return heap_.empty(); }
  [[nodiscard]] size_t size() const { return heap_.size(); }
  // Only if not empty.
  [[nodiscard]] int64_t next_at_ns() const { return heap_.front().at_ns; }

  void arm(Timer& timer, int64_t at_ns) {
    const Entry entry{at_ns, ++sequence_, &timer};
    if (!timer.place.armed) {
      timer.place.armed = true;
      heap_.push_back(entry);
      move_up(heap_.size() - 1, entry);
      return;
    }
    // The order of arming breaks ties, so a timer that is armed again for the same time goes behind.
    settle(timer.place.slot, entry);
  }

  void disarm(Timer& timer) {
    if (!timer.place.armed) return;
    timer.place.armed = false;
    const size_t hole = timer.place.slot;
    const Entry last = heap_.back();
    heap_.pop_back();
    if (hole < heap_.size()) settle(hole, last);
  }

  // Fires what is due and was armed before the call; a timer that one of them arms waits for the next call. The count.
  size_t fire_due(int64_t now_ns) {
    const uint64_t sequence_max = sequence_;
    size_t fired = 0;
    while (!heap_.empty() && heap_.front().at_ns <= now_ns && heap_.front().sequence <= sequence_max) {
      Timer& timer = *heap_.front().timer;
      disarm(timer);
      timer.fire();
      ++fired;
    }
    return fired;
  }

 private:
  struct Entry {
    int64_t at_ns;
    uint64_t sequence;
    Timer* timer;
    [[nodiscard]] bool before(const Entry& other) const {
      return at_ns != other.at_ns ? at_ns < other.at_ns : sequence < other.sequence;
    }
  };
  static constexpr size_t kChildren = 4;

  void set(size_t slot, const Entry& entry) {
    heap_[slot] = entry;
    entry.timer->place.at_ns = entry.at_ns;
    entry.timer->place.sequence = entry.sequence;
    entry.timer->place.slot = slot;
  }

  void settle(size_t slot, const Entry& entry) {
    if (slot > 0 && entry.before(heap_[(slot - 1) / kChildren])) {
      move_up(slot, entry);
    } else {
      move_down(slot, entry);
    }
  }

  void move_up(size_t slot, const Entry& entry) {
    while (slot > 0) {
      const size_t parent = (slot - 1) / kChildren;
      if (!entry.before(heap_[parent])) break;
      set(slot, heap_[parent]);
      slot = parent;
    }
    set(slot, entry);
  }

  void move_down(size_t slot, const Entry& entry) {
    for (;;) {
      const size_t first = slot * kChildren + 1;
      if (first >= heap_.size()) break;
      size_t least = first;
      for (size_t child = first + 1; child < first + kChildren && child < heap_.size(); ++child) {
        if (heap_[child].before(heap_[least])) least = child;
      }
      if (!heap_[least].before(entry)) break;
      set(slot, heap_[least]);
      slot = least;
    }
    set(slot, entry);
  }

  std::vector<Entry> heap_;
  uint64_t sequence_ = 0;
};

}  // namespace keelson::env
