#include "tests/sim/watch_checker.h"

#include <algorithm>
#include <utility>

namespace keelson::sim_test {

namespace {

std::string shown(const WatchedEvent& event) {
  std::string text = event.is_delete ? "delete " + event.key : "put " + event.key + "=" + event.value;
  text += " @" + std::to_string(event.mod_revision);
  if (!event.is_delete) {
    text += " (created " + std::to_string(event.create_revision) + ", version " + std::to_string(event.version) +
            (event.lease == 0 ? "" : ", lease " + std::to_string(event.lease)) + ")";
  }
  return text;
}

class Check {
 public:
  Check(const TrueHistory& history, const WatchRecord& watch, int64_t compacted)
      : history_(history), watch_(watch), compacted_(compacted) {}

  std::string run() {
    for (const WatchResponse& response : watch_.responses) {
      if (broken_.empty()) take(response);
    }
    if (broken_.empty() && in_fragments_ && watch_.must_be_complete) broken_ = "atomic: the last fragment is missing";
    if (broken_.empty() && watch_.must_be_complete && is_created_ && !is_canceled_) {
      const auto& all = history_.revisions();
      if (!all.empty()) expect_nothing_until(all.rbegin()->first, "reliable: never came: ");
    }
    return broken_.empty() ? ""
                           : "watch of " + watch_.by + " on " + watch_.key + " from " +
                                 std::to_string(watch_.start_revision) + ": " + broken_;
  }

 private:
  [[nodiscard]] bool covers(const std::string& key) const {
    return watch_.end.empty() ? key == watch_.key : key >= watch_.key && key < watch_.end;
  }
  [[nodiscard]] bool wants(const WatchedEvent& event) const {
    return covers(event.key) && !(event.is_delete ? watch_.no_deletes : watch_.no_puts);
  }

  void take(const WatchResponse& response) {
    if (is_canceled_) {
      broken_ = "a response after the end";
      return;
    }
    switch (response.kind) {
      case WatchResponse::Kind::kCreated:
        if (is_created_) broken_ = "created twice";
        is_created_ = true;
        next_ = watch_.start_revision == 0 ? response.revision + 1 : watch_.start_revision;
        break;
      case WatchResponse::Kind::kEvents:
        take_events(response);
        break;
      case WatchResponse::Kind::kProgress:
        if (!is_created_) broken_ = "progress before it was created";
        if (in_fragments_) broken_ = "atomic: progress between fragments";
        if (broken_.empty())
          expect_nothing_until(response.revision, "bookmarkable: progress at " + std::to_string(response.revision) +
                                                      ", but it had not come: ");
        if (broken_.empty()) next_ = std::max(next_, response.revision + 1);
        break;
      case WatchResponse::Kind::kCanceled:
        is_canceled_ = true;
        if (response.compact_revision == 0) break;
        if (response.compact_revision > compacted_) broken_ = "canceled at a revision that nobody compacted";
        if (is_created_ && next_ >= response.compact_revision) {
          broken_ = "resumable: canceled as compacted at " + std::to_string(response.compact_revision) +
                    ", but it stood at " + std::to_string(next_);
        }
        break;
    }
  }

  void take_events(const WatchResponse& response) {
    if (!is_created_) broken_ = "events before it was created";
    if (response.has_more && !watch_.allows_fragments) broken_ = "a fragment that was not asked for";
    if (response.events.empty() && !in_fragments_) broken_ = "no events in a response with events";
    for (const WatchResponse::Item& item : response.events) {
      if (broken_.empty()) take_event(item);
      if (broken_.empty() && item.event.mod_revision > response.revision) {
        broken_ = "the header's revision is below that of " + shown(item.event);
      }
    }
    in_fragments_ = response.has_more;
    if (!in_fragments_ && broken_.empty() && last_ != 0) {  // the revision must be whole now
      expect_nothing_until(last_, "atomic: left out of its response: ");
      next_ = std::max(next_, last_ + 1);
    }
  }

