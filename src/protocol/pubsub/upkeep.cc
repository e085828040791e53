// What the service does beside calls: expiration, and figures for people.
#include <algorithm>
#include <utility>

#include "protocol/pubsub/messages.h"
#include "protocol/pubsub/service.h"
#include "protocol/pubsub/setup.h"
#include "shard/call_on.h"
#include "shard/run_on.h"

namespace keelson::pubsub {

namespace {

constexpr uint32_t kDocumentsAtOnce = 500;

// run_on() wants a value.
Task<bool> run_refresh(Home& home, std::string name) {
  co_await home.refresh(std::move(name));
  co_return true;
}

bool has_expired(const stored::SubscriptionDocument& document, int64_t now_ms) {
  const pb::ExpirationPolicy& policy = document.subscription().expiration_policy();
  // A policy without a time to live: never.
  return policy.has_ttl() && now_ms - document.last_used_ms() > policy.ttl().seconds() * 1000;
}

}  // namespace

Task<void> PubsubService::refresh(env::Reactor& here, std::string subscription) {
  PubsubLocal& there = home_of(subscription);
  (void)co_await shard::run_on(here, there.tasks, there.reactor, run_refresh(there.home, subscription));
}

Task<void> PubsubService::expire_forever() {
  env::Reactor& here = env_.reactor(0);
  while (!is_stopping_) {
    co_await stopping_.wait(here.clock().monotonic_ns() + kExpireEveryMs * 1'000'000);
    if (!is_stopping_) co_await expire();
  }
}

Task<void> PubsubService::expire() {
  env::Reactor& here = env_.reactor(0);
  for (const std::string_view family : {kSubscriptionDocuments, kSnapshotDocuments}) {
    std::string after;
    while (!is_stopping_) {
      const Page page = co_await resources_.list(here, std::string(family), after, kDocumentsAtOnce);
      if (!page.status.ok() || page.documents.empty()) break;
      after = page.documents.back().key;
      const int64_t now_ms = here.clock().wall_ms();
      for (const topic::Document& document : page.documents) {
        stored::SubscriptionDocument subscription;
        stored::SnapshotDocument snapshot;
        const bool is_over =
            family == kSubscriptionDocuments
                ? read_document(document, subscription).ok() && has_expired(subscription, now_ms)
                : read_document(document, snapshot).ok() && snapshot.snapshot().expire_time().seconds() * 1000 < now_ms;
        if (!is_over) continue;
        // Somebody may have used it, or made another one of its name, since it was looked at.
        if (!(co_await resources_.remove(here, document.key, document.version)).ok()) continue;
        (void)co_await topics_.ask(here, topics_.shard_of_name(document.key), topic::DeleteCursor{document.key});
        if (family == kSubscriptionDocuments) co_await refresh(here, subscription.subscription().name());
      }
      if (!page.is_truncated) break;
    }
  }
}

Task<std::vector<PubsubService::Backlog>> PubsubService::backlogs(env::Reactor& here) {
  std::vector<Backlog> result;
  for (const auto& local : locals_) {
    const auto figures = co_await shard::call_on(here, local->reactor, [&] { return local->home.figures(); });
    for (const SubscriptionFigures& one : figures) result.push_back({one, 0});
  }
  for (Backlog& one : result) {
    std::vector<topics::Asking> under_way;
    for (size_t i = 0; i < one.figures.positions.size(); ++i) {
      const topic::PartitionId partition{one.figures.topic, static_cast<int32_t>(i)};
      under_way.push_back(topics_.ask(here, topics_.shard_of(partition), topic::DescribePartition{partition}));
    }
    for (size_t i = 0; i < under_way.size(); ++i) {
      const topics::Asked asked = co_await under_way[i];
      if (!asked.ok()) continue;
      const int64_t floor = std::max(one.figures.positions[i].floor, asked.answer.partition.log_start);
      const int64_t left = asked.answer.partition.high_watermark - floor - one.figures.done_beyond[i];
      if (left > 0) one.undelivered += static_cast<uint64_t>(left);
    }
  }
  co_return result;
}

}  // namespace keelson::pubsub
