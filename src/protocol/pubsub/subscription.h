// One subscription at work, on the reactor that owns the shard of its cursor: reads its topic for whoever is hungry,
// hands messages out, and writes down what is acknowledged. What survives is in the cursor (engine/topic) and in the
// subscription's document; everything here can be forgotten, and is once nobody has used it for a while.
//
// Three coroutines: the pump (reads, grants, expires, buries dead letters), the clerk (writes the cursor's advances,
// one record for all that a turn acknowledged), and the lookout, who waits for new messages once all were read.
//
// Streams live on their connections' reactors; what they get is posted there, bounded by kUnsentBytesMax for each.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/task.h"
#include "env/reactor.h"
#include "protocol/pubsub/bell.h"
#include "protocol/pubsub/errors.h"
#include "protocol/pubsub/filter.h"
#include "topics/lease_table.h"
#include "topics/topics.h"

namespace keelson::pubsub {

using topics::Grant;
using topics::LeaseId;

// What a stream has been granted and its connection has not taken: as much as a window of HTTP/2, twice.
inline constexpr size_t kUnsentBytesMax = size_t{2} << 20;
// Of one delivery, and of one answer to a Pull.
inline constexpr size_t kDeliveryMessagesMax = 1000;
inline constexpr size_t kDeliveryBytesMax = size_t{1} << 20;

struct SubscriptionSetup {
  std::string name;    // "projects/P/subscriptions/S"
  std::string cursor;  // the cursor's
  topic::TopicId topic;
  Filter filter;
  topics::LeaseRules rules;
  int64_t ack_deadline_ms = 10'000;
  int64_t retention_ms = 0;
  std::string dead_letter_topic;  // its name in the directory; empty: none
  bool is_detached = false;
};

// A stream, on the reactor of its connection.
struct StreamAddress {
  unsigned reactor = 0;
  uint64_t stream = 0;
  auto operator<=>(const StreamAddress&) const = default;
};

// How what a subscription has for a stream gets there. Called on the subscription's reactor.
class StreamPost {
 public:
  virtual ~StreamPost() = default;
  // If the stream has gone meanwhile they come back by give_back().
  virtual void deliver(const StreamAddress& to, const std::string& subscription, std::vector<Grant> grants) = 0;
  virtual void end(const StreamAddress& to, CallStatus why) = 0;
  // Exactly-once delivery was turned on or off.
  virtual void changed(const StreamAddress& to, const topics::LeaseRules& rules) = 0;
};

struct SubscriptionFigures {
  std::string name;
  topic::TopicId topic;
  std::vector<topic::CursorPosition> positions;  // without ranges: floors, and how many are done beyond (attempts none)
  std::vector<int64_t> done_beyond;              // by partition
  uint64_t leased = 0;
  uint64_t unacknowledged = 0;  // known here: read, and not acknowledged
  int64_t oldest_time_ms = 0;   // of these; 0: none
  uint64_t streams = 0;
  topics::LeaseCounts counts;
};

class Subscription {
 public:
  Subscription(topics::Topics& topics, env::Reactor& here, StreamPost& post, SubscriptionSetup setup);
  ~Subscription();
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;

  // Once: finds the cursor and begins to work.
  [[nodiscard]] Task<CallStatus> start();
  [[nodiscard]] const SubscriptionSetup& setup() const { return setup_; }
  // Its document has been changed.
  void update(SubscriptionSetup setup);
  // No more: streams end with this, pulls and acknowledgements that wait too.
  void close(CallStatus why);
  [[nodiscard]] bool is_closed() const { return !closed_.ok(); }

  // ---- Pulls. Waits for a first message until `until_ns` at the latest.
  struct Pulled {
    CallStatus status;
    std::vector<Grant> grants{};
    topics::LeaseRules rules{};
  };
  [[nodiscard]] Task<Pulled> pull(size_t count_max, int64_t until_ns);

  // ---- Streams.
  void open_stream(const StreamAddress& stream, const topics::ConsumerLimits& limits, int64_t ack_deadline_ms);
  void set_ack_deadline(const StreamAddress& stream, int64_t ack_deadline_ms);
  // Its connection has taken that much.
  void sent(const StreamAddress& stream, size_t bytes);
  void close_stream(const StreamAddress& stream);