  void take_event(const WatchResponse::Item& item) {
    const WatchedEvent& event = item.event;
    const WatchedEvent* truth = history_.find(event.mod_revision, event.key);
    if (truth == nullptr || *truth != event) {
      broken_ = "never happened: " + shown(event) + (truth == nullptr ? "" : "; it was " + shown(*truth));
    } else if (!covers(event.key)) {
      broken_ = "not asked for: " + shown(event);
    } else if (!wants(event)) {
      broken_ = "filtered: " + shown(event);
    } else if (event.mod_revision < next_ || event.mod_revision < last_) {
      broken_ = (is_seen(event) ? "unique: came again: " : "ordered: came too late: ") + shown(event);
    } else if (is_seen(event)) {
      broken_ = "unique: came again: " + shown(event);
    } else {
      // What lies before it must have come.
      expect_nothing_until(event.mod_revision - 1, "reliable: left out: ");
      next_ = std::max(next_, event.mod_revision);
      if (event.mod_revision > last_) seen_.clear();
      last_ = event.mod_revision;
      seen_[event.key] = event;
      if (broken_.empty()) check_previous(item);
    }
  }

  [[nodiscard]] bool is_seen(const WatchedEvent& event) const {
    return event.mod_revision < next_ ? event.mod_revision >= watch_.start_revision
                                      : event.mod_revision == last_ && seen_.contains(event.key);
  }

  void check_previous(const WatchResponse::Item& item) {
    const WatchedEvent* truth = watch_.wants_previous ? history_.previous(item.event) : nullptr;
    if (truth == nullptr && item.previous) {
      broken_ = "a previous value that there was not, or that was not asked for, with " + shown(item.event);
    } else if (truth != nullptr && !item.previous && item.event.mod_revision > compacted_) {
      broken_ = "no previous value with " + shown(item.event) + "; it was " + shown(*truth);
    } else if (truth != nullptr && item.previous && *truth != *item.previous) {
      broken_ = "the wrong previous value with " + shown(item.event) + ": " + shown(*item.previous) + "; it was " +
                shown(*truth);
    }
  }

  // Nothing that it wants from next_ to `revision` is missing.
  void expect_nothing_until(int64_t revision, const std::string& what) {
    const auto& all = history_.revisions();
    for (auto it = all.lower_bound(next_); it != all.end() && it->first <= revision; ++it) {
      for (const auto& [key, event] : it->second) {
        if (!wants(event) || (it->first == last_ && seen_.contains(key))) continue;
        broken_ = what + shown(event);
        return;
      }
    }
  }

  const TrueHistory& history_;
  const WatchRecord& watch_;
  const int64_t compacted_;
  std::string broken_;
  bool is_created_ = false;
  bool is_canceled_ = false;
  bool in_fragments_ = false;
  int64_t next_ = 0;                          // everything before it has come
  int64_t last_ = 0;                          // the revision of the last event
  std::map<std::string, WatchedEvent> seen_;  // of that revision
};

}  // namespace

void TrueHistory::add(WatchedEvent event) {
  const int64_t revision = event.mod_revision;
  const std::string key = event.key;
  revisions_[revision].insert_or_assign(key, std::move(event));
}

const WatchedEvent* TrueHistory::find(int64_t revision, const std::string& key) const {
  const auto at = revisions_.find(revision);
  if (at == revisions_.end()) return nullptr;
  const auto found = at->second.find(key);
  return found == at->second.end() ? nullptr : &found->second;
}

const WatchedEvent* TrueHistory::previous(const WatchedEvent& event) const {
  for (auto it = revisions_.lower_bound(event.mod_revision); it != revisions_.begin();) {
    --it;
    const auto found = it->second.find(event.key);
    if (found != it->second.end()) return found->second.is_delete ? nullptr : &found->second;
  }
  return nullptr;
}

std::string check_watch(const TrueHistory& history, const WatchRecord& watch, int64_t compacted) {
  return Check(history, watch, compacted).run();
}

}  // namespace keelson::sim_test
