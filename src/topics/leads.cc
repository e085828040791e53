#include "topics/leads.h"

#include <algorithm>

#include "base/logging.h"
#include "engine/topic/log_commands.h"

namespace keelson::topics::detail {

namespace {
// Between attempts to claim a shard: at first, and at most.
constexpr int64_t kRetryNs = 20 * int64_t{1'000'000};
constexpr int64_t kRetryNsMax = 1'000 * int64_t{1'000'000};
}  // namespace

Leads::Leads(Topics& topics, const std::vector<std::unique_ptr<Desk>>& desks, log::NodeId node)
    : topics_(topics),
      desks_(desks),
      node_(node),
      leads_(std::make_unique<Lead[]>(topics.router().shard_count())),
      reactors_(desks.size()) {}

bool Leads::is_decided(shard::ShardId shard) const {
  return lead(shard).has_tried || !lead(shard).is_here.load(std::memory_order_relaxed);
}

void Leads::changed(shard::ShardId shard, log::NodeId leader, bool is_here) {
  Lead& lead = this->lead(shard);
  if (lead.leader.exchange(leader, std::memory_order_acq_rel) != leader) {
    lead.changed_ns.store(desks_[reactor_of(shard)]->reactor().clock().monotonic_ns(), std::memory_order_release);
  }
  if (lead.is_here.load(std::memory_order_relaxed) == is_here) return;
  lead.is_here.store(is_here, std::memory_order_release);
  end(shard);
  if (is_here) begin(shard);
}

void Leads::begin(shard::ShardId shard) {
  if (reactors_[reactor_of(shard)].is_closed) return;
  // Not from within what tells of the lead.
  desks_[reactor_of(shard)]->reactor().post([this, shard, turn = lead(shard).turn] {
    if (!is_over(shard, turn)) desks_[reactor_of(shard)]->scope().spawn(claim(shard, turn));
  });
}

void Leads::end(shard::ShardId shard) {
  Lead& lead = this->lead(shard);
  ++lead.turn;
  if (lead.claim == 0) return;
  lead.claim = 0;
  const OfReactor& mine = reactors_[reactor_of(shard)];
  if (mine.is_closed) return;
  for (LeadListener* listener : mine.listeners) listener->lead_ended(shard);
}

bool Leads::is_over(shard::ShardId shard, uint64_t turn) const {
  return lead(shard).turn != turn || reactors_[reactor_of(shard)].is_closed;
}

Task<Asked> Leads::try_claim(shard::ShardId shard) {
  env::Reactor& here = desks_[reactor_of(shard)]->reactor();
  Asked asked = co_await topics_.ask(here, shard, topic::ClaimShard{.node = node_});
  const bool is_refused = asked.outcome == log::LogErrc::kFull || asked.outcome == log::LogErrc::kFailed;
  if (!is_refused || topics_.is_clustered()) co_return asked;
  Asked former = co_await topics_.ask(here, shard, topic::DescribeDirectory{});
  if (former.ok() && former.answer.claim != 0) co_return former;
  co_return asked;
}

Task<void> Leads::claim(shard::ShardId shard, uint64_t turn) {
  env::Reactor& here = desks_[reactor_of(shard)]->reactor();
  Lead& lead = this->lead(shard);
  bool is_told = false;
  for (int64_t retry_ns = kRetryNs;; retry_ns = std::min(2 * retry_ns, kRetryNsMax)) {
    const Asked asked = co_await try_claim(shard);
    lead.has_tried = true;
    if (is_over(shard, turn)) co_return;
    if (asked.ok()) {
      lead.claim = asked.answer.claim;
      // What one of them does may end it.
      const OfReactor& mine = reactors_[here.index()];
      for (size_t i = 0; i < mine.listeners.size() && !is_over(shard, turn); ++i) {
        mine.listeners[i]->lead_begun(shard, asked.answer.claim);
      }
      co_return;
    }
    if (asked.outcome == log::LogErrc::kDamaged || asked.outcome == log::LogErrc::kStopped) co_return;
    if (retry_ns == kRetryNsMax && !is_told) {
      is_told = true;
      log_warn("topic", "a shard that this node leads cannot be claimed yet; its groups and transactions wait",
               {{"shard", shard},
                {"why", asked.outcome == log::LogErrc::kOk ? std::string(topic::errc_text(asked.answer.error))
                                                           : make_error_code(asked.outcome).message()}});
    }
    co_await env::sleep_for(here, retry_ns);
    if (is_over(shard, turn)) co_return;
  }
}

void Leads::add(LeadListener& listener) {
  const auto tell = [this, &listener](unsigned index) {
    OfReactor& mine = reactors_[index];
    if (mine.is_closed) return;
    mine.listeners.push_back(&listener);
    for (uint16_t i = 0; i < topics_.router().shard_count() && !mine.is_closed; ++i) {
      const shard::ShardId shard = topics_.shard_at(i);
      if (reactor_of(shard) == index && lead(shard).claim != 0) listener.lead_begun(shard, lead(shard).claim);
    }
  };
  for (const auto& desk : desks_) {
    const unsigned index = desk->reactor().index();
    if (index == 0) {
      tell(index);
    } else {
      desk->reactor().post([tell, index] { tell(index); });
    }
  }
}

void Leads::claim_again(shard::ShardId shard, int32_t claim) {
  desks_[reactor_of(shard)]->reactor().post([this, shard, claim] {
    if (lead(shard).claim != claim || claim == 0) return;
    end(shard);
    if (lead(shard).is_here.load(std::memory_order_relaxed)) begin(shard);
  });
}

}  // namespace keelson::topics::detail
