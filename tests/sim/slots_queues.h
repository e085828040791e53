// Lists that clients of a simulated cluster use as queues, and what became of every element: none comes out twice, and
// none is lost but for those that pops without an answer may have taken.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::sim_test {

class SlotsQueues {
 public:
  // Elements are nobody else's. Each push once, when its fate is known or given up on.
  void pushed(const std::string& queue, const std::string& element, bool is_acknowledged) {
    Queue& of = queues_[queue];
    of.pushed.insert(element);
    if (is_acknowledged) of.acknowledged.insert(element);
  }
  void popped(const std::string& queue, const std::string& element) {
    if (!queues_[queue].popped.insert(element).second)
      violate("element " + element + " of " + queue + " came out twice");
    ++count_;
  }
  void pop_unanswered(const std::string& queue) { ++queues_[queue].pops_unanswered; }
  // Everything may be gone.
  void flushed() { is_flushed_ = true; }

  // What the queue holds when nothing goes on any more.
  void holds(const std::string& queue, const std::vector<std::string>& elements) {
    const Queue& of = queues_[queue];
    std::set<std::string> there(elements.begin(), elements.end());
    if (there.size() != elements.size()) violate("an element is twice in " + queue);
    for (const std::string& element : there) {
      if (of.popped.contains(element)) violate("element " + element + " is in " + queue + " although it came out");
      if (!of.pushed.contains(element)) violate("element " + element + " is in " + queue + ", and nobody pushed it");
    }
    uint64_t missing = 0;
    std::string lost;
    for (const std::string& element : of.acknowledged) {
      if (there.contains(element) || of.popped.contains(element)) continue;
      ++missing;
      lost = element;
    }
    if (missing > of.pops_unanswered && !is_flushed_) {
      violate(std::to_string(missing) + " elements of " + queue + " are lost, " + lost + " among them; only " +
              std::to_string(of.pops_unanswered) + " pops were not answered");
    }
  }

  [[nodiscard]] const std::string& violation() const { return violation_; }
  [[nodiscard]] uint64_t popped_count() const { return count_; }

 private:
  struct Queue {
    std::set<std::string> pushed;  // maybe
    std::set<std::string> acknowledged;
    std::set<std::string> popped;
    uint64_t pops_unanswered = 0;
  };
  void violate(const std::string& what) {
    if (violation_.empty()) violation_ = what;
  }

  std::map<std::string, Queue> queues_;
  bool is_flushed_ = false;
  uint64_t count_ = 0;
  std::string violation_;
};

}  // namespace keelson::sim_test
