// Watches: what happens to keys, told to whoever asked, on any reactor, from what the local replica applies.
//
//   auto stream = service.open_watch_stream(here);
//   stream->create({.key = "a/", .range_end = "a0", .start_revision = 7});
//   for (;;) {
//     Delivery d = co_await stream->next();        // kCreated first, then kEvents, ...
//     if (d.kind == DeliveryKind::kClosed) break;
//   }
//
// What a watcher may count on (etcd's API guarantees, "Watch APIs", and tests/robustness/validate/watch.go):
//   ordered      events come in the order of their revisions
//   unique       no event comes twice to one watcher
//   atomic       a delivery has all of a revision that the watcher asked for
//   reliable     between two events that come none is missing
//   resumable    a watch from start_revision on begins with the first event at or after it, or is cancelled with
//                compact_revision if that is not known any more
//   bookmarkable a delivery of kind kProgress at revision R means that everything up to R has been delivered
//
// A stream is a client's group of watchers. What waits for the client is bounded (kStreamBytesMax, kAllBytesMax): past
// that a watcher keeps nothing but the revision at which it goes on, and is told the rest out of the engine's history,
// in slices, once the client has taken what was sent. So a slow client costs what an idle one does and misses nothing,
// unless a compaction overtakes it, which it is told.
//
// Threads: a WatchStream belongs to the reactor that opened it. The hub behind it lives on the reactor of the shard;
// the two talk by messages, gathered for a turn. Whoever waits in next() or room() may be destroyed there. Streams are
// destroyed before the service.
#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "coord/event.h"
#include "env/reactor.h"

namespace keelson::coord {

using WatchId = int64_t;
// etcd's: the server picks one, from 0 upwards, that the stream does not have yet.
inline constexpr WatchId kAutoWatchId = 0;
// Of a kProgress delivery for the whole stream.
inline constexpr WatchId kWholeStream = -1;

struct WatchRequest {
  WatchId id = kAutoWatchId;
  std::string key;
  // As in etcd's API: empty, the key alone; one zero byte, every key from `key` on; else the keys in [key, range_end).
  std::string range_end;
  // 0: what happens from now on.
  Revision start_revision = 0;
  bool with_previous = false;
  bool without_puts = false;
  bool without_deletes = false;
  // A kProgress delivery of its own whenever nothing came for WatchOptions::progress_every_ms.
  bool wants_progress = false;
  // Nothing to the hub; handed back with each delivery, so that a protocol keeps nothing for a watcher.
  bool is_fragmented = false;
};

enum class DeliveryKind : uint8_t {
  kCreated,   // `revision`: events behind it will come, unless start_revision says otherwise
  kRefused,   // not created; `why`
  kEvents,    // `events`
  kProgress,  // everything up to `revision` has been delivered, to this watcher or (id kWholeStream) to all
  kCanceled,  // the last one of that watcher; `why`
  kClosed,    // the last one of the stream: the service stops
};

enum class WatchErrc : uint8_t {
  kOk = 0,
  kAsked,        // cancel() was called
  kCompacted,    // `compact_revision`: what it should see next is not known any more
  kDuplicateId,  // etcd's ErrWatcherDuplicateID
  kEmptyRange,   // etcd's ErrEmptyWatcherRange
  kTooMany,      // kWatchersMax
};
// As etcd says it; empty for kOk, kAsked and kCompacted, where etcd says nothing.
[[nodiscard]] const char* watch_error_text(WatchErrc code);

struct Delivery {
  DeliveryKind kind = DeliveryKind::kClosed;
  WatchErrc why = WatchErrc::kOk;
  // As the watcher's request had them.
  bool with_previous = false;
  bool is_fragmented = false;
  WatchId id = 0;
  // Of the store when this was made: etcd's header.revision. Never below that of an event that was delivered before.
  Revision revision = 0;
  Revision compact_revision = 0;
  Shared<EventSet> events{};
};

// Bytes of deliveries that wait for one client: half a second of 2 MiB/s, or a few large values. What was told last may
// lie above it: a slice of history, or one revision.
inline constexpr size_t kStreamBytesMax = size_t{1} << 20;
// The same over all streams: past it a stream gets something only when it has taken everything it had.
inline constexpr size_t kAllBytesMax = size_t{256} << 20;
// History that is read for watchers that lag, in one turn: some 200 us where little matches, and half of a client's
// queue where all of it does. Whole revisions.
inline constexpr size_t kSliceEventsMax = 1000;
inline constexpr size_t kSliceBytesMax = kStreamBytesMax / 2;
// A watcher that lags joins a walk through history that is at most so many revisions behind where it wants to begin:
// waiting for it costs less than reading that once more.
inline constexpr Revision kNearRevisions = 4096;

struct WatchOptions {
  // How often a watcher with wants_progress hears that nothing happened: etcd's --experimental-watch-progress-
  // notify-interval.
  int64_t progress_every_ms = 600'000;
  size_t stream_bytes_max = kStreamBytesMax;
  size_t all_bytes_max = kAllBytesMax;
  size_t slice_events_max = kSliceEventsMax;
  size_t slice_bytes_max = kSliceBytesMax;
  Revision near_revisions = kNearRevisions;
};
// Answers to create(), cancel() and request_progress() that the client has not taken. Past it, room() waits.
inline constexpr size_t kStreamAnswersMax = 1024;
// Some 150 bytes each with a hundred on a stream, their keys besides (bench/coord_watch.cc).
inline constexpr size_t kWatchersMax = 4'000'000;

namespace detail {
class Desk;
struct StreamState;
}  // namespace detail

class WatchStream {
 public:
  WatchStream(const WatchStream&) = delete;
  WatchStream& operator=(const WatchStream&) = delete;
  // Ends all its watchers.
  ~WatchStream();

