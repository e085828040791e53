// The coordination engine of one shard, behind the contract of engine/engine.h: etcd's v3 state.
//
// Commands and queries are those of commands.h; sinks are AnswerSink. A code that is not known, and a body that is
// malformed, are answered with kInvalid.
//
// Removal of what compaction has made unreadable goes on in small steps: some with each command, and by tidy_up(). No
// answer or hash shows how far it has come (but where the pages of a Scan end), so that replicas may differ in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/function_ref.h"
#include "engine/coord/answer.h"
#include "engine/coord/commands.h"
#include "engine/engine.h"

namespace keelson::coord {

inline constexpr uint32_t kCoordEngineVersion = 1;

class State;

// Hears what apply() changes, on every replica, within the call; must not call the engine but for reading.
class ChangeListener {
 public:
  virtual ~ChangeListener() = default;
  // Keys have changed: read_events() has them up to `revision`.
  virtual void changed(Revision revision) = 0;
  virtual void compacted(Revision revision) = 0;
  virtual void lease_granted(const LeaseInfo& lease) = 0;
  virtual void lease_gone(LeaseId lease) = 0;
  // Users, roles, or whether auth is on: permissions may be other ones.
  virtual void auth_changed() = 0;
  // The state is another one: reset(), or a piece of a checkpoint was loaded. Once for each call.
  virtual void replaced() = 0;
};

// Not final: a test may stand in between and see what is applied.
class CoordEngine : public engine::Engine {
 public:
  CoordEngine();
  ~CoordEngine() override;

  void apply(const engine::ApplyContext& context, const engine::Command& command, engine::ReplySink& reply) override;
  void query(const engine::ApplyContext& context, const engine::Command& command, engine::ReplySink& reply) override;
  std::unique_ptr<engine::CheckpointSource> begin_checkpoint() override;
  Status load_checkpoint(std::string_view piece) override;
  void reset() override;

  // ---- For src/coord, on the owner's thread.

  // null: nobody. Outlives the engine, or is taken away first.
  void set_listener(ChangeListener* listener);
  [[nodiscard]] Revision revision() const;
  // 0: never.
  [[nodiscard]] Revision compact_revision() const;
  // The present one, which ends of leases must name (LeaseReign). 0: none has begun.
  [[nodiscard]] uint64_t lease_reign() const;
  // The same as the query ReadEvents. `take` returns false to stop behind the event that it was given. Costs a search,
  // then a step for each event; holds nothing between calls.
  [[nodiscard]] CoordErrc read_events(const ReadEvents& which, FunctionRef<bool(const Event&)> take,
                                      EventsAnswer& answer) const;
  // Removes compacted versions, up to about `steps` of them (about 1 us each). True: there is nothing left to do (or
  // a checkpoint under way keeps it from going on).
  bool tidy_up(size_t steps);

  [[nodiscard]] const State& state() const { return *state_; }

 private:
  std::unique_ptr<State> state_;
  ChangeListener* listener_ = nullptr;
  bool has_counters_ = false;  // of the checkpoint that is being loaded
};

// A hash over everything that the state is; walks all of it. For tests and simulations.
[[nodiscard]] uint64_t digest(const CoordEngine& engine);

}  // namespace keelson::coord
