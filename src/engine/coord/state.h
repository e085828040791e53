// Everything that the coordination engine is, and what a handler of a command gets.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "engine/coord/answer.h"
#include "engine/coord/auth.h"
#include "engine/coord/commands.h"
#include "engine/coord/coord_engine.h"
#include "engine/coord/store.h"

namespace keelson::coord {

class Checkpoint;

class State {
 public:
  Store store;
  Auth auth;
  std::set<Alarm> alarms;
  uint64_t next_grant = 1;   // Lease::grant of the next one
  uint64_t lease_reign = 0;  // the present one; 0: none has begun
  // That is being taken, or null.
  Checkpoint* checkpoint = nullptr;

  [[nodiscard]] bool has_alarm(AlarmType type) const {
    for (const Alarm& alarm : alarms) {
      if (alarm.type == type) return true;
    }
    return false;
  }
};

// One command or query on its way.
struct Call {
  State& state;
  const engine::ApplyContext& context;
  AnswerSink& sink;
  ChangeListener* listener;  // or null

  void fail(CoordErrc code) const {
    sink.failed({.code = code, .revision = state.store.revision(), .compact_revision = state.store.compact_revision()});
  }
  // True: kOk. False: `code` has been answered.
  [[nodiscard]] bool pass(CoordErrc code) const {
    if (code == CoordErrc::kOk) return true;
    fail(code);
    return false;
  }
  void done() const { sink.done(state.store.revision()); }
  // Ends a change of keys: true if it has made a revision.
  bool commit() const {
    if (!state.store.commit()) return false;
    if (listener != nullptr) listener->changed(state.store.revision());
    return true;
  }
};

// One for each body, in the .cc of its family.
#define KEELSON_COORD_RUN(Body) void run(const Call& call, const Body& body);
KEELSON_COORD_BODIES(KEELSON_COORD_RUN)
#undef KEELSON_COORD_RUN

// May the caller put a key on that lease, or revoke it? kOk if it is not there.
[[nodiscard]] CoordErrc check_lease_puts(const State& state, const Caller& caller, LeaseId id);
// The engine's and the query's.
[[nodiscard]] CoordErrc read_events(const Store& store, const ReadEvents& which, FunctionRef<bool(const Event&)> take,
                                    EventsAnswer& answer);
// A page of HashKv. The error is kOk.
[[nodiscard]] CoordErrc hash_page(const Store& store, const HashKv& which, HashAnswer& answer, std::string& next_key);
[[nodiscard]] uint64_t hash_rest(const State& state);

}  // namespace keelson::coord
