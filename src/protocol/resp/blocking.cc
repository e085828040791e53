#include "protocol/resp/blocking.h"

#include <utility>

#include "base/crc16.h"
#include "protocol/resp/shard_agent.h"

namespace keelson::resp {

void ServeSink::head() {
  if (!std::exchange(is_first_, false)) return;
  if (shape_ == ServedShape::kKeyFirst) {
    to_.array(2);
    to_.bulk(key_);
  }
}

void ServeSink::array(size_t count) {
  if (shape_ != ServedShape::kKeyAndPair || !std::exchange(is_first_, false)) {
    head();
    to_.array(count);
    return;
  }
  found_nothing_ = count == 0;
  if (found_nothing_) return;
  to_.array(count + 1);
  to_.bulk(key_);
}

void ServeSink::nothing() {
  if (is_first_) {
    found_nothing_ = true;
  } else {
    to_.null();
  }
}

BlockedKey::BlockedKey(BlockedWait& wait, ShardAgent& agent, shard::ShardId shard, uint16_t database,
                       std::string_view key, const kv::CommandSpec& pop, std::vector<std::string_view> pop_args)
    : wait_(wait),
      agent_(agent),
      shard_(shard),
      database_(database),
      key_(key),
      pop_args_(std::move(pop_args)),
      pop_{pop.code, database, pop_args_} {
  commands = {&pop_, 1};
  is_write = true;
}

engine::ReplySink& BlockedKey::open_reply() {
  wait_.sink().begin(key_);
  return wait_.sink();
}

uint16_t BlockedKey::slot() const { return key_slot(key_); }

void BlockedKey::finished(shard::LogErrc outcome) {
  const bool is_content = outcome != shard::LogErrc::kOk || !wait_.sink().found_nothing();
  if (outcome != shard::LogErrc::kOk) {
    wait_.refuse(outcome, *this);
  } else if (is_content) {
    wait_.finish();
  } else {
    wait_.unclaim();
  }
  // Still there: the session takes this key out of the queue, on this thread, before it goes.
  agent_.served(*this, is_content);
}

BlockedWait::BlockedWait(env::Reactor& home, WaitsFor waits_for, ServedShape shape, bool is_resp3, bool session_pops)
    : home_(home),
      waits_for_(waits_for),
      session_pops_(session_pops),
      writer_(reply_, is_resp3),
      sink_(writer_, shape) {}

bool BlockedWait::try_claim() {
  State expected = State::kWaiting;
  return state_.compare_exchange_strong(expected, State::kClaimed);
}

void BlockedWait::finish() {
  state_.store(State::kOver);
  home_.post([this] { wake(Wake::kServed); });
}

void BlockedWait::refuse(shard::LogErrc why, const BlockedKey& key) {
  refused_ = {why, key.slot(), key.shard_id()};
  state_.store(State::kOver);
  home_.post([this] { wake(Wake::kRefused); });
}

void BlockedWait::unclaim() {
  state_.store(State::kWaiting);
  // A cancel that came while the wait was claimed has been put off until now.
  home_.post([this] { try_cancel(); });
}

void BlockedWait::hand_to_session(BlockedKey& key) {
  home_.post([this, &key] {
    ready_key_ = &key;
    wake(Wake::kReady);
  });
}

void BlockedWait::cancel(Wake why) {
  if (is_cancel_asked_ && why != Wake::kGone) return;
  is_cancel_asked_ = true;
  cancel_why_ = why;
  try_cancel();
}

void BlockedWait::try_cancel() {
  if (!is_cancel_asked_) return;
  State expected = State::kWaiting;
  if (!state_.compare_exchange_strong(expected, State::kOver)) return;
  // In a later turn: the session may end the scope in which the caller stands.
  home_.post([this] { wake(cancel_why_); });
}

void BlockedWait::wake(Wake why) {
  wake_ = why;
  has_wake_ = true;
  if (waiter_) std::exchange(waiter_, {}).resume();
}

}  // namespace keelson::resp
