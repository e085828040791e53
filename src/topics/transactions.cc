#include "topics/transactions.h"

#include <algorithm>
#include <map>
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

bool is_concurrent(const Asked& asked) {
  return asked.outcome == log::LogErrc::kOk && asked.answer.error == topic::TopicErrc::kConcurrentTransactions;
}

// By what was asked for: so it is answered, or nobody knows what became of it.
bool may_be_prepared(const Asked& asked) {
  if (asked.outcome != log::LogErrc::kOk) return asked.outcome == log::LogErrc::kTimedOut;
  return !asked.answer.transactions.empty() && is_prepared(asked.answer.transactions.at(0));
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
      return true;
    default:
      return false;
  }
}

// Somebody else has claimed the shard of the transactional id.
bool is_fenced(const Asked& asked) {
  return asked.outcome == log::LogErrc::kOk && (asked.answer.error == topic::TopicErrc::kFencedClaim ||
                                                asked.answer.error == topic::TopicErrc::kTransactionCoordinatorFenced);
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
    if (!is_stopping_) timer_.arm_after(options_.check_ms * kNsPerMs);
  }
  Task<bool> stop() {
    is_stopping_ = true;
    timer_.disarm();
    wake_naps();
    co_await tasks_.join();
    co_return true;
  }
  void lead_begun(shard::ShardId shard, int32_t claim) {
    if (is_stopping_) return;
    led_[shard] = claim;
    tasks_.spawn(look_at({shard, claim}));
  }
  void lead_ended(shard::ShardId shard) {
    led_.erase(shard);
    wake_naps();
  }

  // Somebody has seen its transaction prepared, or may have.
  void finish(const std::string& id) {
    const auto at = led_.find(topics_.shard_of_name(id));
    if (at == led_.end() || is_stopping_) return;
    const Lead lead{at->first, at->second};
    if (!under_way_.insert({lead.claim, id}).second) return;
    count_under_way();
    tasks_.spawn(carry_out(id, lead));
  }

  // Producer ids that are this reactor's to give out.
  int64_t next_producer_id = 0;
  int64_t producer_ids_end = 0;

 private:
  struct Lead {
    shard::ShardId shard = 0;
    int32_t claim = 0;
  };
  enum class Carried : uint8_t { kOut, kNotYet, kOver };  // kOver: of the claim

  // A sleep that stop() and the end of a lead end.
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

  void wake_naps() {
    for (env::Timer* nap : naps_) nap->arm_after(0);
  }
  void count_under_way() { figures_.under_way.set(static_cast<int64_t>(under_way_.size())); }
  [[nodiscard]] bool is_led(const Lead& lead) const {
    const auto at = led_.find(lead.shard);
    return !is_stopping_ && at != led_.end() && at->second == lead.claim;
  }

  // Whoever saw it prepared may have been busy since then, and its producer be in its next transaction, with the same
  // epoch: markers for the one before would end that one. So it is looked up again here, where nobody else completes
  // it, for as long as the claim holds.
  Task<void> carry_out(std::string id, Lead lead) {
    std::optional<topic::TransactionInfo> transaction;
    int64_t retry_ms = kRetryMsMin;
    while (is_led(lead)) {
      if (!transaction) {
        Asked found = co_await topics_.ask(here_, lead.shard, topic::FindTransaction{.id = id});
        if (found.outcome == log::LogErrc::kOk) {
          if (!found.ok() || !is_prepared(found.answer.transactions.at(0))) break;
          transaction = std::move(found.answer.transactions.at(0));
        }
        if (!is_led(lead)) break;
      }
      const Carried carried = transaction ? co_await carry_out(*transaction, lead) : Carried::kNotYet;
      if (carried == Carried::kOver) topics_.claim_again(here_, lead.shard, lead.claim);
      if (carried != Carried::kNotYet) break;
      // That it is complete was refused by the log, or written all the same.
      if (transaction && is_marked(*transaction)) transaction.reset();
      figures_.marker_retries.add();
      if (retry_ms >= kRetryMsMax) warn_of(id);
      co_await Nap(*this, retry_ms);
      retry_ms = std::min(2 * retry_ms, kRetryMsMax);
    }
    under_way_.erase({lead.claim, id});
    count_under_way();
  }

  Task<Carried> carry_out(topic::TransactionInfo& transaction, Lead lead) {
    const bool is_commit = transaction.state == topic::TransactionState::kPrepareCommit;
    const Marked marked = co_await write_markers(transaction, is_commit, lead);
    if (marked.unheard && !marked.was_fenced) co_await wait_until_heard(*marked.unheard, lead, transaction.id);
    if (marked.is_over()) co_return Carried::kOver;
    if (!is_marked(transaction)) co_return Carried::kNotYet;
    const Asked asked = co_await topics_.ask(
        here_, lead.shard,
        topic::CompleteTransaction{transaction.id, transaction.producer_id, transaction.producer_epoch, lead.claim});
    if (is_fenced(asked)) co_return Carried::kOver;
    // Any answer but a refusal by the log means that it is not prepared any more.
    if (asked.outcome != log::LogErrc::kOk) co_return Carried::kNotYet;
    (is_commit ? figures_.committed : figures_.aborted).add();
    co_return Carried::kOut;
  }

  static topic::EndPartitionTransaction marker_of(const topic::TransactionInfo& transaction,
                                                  const topic::PartitionId& at, bool is_commit, const Lead& lead) {
    return {.at = at,
            .producer_id = transaction.producer_id,
            .producer_epoch = transaction.producer_epoch,
            .is_commit = is_commit,
            .coordinator_epoch = lead.claim};
  }

  // Of this node's replica if there is one, else of another node's.
  template <class Body>
  Task<Asked> ask_marker(Asking asking, shard::ShardId shard, Body body) {
    Asked asked = co_await asking;
    if (asked.outcome == log::LogErrc::kNotLeader) asked = co_await topics_.ask_anywhere(here_, shard, std::move(body));
    co_return asked;
  }

  // What came of markers.
  struct Marked {
    bool was_fenced = false;                  // some partition or group knows a later claim
    std::optional<shard::ShardId> unheard{};  // of one that may be written yet
    void note(const Asked& asked, shard::ShardId shard) {
      was_fenced |= is_fenced(asked);
      if (asked.outcome == log::LogErrc::kTimedOut) unheard = shard;
    }
    [[nodiscard]] bool is_over() const { return was_fenced || unheard; }
  };

  // What is done is taken out of the transaction.
  Task<Marked> write_markers(topic::TransactionInfo& transaction, bool is_commit, Lead lead) {
    Marked marked;
    std::vector<topic::PartitionId> partitions;
    for (size_t from = 0; from < transaction.partitions.size(); from += kMarkersMax) {
      const size_t to = std::min(from + kMarkersMax, transaction.partitions.size());
      std::vector<Asking> asking;
      for (size_t i = from; i < to; ++i) {
        const topic::PartitionId& at = transaction.partitions[i];
        asking.push_back(topics_.ask(here_, topics_.shard_of(at), marker_of(transaction, at, is_commit, lead)));
      }
      for (size_t i = from; i < to; ++i) {
        const topic::PartitionId& at = transaction.partitions[i];
        const shard::ShardId shard = topics_.shard_of(at);
        const Asked asked =
            co_await ask_marker(std::move(asking[i - from]), shard, marker_of(transaction, at, is_commit, lead));
        marked.note(asked, shard);
        if (!is_done(asked)) partitions.push_back(at);
      }
      if (marked.is_over() || !is_led(lead)) co_return marked;
    }
    transaction.partitions = std::move(partitions);
    std::vector<std::string> groups;
    for (const std::string& group : transaction.groups) {
      const shard::ShardId shard = topics_.shard_of_name(group);
      const topic::EndPendingOffsets end{.group = group,
                                         .producer_id = transaction.producer_id,
                                         .producer_epoch = transaction.producer_epoch,
                                         .is_commit = is_commit,
                                         .coordinator_epoch = lead.claim};
      const Asked asked = co_await ask_marker(topics_.ask(here_, shard, end), shard, end);
      marked.note(asked, shard);
      if (!is_done(asked)) groups.push_back(group);
    }
    transaction.groups = std::move(groups);
    co_return marked;
  }

  // Until that shard can be asked again. The claim is not changed before, or all groups of the transaction's shard
  // would be loaded anew each time that a marker is not heard of.
  Task<void> wait_until_heard(shard::ShardId shard, Lead lead, std::string id) {
    for (int64_t retry_ms = kRetryMsMin; is_led(lead); retry_ms = std::min(2 * retry_ms, kRetryMsMax)) {
      figures_.marker_retries.add();
      if (retry_ms >= kRetryMsMax) warn_of(id);
      co_await Nap(*this, retry_ms);
      if (!is_led(lead)) co_return;
      const Asked asked = co_await topics_.ask_anywhere(here_, shard, topic::VerifyTransaction{.id = id});
      if (asked.outcome == log::LogErrc::kOk) co_return;
    }
  }

  static void warn_of(const std::string& id) {
    log_warn("topics", "a transaction cannot be ended yet", {{"transactional_id", id}});
  }

  // Looks for what is left to do, in all shards of this reactor that are led.
  Task<void> look() {
    std::vector<Lead> leads;
    for (const auto& [shard, claim] : led_) leads.push_back({shard, claim});
    for (const Lead& lead : leads) co_await look_at(lead);
    start();
  }

  Task<void> look_at(Lead lead) {
    topic::FindDueTransactions page{
        .now_ms = here_.clock().wall_ms(), .expiration_ms = options_.expiration_ms, .count_max = kPage};
    while (is_led(lead)) {
      Asked found = co_await topics_.ask(here_, lead.shard, page);
      if (!found.ok() || found.answer.transactions.empty()) co_return;
      page.after = found.answer.transactions.back().id;
      for (topic::TransactionInfo& each : found.answer.transactions) {
        if (is_led(lead)) co_await deal_with(lead, std::move(each));
      }
      if (!found.answer.is_truncated) co_return;
    }
  }

  Task<void> deal_with(Lead lead, topic::TransactionInfo transaction) {
    if (is_prepared(transaction)) {
      finish(transaction.id);
      co_return;
    }
    if (transaction.state != topic::TransactionState::kOngoing) {
      (void)co_await topics_.ask(here_, lead.shard,
                                 topic::ExpireTransactionalId{transaction.id, transaction.updated_ms, lead.claim});
      co_return;
    }
    const Asked asked =
        co_await topics_.ask(here_, lead.shard,
                             topic::TimeOutTransaction{transaction.id, transaction.producer_id,
                                                       transaction.producer_epoch, transaction.started_ms, lead.claim});
    // Whoever has claimed the shard since then sees to it.
    if (is_fenced(asked)) topics_.claim_again(here_, lead.shard, lead.claim);
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
  std::map<shard::ShardId, int32_t> led_;                // with this node's claims
  std::set<std::pair<int32_t, std::string>> under_way_;  // claim, id
  std::set<env::Timer*> naps_;
  bool is_stopping_ = false;
  env::Timer timer_;
  env::TaskScope tasks_;
  env::TaskScope stopping_;
};

