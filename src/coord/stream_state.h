// A client's stream of watches, seen from both sides: its queue on the reactor of its owner, its watchers on that of
// the hub. For this folder alone.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/metrics.h"
#include "coord/watch.h"
#include "coord/watch_index.h"

namespace keelson::coord {

namespace detail {
struct StreamState;
}

// One watcher, on the hub's reactor.
struct Watcher {
  enum class State : uint8_t {
    kSynced,   // in its entry's list kSynced: is told of events as they happen
    kBehind,   // in its entry's list kBehind and in a cohort: is being told older ones (catch_up.h)
    kWaiting,  // for a cohort; in the hub's list of those
    kParked,   // its client has to take what was sent first; in its stream's list
  };

  Watcher(detail::StreamState& its_stream, WatchEntry& its_entry) : stream(its_stream), entry(its_entry) {}

  detail::StreamState& stream;
  WatchEntry& entry;
  // In the list that the state names.
  Watcher* previous = nullptr;
  Watcher* next = nullptr;
  // The first revision that it may still be told of; its cohort's position, if that is greater.
  Revision next_revision = 0;
  WatchId id = 0;
  uint32_t place = 0;  // among its cohort's members
  uint8_t cohort = 0;
  State state = State::kSynced;
  bool with_previous : 1 = false;
  bool without_puts : 1 = false;
  bool without_deletes : 1 = false;
  bool wants_progress : 1 = false;
  bool is_fragmented : 1 = false;
  bool was_told : 1 = false;  // something, since the last round of progress
};
static_assert(sizeof(Watcher) <= 64, "what ten thousand watchers take is promised in watch.h");

namespace detail {

// What travels from the hub to a stream's owner besides deliveries.
enum class Mark : uint8_t {
  kNone,      // a delivery
  kRoom,      // when the client gets here, it has taken all that was sent before: tell the hub
  kNoAnswer,  // to a request that is answered with nothing
};

struct Queued {
  Delivery delivery;
  uint32_t charged_bytes = 0;
  Mark mark = Mark::kNone;
};

// What a delivery takes besides its events.
inline constexpr uint32_t kDeliveryBytes = sizeof(Queued);

struct StreamState {
  StreamState(Desk& its_desk, unsigned its_reactor) : desk(its_desk), reactor_index(its_reactor) {}

  // ---- Constant.
  Desk& desk;
  const unsigned reactor_index;

  // ---- The owner's.
  std::vector<Queued> queue;  // from `head` on
  size_t head = 0;
  size_t answers_owed = 0;  // to requests, and not taken
  std::coroutine_handle<> waits_for_next;
  std::coroutine_handle<> waits_for_room;
  bool is_ending = false;     // kClosed has come: requests do nothing any more
  bool is_closed = false;     // and was taken
  bool is_abandoned = false;  // the WatchStream is gone

  // ---- Written by the owner, read by the hub.
  Counter taken_bytes;

  // ---- The hub's.
  boost::unordered_flat_map<WatchId, std::unique_ptr<Watcher>> watchers;
  Watcher* parked = nullptr;
  WatchId next_auto_id = 0;
  uint64_t sent_bytes = 0;
  uint32_t behind = 0;         // watchers that are not kSynced
  uint32_t want_progress = 0;  // watchers that do
  size_t place = 0;            // among the hub's streams
  bool awaits_room = false;    // a Mark::kRoom is on its way
  bool owes_progress = false;  // request_progress() is not answered yet
  // No watcher begins later than this, if it is greater than what was told.
  Revision latest_start = 0;
  // What was charged for last.
  const EventSet* charged_set = nullptr;
  uint64_t charged_round = 0;
};

}  // namespace detail

}  // namespace keelson::coord
