// What of a subscription is handed out: leases with deadlines, redelivery with back-off, order by key, dead letters.
// Pure: no clock (times are monotonic, in ns, and given), no log, no client. One table for a subscription; whoever runs
// it (protocol/pubsub/subscription.h) reads messages from the log, feeds them, hands grants to consumers, and writes
// down what was acknowledged.
//
// A message between its cursor's floor and the next offset to be read is in one state:
//
//   due      to be read (again), its payload is not in memory          -> ready
//   ready    its payload is here                                       -> leased, parked
//   leased   a consumer has it until a deadline                        -> settling, later, due, dead
//   later    failed, waits for the end of its back-off                 -> due
//   parked   behind another message of its key; its payload was dropped-> due
//   dead     failed too often: to be read, then given to the dead-letter topic -> settling, later
//   settling acknowledged, and the record that says so is under way    -> gone, or leased again
//
// A lease is of one delivery: its number is never given twice, and it is void after its deadline, a negative
// acknowledgement, or a seek. Without exactly-once delivery a void lease acknowledges its message all the same, as long
// as nobody has sought: the work was done.
//
// Order by key: of a key's messages only the first that is not leased may be granted, and while some are leased only to
// the consumer that has them. One that fails takes the leases of all later messages of its key with it.
//
// Memory is bounded: kUnackedMax messages of a partition are known at a time (past it nothing new is handed out until
// some are acknowledged), and payloads are held for kReadyBytesMax and what one read brings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/topic/cursor_commands.h"
#include "engine/topic/cursor_state.h"
#include "engine/topic/offset_set.h"

namespace keelson::topics {

// Messages of one partition that are handed out, or waiting to be, and not acknowledged: about 300 bytes each, 10 MiB
// for a partition nobody acknowledges. Half of kCursorRangesMax, so that a cursor never has too many ranges.
inline constexpr size_t kUnackedMax = 32'768;
static_assert(kUnackedMax * 2 <= topic::kCursorRangesMax);
// Payloads read ahead: what consumers take within some 10 ms at 500 MB/s.
inline constexpr size_t kReadyBytesMax = size_t{4} << 20;
inline constexpr size_t kReadyCountMax = 4096;

struct Message {
  int32_t partition = 0;
  int64_t offset = 0;
  int64_t time_ms = 0;
  std::string key;  // empty: none
  std::string data;
  topic::Pairs attributes;
  [[nodiscard]] size_t size_bytes() const;
};

struct Backoff {
  int64_t min_ms = 10'000;
  int64_t max_ms = 600'000;
};

struct LeaseRules {
  bool is_ordered = false;
  bool is_exactly_once = false;
  std::optional<Backoff> backoff{};  // none: at once
  uint32_t attempts_max = 0;         // deliveries before a message goes to the dead-letter topic; 0: there is none
};

// What an acknowledgement names.
struct LeaseId {
  uint64_t generation = 0;  // of the cursor
  int32_t partition = 0;
  int64_t offset = 0;
  uint64_t lease = 0;
};

using ConsumerId = uint64_t;  // 0: none

struct ConsumerLimits {
  uint64_t messages_max = UINT64_MAX;  // handed out and not acknowledged
  uint64_t bytes_max = UINT64_MAX;
};

struct Grant {
  std::unique_ptr<Message> message;
  LeaseId id;
  uint32_t attempt = 1;
};

struct LeaseCounts {
  uint64_t delivered = 0;
  uint64_t redelivered = 0;
  uint64_t acknowledged = 0;
  uint64_t nacked = 0;
  uint64_t expired = 0;
  uint64_t dead_lettered = 0;
};

class LeaseTable {
 public:
  // `first_lease`: leases are numbered from here; a table of another life began elsewhere (a random number).
  LeaseTable(LeaseRules rules, uint64_t first_lease);

  // Everything is forgotten; the cursor stands so. Leases from before are void.
  void reset(const topic::CursorInfo& cursor);
  void set_rules(const LeaseRules& rules) { rules_ = rules; }
  [[nodiscard]] const LeaseRules& rules() const { return rules_; }
  // The topic has that many partitions; it never has fewer.
  void set_partition_count(size_t count);
  [[nodiscard]] size_t partition_count() const { return partitions_.size(); }

