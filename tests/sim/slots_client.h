// A client of a kv cluster whose slots move: it writes and reads keys of a few slots, goes where it is sent to
// (MOVED), asks again what was certainly not done, and writes down what it was answered.
//
// Each slot has a tag, and keys of several kinds:
//   {tag}a, {tag}b  written over, deleted, swapped
//   {tag}n          appended to: shows what was lost and what was done twice
//   {tag}p, {tag}q  a pair, written by one command or transaction alone: always both the same
//   {tag}x          written with a time to live
//   {tag}l          a list, pushed to and popped from, also by clients that block (slots_queues.h)
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "base/task.h"
#include "env/env.h"
#include "env/network.h"
#include "env/sim/sim.h"
#include "tests/sim/linear_register.h"
#include "tests/sim/register_calls.h"
#include "tests/sim/resp_text.h"
#include "tests/sim/slots_queues.h"

namespace keelson::sim_test {

struct SlotsLoad {
  std::vector<std::string> tags;
  int64_t think_ns_max = 20 * env::sim::kMillisecond;
  int64_t answer_within_ns = 6 * env::sim::kSecond;  // longer than a server makes a client wait
  int64_t ttl_ms_min = 200;
  int64_t ttl_ms_max = 2'500;
  // No clock jumps or drifts: no key goes away before its time, and nodes agree on when that is. (Each node tells by
  // its own clock whether a key that it reads is past its time; otherwise such keys are written and read, but not
  // judged.)
  bool has_sound_clocks = false;
  size_t value_bytes = 0;         // of the first kind of keys, besides what tells them apart
  uint64_t flushes_in_10000 = 0;  // of what is asked for: all keys of the cluster are deleted
};

class SlotsClient {
 public:
  // `machine` is where it runs; all outlive it.
  SlotsClient(env::sim::World& world, env::sim::Node& machine, std::vector<env::Address> servers, unsigned id,
              const SlotsLoad& load, linear::RegisterHistory& history, SlotsQueues& queues);

  // Works until finish() is called.
  Task<void> run();
  void finish() { is_finishing_ = true; }
  [[nodiscard]] bool is_done() const { return is_done_; }
  // Reads each key, asking that server first, again and again until all were answered. Not while it runs.
  Task<void> read_all(unsigned server);
  // From now on keys with a time to live are past it.
  void expect_expired() { is_all_expired_ = true; }

  // An answer that no server may give.
  [[nodiscard]] const std::string& violation() const { return violation_; }
  [[nodiscard]] uint64_t answered() const { return answered_; }
  [[nodiscard]] uint64_t written() const { return written_; }  // of those: such as change something
  [[nodiscard]] uint64_t unanswered() const { return unanswered_; }
  [[nodiscard]] uint64_t refused() const { return refused_; }
  [[nodiscard]] uint64_t moved() const { return moved_; }
  // The longest from the first time that something was asked until it was answered; what was never is left out.
  [[nodiscard]] int64_t longest_ns() const { return longest_ns_; }
  [[nodiscard]] int64_t longest_at_ns() const { return longest_at_ns_; }

 private:
  struct Part {
    std::string key;
    linear::RegisterCall call;
  };
  // What is asked for at once; the last of the answers counts.
  struct Wish {
    enum class Form : uint8_t {
      kSingle,
      kPairSet,
      kPairGet,
      kPairDelete,
      kTransaction,
      kWatched,
      kExpiring,
      kFlush,
      kPush,
      kPop,
      kList
    };
    Form form = Form::kSingle;
    size_t tag = 0;
    std::vector<std::vector<std::string>> commands;
    std::vector<Part> parts;
  };
  struct Link {
    std::unique_ptr<env::Stream> stream;
    Buffer input;
  };

  [[nodiscard]] Wish draw();
  void draw_single(Wish& wish);
  void draw_pair(Wish& wish);
  void draw_flush(Wish& wish);
  void draw_queue(Wish& wish);
  Task<void> fulfil(Wish wish);
  // False: the connection is gone, and nobody knows what became of the wish.
  Task<std::optional<Reply>> ask(unsigned server, const Wish& wish);
  Task<bool> connect(unsigned server);
  void disconnect(unsigned server);
  Task<std::optional<Reply>> receive(Link& link);
  // What the answer says; takes it down in the parts.
  Fate take(Wish& wish, const Reply& reply);
  Fate take_pair(Wish& wish, const Reply& reply);
  Fate take_queue(Wish& wish, const Reply& reply);
  void note_queue(const Wish& wish, bool is_answered);
  void note(const Wish& wish, int64_t called_at, bool is_answered);
  void follow(const Wish& wish, const std::string& error);
  void violate(const std::string& what) {
    if (violation_.empty()) violation_ = what;
  }
  [[nodiscard]] std::string next_value();
  [[nodiscard]] std::string key(const Wish& wish, char kind) const { return "{" + load_.tags[wish.tag] + "}" + kind; }
  [[nodiscard]] uint64_t below(uint64_t count) { return machine_.reactor(0).random().next() % count; }

  env::sim::World& world_;
  env::sim::Node& machine_;
  const std::vector<env::Address> servers_;
  const unsigned id_;
  const SlotsLoad load_;
  linear::RegisterHistory& history_;
  SlotsQueues& queues_;
  std::vector<Link> links_;      // to each server
  std::vector<unsigned> place_;  // of each tag: the server to ask
  std::unique_ptr<env::Timer> deadline_;
  unsigned asking_ = 0;  // the server whose link the deadline closes
  uint64_t last_value_ = 0;
  bool is_finishing_ = false;
  bool is_done_ = false;
  bool is_all_expired_ = false;
  uint64_t answered_ = 0;
  uint64_t written_ = 0;
  uint64_t unanswered_ = 0;
  uint64_t refused_ = 0;
  uint64_t moved_ = 0;
  int64_t longest_ns_ = 0;
  int64_t longest_at_ns_ = 0;
  std::string violation_;
};

}  // namespace keelson::sim_test
