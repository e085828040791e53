// A client of the simulated service that knows what it was promised.
//
// It alone writes its keys, so it can say what each must hold: exactly one value while everything it sent was answered,
// and a few possible ones after a connection broke with commands under way. Commands of one connection on one key take
// effect in order, so a key may show any prefix of them; a transaction or MSET shows on all its keys or on none.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/task.h"
#include "env/env.h"
#include "env/network.h"
#include "tests/sim/kv_model.h"
#include "tests/sim/resp_text.h"

namespace keelson::sim_test {

// What a client may be told beside the expected answer.
struct Allowed {
  bool full = false;     // the disk is full: the command had no effect
  bool failed = false;   // the log failed: nobody knows
  bool refused = false;  // the (fake) log refused the record: no effect
  bool damaged = false;  // the key's shard is stopped
};

class KvClient {
 public:
  KvClient(env::Env& env, env::Address server, unsigned id, unsigned keys, Allowed allowed);

  // Works until finish() is called, then verifies everything once more and ends.
  Task<void> run();
  void finish() { is_finishing_ = true; }
  [[nodiscard]] bool is_done() const { return is_done_; }
  // Set when the server did something that it must not.
  [[nodiscard]] const std::string& violation() const { return violation_; }
  [[nodiscard]] uint64_t acknowledged() const { return acknowledged_; }
  [[nodiscard]] uint64_t verified() const { return verified_; }
  // Keys whose shard is stopped because its data is damaged.
  [[nodiscard]] uint64_t lost_keys() const;
  // The log failed: only a restart helps.
  [[nodiscard]] bool wants_restart() const { return wants_restart_; }
  void restarted() { wants_restart_ = false; }

 private:
  struct Key {
    std::string name;
    ModelType type = ModelType::kString;
    ModelValue value;
    std::vector<ModelValue> possible;  // beside `value`; empty when it is certain
    bool is_lost = false;              // its shard is stopped
  };

  Task<bool> connect();
  Task<bool> send(const std::vector<std::vector<std::string>>& commands);
  Task<std::optional<Reply>> receive();
  Task<bool> work();
  Task<bool> work_pipelined();
  Task<bool> work_mset();
  Task<bool> work_transaction();
  Task<bool> verify();
  void settle_atomic();
  // False: the answer is an error that is allowed, and the command had no effect.
  bool has_effect(const Reply& reply);
  void violate(const std::string& what);
  Key& random_key(std::optional<ModelType> type);

  env::Env& env_;
  const env::Address server_;
  const unsigned id_;
  const Allowed allowed_;
  std::vector<Key> keys_;
  // A transaction that was under way: the values of its keys if it took effect.
  std::map<size_t, ModelValue> atomic_;
  std::unique_ptr<env::Stream> stream_;
  Buffer input_;
  bool is_uncertain_ = false;
  bool is_finishing_ = false;
  bool is_done_ = false;
  bool wants_restart_ = false;
  uint64_t acknowledged_ = 0;
  uint64_t verified_ = 0;
  std::string violation_;
};

}  // namespace keelson::sim_test
