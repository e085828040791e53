// Every watcher of the node, on the shard's reactor: tells each change to those who asked for it. For this folder
// alone.
//
// A watcher is either synced, and is told what is applied as it is applied; or it lags, and is told history:
//
//            create, from the past                       create, from now on
//                    |                                            |
//   parked --room--> cohort (catch_up.h) --has caught up--> synced
//     ^                  |                                        |
//     +-- its client's queue is full ----------------------------+
//
// A parked watcher costs nothing until its client has taken all that was sent to it (Mark::kRoom comes back). What
// keeps the guarantees of watch.h:
//   - told_ is the revision up to which every synced watcher has been told everything.
//   - A lagging watcher has been told everything before its next_revision (or its cohort's position).
//   - Deliveries of one stream stay in the order in which they are made here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "coord/catch_up.h"
#include "coord/desk.h"
#include "coord/gathering.h"
#include "coord/statistics.h"
#include "coord/stream_state.h"
#include "coord/watch_index.h"
#include "engine/coord/coord_engine.h"
#include "env/reactor.h"

namespace keelson::coord {

// Where the hub's words go.
class Courier {
 public:
  virtual ~Courier() = default;
  virtual void carry(detail::StreamState& stream, detail::Queued queued) = 0;
  // It is detached: back to its owner's reactor, behind everything that was carried before.
  virtual void release(std::unique_ptr<detail::StreamState> stream) = 0;
  // Bytes that all streams have taken so far.
  [[nodiscard]] virtual uint64_t taken_bytes() const = 0;
};

class WatchHub {
 public:
  // `engine`, `courier` and `statistics` outlive it. The engine is read by applied() and step() alone, so these two are
  // not called while its shard is lent.
  // `begin_work`: there is something to do for step() again.
  WatchHub(env::Reactor& home, const CoordEngine& engine, Courier& courier, Statistics& statistics,
           const WatchOptions& options, uint64_t hash_secret, std::function<void()> begin_work);
  ~WatchHub();
  WatchHub(const WatchHub&) = delete;
  WatchHub& operator=(const WatchHub&) = delete;

  // The engine has applied something.
  void applied();

  void attach(std::unique_ptr<detail::StreamState> stream);
  void handle(detail::StreamRequest request);
  // One slice of history for those who lag. True: call again, in a later turn.
  bool step();
  [[nodiscard]] bool has_work() const { return !is_closed_ && catch_up_.has_work(); }
  // Ends every stream with kClosed; whoever comes later too.
  void close();

 private:
  friend class CatchUp;

  void create(detail::StreamState& stream, const WatchRequest& request);
  void lag(Watcher& watcher);
  void cancel(detail::StreamState& stream, WatchId id);
  void room(detail::StreamState& stream);
  void detach(detail::StreamState& stream);

  // ---- Watchers' states.
  void link(Watcher& watcher, Watcher*& first);
  void unlink(Watcher& watcher, Watcher*& first);
  // Out of whichever list it is in.
  void leave(Watcher& watcher);
  void become_synced(Watcher& watcher, Revision next);
  void park(Watcher& watcher, Revision next);
  void cancel_compacted(Watcher& watcher, Revision compact_revision);
  void erase(Watcher& watcher);
  void take_out(Watcher& watcher);
  void count();

  // ---- Telling.
  [[nodiscard]] bool has_room(const detail::StreamState& stream) const;
  void tell(Watcher& watcher, const Shared<EventSet>& events);
  void say(detail::StreamState& stream, Delivery delivery);
  void mark(detail::StreamState& stream, detail::Mark mark);
  void carry(detail::StreamState& stream, detail::Queued queued);
  void answer_progress(detail::StreamState& stream);
  void progress_round();
  void everybody_lags(Revision from);
  void tell_synced(Revision from, Revision to);
  void tell_gathered(Revision revision);

  const CoordEngine& engine_;
  Courier& courier_;
  Statistics& statistics_;
  WatchIndex index_;
  CatchUp catch_up_;
  Gathering gathering_;
  std::vector<std::unique_ptr<detail::StreamState>> streams_;
  std::vector<detail::StreamState*> owe_progress_;  // and have nobody who lags, but somebody who begins later
  size_t watchers_ = 0;
  size_t synced_ = 0;
  size_t want_previous_ = 0;
  Revision told_ = 0;
  uint64_t round_ = 0;  // of telling: while it lasts, no EventSet is freed
  uint64_t sent_bytes_ = 0;
  uint64_t taken_bytes_ = 0;  // as last looked at
  bool is_closed_ = false;
  const WatchOptions options_;
  env::Timer progress_timer_;
};

}  // namespace keelson::coord
