// One reactor's groups: those of the shards of this reactor that this node leads (group_shard.h), and what they share:
// a timer, the directory of topics, figures. For groups.cc and group_shard.cc alone; that reactor's thread.
#pragma once

#include <concepts>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "env/reactor.h"
#include "protocol/kafka/group_host.h"
#include "protocol/kafka/group_shard.h"
#include "protocol/kafka/groups.h"
#include "topics/topics.h"

namespace keelson::kafka {

class GroupHome {
 public:
  GroupHome(topics::Topics& topics, env::Reactor& here, const GroupOptions& options);
  ~GroupHome();
  GroupHome(const GroupHome&) = delete;
  GroupHome& operator=(const GroupHome&) = delete;

  [[nodiscard]] env::Reactor& reactor() { return here_; }
  [[nodiscard]] topics::Topics& topics() { return topics_; }
  [[nodiscard]] const GroupOptions& options() const { return options_; }
  [[nodiscard]] GroupFigures& figures() { return figures_; }
  // stop() runs in it, and ends what runs beside.
  [[nodiscard]] env::TaskScope& stop_scope() { return stopping_; }

  // As topics::LeadListener has them.
  void lead_begun(shard::ShardId shard, int32_t claim);
  void lead_ended(shard::ShardId shard);
  // It has found out by itself.
  void end(GroupShard& shard);
  Task<bool> stop();
  [[nodiscard]] bool is_loading() const;

  // Null: its groups cannot be asked for; refusal() says why.
  [[nodiscard]] GroupShard* find(shard::ShardId shard) const;
  template <class Result>
  [[nodiscard]] Result refusal(shard::ShardId shard) const {
    const ErrorCode error = refusal_code(shard);
    if constexpr (std::same_as<Result, ErrorCode>) {
      return error;
    } else {
      Result result;
      result.error = error;
      return result;
    }
  }
  // After whatever was done with a coordinator.
  void after();

  void beat(GroupShard& shard, ConsumerBeat beat, Reply<BeatResult> reply);
  // Of all shards that are led here.
  void list(Reply<Groups::Listed> reply);

  // What groups need of their host, the same for all shards.
  [[nodiscard]] int64_t now_ms() const { return here_.clock().monotonic_ns() / 1'000'000; }
  [[nodiscard]] std::string fresh_id();
  [[nodiscard]] std::optional<TopicFacts> find_topic(std::string_view name) const;
  [[nodiscard]] std::optional<std::vector<std::string>> match_topics(const std::string& regex) const;

 private:
  // Heartbeats that wait for the directory. A member waits for each of its own, so this is many members.
  static constexpr size_t kWaitingMax = 50'000;
  static constexpr int64_t kFiguresEveryMs = 1'000;
  struct WaitingBeat {
    GroupShard* shard;
    ConsumerBeat beat;
    Reply<BeatResult> reply;
  };

  [[nodiscard]] ErrorCode refusal_code(shard::ShardId shard) const;
  void look();
  void count();
  Task<void> bury(std::unique_ptr<GroupShard> ended);
  Task<void> read_then_beat();
  // False: it cannot be read.
  Task<bool> read_directory(bool is_stale);
  Task<void> run_list(Reply<Groups::Listed> reply);
  // False: the shard cannot be asked.
  Task<bool> list_shard(shard::ShardId shard, std::map<std::string, ListedGroup>& rows);

  topics::Topics& topics_;
  env::Reactor& here_;
  const GroupOptions& options_;
  GroupFigures figures_;
  int64_t figures_at_ms_ = 0;
  uint64_t rebalances_gone_ = 0;  // of shards that are not led any more
  bool is_stopping_ = false;
  // Those that are led, whether they are loaded yet or not.
  std::map<shard::ShardId, std::unique_ptr<GroupShard>> shards_;
  env::Timer timer_;
  int64_t timer_at_ms_ = kNever;
  // Of the consumer protocol: what there is to be assigned.
  std::map<std::string, TopicFacts, std::less<>> directory_;
  uint64_t directory_version_ = 0;
  bool is_reading_directory_ = false;
  std::vector<WaitingBeat> waiting_;  // for that
  env::TaskScope tasks_;
  env::TaskScope stopping_;
};

}  // namespace keelson::kafka
