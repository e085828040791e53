#include "raft/reads.h"

#include <algorithm>
#include <utility>

namespace keelson::raft {

size_t Reads::rounds_open() const {
  return static_cast<size_t>(std::ranges::count_if(rounds_, [](const Round& round) { return !round.index; }));
}

void Reads::begin_round(uint64_t tick, Ask ask) {
  if (gathered_.empty() || rounds_open() >= kRoundsMax) return;
  rounds_.push_back({++last_id_, tick, std::nullopt, std::exchange(gathered_, {})});
  ask(last_id_);
}

void Reads::answered(uint64_t id, uint64_t index) {
  for (Round& round : rounds_) {
    if (round.id == id) round.index = index;
  }
}

void Reads::ask_again(uint64_t tick, uint64_t after, Ask ask) {
  for (Round& round : rounds_) {
    if (round.index || round.asked_tick + after > tick) continue;
    round.id = ++last_id_;
    round.asked_tick = tick;
    ask(round.id);
  }
}

void Reads::confirm(uint64_t applied, Tell tell) {
  // Reads may be added while it tells.
  for (auto it = rounds_.begin(); it != rounds_.end();) {
    if (!it->index || *it->index > applied) {
      ++it;
      continue;
    }
    const std::vector<Read> reads = std::move(it->reads);
    it = rounds_.erase(it);
    for (const Read& read : reads) tell(read.read, true);
  }
}

void Reads::fail_before(uint64_t tick, Tell tell) {
  std::vector<Read> failed;
  const auto take = [&](std::vector<Read>& from) {
    std::erase_if(from, [&](const Read& read) {
      if (read.tick >= tick) return false;
      failed.push_back(read);
      return true;
    });
  };
  for (Round& round : rounds_) take(round.reads);
  std::erase_if(rounds_, [](const Round& round) { return round.reads.empty(); });
  take(gathered_);
  for (const Read& read : failed) tell(read.read, false);
}

void Reads::confirm_all(Tell tell) {
  for (const Read& read : std::exchange(gathered_, {})) tell(read.read, true);
}

uint64_t Reads::pending() const {
  uint64_t count = gathered_.size();
  for (const Round& round : rounds_) count += round.reads.size();
  return count;
}

}  // namespace keelson::raft
