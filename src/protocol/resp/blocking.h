// Blocking commands: a client waits until a key it named holds something.
//
// The session makes one BlockedWait for the command and one BlockedKey for each key, in its coroutine's frame, and
// queues the keys at their shards' agents in the order of the command. Whichever shard has something first claims the
// wait (a compare-and- swap, since the shards may live on several reactors) and pops within the same turn as the push.
// Within a key, first come, first served.
//
// In a cluster the slot of the keys may move to another shard meanwhile: then the wait is over, and the client is told
// where to go on (ShardAgent::slots_changed()).
#pragma once

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "engine/kv/command.h"
#include "env/reactor.h"
#include "protocol/resp/writer.h"
#include "shard/shard.h"

namespace keelson::resp {

class BlockedWait;
class ShardAgent;

enum class WaitsFor : uint8_t { kList, kSortedSet };

// How the answer of the command that pops becomes the blocking command's answer.
enum class ServedShape : uint8_t {
  kAsIs,        // BLMOVE, BLMPOP, BZMPOP
  kKeyFirst,    // BLPOP: LPOP's element becomes [key, element]
  kKeyAndPair,  // BZPOPMIN: ZPOPMIN's [member, score] becomes [key, member, score]
};

// Turns the popping command's answer into the client's, and notices when there was nothing to pop.
class ServeSink final : public kv::ReplySink {
 public:
  ServeSink(RespWriter& to, ServedShape shape) : to_(to), shape_(shape) {}
  void begin(std::string_view key) {
    key_ = key;
    is_first_ = true;
    found_nothing_ = false;
  }
  [[nodiscard]] bool found_nothing() const { return found_nothing_; }

  void status(std::string_view text) override { head(), to_.status(text); }
  void error(std::string_view text) override { is_first_ = false, to_.error(text); }
  void integer(int64_t value) override { head(), to_.integer(value); }
  void bulk(std::string_view bytes) override { head(), to_.bulk(bytes); }
  void null() override { nothing(); }
  void null_array() override { nothing(); }
  void array(size_t count) override;
  void map(size_t pairs) override { head(), to_.map(pairs); }
  void set(size_t count) override { head(), to_.set(count); }
  void push(size_t count) override { head(), to_.push(count); }
  void real(double value) override { head(), to_.real(value); }
  void boolean(bool value) override { head(), to_.boolean(value); }
  void verbatim(std::string_view format, std::string_view text) override { head(), to_.verbatim(format, text); }
  [[nodiscard]] bool is_resp3() const override { return to_.is_resp3(); }

 private:
  void head();
  void nothing();

  RespWriter& to_;
  const ServedShape shape_;
  std::string_view key_;
  bool is_first_ = true;
  bool found_nothing_ = false;
};

// One key of a blocked command, in its shard's queue. Also the operation that pops. Lives until it has left the queue.
class BlockedKey final : public shard::Operation {
 public:
  BlockedKey(BlockedWait& wait, ShardAgent& agent, shard::ShardId shard, uint16_t database, std::string_view key,
             const kv::CommandSpec& pop, std::vector<std::string_view> pop_args);

  engine::ReplySink& open_reply() override;
  void finished(shard::LogErrc outcome) override;
  [[nodiscard]] uint16_t slot() const override;

  [[nodiscard]] BlockedWait& wait() { return wait_; }
  [[nodiscard]] shard::ShardId shard_id() const { return shard_; }
  [[nodiscard]] ShardAgent& agent() { return agent_; }
  [[nodiscard]] uint16_t database() const { return database_; }
  [[nodiscard]] const std::string& key() const { return key_; }
  bool is_queued = false;

 private:
  BlockedWait& wait_;
  ShardAgent& agent_;
  const shard::ShardId shard_;
  const uint16_t database_;
  const std::string key_;
  const std::vector<std::string_view> pop_args_;
  const engine::Command pop_;
};

// What one blocked command waits with. Belongs to the session's reactor, except what says "any thread".
class BlockedWait {
 public:
  // Popping touches other shards too (BLMOVE): the session itself runs the command when its key is ready.
  BlockedWait(env::Reactor& home, WaitsFor waits_for, ServedShape shape, bool is_resp3, bool session_pops);

  // What ended or interrupted the wait.
  enum class Wake : uint8_t {
    kServed,   // reply() holds the answer
    kRefused,  // by a shard: refused()
    kReady,    // session_pops: claimed, run the command now, then call popped()
    kTimedOut,
    kUnblocked,  // CLIENT UNBLOCK ERROR
    kGone,       // the connection ended
  };
  struct Awaiter {
    BlockedWait& wait;
    bool await_ready() const noexcept { return wait.has_wake_; }
    void await_suspend(std::coroutine_handle<> waiter) noexcept { wait.waiter_ = waiter; }
    Wake await_resume() const noexcept {
      wait.has_wake_ = false;
      return wait.wake_;
    }
  };
  Awaiter woken() { return {*this}; }
  // Asks the wait to end so; it may be served at the same moment, and then it is.
  void cancel(Wake why);
  [[nodiscard]] Buffer& reply() { return reply_; }

  // Any thread: a shard that has something takes the wait for itself...
  [[nodiscard]] bool try_claim();
  // ...and either ends it, or gives it back because there was nothing after all.
  void finish();
  void unclaim();
  // Likewise: ends it, since the shard of `key` does not do what it waits for.
  void refuse(shard::LogErrc why, const BlockedKey& key);
  struct Refused {
    shard::LogErrc why = shard::LogErrc::kOk;
    uint16_t slot = 0;
    shard::ShardId by = 0;
  };
  // What kRefused is about.
  [[nodiscard]] const Refused& refused() const { return refused_; }
  // Any thread, claimed: the session is to run the command for `key`.
  void hand_to_session(BlockedKey& key);
  // The key that kReady is about.
  [[nodiscard]] BlockedKey& ready_key() { return *ready_key_; }

  [[nodiscard]] WaitsFor waits_for() const { return waits_for_; }
  [[nodiscard]] bool session_pops() const { return session_pops_; }
  [[nodiscard]] ServeSink& sink() { return sink_; }
  [[nodiscard]] RespWriter& writer() { return writer_; }

 private:
  enum class State : uint8_t { kWaiting, kClaimed, kOver };
  void wake(Wake why);
  void try_cancel();

  env::Reactor& home_;
  const WaitsFor waits_for_;
  const bool session_pops_;
  Buffer reply_;
  RespWriter writer_;
  ServeSink sink_;
  std::atomic<State> state_{State::kWaiting};
  BlockedKey* ready_key_ = nullptr;
  Refused refused_;
  bool is_cancel_asked_ = false;
  Wake cancel_why_ = Wake::kTimedOut;
  bool has_wake_ = false;
  Wake wake_ = Wake::kServed;
  std::coroutine_handle<> waiter_;
};

}  // namespace keelson::resp