  // ---- Reading. Room for payloads?
  [[nodiscard]] bool has_room() const { return ready_bytes_ < kReadyBytesMax && ready_count_ < kReadyCountMax; }
  // Something that has been handed out before, or whose payload was dropped, is to be read again.
  struct Place {
    int32_t partition = 0;
    int64_t offset = 0;
    auto operator<=>(const Place&) const = default;
  };
  [[nodiscard]] std::optional<Place> next_due() const;
  // Even if no consumer asks for anything: a dead letter's payload is wanted.
  [[nodiscard]] bool must_read() const { return !due_dead_.empty(); }
  // The next offset of the partition that has not been read; none: too much of it is not acknowledged.
  [[nodiscard]] std::optional<int64_t> next_new(int32_t partition) const;
  // Is the payload of this record wanted? Of a new one as well as of one to be read again.
  [[nodiscard]] bool wants(int32_t partition, int64_t offset) const;
  // wants() is so. The records between the last that was read and this one are not there.
  void feed(std::unique_ptr<Message> message);
  // There is nothing for the subscription in [begin, end): what was expected of it counts as acknowledged.
  void skip(int32_t partition, int64_t begin, int64_t end);
  // Nothing that is ready can be granted to whoever has room: drops payloads of messages that wait for others of their
  // key, so that others can be read. True: there is room again.
  bool park_blocked();

  // ---- Consumers.
  [[nodiscard]] ConsumerId add_consumer(const ConsumerLimits& limits);
  // Its leases stay until their deadlines.
  void remove_consumer(ConsumerId id);
  [[nodiscard]] bool has_room(ConsumerId id) const;
  void set_limits(ConsumerId id, const ConsumerLimits& limits);
  // Appends what the consumer gets, with leases until `deadline_ns`. At least one, if there is one and it has room for
  // any: a message larger than its bytes is not kept from it.
  void grant(ConsumerId id, size_t count_max, size_t bytes_max, int64_t deadline_ns, std::vector<Grant>& out);

  // ---- What consumers say. False: the lease is void (or the message acknowledged), and nothing was done. Without
  // exactly-once delivery acknowledge() takes void leases of messages that are not acknowledged.
  bool acknowledge(const LeaseId& id, int64_t now_ns);
  bool extend(const LeaseId& id, int64_t now_ns, int64_t deadline_ns);
  bool nack(const LeaseId& id, int64_t now_ns);
  // Was granted and never sent: as if it had not been.
  void give_back(const LeaseId& id);

  // ---- Time. When something is to be done: INT64_MAX: nothing.
  [[nodiscard]] int64_t next_event_ns() const { return timers_.empty() ? INT64_MAX : std::get<0>(*timers_.begin()); }
  void expire(int64_t now_ns);

  // ---- Dead letters, once each, with their payload. Each is then told about: `is_published` acknowledges it,
  // otherwise it is tried again later.
  [[nodiscard]] std::vector<std::unique_ptr<Message>> take_dead() { return std::exchange(dead_, {}); }
  [[nodiscard]] bool has_dead() const { return !dead_.empty(); }
  void dead_letter(const Place& place, bool is_published, int64_t now_ns);
  // Failed deliveries of a message so far.
  [[nodiscard]] uint32_t attempts(const Place& place) const;

  // ---- Writing down. Something to be confirmed to somebody, or (has_skipped) nothing that anybody waits for.
  [[nodiscard]] bool has_settling() const { return !settling_.empty() || !new_attempts_.empty(); }
  [[nodiscard]] bool has_skipped() const { return !skipped_.empty(); }
  // What there is to write down; advanced() follows before the next call, unless reset() does.
  [[nodiscard]] topic::AdvanceCursor take_advance(std::string_view name);
  // It is in the log, or it is not: then the leases are as before, until a deadline that is no earlier than this.
  void advanced(bool is_written, int64_t deadline_ns);

