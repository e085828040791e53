#include "coord/gathering.h"

#include <utility>

namespace keelson::coord {

size_t Gathering::add(const WatchIndex& index, const Event& event, Audience audience) {
  matched_.clear();
  bool wants_previous = false;
  index.match(event.kv.key, [&](WatchEntry& entry) {
    if (entry.first[static_cast<size_t>(audience)] == nullptr) return;
    wants_previous |= entry.want_previous != 0;
    matched_.push_back(&entry);
  });
  if (matched_.empty()) return 0;
  Event shown = event;
  if (!wants_previous) shown.prev_kv = nullptr;
  const auto kept = Shared<WatchEvent>::make(shown);
  for (WatchEntry* entry : matched_) {
    if (entry->touched == WatchEntry::kUntouched) {
      entry->touched = static_cast<uint32_t>(touched_.size());
      touched_.emplace_back().entry_ = entry;
    }
    touched_[entry->touched].events_.push_back(kept);
  }
  return kept->bytes();
}

void Gathering::clear() {
  for (Touched& touched : touched_) touched.entry_->touched = WatchEntry::kUntouched;
  touched_.clear();
}

const Shared<EventSet>& Gathering::Touched::for_watcher(const Watcher& watcher, Revision from) {
  if (from <= events_.front()->revision()) {
    Made& made = made_[(watcher.without_puts ? 1U : 0U) | (watcher.without_deletes ? 2U : 0U)];
    if (!made.is_made) made = {make(watcher, from), true};
    return made.set;
  }
  other_ = {make(watcher, from), true};
  return other_.set;
}

Shared<EventSet> Gathering::Touched::make(const Watcher& watcher, Revision from) const {
  std::vector<Shared<WatchEvent>> events;
  for (const Shared<WatchEvent>& event : events_) {
    if (event->revision() < from) continue;
    if (event->is_deletion() ? watcher.without_deletes : watcher.without_puts) continue;
    events.push_back(event);
  }
  if (events.empty()) return {};
  events.shrink_to_fit();
  return Shared<EventSet>::make(std::move(events));
}

}  // namespace keelson::coord