  // ---- What consumers say.
  struct Acked {
    std::vector<bool> is_valid{};
    log::LogErrc written = log::LogErrc::kOk;
  };
  // Returns once it is durable; with `waits` unset at once, unless delivery is exactly-once at this moment.
  [[nodiscard]] Task<Acked> acknowledge(std::vector<LeaseId> ids, bool waits);
  // Seconds from now; 0: not wanted now. `seconds` one for each id, or one for all.
  [[nodiscard]] std::vector<bool> modify(const std::vector<LeaseId>& ids, const std::vector<int32_t>& seconds);
  // Granted, and never sent.
  void give_back(const std::vector<LeaseId>& ids);

  // Leases are void from the moment of the seek.
  [[nodiscard]] Task<CallStatus> seek(std::vector<topic::CursorPosition> positions);

  [[nodiscard]] SubscriptionFigures figures() const;

  // Nobody uses it: it may be destroyed.
  [[nodiscard]] bool is_idle(int64_t now_ns) const;
  // Has been used, and its document was not told for so long: it is to be told now. The first time at once.
  [[nodiscard]] bool wants_note(int64_t now_ms, int64_t every_ms);
  // As long as one of these lives it is not destroyed.
  class Pin {
   public:
    explicit Pin(Subscription& subscription) : subscription_(subscription) {
      ++subscription_.pins_;
      subscription_.last_used_ns_ = subscription_.here_.clock().monotonic_ns();
    }
    Pin(const Pin&) = delete;
    Pin& operator=(const Pin&) = delete;
    ~Pin() { --subscription_.pins_; }

   private:
    Subscription& subscription_;
  };

 private:
  struct Stream {
    topics::ConsumerId consumer = 0;
    int64_t ack_deadline_ms = 0;
    size_t unsent_bytes = 0;
  };
  struct Puller {
    topics::ConsumerId consumer = 0;
    size_t count_max = 0;
    std::vector<Grant> grants{};
  };
  class Feed;

  Task<void> pump();
  Task<void> clerk();
  Task<void> write_round();
  Task<void> lookout();
  Task<void> read_for_hungry();
  Task<bool> read_due(topics::LeaseTable::Place place);
  Task<bool> read_new(int32_t partition);
  Task<topics::Asked> read(int32_t partition, int64_t offset, uint32_t bytes_max);
  Task<void> bury();
  Task<void> bury_some(std::vector<std::unique_ptr<topics::Message>> dead);
  void below_log_start(int32_t partition, int64_t log_start);
  [[nodiscard]] bool is_hungry() const;
  // True: somebody got something.
  bool serve();
  void answer_puller(Puller* puller);
  void answer_pullers();
  bool serve_stream(const StreamAddress& address, Stream& stream);
  [[nodiscard]] int64_t now_ns() const { return here_.clock().monotonic_ns(); }
  void learn_partitions();
  void forget_ends() { at_end_.assign(table_.partition_count(), false); }
  [[nodiscard]] std::optional<int32_t> next_partition();

  topics::Topics& topics_;
  env::Reactor& here_;
  StreamPost& post_;
  SubscriptionSetup setup_;
  topics::LeaseTable table_;
  CallStatus closed_;
  bool is_topic_gone_ = false;
  std::vector<bool> at_end_;  // of each partition: everything was read
  int32_t next_partition_ = 0;
  uint64_t spread_ = 0;  // of dead letters
  int64_t warn_again_ns_ = 0;
  std::map<StreamAddress, Stream> streams_;
  StreamAddress last_served_;
  std::vector<Puller*> pullers_;
  size_t pins_ = 0;
  int64_t last_used_ns_ = 0;
  int64_t noted_ms_ = 0;

  // The clerk's: each round is one record. An acknowledgement is in the round after the last that has begun.
  uint64_t rounds_begun_ = 0;
  uint64_t rounds_ended_ = 0;
  std::map<uint64_t, log::LogErrc> failed_rounds_;  // the latest

  Bell work_;     // for the pump
  Bell paper_;    // for the clerk
  Bell horizon_;  // for the lookout
  Bell written_;  // a round has ended
  Bell served_;   // a puller has got something, or never will
  env::TaskScope tasks_;
};

}  // namespace keelson::pubsub