Transactions::Transactions(Topics& topics, TransactionsOptions options)
    : topics_(topics),
      options_(options),
      claims_(std::make_unique<std::atomic<int32_t>[]>(topics.router().shard_count())) {
  env::Env& env = topics.runtime().env();
  for (unsigned i = 0; i < env.reactor_count(); ++i) {
    homes_.push_back(std::make_unique<Home>(topics_, env.reactor(i), options_));
  }
}

Transactions::~Transactions() { topics_.runtime().abandon(); }

Task<Status> Transactions::start() {
  env::Reactor& here = topics_.runtime().reactor(0);
  topics_.add_lead_listener(*this);
  // What is led was told there before these come.
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

void Transactions::lead_begun(shard::ShardId shard, int32_t claim) {
  claim_on(shard).store(claim, std::memory_order_release);
  home_of(shard).lead_begun(shard, claim);
}

void Transactions::lead_ended(shard::ShardId shard) {
  claim_on(shard).store(0, std::memory_order_release);
  home_of(shard).lead_ended(shard);
}

void Transactions::finish(env::Reactor& here, const std::string& id) {
  Home& home = home_of(topics_.shard_of_name(id));
  if (&home.reactor() == &here) return home.finish(id);
  home.reactor().post([&home, id] { home.finish(id); });
}

template <class Body>
Task<Asked> Transactions::ask_claimed(env::Reactor& here, Body body) {
  const shard::ShardId shard = topics_.shard_of_name(body.id);
  body.claim = claim_on(shard).load(std::memory_order_acquire);
  Asked asked;
  if (body.claim == 0) {
    asked.outcome = topics_.leads(shard) ? log::LogErrc::kNoLeader : log::LogErrc::kNotLeader;
    co_return asked;
  }
  asked = co_await topics_.ask(here, shard, body);
  if (is_fenced(asked)) topics_.claim_again(here, shard, body.claim);
  co_return asked;
}

Task<Asked> Transactions::take_producer_id(env::Reactor& here) {
  Home& home = *homes_[here.index()];
  Asked asked;
  if (home.next_producer_id == home.producer_ids_end) {
    asked = co_await topics_.ask_anywhere(here, topics_.shard_of_name(topic::kProducerIdsName),
                                          topic::AllocateProducerIds{.count = kProducerIdBlock});
    // Not this node's, if it has no replica of that shard: that does not make it another's to answer.
    if (asked.outcome == log::LogErrc::kNotLeader) asked.outcome = log::LogErrc::kNoLeader;
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
    Asked asked = co_await ask_claimed(here, what);
    if (may_be_prepared(asked)) finish(here, what.id);
    if (!is_concurrent(asked) || tries == kConcurrentTries) co_return asked;
    co_await env::sleep_for(here, wait_ms * kNsPerMs);
    wait_ms *= 2;
  }
}

Task<Asked> Transactions::add(env::Reactor& here, topic::AddToTransaction what) {
  int64_t wait_ms = kConcurrentWaitMs;
  for (unsigned tries = 0;; ++tries) {
    Asked asked = co_await ask_claimed(here, what);
    if (!is_concurrent(asked) || tries == kConcurrentTries) co_return asked;
    co_await env::sleep_for(here, wait_ms * kNsPerMs);
    wait_ms *= 2;
  }
}

Task<Asked> Transactions::end(env::Reactor& here, topic::EndTransaction what) {
  Asked asked = co_await ask_claimed(here, what);
  if (may_be_prepared(asked)) finish(here, what.id);
  co_return asked;
}

Task<Asked> Transactions::verify(env::Reactor& here, topic::VerifyTransaction what) {
  const shard::ShardId shard = topics_.shard_of_name(what.id);
  return topics_.ask_anywhere(here, shard, std::move(what));
}

Task<Asked> Transactions::find(env::Reactor& here, std::string id) {
  const shard::ShardId shard = topics_.shard_of_name(id);
  if (claim_on(shard).load(std::memory_order_acquire) == 0) {
    Asked asked;
    asked.outcome = topics_.leads(shard) ? log::LogErrc::kNoLeader : log::LogErrc::kNotLeader;
    co_return asked;
  }
  co_return co_await topics_.ask(here, shard, topic::FindTransaction{.id = std::move(id)});
}

Task<Transactions::Listed> Transactions::list(env::Reactor& here) {
  Listed all;
  for (uint16_t i = 0; i < topics_.router().shard_count(); ++i) {
    topic::ListTransactions page;
    if (claim_on(topics_.shard_at(i)).load(std::memory_order_acquire) == 0) {
      if (topics_.leads(topics_.shard_at(i))) all.outcome = log::LogErrc::kNoLeader;
      continue;
    }
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