  // Each is answered by a delivery, in order: kCreated or kRefused; kCanceled (nothing if there is no such watcher);
  // kProgress with kWholeStream, once every watcher has been told everything. Await room() first.
  void create(WatchRequest request);
  void cancel(WatchId id);
  void request_progress();

  // The next delivery; waits for it. One caller at a time.
  auto next() { return NextAwaiter{*this}; }
  // False: there is none yet.
  bool try_next(Delivery& delivery);

  // Waits until another request may be made: while the client takes no answers it is not listened to. False: kClosed
  // was taken, and no request does anything any more. One caller at a time.
  auto room() { return RoomAwaiter{*this}; }

 private:
  friend class detail::Desk;
  explicit WatchStream(detail::StreamState& state) : state_(state) {}

  [[nodiscard]] bool has_next() const;
  [[nodiscard]] bool has_room() const;
  [[nodiscard]] bool is_ending() const;
  void wait_for_next(std::coroutine_handle<> waiter);
  void wait_for_room(std::coroutine_handle<> waiter);

  struct NextAwaiter {
    WatchStream& stream;
    bool is_waiting = false;
    bool await_ready() const { return stream.has_next(); }
    void await_suspend(std::coroutine_handle<> waiter) {
      is_waiting = true;
      stream.wait_for_next(waiter);
    }
    Delivery await_resume() {
      is_waiting = false;
      Delivery delivery;
      (void)stream.try_next(delivery);
      return delivery;
    }
    ~NextAwaiter() {
      if (is_waiting) stream.wait_for_next({});
    }
  };
  struct RoomAwaiter {
    WatchStream& stream;
    bool is_waiting = false;
    bool await_ready() const { return stream.has_room(); }
    void await_suspend(std::coroutine_handle<> waiter) {
      is_waiting = true;
      stream.wait_for_room(waiter);
    }
    bool await_resume() {
      is_waiting = false;
      return !stream.is_ending();
    }
    ~RoomAwaiter() {
      if (is_waiting) stream.wait_for_room({});
    }
  };

  // The hub's; it lives until it has heard that this is gone.
  detail::StreamState& state_;
};

}  // namespace keelson::coord
