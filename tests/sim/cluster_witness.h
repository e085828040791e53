// Sees what the replicas of a simulated cluster do, and that they agree: the same record at the same index, the same
// state at the same index, one leader for each term. Lives as long as the world; replicas come and go.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

namespace keelson::sim_test {

class ClusterWitness {
 public:
  // The replica of that shard has applied a record whose bytes hash to this.
  void applied(unsigned node, unsigned shard, uint64_t index, uint64_t record_hash) {
    compare(records_, node, shard, index, record_hash, "applied another record");
    ++applied_;
  }
  // The state behind that record hashes to this.
  void has_state(unsigned node, unsigned shard, uint64_t index, uint64_t state_hash) {
    compare(states_, node, shard, index, state_hash, "has another state");
    ++states_compared_;
  }
  void leads(unsigned node, unsigned shard, uint64_t term) {
    const auto [found, is_new] = leaders_.try_emplace({shard, term}, node);
    if (!is_new && found->second != node) {
      violate("shard " + std::to_string(shard) + " has two leaders in term " + std::to_string(term) + ": nodes " +
              std::to_string(found->second) + " and " + std::to_string(node));
    }
  }
  void violate(const std::string& what) {
    if (violation_.empty()) violation_ = what;
  }

  [[nodiscard]] const std::string& violation() const { return violation_; }
  [[nodiscard]] uint64_t applied_count() const { return applied_; }
  [[nodiscard]] uint64_t states_compared() const { return states_compared_; }
  // Pairs of a shard and a term that had a leader.
  [[nodiscard]] uint64_t elections() const { return leaders_.size(); }

 private:
  using Place = std::pair<unsigned, uint64_t>;  // shard, index
  struct Seen {
    uint64_t hash = 0;
    unsigned node = 0;
  };
  void compare(std::map<Place, Seen>& seen, unsigned node, unsigned shard, uint64_t index, uint64_t hash,
               const char* what) {
    const auto [found, is_new] = seen.try_emplace({shard, index}, Seen{hash, node});
    if (!is_new && found->second.hash != hash) {
      violate("node " + std::to_string(node) + " " + what + " than node " + std::to_string(found->second.node) +
              " at index " + std::to_string(index) + " of shard " + std::to_string(shard));
    }
  }

  std::map<Place, Seen> records_;
  std::map<Place, Seen> states_;
  std::map<Place, unsigned> leaders_;  // shard, term
  uint64_t applied_ = 0;
  uint64_t states_compared_ = 0;
  std::string violation_;
};

}  // namespace keelson::sim_test
