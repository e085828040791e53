// Transactions of producers: what the engine decides (engine/topic/transaction_commands.h) is carried out here.
//
// A transaction that is prepared is decided, and stands in the log. Then each of its partitions gets its marker and
// each of its groups its end, as often as it takes, and it is complete: so it is done on every partition or on none,
// whoever dies meanwhile. At start, and ever again, whatever is prepared is found and carried on; transactions that
// take longer than their producer has said are aborted; ids that were not used for long are forgotten.
//
// Each reactor does this for the transactional ids whose shard it owns and this node leads (topics.h, LeadListener),
// with the claim that it has on the shard; so one node does, and who did before is refused, here (kFencedClaim) and by
// partitions and groups, which remember the greatest claim of whoever ended something there
// (EndPartitionTransaction::coordinator_epoch). A marker that is not heard of may be written at any time, and must not
// end the producer's next transaction, which has the same epoch: so the shard is claimed again once the marker's can be
// asked, and all markers are written with the new claim.
//
// Also gives out producer ids, which any node may.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "base/task.h"
#include "engine/topic/transaction_commands.h"
#include "env/reactor.h"
#include "topics/topics.h"

namespace keelson::topics {

// Names and defaults: Kafka's.
struct TransactionsOptions {
  int32_t timeout_ms_max = 900'000;          // transaction.max.timeout.ms
  int64_t expiration_ms = 7 * 86'400'000LL;  // transactional.id.expiration.ms
  int64_t check_ms = 10'000;                 // transaction.abort.timed.out.transaction.cleanup.interval.ms
};

// Of one reactor; written there, read anywhere.
struct TransactionFigures {
  Counter committed;
  Counter aborted;
  Counter timed_out;
  Counter marker_retries;
  Gauge under_way;  // prepared, not complete
};

class Transactions final : private LeadListener {
 public:
  // `topics` outlives it.
  Transactions(Topics& topics, TransactionsOptions options);
  // Without stop() (a crash in simulation): after Runtime::abandon().
  ~Transactions() override;
  Transactions(const Transactions&) = delete;
  Transactions& operator=(const Transactions&) = delete;

  // Reactor 0, after Topics::start(). Carries on in the background with what is prepared.
  Task<Status> start();
  // Reactor 0. What is under way is left for the next start. Before Topics::stop().
  Task<void> stop();

  [[nodiscard]] const TransactionsOptions& options() const { return options_; }
  // Any thread.
  [[nodiscard]] const TransactionFigures& figures(unsigned reactor_index) const;

  // On any reactor, `here`. kConcurrentTransactions is answered once it has been so for some 30 ms: mostly what is
  // under way is done by then, and the client need not ask again. Outcome kNotLeader, and kFencedClaim: the id's shard
  // is led by another node; kNoLeader: by this one in a moment, or nobody could be asked.

  // An id that nobody else gets on any node, for a producer without transactions. Answer: producer_id; epoch 0.
  [[nodiscard]] Task<Asked> new_producer(env::Reactor& here);
  // `new_producer_id` is filled in.
  [[nodiscard]] Task<Asked> init(env::Reactor& here, topic::InitProducer what);
  [[nodiscard]] Task<Asked> add(env::Reactor& here, topic::AddToTransaction what);
  // Answered once it is decided; what follows is done in the background.
  [[nodiscard]] Task<Asked> end(env::Reactor& here, topic::EndTransaction what);
  // A query, on any node: may this producer append to these partitions?
  [[nodiscard]] Task<Asked> verify(env::Reactor& here, topic::VerifyTransaction what);
  [[nodiscard]] Task<Asked> find(env::Reactor& here, std::string id);
  // Of all shards that this node leads, without their partitions.
  struct Listed {
    log::LogErrc outcome = log::LogErrc::kOk;
    std::vector<topic::TransactionInfo> transactions{};
  };
  [[nodiscard]] Task<Listed> list(env::Reactor& here);

 private:
  class Home;

  // LeadListener.
  void lead_begun(shard::ShardId shard, int32_t claim) override;
  void lead_ended(shard::ShardId shard) override;
  // This node's; 0: it has none. Any thread.
  [[nodiscard]] std::atomic<int32_t>& claim_on(shard::ShardId shard) const {
    return claims_[shard - topics_.router().first_shard()];
  }
  // Asks the id's shard with the claim.
  template <class Body>
  [[nodiscard]] Task<Asked> ask_claimed(env::Reactor& here, Body body);
  [[nodiscard]] Task<Asked> take_producer_id(env::Reactor& here);
  [[nodiscard]] Home& home_of(shard::ShardId shard) const { return *homes_[topics_.router().reactor_of(shard)]; }
  void finish(env::Reactor& here, const std::string& id);

  Topics& topics_;
  const TransactionsOptions options_;
  std::unique_ptr<std::atomic<int32_t>[]> claims_;  // by the shard's number within the service
  std::vector<std::unique_ptr<Home>> homes_;
};

}  // namespace keelson::topics
