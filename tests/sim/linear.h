// Is there an order of these calls, one after another, that explains what each was answered and keeps the order of
// calls that did not overlap? (Linearizability: Herlihy and Wing, 1990. The search is Wing and Gong's, just in time as
// Lowe has it in "Testing for linearizability", 2017, with his memory of configurations.)
//
// A call whose answer was never seen may have taken effect at any time after it was made, or never.
//
// The search walks along the moments at which calls began and ended. A configuration is such a moment, the state, and
// which of the open calls have taken effect; at the end of a call it must have. Nothing is put in order before it has
// to be, so a good history is walked through nearly without a choice. A configuration that failed is remembered, and so
// is every other that differs only in having used up more of the calls without an answer: it could do less. So those
// that used fewer are looked at first, and of equal calls without an answer the first that is left. If nothing is left,
// the history up to the furthest end that was reached is the shortest beginning that cannot be explained, and
// the verdict tells it. A bound on the steps makes the verdict kUndecided instead of a search without end.
//
// Histories of independent objects (keys) are judged each by itself: a history is linearizable if and only if that of
// each object is.
//
// A Model is a struct with
//   using State;                                       // copyable, ==; default: the state at the beginning
//   using Call;                                        // with its answer
//   static bool step(State&, const Call&, bool is_answered);  // false: could not have been answered so
//   static bool is_read(const Call&);                  // changes no state, ever
//   static uint64_t hash(const State&);
//   static std::string text(const State&);
//   static std::string text(const Call&, bool is_answered);   // equal for equal calls alone
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <queue>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/hash.h"

namespace keelson::sim_test::linear {

inline constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

template <class Call>
struct Recorded {
  Call call;
  int64_t called_at = 0;
  int64_t returned_at = kNever;  // kNever: nobody knows what became of it
  unsigned by = 0;               // the client, for the reader
  [[nodiscard]] bool is_answered() const { return returned_at != kNever; }
};

enum class Verdict : uint8_t { kLinearizable, kViolated, kUndecided };

struct Judgement {
  Verdict verdict = Verdict::kLinearizable;
  std::string explanation;    // of anything but kLinearizable
  std::vector<size_t> order;  // kLinearizable: positions in the history, in an order that explains it
  uint64_t steps = 0;
};

struct Limits {
  // Configurations looked at; each costs some 100 bytes, states apart.
  uint64_t steps_max = 1'000'000;
};

// Calls with an answer that may be open at the same time: more than any test has clients. Without an answer: those of a
// long run with crashes all the while. Past either the verdict is kUndecided.
inline constexpr size_t kOpenMax = 64;
inline constexpr size_t kUnansweredMax = 512;

namespace detail {

struct Bits {
  std::array<uint64_t, kUnansweredMax / 64> words{};
  [[nodiscard]] bool has(size_t bit) const { return (words[bit / 64] >> (bit % 64) & 1) != 0; }
  void set(size_t bit) { words[bit / 64] |= uint64_t{1} << (bit % 64); }
  [[nodiscard]] bool is_within(const Bits& other) const {
    for (size_t i = 0; i < words.size(); ++i) {
      if ((words[i] & ~other.words[i]) != 0) return false;
    }
    return true;
  }
};

// Gives equal states one number.
template <class Model>
class States {
 public:
  using State = typename Model::State;
  uint32_t number_of(State state) {
    std::vector<uint32_t>& alike = by_hash_[Model::hash(state)];
    for (const uint32_t number : alike) {
      if (states_[number] == state) return number;
    }
    alike.push_back(static_cast<uint32_t>(states_.size()));
    states_.push_back(std::move(state));
    return alike.back();
  }
  [[nodiscard]] const State& operator[](uint32_t number) const { return states_[number]; }

 private:
  std::vector<State> states_;
  std::unordered_map<uint64_t, std::vector<uint32_t>> by_hash_;
};

}  // namespace detail

template <class Model>
class Search {
 public:
  using Call = typename Model::Call;
  using History = std::vector<Recorded<Call>>;

  Search(const History& history, Limits limits) : history_(history), limits_(limits) {}

  Judgement run() {
    if (!lay_out()) return undecided("too many calls are open at the same time");
    push({.moment = 0,
          .state = states_.number_of({}),
          .done = 0,
          .used = {},
          .used_count = 0,
          .parent = kNone,
          .by = kNone});
    while (!waiting_.empty()) {
      if (++steps_ > limits_.steps_max) return undecided("the search took more than its steps");
      const uint32_t at = waiting_.top().at;
      waiting_.pop();
      if (go_on(at)) return linearizable(at);
    }
    return violated();
  }

