// The groups of one topic shard that this node leads with a claim: their coordinator, with a clock, and with the
// shard's log for what must survive. Made when the lead begins, ended when it does; one that begins anew is another
// one. For group_home.h alone; the shard's reactor.
//
//   load() -> is_serving() -> end()
//
// Everything that is written carries the claim. Whoever is refused because of it (another node leads by now), or does
// not learn what became of a save (memory may differ from the log), asks for a new claim and ends here: what the log
// has is loaded anew, by whoever leads then.
//
// A commit whose outcome is not known ends nothing: memory has no part in it. It cannot come into force later than one
// that its client makes after that. What one node asks of one shard takes effect in the order in which it was asked for
// (shard/replica.h), whatever was not heard of; and what a node sent that leads no more is refused once the next one
// has claimed the shard, before which that one answers nobody.
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
#include "topics/topics.h"

namespace keelson::kafka {

class GroupHome;

class GroupShard final : public GroupHost {
 public:
  // `home` outlives it.
  GroupShard(GroupHome& home, shard::ShardId id, int32_t claim);
  ~GroupShard() override;

  // Begins to load what was saved, until that has come through or the shard is ended.
  void load();
  [[nodiscard]] bool is_loading() const { return is_loading_; }
  [[nodiscard]] bool is_serving() const { return is_serving_; }
  // Whoever waits is answered with kNotCoordinator at once. Its tasks may take some time yet; nothing comes of them.
  void end();
  [[nodiscard]] env::TaskScope& tasks() { return tasks_; }

  [[nodiscard]] shard::ShardId id() const { return id_; }
  [[nodiscard]] GroupCoordinator& coordinator() { return *coordinator_; }

  // Body: CommitOffsets, PendOffsets.
  template <class Body>
  void commit(const CommitCheck& check, Body what, Reply<ErrorCode> reply);
  // kNonEmptyGroup, kGroupIdNotFound.
  void remove(std::string group, Reply<ErrorCode> reply);
  void delete_offsets(topic::DeleteOffsets what, Reply<ErrorCode> reply);

  // GroupHost.
  [[nodiscard]] int64_t now_ms() const override;
  [[nodiscard]] const GroupOptions& options() const override;
  [[nodiscard]] std::string fresh_id() override;
  [[nodiscard]] std::optional<TopicFacts> find_topic(std::string_view name) override;
  [[nodiscard]] std::optional<std::vector<std::string>> match_topics(const std::string& regex) override;
  void save(uint64_t serial, topic::SaveGroup what, Saved saved) override;

 private:
  // Saves and commits that may be under way at once. A client waits for each of its own, so this is many clients.
  static constexpr size_t kTasksMax = 50'000;

  Task<void> run_load();
  Task<log::LogErrc> load_groups();
  Task<void> finish_save(topics::Asking asking, uint64_t number);
  Task<void> finish_commit(topics::Asking asking, uint64_t number);
  Task<void> finish_remove(topics::Asking asking, std::string group, uint64_t number);
  Task<void> finish_delete(topics::Asking asking, uint64_t number);
  Task<void> sweep();
  Task<void> delete_expired(std::vector<std::pair<std::string, topic::GroupOffset>> expired, int64_t now_ms);
  template <class Body>
  [[nodiscard]] topics::Asking ask(const Body& body);
  [[nodiscard]] uint64_t keep(Reply<ErrorCode> reply);
  void answer(uint64_t number, ErrorCode error);
  // The claim is somebody else's: ends everything here, and true. Then nothing of this object is to be touched but by
  // tasks of its own.
  bool is_fenced(const topics::Asked& asked);
  void claim_again();

  GroupHome& home_;
  const shard::ShardId id_;
  const int32_t claim_;
  std::unique_ptr<GroupCoordinator> coordinator_;
  bool is_loading_ = false;
  bool is_serving_ = false;
  bool is_over_ = false;
  // Whoever waits for the log, by the number of what is under way.
  uint64_t last_number_ = 0;
  std::map<uint64_t, Saved> saving_;
  std::map<uint64_t, Reply<ErrorCode>> asking_;
  env::Timer sweep_timer_;
  env::TaskScope tasks_;
};

}  // namespace keelson::kafka
