// The clients of a simulated topic: writers of each kind, readers, and the members of a group. Each tells the judge
// what it sent, what it was answered, and what it saw.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/task.h"
#include "env/env.h"
#include "env/network.h"
#include "tests/sim/kafka_link.h"
#include "tests/sim/topic_judge.h"

namespace keelson::sim_test {

// What a client may be told beside the expected answer.
struct TopicAllowed {
  bool storage_errors = false;  // the disk is full, or the log has failed: nobody knows
  // Several nodes: leaders move, and whoever is asked may not know of a topic yet.
  bool moves = false;
};

// What they all work on; outlives them.
struct TopicWorld {
  TopicJudge& judge;
  std::string topic;
  int32_t partitions = 1;
  TopicAllowed allowed;
  bool is_trimmed = false;  // by somebody
  int64_t pause_ns_max = 10'000'000;
  int32_t transaction_timeout_ms = 60'000;
};

class TopicClient {
 public:
  TopicClient(env::Env& env, KafkaServers servers, TopicWorld& world, uint32_t id);
  virtual ~TopicClient() = default;
  // Works until finish() is called; a client that is in the midst of something brings it to its end.
  virtual Task<void> run() = 0;
  virtual void finish() { is_finishing_ = true; }
  [[nodiscard]] uint32_t id() const { return id_; }
  [[nodiscard]] bool is_done() const { return is_done_; }
  [[nodiscard]] const std::string& violation() const { return violation_; }
  [[nodiscard]] uint64_t successes() const { return successes_; }
  // The last error that it was answered with.
  [[nodiscard]] int16_t last_error() const { return last_error_; }

 protected:
  // What an error asks of a client: to go on (kNone), to try again, or it is one that nothing explains.
  enum class Verdict : uint8_t { kNone, kAgain, kUnexpected };
  [[nodiscard]] Verdict judge_error(int16_t error);
  void violate(const std::string& what);
  [[nodiscard]] uint64_t below(uint64_t bound);
  Task<void> pause();
  [[nodiscard]] bool goes_on() const { return violation_.empty(); }

  env::Env& env_;
  TopicWorld& world_;
  const uint32_t id_;
  KafkaLink link_;
  bool is_finishing_ = false;
  bool is_done_ = false;
  uint64_t successes_ = 0;
  int16_t last_error_ = kNoError;
  std::string violation_;
};

enum class WriterKind : uint8_t {
  kPlain,       // acks=all; what is not answered is not sent again; now and then a batch is bent
  kIdempotent,  // sent again until it is answered
  kKeyed,       // idempotent, over a few keys of its own, with tombstones
};

class TopicWriter final : public TopicClient {
 public:
  TopicWriter(env::Env& env, KafkaServers servers, TopicWorld& world, uint32_t id, WriterKind kind);
  Task<void> run() override;

 private:
  Task<bool> begin();
  Task<void> write();

  const WriterKind kind_;
  ProducerState producer_;
  std::map<int32_t, int32_t> sequence_;
  uint64_t written_ = 0;
};

// Transactions over some of the partitions; commits and aborts, and is itself begun anew now and then, in the midst of
// one.
class TransactionalWriter final : public TopicClient {
 public:
  TransactionalWriter(env::Env& env, KafkaServers servers, TopicWorld& world, uint32_t id, std::string group);
  Task<void> run() override;

 private:
  enum class Step : uint8_t { kDone, kFenced, kStopped };
  Task<bool> begin();
  Task<Step> transact();
  Task<Step> write(int32_t partition, TopicJudge::TransactionId transaction);
  Task<Step> commit_offset();
  Task<Step> end(TopicJudge::TransactionId transaction, bool is_commit);
  // kDone: go on; kFenced: begin anew; kStopped: an error that nothing explains.
  [[nodiscard]] Step step_of(int16_t error, const std::string& at);
  // It was fenced before it asked for the end: nothing of this is ever seen.
  Step fail_at(Step step, TopicJudge::TransactionId transaction);

  const std::string name_;
  const std::string group_;
  ProducerState producer_;
  std::map<int32_t, int32_t> sequence_;
  uint64_t written_ = 0;
  int64_t offset_ = -1;             // that it has committed for its group; -1: none
  int64_t pending_offset_ = 0;      // within the transaction; 0: none
  uint64_t begins_unanswered_ = 0;  // each may take effect late, and fence what was begun since
};

// Reads a partition again and again, of committed data, from wherever it pleases.
class TopicReader final : public TopicClient {
 public:
  TopicReader(env::Env& env, KafkaServers servers, TopicWorld& world, uint32_t id);
  Task<void> run() override;
  // At the end: everything that stands there.
  Task<void> read_all(std::map<int32_t, TopicJudge::Partition>& into);

 private:
  Task<bool> read_through(int32_t partition, bool is_committed_only, TopicJudge::Partition& into);

  std::map<int32_t, int64_t> position_;
  std::map<std::pair<size_t, int32_t>, int64_t> watermark_;  // of a server; never goes back
};

// One member of a consumer group: takes part in its rebalances, reads what it is assigned from where the group has
// committed, and commits.
class GroupMember final : public TopicClient {
 public:
  GroupMember(env::Env& env, KafkaServers servers, TopicWorld& world, uint32_t id, std::string group);
  Task<void> run() override;

 private:
  Task<bool> join();
  Task<bool> work();
  Task<bool> consume(int32_t partition);

  const std::string group_;
  std::string member_;
  int32_t generation_ = -1;
  int32_t synced_generation_ = -1;  // the last one in which it was given partitions
  std::set<int32_t> assigned_;
};

// Deletes the oldest records of a partition now and then.
class TopicTrimmer final : public TopicClient {
 public:
  using TopicClient::TopicClient;
  Task<void> run() override;
};

// Creates and deletes topics, and adds partitions to them, through any node: names of its own, and some that all admins
// fight about.
class TopicAdmin final : public TopicClient {
 public:
  using TopicClient::TopicClient;
  Task<void> run() override;
  // Its own topics that are certain to be there in the end, with their partitions, and those that are certain to be
  // gone (0).
  [[nodiscard]] const std::map<std::string, int32_t>& certain() const { return certain_; }

 private:
  enum class Change : uint8_t { kCreate, kDelete, kGrow };
  // Of one of its own, from its creation to its deletion, if that comes.
  Task<void> live();
  Task<void> fight();
  Task<void> write_to(std::string name, int32_t partition);
  // Asks until it is answered with kNoError, or as it is once an earlier attempt, whose answer was lost, has done it.
  // False: it is to stop.
  Task<bool> change(Change change, std::string name, int32_t partitions);
  Task<std::optional<KafkaLink::Result>> try_change(Change change, std::string name, int32_t partitions);

  std::map<std::string, int32_t> certain_;
  uint64_t lives_ = 0;
  bool is_doubtful_ = false;  // the last change: an attempt of it may yet be carried out
};

// What a reader of `batches` sees from `offset` on; of committed data with the aborted transactions of a fetch. Moves
// the offset behind the last batch. False: the batches are malformed.
bool read_batches(const KafkaLink::Fetched& fetched, bool is_committed_only, int64_t& offset,
                  std::vector<SeenRecord>& into);

}  // namespace keelson::sim_test