 private:
  static constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();
  static constexpr size_t kLookedAtForAStep = 64;  // comparisons that take as long as the rest of a step

  struct Moment {
    bool is_end = false;
    uint32_t call = 0;
    std::vector<uint32_t> open;     // of an end: calls with an answer that are open there, its own first
    uint32_t unanswered_count = 0;  // of an end: how many of unanswered_ had begun
  };
  struct Configuration {
    uint32_t moment = 0;
    uint32_t state = 0;
    uint64_t done = 0;  // slots of open calls that have taken effect
    detail::Bits used;  // of unanswered_
    uint32_t used_count = 0;
    uint32_t parent = kNone;
    uint32_t by = kNone;  // the call that led here from the parent
  };
  // The furthest first; there the one that used up least; of those the newest.
  struct Waiting {
    uint32_t moment, used_count, at;
    bool operator<(const Waiting& other) const {
      return std::tuple(moment, other.used_count, at) < std::tuple(other.moment, used_count, other.at);
    }
  };
  struct Key {
    uint32_t moment, state;
    uint64_t done;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const {
      return mix64(mix64((uint64_t{key.moment} << 32) ^ key.state) ^ key.done);
    }
  };

  // The moments in order, and a slot for each call with an answer; slots are used again.
  bool lay_out() {
    std::vector<std::pair<int64_t, uint64_t>> times;  // a beginning before an end at the same time: they overlap
    const uint64_t count = history_.size();
    for (uint64_t i = 0; i < count; ++i) {
      if (!history_[i].is_answered() && Model::is_read(history_[i].call)) continue;
      times.emplace_back(history_[i].called_at, i);
      if (history_[i].is_answered()) times.emplace_back(history_[i].returned_at, count + i);
    }
    std::sort(times.begin(), times.end());
    slots_.assign(count, kNone);
    std::vector<uint32_t> open;
    std::unordered_map<std::string, uint32_t> last_equal;
    uint64_t taken = 0;
    for (const auto& [time, which] : times) {
      const bool is_end = which >= count;
      const auto call = static_cast<uint32_t>(is_end ? which - count : which);
      Moment moment{.is_end = is_end, .call = call, .open = {}, .unanswered_count = 0};
      if (is_end) {
        std::erase(open, call);
        moment.open = open;
        moment.open.insert(moment.open.begin(), call);
        moment.unanswered_count = static_cast<uint32_t>(unanswered_.size());
        taken &= ~(uint64_t{1} << slots_[call]);
      } else if (history_[call].is_answered()) {
        if (open.size() == kOpenMax) return false;
        slots_[call] = static_cast<uint32_t>(std::countr_one(taken));
        taken |= uint64_t{1} << slots_[call];
        open.push_back(call);
      } else {
        slots_[call] = static_cast<uint32_t>(unanswered_.size());
        unanswered_.push_back(call);
        const auto [equal, is_first] = last_equal.try_emplace(Model::text(history_[call].call, false), kNone);
        equal_before_.push_back(std::exchange(equal->second, slots_[call]));
        if (unanswered_.size() > kUnansweredMax) return false;
      }
      moments_.push_back(std::move(moment));
    }
    return true;
  }

  void push(const Configuration& configuration) {
    waiting_.push({configuration.moment, configuration.used_count, static_cast<uint32_t>(configurations_.size())});
    configurations_.push_back(configuration);
  }

  // True: the end of the history is reached.
  bool go_on(uint32_t at) {
    Configuration here = configurations_[at];
    for (; here.moment < moments_.size(); ++here.moment) {
      const Moment& moment = moments_[here.moment];
      if (!moment.is_end) continue;
      const uint64_t bit = uint64_t{1} << slots_[moment.call];
      if ((here.done & bit) == 0) break;
      here.done &= ~bit;
    }
    if (here.moment == moments_.size()) return true;
    if (here.moment > furthest_) {
      furthest_ = here.moment;
      states_there_.clear();
    }
    if (!is_new(here)) return false;
    if (here.moment == furthest_) states_there_.push_back(here.state);
    const Moment& moment = moments_[here.moment];
    // The last one pushed is looked at first: the call itself, then others with an answer, then those without.
    for (uint32_t i = moment.unanswered_count; i > 0; --i) {
      const uint32_t equal = equal_before_[i - 1];
      if (here.used.has(i - 1) || (equal != kNone && !here.used.has(equal))) continue;
      try_next(at, here, unanswered_[i - 1]);
    }
    for (size_t i = moment.open.size(); i > 0; --i) {
      if ((here.done >> slots_[moment.open[i - 1]] & 1) == 0) try_next(at, here, moment.open[i - 1]);
    }
    return false;
  }

