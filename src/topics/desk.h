// One reactor's side of topics, both ways: the requests and waits that were begun there, and the shards that it owns.
// What a turn gathers for another reactor goes there in one message. For this folder alone; that reactor's thread.
#pragma once

#include <array>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "engine/engine.h"
#include "engine/topic/answer.h"
#include "env/reactor.h"
#include "shard/runtime.h"
#include "shard/shard.h"
#include "topics/asking.h"
#include "topics/wait_hub.h"

namespace keelson::topics::detail {

class Leads;

// One request. Its desk owns it from its making until it is back and nobody holds it; then it is used again.
class Call final : public shard::Operation, public topic::AnswerSink {
 public:
  engine::ReplySink& open_reply() override { return *this; }
  Answer* answer() override { return &asked.answer; }
  void finished(log::LogErrc outcome) override;
  // Of a replicated shard: what one reactor asks takes effect in its order.
  [[nodiscard]] const void* sequence() const override { return origin; }

  Desk* origin = nullptr;  // whose it is
  Desk* at = nullptr;      // of the shard's reactor, while under way
  log::ShardId shard = 0;
  std::string body;
  std::array<std::string_view, 2> views;
  engine::Command command;
  std::shared_ptr<const void> owner;
  Asked asked;
  std::coroutine_handle<> waiter;
  bool is_back = false;
  bool is_dropped = false;  // nobody holds a CallPointer to it
  size_t place = 0;         // among its desk's
};

// What one reactor tells another.
struct Box {
  std::vector<Call*> calls;    // to their shards
  std::vector<Call*> answers;  // back to who asked
  struct Points {
    uint64_t wait = 0;
    std::vector<PointAt> points;
  };
  std::vector<Points> waits;
  std::vector<uint64_t> ended;  // waits
  struct WokenBy {
    uint64_t wait = 0;
    PartitionId partition;
  };
  std::vector<WokenBy> woken;  // waits of who is told; those of one wait follow one another
  [[nodiscard]] bool is_empty() const {
    return calls.empty() && answers.empty() && waits.empty() && ended.empty() && woken.empty();
  }
};

class Desk {
 public:
  Desk(shard::Runtime& runtime, const shard::Router& router, env::Reactor& here);
  ~Desk();
  Desk(const Desk&) = delete;
  Desk& operator=(const Desk&) = delete;

  // Once, before anything else: all desks, by their reactors' numbers.
  void set_desks(const std::vector<std::unique_ptr<Desk>>& desks) { desks_ = &desks; }
  // Waits on partitions whose shards are not led here end at once. Not called: every shard is.
  void set_leads(const Leads& leads) { leads_ = &leads; }

  // ---- Whoever asks.
  [[nodiscard]] CallPointer make_call(uint16_t code, std::string body, std::string_view payload,
                                      std::shared_ptr<const void> owner, bool is_stale = false);
  // To its shard; a query has `is_write` unset. Refused with kStopped once the desk is stopping.
  void start(Call& call, log::ShardId shard);
  // The call is carried out by other means, and came_back() follows.
  [[nodiscard]] bool start_beside(Call& call);
  void came_back(Call& call);
  void drop(Call& call);

  void begin(Waiting& waiting);
  void end(Waiting& waiting);
  // All that are there now.
  void end_waits();

  // ---- The shards of this reactor.
  void finished(Call& call);
  void touched(log::ShardId shard);
  // A topic is gone: whoever waits for it is told.
  void topic_deleted();
  // The whole state of the shard is another one.
  void state_replaced(log::ShardId shard);

  // New requests are answered with kStopped, and every wait ends.
  void refuse();
  [[nodiscard]] bool is_stopping() const { return is_stopping_; }
  [[nodiscard]] bool has_calls_under_way() const { return under_way_ != 0; }
  [[nodiscard]] env::Reactor& reactor() { return here_; }
  [[nodiscard]] const shard::Router& router() const { return router_; }
  // Tasks that requests need (directory commands).
  [[nodiscard]] env::TaskScope& scope() { return scope_; }

 private:
  // Calls kept for later use; one is about 1 KiB.
  static constexpr size_t kSpareCallsMax = 256;

  [[nodiscard]] Box& box_for(unsigned reactor);
  void gather();
  void send();
  void receive(unsigned from, Box box);
  void submit(Call& call);
  void forget(Call& call);
  void wake(uint64_t wait, std::span<const Box::WokenBy> by);
  void wake_each(std::span<const Box::WokenBy> woken);
  void look_at_touched();
  void look_at(log::ShardId id);
  void tell(std::vector<Woken> woken);

  shard::Runtime& runtime_;
  const shard::Router router_;
  env::Reactor& here_;
  const unsigned here_index_;
  const std::vector<std::unique_ptr<Desk>>* desks_ = nullptr;
  const Leads* leads_ = nullptr;
  std::vector<Box> boxes_;  // by reactor
  bool is_gathering_ = false;
  bool is_stopping_ = false;
  std::vector<std::unique_ptr<Call>> calls_;  // in use
  std::vector<std::unique_ptr<Call>> spare_;
  size_t under_way_ = 0;
  boost::unordered_flat_map<uint64_t, Waiting*> waits_;
  uint64_t last_wait_ = 0;
  WaitHub hub_;
  std::vector<log::ShardId> touched_;
  std::vector<log::ShardId> replaced_;  // of touched_
  std::vector<Woken> woken_;
  int64_t settle_warned_ns_ = 0;
  env::TaskScope scope_;
};

}  // namespace keelson::topics::detail
