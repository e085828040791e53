#include "engine/coord/coord_engine.h"

#include "engine/coord/checkpoint.h"
#include "engine/coord/state.h"

namespace keelson::coord {

namespace {

// With each command: more than a command usually makes, so that garbage does not pile up, and some 20 us.
constexpr size_t kTidyStepsPerCommand = 32;

// Codes below are commands, the others queries.
constexpr uint16_t kFirstQuery = 100;

template <class Body>
void decode_and_run(const Call& call, std::string_view bytes) {
  Body body;
  if (!decode(bytes, body)) return call.fail(CoordErrc::kInvalid);
  run(call, body);
}

void dispatch(const Call& call, const engine::Command& command) {
  if (command.args.size() != 1) return call.fail(CoordErrc::kInvalid);
  const std::string_view bytes = command.args[0];
  switch (static_cast<Code>(command.code)) {
#define KEELSON_COORD_CASE(Body) \
  case Body::kCode:              \
    return decode_and_run<Body>(call, bytes);
    KEELSON_COORD_BODIES(KEELSON_COORD_CASE)
#undef KEELSON_COORD_CASE
  }
  call.fail(CoordErrc::kInvalid);
}

}  // namespace

CoordEngine::CoordEngine() : state_(std::make_unique<State>()) {}

CoordEngine::~CoordEngine() {
  if (state_->checkpoint != nullptr) state_->checkpoint->abandon();
}

void CoordEngine::apply(const engine::ApplyContext& context, const engine::Command& command, engine::ReplySink& reply) {
  const Call call{*state_, context, static_cast<AnswerSink&>(reply), listener_};
  if (command.code >= kFirstQuery) return call.fail(CoordErrc::kInvalid);
  dispatch(call, command);
  state_->store.tidy_up(kTidyStepsPerCommand);
}

void CoordEngine::query(const engine::ApplyContext& context, const engine::Command& command, engine::ReplySink& reply) {
  const Call call{*state_, context, static_cast<AnswerSink&>(reply), nullptr};
  if (command.code == static_cast<uint16_t>(Code::kTxn)) {
    Txn txn;
    if (command.args.size() != 1 || !decode(command.args[0], txn) || !is_read_only(txn)) {
      return call.fail(CoordErrc::kInvalid);
    }
    return run(call, txn);
  }
  if (command.code < kFirstQuery) return call.fail(CoordErrc::kInvalid);
  dispatch(call, command);
}

std::unique_ptr<engine::CheckpointSource> CoordEngine::begin_checkpoint() {
  return std::make_unique<Checkpoint>(*state_);
}

Status CoordEngine::load_checkpoint(std::string_view piece) {
  Status status = load_piece(piece, *state_, has_counters_);
  if (listener_ != nullptr) listener_->replaced();
  return status;
}

void CoordEngine::reset() {
  if (state_->checkpoint != nullptr) state_->checkpoint->abandon();
  state_ = std::make_unique<State>();
  has_counters_ = false;
  if (listener_ != nullptr) listener_->replaced();
}

void CoordEngine::set_listener(ChangeListener* listener) { listener_ = listener; }
Revision CoordEngine::revision() const { return state_->store.revision(); }
Revision CoordEngine::compact_revision() const { return state_->store.compact_revision(); }
uint64_t CoordEngine::lease_reign() const { return state_->lease_reign; }

CoordErrc CoordEngine::read_events(const ReadEvents& which, FunctionRef<bool(const Event&)> take,
                                   EventsAnswer& answer) const {
  return coord::read_events(state_->store, which, take, answer);
}

bool CoordEngine::tidy_up(size_t steps) { return state_->store.tidy_up(steps); }

uint64_t digest(const CoordEngine& engine) {
  HashAnswer answer;
  std::string next_key;
  const HashKv all{.state = static_cast<uint64_t>(engine.revision()), .keys_max = UINT32_MAX};
  if (hash_page(engine.state().store, all, answer, next_key) != CoordErrc::kOk) return 0;
  return answer.state ^ hash_rest(engine.state()) ^ static_cast<uint64_t>(engine.compact_revision());
}

}  // namespace keelson::coord
