// Topics for whoever needs them in the house: requests to the topic shards from any reactor, topics by name, reading
// from memory or disk, waiting for what comes, and what runs beside (retention, compaction).
//
//   Asked asked = co_await topics.ask(here, topics.shard_of(partition), body, payload, owner);
//
// One object for the node, used from every reactor; `here` is the reactor of the calling coroutine. A coroutine that
// waits may be destroyed meanwhile: the request goes on and its answer is dropped. See asking.h: a request begins when
// ask() is called, not when it is awaited.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "base/task.h"
#include "engine/topic/answer.h"
#include "engine/topic/log_commands.h"
#include "engine/topic/types.h"
#include "env/reactor.h"
#include "shard/router.h"
#include "shard/runtime.h"
#include "topics/asking.h"

namespace keelson::topics {

struct TopicsOptions {
  size_t service = 0;                    // its place in RuntimeOptions::services
  int64_t retention_check_ms = 300'000;  // log.retention.check.interval.ms
  // Share of each reactor's time that compaction may take; 0: there is none.
  unsigned compaction_percent = 10;
  // For the keys of one run (log.cleaner.dedupe.buffer.size, of each reactor).
  size_t compaction_memory_bytes = size_t{32} << 20;
  // The service is replicated: each of its shards is a group (shard/replica.h), which may be led elsewhere.
  bool is_clustered = false;
  log::NodeId node = 1;  // this one
};

// What a reactor counts.
struct TopicsStats {
  Counter disk_reads;
  Counter disk_read_bytes;
  Counter damaged_reads;  // batches whose CRC was wrong
  Counter trims;          // that retention has asked for
  Counter files_removed;
  Counter compactions;
  Counter compactions_failed;
  Counter compacted_bytes;       // of segments that were written anew
  Counter compacted_bytes_left;  // what they had then
};

// What decides for a shard beside its engine (coordinators of groups and transactions) follows the lead of its group.
// Told on the shard's reactor.
class LeadListener {
 public:
  virtual ~LeadListener() = default;
  // This node leads the shard, and has said so in its log: the engine refuses whoever comes with a lower claim (claims
  // grow with each, from 1). What was committed before can be read. On one node, once for each shard.
  virtual void lead_begun(shard::ShardId shard, int32_t claim) = 0;
  // It does not any more, or only with another claim, of which lead_begun() tells.
  virtual void lead_ended(shard::ShardId shard) = 0;
};

class Topics {
 public:
  using TopicPointer = std::shared_ptr<const topic::TopicInfo>;

  Topics(shard::Runtime& runtime, TopicsOptions options);
  // Without stop() (a crash in simulation): after Runtime::abandon().
  ~Topics();
  Topics(const Topics&) = delete;
  Topics& operator=(const Topics&) = delete;

  // Reactor 0. After the runtime's start(), before anything below; on a node of a cluster before its start_groups(),
  // and without waiting for any shard. On one node the shards are claimed when it returns, those that can be.
  Task<Status> start();
  // Reactor 0. Whoever waits is woken, requests from now on are answered with kStopped, those under way are waited for;
  // for at most kStopMs. Before Runtime::stop().
  Task<void> stop();
  static constexpr int64_t kStopMs = 10'000;
  [[nodiscard]] bool is_stopping(env::Reactor& here) const;

  // Reactor 0. Outlives stop(). What is led already it is told at once.
  void add_lead_listener(LeadListener& listener);
  // From any reactor: the claim was refused, or what became of a command is not known and must not happen later. The
  // lead of that claim ends, and begins anew if this node leads still. A claim that is over already does nothing.
  void claim_again(env::Reactor& here, shard::ShardId shard, int32_t claim);
  // On a node of a cluster: shards are replicated, and other nodes may lead them. Any thread.
  [[nodiscard]] bool is_clustered() const;
  // As far as is known here; 0: none. On one node its own. Any thread.
  [[nodiscard]] log::NodeId leader_of(shard::ShardId shard) const;
  [[nodiscard]] bool leads(shard::ShardId shard) const;
  // By the monotonic clock, since when leader_of() is what it is. Any thread.
  [[nodiscard]] int64_t leader_changed_ns(shard::ShardId shard) const;

  [[nodiscard]] shard::Runtime& runtime();
  [[nodiscard]] const shard::Router& router() const { return router_; }
  [[nodiscard]] shard::ShardId shard_of(const PartitionId& partition) const {
    return shard_at(topic::shard_of_partition(partition, router_.shard_count()));
  }
  [[nodiscard]] shard::ShardId shard_of_name(std::string_view name) const {
    return shard_at(topic::shard_of_name(name, router_.shard_count()));
  }
  // By its number within the service.
  [[nodiscard]] shard::ShardId shard_at(uint16_t number) const {
    return static_cast<shard::ShardId>(router_.first_shard() + number);
  }
  // For queries that any shard can answer. On one node one of this reactor's, if it has any; in a cluster the first
  // shard, which decides on topics, or the nearest one that has a replica here, if any has.
  [[nodiscard]] shard::ShardId nearest_shard(env::Reactor& here) const;

