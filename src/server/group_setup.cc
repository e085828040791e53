#include "server/group_setup.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "engine/topic/group_commands.h"
#include "engine/topic/log_commands.h"
#include "engine/topic/record_batch.h"

namespace keelson::server {

namespace {

using monitor::MetricType;
using monitor::OpenMetrics;

// Groups that are shown, and partitions of all of them together: each of these is a look at its shard for each scrape.
constexpr size_t kShownGroupsMax = 1'000;
constexpr size_t kShownLagsMax = 1'000;
// Of those that lag behind, how many are looked up in their logs for the time of the next record.
constexpr size_t kShownTimesMax = 200;

struct Lag {
  std::string group;
  std::string topic;
  std::string partition;
  int64_t messages = 0;
  int64_t age_ms = 0;  // of the record that the group reads next; 0: it has read everything
};

struct Shown {
  std::vector<kafka::ListedGroup> groups;
  std::vector<Lag> lags;
};

// The time of the record at an offset, near enough: of its batch's first one.
Task<int64_t> time_at(topics::Topics& topics, env::Reactor& here, topic::PartitionId id, int64_t offset) {
  const topics::Asked asked = co_await topics.read(here, {.from = id, .offset = offset, .bytes_max = 1});
  if (!asked.ok() || asked.answer.read.slices.empty()) co_return topic::kNoTimestamp;
  const std::string_view bytes = asked.answer.read.slices.front().bytes;
  if (bytes.size() < topic::kBatchHeaderBytes) co_return topic::kNoTimestamp;
  co_return topic::BatchView(bytes).base_timestamp_ms();
}

Task<void> look_at_group(topics::Topics& topics, env::Reactor& here, std::string group, size_t& times,
                         std::vector<Lag>& lags) {
  const topics::Asked offsets =
      co_await topics.ask(here, topics.shard_of_name(group), topic::FetchOffsets{.group = group, .is_all = true});
  if (!offsets.ok()) co_return;
  for (const topic::GroupOffset& each : offsets.answer.group_offsets) {
    if (lags.size() >= kShownLagsMax) co_return;
    const topics::Topics::Found found = co_await topics.find_topic(here, each.topic);
    if (found.topic == nullptr || each.partition >= found.topic->partition_count) continue;
    if (!each.topic_id.is_none() && each.topic_id != found.topic->id) continue;
    const topic::PartitionId id{found.topic->id, each.partition};
    const topics::Asked partition = co_await topics.ask(here, topics.shard_of(id), topic::DescribePartition{.of = id});
    if (!partition.ok()) continue;
    const topic::PartitionInfo& info = partition.answer.partition;
    const int64_t from = std::max(each.offset, info.log_start);
    Lag lag{group, each.topic, std::to_string(each.partition), std::max<int64_t>(info.high_watermark - from, 0), 0};
    if (lag.messages > 0 && times < kShownTimesMax) {
      ++times;
      const int64_t time_ms = co_await time_at(topics, here, id, from);
      if (time_ms != topic::kNoTimestamp) lag.age_ms = std::max<int64_t>(here.clock().wall_ms() - time_ms, 0);
    }
    lags.push_back(std::move(lag));
  }
}

Task<Shown> look_at_groups(kafka::Groups& groups, topics::Topics& topics, env::Reactor& here) {
  Shown shown;
  size_t times = 0;
  for (unsigned i = 0; i < groups.reactor_count(); ++i) {
    kafka::Groups::Listed listed = co_await groups.list(here, i);
    for (kafka::ListedGroup& each : listed.groups) {
      if (shown.groups.size() >= kShownGroupsMax) break;
      shown.groups.push_back(std::move(each));
    }
  }
  for (const kafka::ListedGroup& group : shown.groups) {
    if (shown.lags.size() >= kShownLagsMax) break;
    co_await look_at_group(topics, here, group.name, times, shown.lags);
  }
  co_return shown;
}

void write_shown(const Shown& shown, OpenMetrics& out) {
  out.family("keelson_topic_group_members", MetricType::kGauge, "", "Members of the consumer group.");
  for (const kafka::ListedGroup& group : shown.groups) {
    out.sample({{"group", group.name}, {"state", group.state}}, static_cast<int64_t>(group.member_count));
  }
  out.family("keelson_topic_group_generation", MetricType::kGauge, "", "Generation, or epoch, of the consumer group.");
  for (const kafka::ListedGroup& group : shown.groups) {
    out.sample({{"group", group.name}}, static_cast<int64_t>(group.epoch));
  }
  const auto family = [&](std::string_view name, std::string_view unit, std::string_view help, auto value) {
    out.family(name, MetricType::kGauge, unit, help);
    for (const Lag& lag : shown.lags) {
      out.sample({{"group", lag.group}, {"topic", lag.topic}, {"partition", lag.partition}}, value(lag));
    }
  };
  family("keelson_topic_group_lag", "", "Records that the group has not committed yet.",
         [](const Lag& lag) { return lag.messages; });
  family("keelson_topic_group_lag_seconds", "seconds", "Age of the record that the group reads next.",
         [](const Lag& lag) { return lag.age_ms / 1'000; });
}

}  // namespace

kafka::GroupOptions make_group_options(const Settings& settings) {
  kafka::GroupOptions options;
  const auto small = [&](std::string_view key) { return static_cast<int32_t>(settings.number(key)); };
  options.initial_rebalance_delay_ms = small("kafka.group-initial-rebalance-delay");
  options.session_timeout_ms_min = small("kafka.group-min-session-timeout");
  options.session_timeout_ms_max = small("kafka.group-max-session-timeout");
  options.members_max = small("kafka.group-max-size");
  options.consumer_session_timeout_ms = small("kafka.group-consumer-session-timeout");
  options.consumer_heartbeat_interval_ms = small("kafka.group-consumer-heartbeat-interval");
  options.offset_metadata_bytes_max = small("kafka.offset-metadata-max-size");
  options.offsets_retention_ms = settings.number("kafka.offsets-retention");
  options.offsets_retention_check_ms = settings.number("kafka.offsets-retention-check-interval");
  return options;
}

topics::TransactionsOptions make_transactions_options(const Settings& settings) {
  return {.timeout_ms_max = static_cast<int32_t>(settings.number("kafka.transaction-max-timeout")),
          .expiration_ms = settings.number("kafka.transactional-id-expiration"),
          .check_ms = settings.number("kafka.transaction-check-interval")};
}

Task<void> write_group_metrics(kafka::Groups& groups, topics::Transactions& transactions, topics::Topics& topics,
                               env::Reactor& here, OpenMetrics& out) {
  int64_t members = 0, count = 0, rebalances = 0, under_way = 0;
  uint64_t commits = 0, expired = 0, committed = 0, aborted = 0, timed_out = 0, retries = 0;
  for (unsigned i = 0; i < groups.reactor_count(); ++i) {
    const kafka::GroupFigures& figures = groups.figures(i);
    count += figures.groups.value();
    members += figures.members.value();
    rebalances += figures.rebalances.value();
    commits += figures.offset_commits.value();
    expired += figures.offsets_expired.value();
    const topics::TransactionFigures& ended = transactions.figures(i);
    committed += ended.committed.value();
    aborted += ended.aborted.value();
    timed_out += ended.timed_out.value();
    retries += ended.marker_retries.value();
    under_way += ended.under_way.value();
  }
  out.gauge("keelson_topic_groups", "", "Consumer groups that are coordinated here.", count);
  out.gauge("keelson_topic_groups_members", "", "Members of all of them.", members);
  out.counter("keelson_topic_group_rebalances", "", "Rebalances that have begun.", static_cast<uint64_t>(rebalances));
  out.counter("keelson_topic_group_commits", "", "Requests that have committed offsets.", commits);
  out.counter("keelson_topic_group_offsets_expired", "", "Offsets that have outlived their retention.", expired);
  out.counter("keelson_topic_transactions_committed", "", "Transactions that were committed everywhere.", committed);
  out.counter("keelson_topic_transactions_aborted", "", "Transactions that were aborted everywhere.", aborted);
  out.counter("keelson_topic_transactions_timed_out", "", "Transactions that took too long.", timed_out);
  out.counter("keelson_topic_transaction_retries", "", "Ends of transactions that had to be tried again.", retries);
  out.gauge("keelson_topic_transactions_ending", "", "Transactions that are decided and not ended everywhere.",
            under_way);
  write_shown(co_await look_at_groups(groups, topics, here), out);
}

}  // namespace keelson::server
