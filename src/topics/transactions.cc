#include "topics/transactions.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "base/logging.h"
#include "engine/topic/group_commands.h"
#include "engine/topic/log_commands.h"
#include "shard/call_on.h"
#include "shard/run_on.h"

namespace keelson::topics {

namespace {

constexpr int64_t kNsPerMs = 1'000'000;
// While a transaction is being ended whoever wants to begin the next one waits, 2 + 4 + 8 + 16 ms.
constexpr unsigned kConcurrentTries = 4;
constexpr int64_t kConcurrentWaitMs = 2;
// Markers that could not be written are tried again, after twice as long each time up to the second one.
constexpr int64_t kRetryMsMin = 50;
constexpr int64_t kRetryMsMax = 5'000;
// Markers under way at once, of one transaction.
constexpr size_t kMarkersMax = 256;
constexpr uint32_t kProducerIdBlock = 1'000;
constexpr uint32_t kPage = 100;

bool is_prepared(const topic::TransactionInfo& info) {
  return info.state == topic::TransactionState::kPrepareCommit || info.state == topic::TransactionState::kPrepareAbort;
}

// Everywhere; write_markers() takes out what is done.
bool is_marked(const topic::TransactionInfo& info) { return info.partitions.empty() && info.groups.empty(); }

// A marker that is not needed any more is as good as one that is written: the topic has gone, or the partition has
// fenced the producer with a newer epoch, which ended whatever it had.
bool is_done(const Asked& asked) {
  if (asked.outcome != log::LogErrc::kOk) return false;
  switch (asked.answer.error) {
    case topic::TopicErrc::kOk:
    case topic::TopicErrc::kUnknownTopic:
    case topic::TopicErrc::kUnknownPartition:
    case topic::TopicErrc::kInvalidProducerEpoch:
    case topic::TopicErrc::kTransactionCoordinatorFenced:
      return true;
    default:
      return false;
  }
}

}  // namespace

// The transactional ids of one reactor; its thread.
class Transactions::Home {
 public:
  Home(Topics& topics, env::Reactor& here, const TransactionsOptions& options)
      : topics_(topics),
        here_(here),
        options_(options),
        timer_(here,
               [this] {
                 if (!is_stopping_) tasks_.spawn(look());
               }),
        tasks_(here),
        stopping_(here) {}

  [[nodiscard]] env::Reactor& reactor() { return here_; }
  [[nodiscard]] TransactionFigures& figures() { return figures_; }
  [[nodiscard]] env::TaskScope& stop_scope() { return stopping_; }

  void start() {
    if (!is_stopping_) tasks_.spawn(look());
  }
  Task<bool> stop() {
    is_stopping_ = true;
    timer_.disarm();
    for (env::Timer* nap : naps_) nap->arm_after(0);
    co_await tasks_.join();
    co_return true;
  }

  // Somebody has seen its transaction prepared.
  void finish(const std::string& id) {
    if (is_stopping_ || !under_way_.insert(id).second) return;
    figures_.under_way.set(static_cast<int64_t>(under_way_.size()));
    tasks_.spawn(carry_out(id));
  }

  // Producer ids that are this reactor's to give out.
  int64_t next_producer_id = 0;
  int64_t producer_ids_end = 0;

 private:
  // A sleep that stop() ends.
  class Nap {
   public:
    Nap(Home& home, int64_t ms) : home_(home), ms_(ms), timer_(home.here_, [this] { waiter_.resume(); }) {}
    Nap(const Nap&) = delete;
    Nap& operator=(const Nap&) = delete;
    ~Nap() { home_.naps_.erase(&timer_); }
    [[nodiscard]] bool await_ready() const { return home_.is_stopping_; }
    void await_suspend(std::coroutine_handle<> waiter) {
      waiter_ = waiter;
      home_.naps_.insert(&timer_);
      timer_.arm_after(ms_ * kNsPerMs);
    }
    void await_resume() const noexcept {}

   private:
    Home& home_;
    int64_t ms_;
    env::Timer timer_;
    std::coroutine_handle<> waiter_;
  };

  // Whoever saw it prepared may have been busy since then, and its producer be in its next transaction, with the same
  // epoch: markers for the one before would end that one. So it is looked up again here, where nobody else completes
  // it.
  Task<void> carry_out(std::string id) {
    std::optional<topic::TransactionInfo> transaction;
    int64_t retry_ms = kRetryMsMin;
    while (!is_stopping_) {
      if (!transaction) {
        Asked found = co_await topics_.ask(here_, topics_.shard_of_name(id), topic::FindTransaction{.id = id});
        if (found.outcome == log::LogErrc::kOk) {
          if (!found.ok() || !is_prepared(found.answer.transactions.at(0))) break;
          transaction = std::move(found.answer.transactions.at(0));
        }
      }
      if (transaction && co_await is_carried_out(*transaction)) break;
      // That it is complete was refused by the log, or written all the same.
      if (transaction && is_marked(*transaction)) transaction.reset();
      figures_.marker_retries.add();
      if (retry_ms >= kRetryMsMax) {
        log_warn("topics", "a transaction cannot be ended yet", {{"transactional_id", id}});
      }
      co_await Nap(*this, retry_ms);
      retry_ms = std::min(2 * retry_ms, kRetryMsMax);
    }
    under_way_.erase(id);
    figures_.under_way.set(static_cast<int64_t>(under_way_.size()));
  }

