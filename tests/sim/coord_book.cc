#include "tests/sim/coord_book.h"

#include <algorithm>
#include <utility>

namespace keelson::sim_test {

namespace {

using linear::StoreCall;
using linear::StoreOperation;

// The name under which leases run out in a history.
constexpr unsigned kTime = 9999;

// Puts have values of their own, so a put shows which revision a call has made.
int64_t revision_made(const StoreCall& call, const std::map<std::string, int64_t>& revision_of_value) {
  for (const auto* branch : {&call.then, &call.otherwise}) {
    for (const StoreOperation& operation : *branch) {
      if (operation.kind != StoreOperation::Kind::kPut) continue;
      if (const auto found = revision_of_value.find(operation.value); found != revision_of_value.end()) {
        return found->second;
      }
    }
  }
  return 0;
}

bool has_only_puts(const StoreCall& call) {
  const auto puts = [](const StoreOperation& operation) { return operation.kind == StoreOperation::Kind::kPut; };
  return std::all_of(call.then.begin(), call.then.end(), puts) &&
         std::all_of(call.otherwise.begin(), call.otherwise.end(), puts);
}

}  // namespace

WatchedEvent to_watched(const coord::KeyValue& kv) {
  WatchedEvent event;
  event.is_delete = kv.is_deletion();
  event.key = kv.key;
  event.mod_revision = kv.mod_revision;
  if (event.is_delete) return event;
  event.value = kv.value;
  event.create_revision = kv.create_revision;
  event.version = kv.version;
  event.lease = kv.lease;
  return event;
}

size_t CoordBook::call(StoreCall call, unsigned by, int64_t now_ns) {
  history_.push_back({.call = std::move(call), .called_at = now_ns, .returned_at = linear::kNever, .by = by});
  is_void_.push_back(false);
  return history_.size() - 1;
}

void CoordBook::answered(size_t number, StoreCall with_answer, int64_t now_ns) {
  history_[number].call = std::move(with_answer);
  history_[number].returned_at = now_ns;
}

void CoordBook::lease_holds_until(int64_t lease, int64_t until_ns) {
  leases_[lease] = std::max(leases_[lease], until_ns);
}

void CoordBook::applied(unsigned node, WatchedEvent now) {
  if (const WatchedEvent* before = truth_.find(now.mod_revision, now.key)) {
    if (*before != now) {
      violate("node " + std::to_string(node) + " applied something else to " + now.key + " at revision " +
              std::to_string(now.mod_revision) + " than was applied before: " + now.value + " in place of " +
              before->value);
    }
    return;
  }
  if (!now.is_delete) revision_of_value_[now.value] = now.mod_revision;
  truth_.add(std::move(now));
}

int64_t CoordBook::last_revision() const { return truth_.revisions().empty() ? 1 : truth_.revisions().rbegin()->first; }

std::vector<std::string> CoordBook::leased_keys() const {
  std::map<std::string, bool> is_leased;
  for (const auto& [revision, events] : truth_.revisions()) {
    for (const auto& [key, event] : events) is_leased[key] = event.lease != 0;
  }
  std::vector<std::string> keys;
  for (const auto& [key, is] : is_leased) {
    if (is) keys.push_back(key);
  }
  return keys;
}

// What became of calls without an answer is told by what was applied, where puts show it; and leases run out.
linear::StoreHistory CoordBook::settled_history() const {
  linear::StoreHistory settled;
  for (size_t i = 0; i < history_.size(); ++i) {
    if (is_void_[i]) continue;
    linear::Recorded<StoreCall> one = history_[i];
    if (!one.is_answered()) {
      one.call.revision = revision_made(one.call, revision_of_value_);
      if (one.call.revision == 0 && has_only_puts(one.call)) continue;  // nobody ever applied it
    }
    settled.push_back(std::move(one));
  }
  for (const auto& [lease, until_ns] : leases_) {
    StoreCall ends;
    ends.then.push_back(
        {.kind = StoreOperation::Kind::kRevoke, .key = {}, .end = {}, .value = {}, .lease = lease, .found = {}});
    settled.push_back({.call = std::move(ends), .called_at = until_ns, .returned_at = linear::kNever, .by = kTime});
  }
  return settled;
}

CoordBook::Sums CoordBook::sums() const {
  Sums sums;
  for (size_t i = 0; i < history_.size(); ++i) {
    if (!is_void_[i]) ++(history_[i].is_answered() ? sums.answered : sums.unanswered);
  }
  for (const auto& [revision, events] : truth_.revisions()) {
    sums.events += events.size();
    for (const auto& [key, event] : events) sums.leased += event.lease != 0 ? 1 : 0;
  }
  for (const WatchRecord& watch : watches_) {
    for (const WatchResponse& response : watch.responses) sums.events_watched += response.events.size();
  }
  sums.leases = leases_.size();
  return sums;
}

std::string CoordBook::judge(linear::Limits limits, bool& is_undecided) const {
  is_undecided = false;
  if (!violation_.empty()) return violation_;
  int64_t expected = 2;
  for (const auto& [revision, events] : truth_.revisions()) {
    if (revision != expected++) return "revision " + std::to_string(expected - 1) + " was never applied anywhere";
  }
  for (const WatchRecord& watch : watches_) {
    if (std::string broken = check_watch(truth_, watch, compacted_); !broken.empty()) return broken;
  }
  const linear::Judgement judgement = linear::judge_store(settled_history(), limits);
  is_undecided = judgement.verdict == linear::Verdict::kUndecided;
  return judgement.verdict == linear::Verdict::kViolated ? judgement.explanation : "";
}

}  // namespace keelson::sim_test
