// One reactor's groups: their coordinator with a clock, a log and a directory of topics. For groups.cc alone; that
// reactor's thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "env/reactor.h"
#include "protocol/kafka/group_coordinator.h"
#include "protocol/kafka/group_host.h"
#include "protocol/kafka/groups.h"
#include "topics/topics.h"

namespace keelson::kafka {

class GroupHome final : public GroupHost {
 public:
  GroupHome(topics::Topics& topics, env::Reactor& here, const GroupOptions& options);
  ~GroupHome() override;

  [[nodiscard]] env::Reactor& reactor() { return here_; }
  [[nodiscard]] GroupFigures& figures() { return figures_; }
  [[nodiscard]] env::TaskScope& scope() { return tasks_; }
  // stop() ends what runs in the other one.
  [[nodiscard]] env::TaskScope& stop_scope() { return stopping_; }
  Task<Status> load();
  Task<bool> stop();
  [[nodiscard]] bool is_serving() const { return is_serving_; }
  // While it does not: it is loading, or has stopped.
  template <class Result>
  [[nodiscard]] Result refusal() const {
    const ErrorCode error = is_stopping_ ? ErrorCode::kNotCoordinator : ErrorCode::kCoordinatorLoadInProgress;
    if constexpr (std::same_as<Result, ErrorCode>) {
      return error;
    } else {
      Result result;
      result.error = error;
      return result;
    }
  }
  [[nodiscard]] GroupCoordinator& coordinator() { return *coordinator_; }
  // After whatever was done with the coordinator.
  void after();

  void beat(ConsumerBeat beat, Reply<BeatResult> reply);
  template <class Body>
  void commit(const CommitCheck& check, const Body& what, Reply<ErrorCode> reply);
  void remove(std::string group, Reply<ErrorCode> reply);
  void list(Reply<Groups::Listed> reply);

  // GroupHost.
  [[nodiscard]] int64_t now_ms() const override { return here_.clock().monotonic_ns() / 1'000'000; }
  [[nodiscard]] const GroupOptions& options() const override { return options_; }
  [[nodiscard]] std::string fresh_id() override;
  [[nodiscard]] std::optional<TopicFacts> find_topic(std::string_view name) override;
  [[nodiscard]] std::optional<std::vector<std::string>> match_topics(const std::string& regex) override;
  void save(uint64_t serial, topic::SaveGroup what, Saved saved) override;

 private:
  // Saves and commits that may be under way at once. A client waits for each of its own, so this is many clients.
  static constexpr size_t kTasksMax = 50'000;
  static constexpr int64_t kFiguresEveryMs = 1'000;

  Task<Status> load_shard(shard::ShardId shard);
  Task<void> read_then_beat();
  Task<void> finish_commit(topics::Asking asking, Reply<ErrorCode> reply);
  Task<void> finish_save(topics::Asking asking, Saved saved);
  Task<void> run_remove(std::string group, Reply<ErrorCode> reply);
  Task<void> run_list(Reply<Groups::Listed> reply);
  Task<void> read_directory();
  Task<void> sweep();
  Task<void> sweep_shard(shard::ShardId shard);
  Task<void> delete_expired(std::vector<std::pair<std::string, topic::GroupOffset>> expired, int64_t now_ms);
  [[nodiscard]] std::vector<shard::ShardId> shards() const;

  topics::Topics& topics_;
  env::Reactor& here_;
  const GroupOptions& options_;
  GroupFigures figures_;
  int64_t figures_at_ms_ = 0;
  std::unique_ptr<GroupCoordinator> coordinator_;
  bool is_serving_ = false;
  bool is_stopping_ = false;
  env::Timer timer_;
  int64_t timer_at_ms_ = kNever;
  // Of the consumer protocol: what there is to be assigned.
  std::map<std::string, TopicFacts, std::less<>> directory_;
  uint64_t directory_version_ = 0;
  bool is_reading_directory_ = false;
  std::vector<std::pair<ConsumerBeat, Reply<BeatResult>>> waiting_;  // for that
  env::Timer sweep_timer_;
  bool is_sweeping_ = false;
  env::TaskScope tasks_;
  env::TaskScope stopping_;
};

}  // namespace keelson::kafka
