// Sees the tables of slots of a simulated cluster's shards change, and that no slot ever has two owners.
//
// Replicas lag: one that has not applied yet that its shard gave a slot up owns it in its own eyes, and harms nobody,
// since its group would not confirm what it answers. What counts is the newest table of each shard that any replica has
// reached: no slot may be kOwned or kFrozen (which answers reads) in the newest tables of two shards. So kOwned at the
// shard that takes a slot is applied nowhere before kGone has been applied somewhere at the shard that gives it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "base/hash.h"
#include "shard/slot_table.h"
#include "tests/sim/cluster_witness.h"

namespace keelson::sim_test {

class SlotsWitness {
 public:
  SlotsWitness(ClusterWitness& all, unsigned shards) : all_(all) {
    const shard::Router router(0, static_cast<uint16_t>(shards), 1);
    for (unsigned i = 0; i < shards; ++i) {
      const shard::SlotRange home{static_cast<uint16_t>(router.home_begin(i)),
                                  static_cast<uint16_t>(router.home_begin(i + 1) - 1), shard::SlotState::kOwned, 0, 0};
      newest_[i].ranges.push_back(home);
    }
  }

  // The replica's table has changed by the entry at that index; it is its nth change there.
  void changed(unsigned node, unsigned shard, uint64_t index, unsigned nth, const shard::SlotTable& table) {
    Buffer bytes;
    table.encode(bytes);
    const uint64_t hash = hash64(bytes.view(), 0);
    const auto [found, is_new] = tables_.try_emplace({shard, index, nth}, hash);
    if (!is_new && found->second != hash) {
      all_.violate("node " + std::to_string(node) + " has another table of slots at index " + std::to_string(index) +
                   " of shard " + std::to_string(shard));
    }
    reached(shard, index, nth, table);
  }
  // A checkpoint has brought it there.
  void reached(unsigned shard, uint64_t index, unsigned nth, const shard::SlotTable& table) {
    Newest& newest = newest_[shard];
    if (table.ranges().empty() || std::pair(index, nth) <= std::pair(newest.index, newest.nth)) return;
    std::vector<shard::SlotRange> ranges = table.ranges();
    count(newest.ranges, ranges);
    newest = {index, nth, std::move(ranges)};
    for (const auto& [other, its] : newest_) {
      if (other != shard) expect_apart(shard, newest, other, its);
    }
  }

  struct Newest {
    uint64_t index = 0;
    unsigned nth = 0;
    std::vector<shard::SlotRange> ranges;  // a slot that is missing is kGone at epoch 0
  };
  [[nodiscard]] const std::map<unsigned, Newest>& newest() const { return newest_; }
  // Ranges that came to be owned where they had been imported.
  [[nodiscard]] uint64_t moved() const { return moved_; }
  [[nodiscard]] uint64_t freezes() const { return freezes_; }
  [[nodiscard]] uint64_t thaws() const { return thaws_; }

 private:
  static bool answers(const shard::SlotRange& range) {
    return range.state == shard::SlotState::kOwned || range.state == shard::SlotState::kFrozen;
  }
  static const shard::SlotRange* find(const std::vector<shard::SlotRange>& ranges, uint16_t slot) {
    for (const shard::SlotRange& range : ranges) {
      if (range.first <= slot && slot <= range.last) return &range;
    }
    return nullptr;
  }
  void count(const std::vector<shard::SlotRange>& before, const std::vector<shard::SlotRange>& after) {
    using shard::SlotState;
    for (const shard::SlotRange& range : after) {
      const shard::SlotRange* was = find(before, range.first);
      if (was == nullptr || was->state == range.state) continue;
      if (range.state == SlotState::kOwned && was->state == SlotState::kImporting) ++moved_;
      if (range.state == SlotState::kFrozen) ++freezes_;
      if (range.state == SlotState::kOwned && was->state == SlotState::kFrozen) ++thaws_;
    }
  }
  void expect_apart(unsigned shard, const Newest& one, unsigned other, const Newest& its) {
    for (const shard::SlotRange& a : one.ranges) {
      if (!answers(a)) continue;
      for (const shard::SlotRange& b : its.ranges) {
        if (!answers(b) || a.first > b.last || b.first > a.last) continue;
        all_.violate("slot " + std::to_string(std::max(a.first, b.first)) + " has two owners: shard " +
                     std::to_string(shard) + " (state " + std::to_string(static_cast<int>(a.state)) + ", epoch " +
                     std::to_string(a.epoch) + ", index " + std::to_string(one.index) + ") and shard " +
                     std::to_string(other) + " (state " + std::to_string(static_cast<int>(b.state)) + ", epoch " +
                     std::to_string(b.epoch) + ", index " + std::to_string(its.index) + ")");
      }
    }
  }

  ClusterWitness& all_;
  std::map<unsigned, Newest> newest_;
  std::map<std::tuple<unsigned, uint64_t, unsigned>, uint64_t> tables_;  // shard, index, nth
  uint64_t moved_ = 0;
  uint64_t freezes_ = 0;
  uint64_t thaws_ = 0;
};

}  // namespace keelson::sim_test