  Task<bool> is_carried_out(topic::TransactionInfo& transaction) {
    const bool is_commit = transaction.state == topic::TransactionState::kPrepareCommit;
    co_await write_markers(transaction, is_commit);
    if (!is_marked(transaction)) co_return false;
    const Asked asked = co_await topics_.ask(
        here_, topics_.shard_of_name(transaction.id),
        topic::CompleteTransaction{transaction.id, transaction.producer_id, transaction.producer_epoch});
    // Any answer but a refusal by the log means that it is not prepared any more.
    if (asked.outcome != log::LogErrc::kOk) co_return false;
    (is_commit ? figures_.committed : figures_.aborted).add();
    co_return true;
  }

  // What is done is taken out of the transaction.
  Task<void> write_markers(topic::TransactionInfo& transaction, bool is_commit) {
    std::vector<topic::PartitionId> partitions;
    for (size_t from = 0; from < transaction.partitions.size(); from += kMarkersMax) {
      const size_t to = std::min(from + kMarkersMax, transaction.partitions.size());
      std::vector<Asking> asking;
      for (size_t i = from; i < to; ++i) {
        const topic::PartitionId& at = transaction.partitions[i];
        asking.push_back(topics_.ask(here_, topics_.shard_of(at),
                                     topic::EndPartitionTransaction{.at = at,
                                                                    .producer_id = transaction.producer_id,
                                                                    .producer_epoch = transaction.producer_epoch,
                                                                    .is_commit = is_commit}));
      }
      for (size_t i = from; i < to; ++i) {
        const Asked asked = co_await asking[i - from];
        if (!is_done(asked)) partitions.push_back(transaction.partitions[i]);
      }
    }
    transaction.partitions = std::move(partitions);
    std::vector<std::string> groups;
    for (const std::string& group : transaction.groups) {
      const Asked asked = co_await topics_.ask(here_, topics_.shard_of_name(group),
                                               topic::EndPendingOffsets{.group = group,
                                                                        .producer_id = transaction.producer_id,
                                                                        .producer_epoch = transaction.producer_epoch,
                                                                        .is_commit = is_commit});
      if (!is_done(asked)) groups.push_back(group);
    }
    transaction.groups = std::move(groups);
  }

  // Looks for what is left to do, in all shards of this reactor.
  Task<void> look() {
    for (uint16_t i = 0; i < topics_.router().shard_count() && !is_stopping_; ++i) {
      const shard::ShardId shard = topics_.shard_at(i);
      if (topics_.router().reactor_of(shard) == here_.index()) co_await look_at(shard);
    }
    if (!is_stopping_) timer_.arm_after(options_.check_ms * kNsPerMs);
  }

  Task<void> look_at(shard::ShardId shard) {
    topic::FindDueTransactions page{
        .now_ms = here_.clock().wall_ms(), .expiration_ms = options_.expiration_ms, .count_max = kPage};
    while (!is_stopping_) {
      Asked found = co_await topics_.ask(here_, shard, page);
      if (!found.ok() || found.answer.transactions.empty()) co_return;
      page.after = found.answer.transactions.back().id;
      for (topic::TransactionInfo& each : found.answer.transactions) co_await deal_with(shard, std::move(each));
      if (!found.answer.is_truncated) co_return;
    }
  }

  Task<void> deal_with(shard::ShardId shard, topic::TransactionInfo transaction) {
    if (is_prepared(transaction)) {
      finish(transaction.id);
      co_return;
    }
    if (transaction.state != topic::TransactionState::kOngoing) {
      (void)co_await topics_.ask(here_, shard, topic::ExpireTransactionalId{transaction.id, transaction.updated_ms});
      co_return;
    }
    const Asked asked =
        co_await topics_.ask(here_, shard,
                             topic::TimeOutTransaction{transaction.id, transaction.producer_id,
                                                       transaction.producer_epoch, transaction.started_ms});
    if (!asked.ok()) co_return;
    figures_.timed_out.add();
    log_info("topics", "a transaction has taken too long and is aborted",
             {{"transactional_id", transaction.id}, {"timeout_ms", transaction.timeout_ms}});
    finish(transaction.id);
  }

