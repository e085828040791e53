#include "coord/catch_up.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "coord/watch_hub.h"

namespace keelson::coord {

namespace {
Watcher*& behind_of(Watcher& watcher) { return watcher.entry.first[static_cast<size_t>(Audience::kBehind)]; }
}  // namespace

CatchUp::CatchUp(WatchHub& hub, env::Reactor& home, std::function<void()> begin_work)
    : hub_(hub), gather_timer_(home, [this] { begin_gathered(); }), begin_work_(std::move(begin_work)) {}

void CatchUp::join(Watcher& watcher) {
  size_t best = kCohortsMax;
  size_t free = kCohortsMax;
  for (size_t i = 0; i < kCohortsMax; ++i) {
    const Cohort& cohort = cohorts_[i];
    if (!cohort.is_used) {
      free = i;
    } else if (cohort.is_under_way && cohort.position <= watcher.next_revision &&
               (best == kCohortsMax || cohort.position > cohorts_[best].position)) {
      best = i;
    }
  }
  if (best != kCohortsMax && watcher.next_revision - cohorts_[best].position <= hub_.options_.near_revisions) {
    add(best, watcher);
    return;
  }
  if (gathering_cohort_ == kCohortsMax && free != kCohortsMax) {
    gathering_cohort_ = free;
    cohorts_[free].is_used = true;
    cohorts_[free].position = watcher.next_revision;
    gather_timer_.arm_after(kGatherNs);
  }
  if (gathering_cohort_ != kCohortsMax) {
    Revision& position = cohorts_[gathering_cohort_].position;
    position = std::min(position, watcher.next_revision);
    add(gathering_cohort_, watcher);
  } else if (best != kCohortsMax) {
    add(best, watcher);
  } else {
    watcher.state = Watcher::State::kWaiting;
    hub_.link(watcher, waiting_);
  }
}

void CatchUp::begin_gathered() {
  cohorts_[std::exchange(gathering_cohort_, kCohortsMax)].is_under_way = true;
  ++cohorts_under_way_;
  begin_work_();
}

void CatchUp::add(size_t which, Watcher& watcher) {
  watcher.state = Watcher::State::kBehind;
  watcher.cohort = static_cast<uint8_t>(which);
  watcher.place = static_cast<uint32_t>(cohorts_[which].members.size());
  cohorts_[which].members.push_back(&watcher);
  hub_.link(watcher, behind_of(watcher));
}

void CatchUp::take_out(Watcher& watcher) {
  std::vector<Watcher*>& members = cohorts_[watcher.cohort].members;
  KEELSON_CHECK(members[watcher.place] == &watcher, "a watcher is not where its cohort has it");
  members[watcher.place] = members.back();
  members[watcher.place]->place = watcher.place;
  members.pop_back();
  hub_.unlink(watcher, behind_of(watcher));
}

void CatchUp::leave(Watcher& watcher) {
  if (watcher.state == Watcher::State::kWaiting) {
    hub_.unlink(watcher, waiting_);
    return;
  }
  take_out(watcher);
}

Revision CatchUp::next_of(const Watcher& watcher) const {
  if (watcher.state != Watcher::State::kBehind) return watcher.next_revision;
  return std::max(watcher.next_revision, cohorts_[watcher.cohort].position);
}

size_t CatchUp::next_cohort() {
  do {
    last_turn_ = (last_turn_ + 1) % kCohortsMax;
  } while (!cohorts_[last_turn_].is_under_way);
  return last_turn_;
}

void CatchUp::step() {
  if (cohorts_under_way_ == 0) return;
  const size_t which = next_cohort();
  Cohort& cohort = cohorts_[which];
  pass_compaction(which);
  if (!cohort.members.empty() && cohort.position <= hub_.told_) {
    Revision to = hub_.told_;
    for (const Cohort& other : cohorts_) {
      if (other.is_under_way && other.position > cohort.position) to = std::min(to, other.position - 1);
    }
    const Revision last = read(which, to);
    tell(which);
    gathering_.clear();
    cohort.position = last + 1;
  }
  if (cohort.position > hub_.told_) {
    finish(which);
  } else {
    for (size_t i = 0; i < kCohortsMax; ++i) {
      if (i != which && cohorts_[i].is_under_way && cohorts_[i].position == cohort.position) {
        // The smaller one moves.
        cohorts_[i].members.size() < cohort.members.size() ? merge(i, which) : merge(which, i);
        break;
      }
    }
  }
  if (cohort.is_under_way) end_if_empty(which);
}

void CatchUp::pass_compaction(size_t which) {
  Cohort& cohort = cohorts_[which];
  const Revision compacted = hub_.engine_.compact_revision();
  if (cohort.position >= compacted) return;
  for (size_t i = cohort.members.size(); i-- != 0;) {
    Watcher& member = *cohort.members[i];
    if (next_of(member) < compacted) hub_.cancel_compacted(member, compacted);
  }
  cohort.position = compacted;
}

Revision CatchUp::read(size_t which, Revision to) {
  size_t events = 0;
  size_t bytes = 0;
  Revision last = to;
  const ReadEvents wanted{.from = cohorts_[which].position,
                          .to = to,
                          .prev_kv = hub_.want_previous_ != 0,
                          .events_max = UINT32_MAX,
                          .bytes_max = UINT64_MAX};
  EventsAnswer answer;
  const CoordErrc outcome = hub_.engine_.read_events(
      wanted,
      [&](const Event& event) {
        ++events;
        bytes += gathering_.add(hub_.index_, event, Audience::kBehind);
        if (!event.is_last_of_revision ||
            (events < hub_.options_.slice_events_max && bytes < hub_.options_.slice_bytes_max))
          return true;
        last = event.kv.mod_revision;
        return false;
      },
      answer);
  KEELSON_CHECK(outcome == CoordErrc::kOk, "history is read that is compacted");
  hub_.statistics_.catch_up_slices.add();
  hub_.statistics_.catch_up_events.add(events);
  return last;
}

void CatchUp::tell(size_t which) {
  ++hub_.round_;
  const Revision position = cohorts_[which].position;
  for (Gathering::Touched& touched : gathering_.touched()) {
    Watcher* next = nullptr;
    for (Watcher* watcher = touched.entry().first[static_cast<size_t>(Audience::kBehind)]; watcher != nullptr;
         watcher = next) {
      next = watcher->next;
      if (watcher->cohort != which) continue;
      const Revision from = std::max(watcher->next_revision, position);
      const Shared<EventSet>& events = touched.for_watcher(*watcher, from);
      if (!events) continue;
      if (hub_.has_room(watcher->stream)) {
        hub_.tell(*watcher, events);
      } else {
        take_out(*watcher);
        hub_.park(*watcher, from);
      }
    }
  }
}

void CatchUp::merge(size_t from, size_t into) {
  Cohort& source = cohorts_[from];
  Cohort& target = cohorts_[into];
  for (Watcher* member : source.members) {
    member->cohort = static_cast<uint8_t>(into);
    member->place = static_cast<uint32_t>(target.members.size());
    target.members.push_back(member);
  }
  source.members = {};
  end_if_empty(from);
}

void CatchUp::finish(size_t which) {
  Cohort& cohort = cohorts_[which];
  for (size_t moved = 0; moved < kMovesMax && !cohort.members.empty(); ++moved) {
    Watcher& member = *cohort.members.back();
    const Revision next = next_of(member);
    take_out(member);
    hub_.become_synced(member, next);
  }
}

void CatchUp::end_if_empty(size_t which) {
  Cohort& cohort = cohorts_[which];
  if (!cohort.members.empty()) return;
  cohort = {};
  --cohorts_under_way_;
  // There is a cohort for all who wait.
  std::vector<Watcher*> admitted;
  for (Watcher* watcher = waiting_; watcher != nullptr; watcher = watcher->next) admitted.push_back(watcher);
  for (Watcher* watcher : admitted) {
    hub_.unlink(*watcher, waiting_);
    join(*watcher);
  }
}

}  // namespace keelson::coord