  // One command or query: Body is of engine/topic/*_commands.h. `payload` is a second argument, kept alive by `owner`.
  template <class Body>
  [[nodiscard]] Asking ask(env::Reactor& here, shard::ShardId shard, const Body& body, std::string_view payload = {},
                           std::shared_ptr<const void> owner = {}) {
    return start_call(here, shard, static_cast<uint16_t>(Body::kCode), encode(body), payload, std::move(owner));
  }
  // A query on the state as it stands here, however old: without a message, also where nobody leads. On a shard without
  // a replica here the outcome is kNotLeader, as of any request. On one node as ask().
  template <class Body>
  [[nodiscard]] Asking ask_stale(env::Reactor& here, shard::ShardId shard, const Body& body) {
    return start_call(here, shard, static_cast<uint16_t>(Body::kCode), encode(body), {}, {}, true);
  }
  // As ask(), and of another node where the shard has no replica here: such an answer has the error, the reason, the
  // claim and producer ids alone.
  template <class Body>
  [[nodiscard]] Task<Asked> ask_anywhere(env::Reactor& here, shard::ShardId shard, Body body) {
    return ask_encoded(here, shard, static_cast<uint16_t>(Body::kCode), encode(body), true);
  }
  // How other nodes are asked. Reactor 0, before start(); called on any reactor, `here`.
  using Elsewhere =
      std::function<Task<Asked>(env::Reactor& here, shard::ShardId shard, uint16_t code, std::string body)>;
  void set_elsewhere(Elsewhere elsewhere);
  // What came encoded, from another node: of the replica here, if there is one (kNotLeader).
  [[nodiscard]] Task<Asked> ask_encoded(env::Reactor& here, shard::ShardId shard, uint16_t code, std::string body,
                                        bool may_go_elsewhere = false);
  // A command of the directory. On one node on every shard or none. In a cluster the first shard's answer (kNotLeader
  // where it has no replica); every other shard has been told by then, or some seconds have passed and those that were
  // not there hear of it later.
  template <class Body>
  [[nodiscard]] Asking ask_all(env::Reactor& here, const Body& body) {
    return start_on_all(here, static_cast<uint16_t>(Body::kCode), encode(body));
  }

  // A topic that this reactor has seen, as it is now; null: ask find_topic(). Never waits.
  [[nodiscard]] TopicPointer known_topic(env::Reactor& here, std::string_view name);
  [[nodiscard]] TopicPointer known_topic(env::Reactor& here, const TopicId& id);
  // Null in `topic`: there is none, or the shard could not be asked (outcome).
  struct Found {
    log::LogErrc outcome = log::LogErrc::kOk;
    TopicPointer topic;
  };
  [[nodiscard]] Task<Found> find_topic(env::Reactor& here, std::string name);
  [[nodiscard]] Task<Found> find_topic(env::Reactor& here, TopicId id);
  // Grows with each change of the directory that is known here, whoever made it. Any thread.
  [[nodiscard]] uint64_t directory_version() const { return directory_version_.load(std::memory_order_acquire); }
  // Grows with each change of a document on a shard's replica here, whoever made it, and whenever such a replica's
  // state is replaced. Any thread.
  [[nodiscard]] uint64_t documents_version() const { return documents_version_.load(std::memory_order_acquire); }

  // Reads; what lies on disk is brought here, as slices, and checked. The span of the answer is empty. `is_stale`: as
  // ask_stale(), but what is an error there is asked again, confirmed.
  [[nodiscard]] Task<Asked> read(env::Reactor& here, topic::Read what, bool is_stale = false);
  // Turns the span of an answer, if it has one, into slices. An error names file and offset, if it is about damage.
  [[nodiscard]] Task<Status> bring(env::Reactor& here, topic::ReadAnswer& answer);

  // FindOffset, whose answer's `within` is looked through here, and empty.
  [[nodiscard]] Task<Asked> find_offset(env::Reactor& here, topic::FindOffset what);

  // See Waiting: returns when one of the points has something or has gone, at the deadline (monotonic), or when the
  // service stops. In a cluster a point on a shard that this node does not lead, or does not lead any more, is one that
  // has gone.
  [[nodiscard]] Waiting wait(env::Reactor& here, std::vector<WaitPoint> points, int64_t deadline_ns);
  // Ends those that this reactor waits for at present.
  void end_waits(env::Reactor& here);

  // Backups: between the two no segment is removed. Any thread; may be nested.
  void hold_files() { files_held_.fetch_add(1, std::memory_order_acq_rel); }
  void release_files() { files_held_.fetch_sub(1, std::memory_order_acq_rel); }
  [[nodiscard]] bool are_files_held() const { return files_held_.load(std::memory_order_acquire) != 0; }

  // Any thread.
  [[nodiscard]] const TopicsStats& stats(unsigned reactor_index) const;

 private:
  struct Inside;

  [[nodiscard]] Asking start_call(env::Reactor& here, shard::ShardId shard, uint16_t code, std::string body,
                                  std::string_view payload, std::shared_ptr<const void> owner, bool is_stale = false);
  // As ask_anywhere(), but under way at once.
  [[nodiscard]] Asking start_anywhere(env::Reactor& here, shard::ShardId shard, uint16_t code, std::string body);
  [[nodiscard]] Asking start_on_all(env::Reactor& here, uint16_t code, std::string body);

  const shard::Router router_;
  std::atomic<uint64_t> directory_version_{1};
  std::atomic<uint64_t> documents_version_{1};
  std::atomic<unsigned> files_held_{0};
  std::unique_ptr<Inside> inside_;
};

}  // namespace keelson::topics
