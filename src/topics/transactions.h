// Transactions of producers: what the engine decides (engine/topic/transaction_commands.h) is carried out here.
//
// A transaction that is prepared is decided, and stands in the log. Then each of its partitions gets its marker and
// each of its groups its end, as often as it takes, and it is complete: so it is done on every partition or on none,
// whoever dies meanwhile. At start, and ever again, whatever is prepared is found and carried on; transactions that
// take longer than their producer has said are aborted; ids that were not used for long are forgotten.
//
// Each reactor does this for the transactional ids whose shard it owns. Also gives out producer ids.
#pragma once

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

class Transactions {
 public:
  // `topics` outlives it.
  Transactions(Topics& topics, TransactionsOptions options);
  // Without stop() (a crash in simulation): after Runtime::abandon().
  ~Transactions();
  Transactions(const Transactions&) = delete;
  Transactions& operator=(const Transactions&) = delete;

  // Reactor 0. Carries on in the background with what is prepared.
  Task<Status> start();
  // Reactor 0. What is under way is left for the next start. Before Topics::stop().
  Task<void> stop();

  [[nodiscard]] const TransactionsOptions& options() const { return options_; }
  // Any thread.
  [[nodiscard]] const TransactionFigures& figures(unsigned reactor_index) const;

  // On any reactor, `here`. kConcurrentTransactions is answered once it has been so for some 30 ms: mostly what is
  // under way is done by then, and the client need not ask again.

  // An id that nobody else gets, for a producer without transactions. Answer: producer_id; epoch 0.
  [[nodiscard]] Task<Asked> new_producer(env::Reactor& here);
  // `new_producer_id` is filled in.
  [[nodiscard]] Task<Asked> init(env::Reactor& here, topic::InitProducer what);
  [[nodiscard]] Task<Asked> add(env::Reactor& here, topic::AddToTransaction what);
  // Answered once it is decided; what follows is done in the background.
  [[nodiscard]] Task<Asked> end(env::Reactor& here, topic::EndTransaction what);
  // A query in memory: may this producer append to these partitions?
  [[nodiscard]] Asking verify(env::Reactor& here, const topic::VerifyTransaction& what);
  [[nodiscard]] Asking find(env::Reactor& here, const std::string& id);
  // Of all shards, without their partitions.
  struct Listed {
    log::LogErrc outcome = log::LogErrc::kOk;
    std::vector<topic::TransactionInfo> transactions{};
  };
  [[nodiscard]] Task<Listed> list(env::Reactor& here);

 private:
  class Home;

  [[nodiscard]] Task<Asked> take_producer_id(env::Reactor& here);
  [[nodiscard]] Home& home_of(const std::string& id);
  void finish(env::Reactor& here, const std::string& id);

  Topics& topics_;
  const TransactionsOptions options_;
  std::vector<std::unique_ptr<Home>> homes_;
};

}  // namespace keelson::topics
