// Events on their way to watchers: which entries each falls into, and what the watchers of an entry are told. For this
// folder alone.
//
// All watchers of an entry with the same filters are told the same, so they share one EventSet, and entries share the
// events.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "coord/event.h"
#include "coord/stream_state.h"
#include "coord/watch_index.h"

namespace keelson::coord {

class Gathering {
 public:
  // What the watchers of one entry may be told.
  class Touched {
   public:
    [[nodiscard]] WatchEntry& entry() const { return *entry_; }
    // For a watcher of the entry that wants revisions from `from` on; null if there is nothing for it.
    [[nodiscard]] const Shared<EventSet>& for_watcher(const Watcher& watcher, Revision from);

   private:
    friend class Gathering;
    struct Made {
      Shared<EventSet> set;
      bool is_made = false;
    };
    [[nodiscard]] Shared<EventSet> make(const Watcher& watcher, Revision from) const;

    WatchEntry* entry_ = nullptr;
    std::vector<Shared<WatchEvent>> events_;
    std::array<Made, 4> made_;  // by the filters
    Made other_;                // of the last one that begins in the middle
  };

  // Keeps the event if an entry with watchers of that audience matches. The result is its bytes, or 0.
  size_t add(const WatchIndex& index, const Event& event, Audience audience);
  [[nodiscard]] std::vector<Touched>& touched() { return touched_; }
  // Before the next ones are added.
  void clear();

 private:
  std::vector<Touched> touched_;
  std::vector<WatchEntry*> matched_;
};

}  // namespace keelson::coord