  [[nodiscard]] uint64_t generation() const { return generation_; }
  [[nodiscard]] const topic::OffsetSet& done(int32_t partition) const { return partitions_[at(partition)].done; }
  [[nodiscard]] std::vector<topic::CursorPosition> positions() const;
  [[nodiscard]] size_t leased() const { return leased_; }
  [[nodiscard]] size_t unacknowledged() const;
  // When the oldest message was published that is known here and not acknowledged; INT64_MAX: there is none.
  [[nodiscard]] int64_t oldest_time_ms() const;
  [[nodiscard]] size_t ready_bytes() const { return ready_bytes_; }
  [[nodiscard]] const LeaseCounts& counts() const { return counts_; }

 private:
  enum class State : uint8_t { kDue, kReady, kLeased, kLater, kParked, kDead, kSettling };
  struct Entry {
    State state = State::kSettling;  // nowhere yet
    bool is_failed = false;          // dead: waits for its payload, or for the dead-letter topic
    uint32_t attempts = 0;           // that failed
    uint32_t bytes = 0;              // of its payload
    uint64_t key = 0;                // hash; 0: none
    uint64_t lease = 0;
    int64_t when_ns = 0;  // deadline, end of the back-off
    int64_t time_ms = 0;  // of publishing
    ConsumerId holder = 0;
    std::unique_ptr<Message> message;
  };
  struct KeyRun {
    std::set<int64_t> waiting;  // neither leased nor settling
    std::set<int64_t> leased;   // or settling
    ConsumerId holder = 0;
    size_t parked = 0;
  };
  struct Partition {
    topic::OffsetSet done;
    std::map<int64_t, Entry> entries;
    int64_t next = 0;                              // to be read
    std::unordered_map<uint64_t, KeyRun> keys;     // if order counts; nothing hangs on its order
    std::map<int64_t, uint32_t> earlier_attempts;  // of the cursor, of messages that have not been read yet
  };
  struct Consumer {
    ConsumerLimits limits;
    uint64_t messages = 0;
    uint64_t bytes = 0;
    [[nodiscard]] bool has_room() const { return messages < limits.messages_max && bytes < limits.bytes_max; }
  };

  [[nodiscard]] static size_t at(int32_t partition) { return static_cast<size_t>(partition); }
  [[nodiscard]] Entry* find(const Place& place);
  [[nodiscard]] const Entry* find(const Place& place) const;
  [[nodiscard]] bool is_valid(const LeaseId& id, const Entry& entry, int64_t now_ns) const;
  // The one way from state to state: timers, lists, counts and keys follow.
  void move(const Place& place, Entry& entry, State to, int64_t when_ns = 0);
  void leave(const Place& place, Entry& entry);
  void count_for_holder(const Entry& entry, bool is_leased);
  void park(const Place& place, Entry& entry, KeyRun& run);
  void fail(const Place& place, Entry& entry, int64_t now_ns);
  void recall_later(const Place& place, const Entry& failed);
  void settle(const Place& place, Entry& entry);
  void forget(const Place& place);
  [[nodiscard]] KeyRun* run_of(const Place& place, const Entry& entry);
  void unpark(int32_t partition, KeyRun& run);
  [[nodiscard]] bool may_grant(const Place& place, const Entry& entry, ConsumerId to);
  bool grant_pass(ConsumerId id, size_t count_max, size_t bytes_max, int64_t deadline_ns, std::vector<Grant>& out);

  LeaseRules rules_;
  uint64_t generation_ = 0;
  uint64_t last_lease_;
  ConsumerId last_consumer_ = 0;
  std::vector<Partition> partitions_;
  std::map<ConsumerId, Consumer> consumers_;
  std::list<Place> ready_;  // in the order of granting; those that are ready no more are passed over
  size_t ready_bytes_ = 0;
  size_t ready_count_ = 0;
  size_t leased_ = 0;
  std::set<Place> due_;
  std::set<Place> due_dead_;  // of dead letters
  std::set<std::tuple<int64_t, int32_t, int64_t>> timers_;
  std::vector<std::unique_ptr<Message>> dead_;
  std::vector<Place> settling_;  // not written down yet
  std::vector<Place> under_way_;
  std::map<int32_t, topic::OffsetSet> skipped_;
  std::map<int32_t, std::map<int64_t, uint32_t>> new_attempts_;
  LeaseCounts counts_;
};

}  // namespace keelson::topics