  Topics& topics_;
  env::Reactor& here_;
  const TransactionsOptions& options_;
  TransactionFigures figures_;
  std::set<std::string> under_way_;
  std::set<env::Timer*> naps_;
  bool is_stopping_ = false;
  env::Timer timer_;
  env::TaskScope tasks_;
  env::TaskScope stopping_;
};

Transactions::Transactions(Topics& topics, TransactionsOptions options) : topics_(topics), options_(options) {
  env::Env& env = topics.runtime().env();
  for (unsigned i = 0; i < env.reactor_count(); ++i) {
    homes_.push_back(std::make_unique<Home>(topics_, env.reactor(i), options_));
  }
}

Transactions::~Transactions() { topics_.runtime().abandon(); }

Task<Status> Transactions::start() {
  env::Reactor& here = topics_.runtime().reactor(0);
  for (const auto& home : homes_) {
    Home& each = *home;
    co_await shard::call_on(here, each.reactor(), [&each] { each.start(); });
  }
  co_return Status();
}

Task<void> Transactions::stop() {
  env::Reactor& here = topics_.runtime().reactor(0);
  for (const auto& home : homes_) {
    (void)co_await shard::RunOn<bool>(here, home->stop_scope(), home->reactor(), home->stop());
  }
}

const TransactionFigures& Transactions::figures(unsigned reactor_index) const {
  return homes_[reactor_index]->figures();
}

Transactions::Home& Transactions::home_of(const std::string& id) {
  return *homes_[topics_.router().reactor_of(topics_.shard_of_name(id))];
}

void Transactions::finish(env::Reactor& here, const std::string& id) {
  Home& home = home_of(id);
  if (&home.reactor() == &here) return home.finish(id);
  home.reactor().post([&home, id] { home.finish(id); });
}

Task<Asked> Transactions::take_producer_id(env::Reactor& here) {
  Home& home = *homes_[here.index()];
  Asked asked;
  if (home.next_producer_id == home.producer_ids_end) {
    asked = co_await topics_.ask(here, topics_.shard_of_name(topic::kProducerIdsName),
                                 topic::AllocateProducerIds{.count = kProducerIdBlock});
    if (!asked.ok()) co_return asked;
    // Another may have brought a block meanwhile; its rest is given up.
    home.next_producer_id = asked.answer.producer_id;
    home.producer_ids_end = home.next_producer_id + kProducerIdBlock;
  }
  asked.answer.producer_id = home.next_producer_id++;
  asked.answer.producer_epoch = 0;
  co_return asked;
}

Task<Asked> Transactions::new_producer(env::Reactor& here) { co_return co_await take_producer_id(here); }

Task<Asked> Transactions::init(env::Reactor& here, topic::InitProducer what) {
  int64_t wait_ms = kConcurrentWaitMs;
  for (unsigned tries = 0;; ++tries) {
    const Asked id = co_await take_producer_id(here);
    if (!id.ok()) co_return id;
    what.new_producer_id = id.answer.producer_id;
    Asked asked = co_await topics_.ask(here, topics_.shard_of_name(what.id), what);
    if (asked.outcome == log::LogErrc::kOk && !asked.answer.transactions.empty()) finish(here, what.id);
    const bool is_concurrent =
        asked.outcome == log::LogErrc::kOk && asked.answer.error == topic::TopicErrc::kConcurrentTransactions;
    if (!is_concurrent || tries == kConcurrentTries) co_return asked;
    co_await env::sleep_for(here, wait_ms * kNsPerMs);
    wait_ms *= 2;
  }
}

Task<Asked> Transactions::add(env::Reactor& here, topic::AddToTransaction what) {
  int64_t wait_ms = kConcurrentWaitMs;
  for (unsigned tries = 0;; ++tries) {
    Asked asked = co_await topics_.ask(here, topics_.shard_of_name(what.id), what);
    const bool is_concurrent =
        asked.outcome == log::LogErrc::kOk && asked.answer.error == topic::TopicErrc::kConcurrentTransactions;
    if (!is_concurrent || tries == kConcurrentTries) co_return asked;
    co_await env::sleep_for(here, wait_ms * kNsPerMs);
    wait_ms *= 2;
  }
}

Task<Asked> Transactions::end(env::Reactor& here, topic::EndTransaction what) {
  Asked asked = co_await topics_.ask(here, topics_.shard_of_name(what.id), what);
  if (asked.ok() && is_prepared(asked.answer.transactions.at(0))) finish(here, what.id);
  co_return asked;
}

Asking Transactions::verify(env::Reactor& here, const topic::VerifyTransaction& what) {
  return topics_.ask(here, topics_.shard_of_name(what.id), what);
}

Asking Transactions::find(env::Reactor& here, const std::string& id) {
  return topics_.ask(here, topics_.shard_of_name(id), topic::FindTransaction{.id = id});
}

Task<Transactions::Listed> Transactions::list(env::Reactor& here) {
  Listed all;
  for (uint16_t i = 0; i < topics_.router().shard_count(); ++i) {
    topic::ListTransactions page;
    while (true) {
      Asked asked = co_await topics_.ask(here, topics_.shard_at(i), page);
      if (!asked.ok()) {
        all.outcome = asked.outcome;
        break;
      }
      const bool is_truncated = asked.answer.is_truncated;
      for (topic::TransactionInfo& each : asked.answer.transactions) all.transactions.push_back(std::move(each));
      if (!is_truncated) break;
      page.after = all.transactions.back().id;
    }
  }
  co_return all;
}

}  // namespace keelson::topics