  bool is_new(const Configuration& here) {
    std::vector<detail::Bits>& seen = seen_[{here.moment, here.state, here.done}];
    steps_ += seen.size() / kLookedAtForAStep;
    for (const detail::Bits& used : seen) {
      if (used.is_within(here.used)) return false;
    }
    seen.push_back(here.used);
    return true;
  }

  void try_next(uint32_t parent, const Configuration& here, uint32_t call) {
    typename Model::State state = states_[here.state];
    const bool is_answered = history_[call].is_answered();
    if (!Model::step(state, history_[call].call, is_answered)) return;
    Configuration next = here;
    next.state = states_.number_of(std::move(state));
    if (!is_answered && next.state == here.state) return;  // as if it had never been
    if (is_answered) {
      next.done |= uint64_t{1} << slots_[call];
    } else {
      next.used.set(slots_[call]);
      ++next.used_count;
    }
    next.parent = parent;
    next.by = call;
    push(next);
  }

  Judgement linearizable(uint32_t at) {
    Judgement judgement{.verdict = Verdict::kLinearizable, .explanation = {}, .order = {}, .steps = steps_};
    for (; configurations_[at].by != kNone; at = configurations_[at].parent) {
      judgement.order.push_back(configurations_[at].by);
    }
    std::reverse(judgement.order.begin(), judgement.order.end());
    return judgement;
  }
  Judgement undecided(std::string why) {
    return {.verdict = Verdict::kUndecided, .explanation = std::move(why), .order = {}, .steps = steps_};
  }

  Judgement violated() {
    constexpr size_t kStatesShown = 6;
    constexpr size_t kCallsShown = 24;
    const Recorded<Call>& guilty = history_[moments_[furthest_].call];
    std::string text = "no order explains\n  " + line(guilty) + "\nwhatever the state was before: ";
    std::sort(states_there_.begin(), states_there_.end());
    states_there_.erase(std::unique(states_there_.begin(), states_there_.end()), states_there_.end());
    for (size_t i = 0; i < std::min(kStatesShown, states_there_.size()); ++i) {
      text += (i == 0 ? "" : " | ") + Model::text(states_[states_there_[i]]);
    }
    if (states_there_.size() > kStatesShown) text += " | ...";
    std::vector<const Recorded<Call>*> before;
    for (const Recorded<Call>& other : history_) {
      if (&other != &guilty && other.called_at <= guilty.returned_at) before.push_back(&other);
    }
    std::sort(before.begin(), before.end(), [](const auto* one, const auto* other) {
      return std::pair(one->called_at, one) < std::pair(other->called_at, other);
    });
    text += "\nbefore it began or ended (" + std::to_string(before.size()) + " calls";
    const size_t from = before.size() > kCallsShown ? before.size() - kCallsShown : 0;
    text += from == 0 ? "):" : ", the last " + std::to_string(kCallsShown) + "):";
    for (size_t i = from; i < before.size(); ++i) text += "\n  " + line(*before[i]);
    return {.verdict = Verdict::kViolated, .explanation = std::move(text), .order = {}, .steps = steps_};
  }

  static std::string line(const Recorded<Call>& recorded) {
    return "[" + std::to_string(recorded.called_at) + " .. " +
           (recorded.is_answered() ? std::to_string(recorded.returned_at) : "?") + "] client " +
           std::to_string(recorded.by) + ": " + Model::text(recorded.call, recorded.is_answered());
  }

  const History& history_;
  const Limits limits_;
  std::vector<Moment> moments_;
  std::vector<uint32_t> slots_;         // of each call; of one without an answer its place in unanswered_
  std::vector<uint32_t> unanswered_;    // in the order in which they began
  std::vector<uint32_t> equal_before_;  // of each of them: the place of the last equal one before it
  detail::States<Model> states_;
  std::vector<Configuration> configurations_;
  std::priority_queue<Waiting> waiting_;
  std::unordered_map<Key, std::vector<detail::Bits>, KeyHash> seen_;
  uint32_t furthest_ = 0;
  std::vector<uint32_t> states_there_;
  uint64_t steps_ = 0;
};

template <class Model>
Judgement judge(const std::vector<Recorded<typename Model::Call>>& history, Limits limits = {}) {
  return Search<Model>(history, limits).run();
}

}  // namespace keelson::sim_test::linear
