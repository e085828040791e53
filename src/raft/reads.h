// The linearizable reads of one member that are not confirmed yet.
//
// Reads of a turn share a round of ReadIndex; while kRoundsMax rounds are under way, further reads gather for the next.
// A round that is lost (raft-rs drops it when no leader is known) is asked again; a read that is older than its bound
// fails.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "base/function_ref.h"

namespace keelson::raft {

class Reads {
 public:
  // A second round may begin while the first one is on its way: a read waits for a round and a half at most.
  static constexpr size_t kRoundsMax = 2;

  // Asks the group for an index; `id` comes back by answered().
  using Ask = FunctionRef<void(uint64_t id)>;
  using Tell = FunctionRef<void(uint64_t read, bool is_confirmed)>;

  void add(uint64_t read, uint64_t tick) { gathered_.push_back({read, tick}); }
  // Begins a round if there are reads and room for it.
  void begin_round(uint64_t tick, Ask ask);
  void answered(uint64_t id, uint64_t index);
  // Rounds without an answer that were asked `after` ticks ago or earlier are asked anew.
  void ask_again(uint64_t tick, uint64_t after, Ask ask);
  void confirm(uint64_t applied, Tell tell);
  // Those that were added before that tick.
  void fail_before(uint64_t tick, Tell tell);
  // As if the round had come back: for a planted fault.
  void confirm_all(Tell tell);

  [[nodiscard]] bool empty() const { return gathered_.empty() && rounds_.empty(); }
  [[nodiscard]] bool has_gathered() const { return !gathered_.empty(); }
  [[nodiscard]] uint64_t pending() const;

 private:
  struct Read {
    uint64_t read = 0;
    uint64_t tick = 0;
  };
  struct Round {
    uint64_t id = 0;
    uint64_t asked_tick = 0;
    std::optional<uint64_t> index;
    std::vector<Read> reads;
  };
  [[nodiscard]] size_t rounds_open() const;

  std::vector<Read> gathered_;
  std::deque<Round> rounds_;
  uint64_t last_id_ = 0;
};

}  // namespace keelson::raft
