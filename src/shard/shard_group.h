// One shard's place in its Raft group on this node: the member, and what it wants of the node around it.
//
// Belongs to the shard's owner: made, used and destroyed on that reactor (destroyed anywhere once reactors have
// stopped). A node has one for each shard whose service is replicated, with or without a member.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "env/env.h"
#include "env/reactor.h"
#include "log/faults.h"
#include "raft/groups.h"
#include "raft/member.h"
#include "shard/replica.h"
#include "shard/shard.h"
#include "shard/shard_group_files.h"

namespace keelson::shard {

// Told on the shard's owner.
class GroupListener {
 public:
  virtual ~GroupListener() = default;
  virtual void leader_changed(ShardId shard, NodeId leader, bool is_here) = 0;
  virtual void members_changed(ShardId shard, const raft::Members& members) = 0;
  // This node's replica has stopped for good; the others of the group go on.
  virtual void replica_stopped(ShardId shard, const std::string& why) = 0;
};

class ShardGroup final : public raft::MemberHost, public ReplicaListener {
 public:
  // What the runtime does for a group. Called on the owner.
  class Host {
   public:
    virtual ~Host() = default;
    // A checkpoint of that shard, soon.
    virtual void want_checkpoint(ShardId shard) = 0;
    // Syncs what was appended before.
    virtual Task<Status> sync_journal(env::Reactor& here) = 0;
    // The engine is about to be emptied: no checkpoint of it may go on.
    virtual void will_install(ShardId shard) = 0;
    // A checkpoint has come from another node, and is now this node's.
    virtual void checkpoint_installed(ShardId shard, uint64_t index, uint64_t needed_from) = 0;
  };
  struct Parts {
    env::Env& env;
    env::Reactor& reactor;
    log::CommitLog& journal;
    raft::Messenger& messenger;
    raft::Groups& groups;
    Shard& shard;
    Host& host;
    GroupListener* listener;  // or null
    std::string checkpoint_folder;
    std::string engine;  // as in checkpoints
    uint32_t engine_version = 0;
    uint64_t log_id = 0;
    log::LogFaults faults;
  };
  ShardGroup(Parts parts, raft::MemberOptions options);
  ~ShardGroup() override;

  // Begins: with what was recovered (the newest checkpoint's index; 0: none), or as a new member of a group with these
  // voters (none: it waits to be added).
  void start(raft::Replay recovered, uint64_t checkpoint_index, const std::vector<NodeId>& voters);
  // No member any more: the shard is empty, and answers as one without a replica. A checkpoint that says so takes the
  // place of what is on disk; it holds what a member must not forget should it be added again (its vote), and is
  // returned for a later start(). kRefused if there is none to leave.
  Task<Result<raft::Replay>> leave();
  // Also one that has halted, or is leaving.
  [[nodiscard]] bool has_member() const { return is_in_ || is_halted_ || is_leaving_; }
  // Null: none, or one that has stopped.
  [[nodiscard]] raft::Member* member() { return is_in_ && !is_halted_ ? member_.get() : nullptr; }

  // The lead goes to another voter that has caught up; true once it has gone or there is nobody.
  [[nodiscard]] bool give_lead_away();
  // For good.
  void stop();
  [[nodiscard]] bool is_settled() const { return member_ == nullptr || member_->is_settled(); }

  // A file of that index has its name.
  void checkpoint_finished(uint64_t index);
  // The first record of the journal that recovery needs.
  [[nodiscard]] uint64_t needed_from() const;

  // raft::MemberHost.
  void checkpoint_wanted() override;
  void send_checkpoint(NodeId to, uint64_t index, std::string message,
                       std::function<void(bool has_arrived)> done) override;
  std::vector<uint64_t> bytes_here(const std::vector<raft::SideFile>& offered) override {
    return files_.bytes_here(offered);
  }
  Task<Status> examine(const raft::Arrival& arrival) override;
  void dropped() override { files_.drop(); }
  void install(raft::Arrival arrival, uint64_t index, std::string prelude) override;
  void members_changed(const raft::Members& members) override;
  void halted(const std::string& why) override;

  // ReplicaListener.
  void leader_changed(Shard& shard, NodeId leader, bool is_here) override;
  void damaged(Shard& shard) override;

 private:
  class TakeShard;
  [[nodiscard]] Replica& replica() { return *parts_.shard.replica(); }
  Task<void> send_with_files(NodeId to, std::string message, std::string path,
                             std::function<void(bool has_arrived)> done);
  // That it has not arrived.
  Task<void> tell_later(std::function<void(bool has_arrived)> done);
  Task<void> install_file(raft::Arrival arrival, uint64_t index, std::string prelude);
  Task<Status> load_from(raft::Arrival& arrival, uint64_t index, std::string prelude);
  Status load_piece(std::string_view piece);
  Task<Result<raft::Replay>> leave_now();
  Task<Status> write_absence(const raft::Prelude& prelude);
  void detach(LogErrc why);

  const Parts parts_;
  const raft::MemberOptions options_;
  GroupFiles files_;
  std::unique_ptr<raft::Member> member_;
  bool is_in_ = false;
  bool is_halted_ = false;
  bool is_installing_ = false;
  bool is_leaving_ = false;
  uint64_t checkpoint_index_ = 0;  // of the newest file; 0: none
  size_t pieces_loaded_ = 0;
  // False once this is destroyed: the outcome of a transfer may come later.
  std::shared_ptr<bool> alive_;  // tidy: shared_ptr, because what waits in the messenger outlives the group
  env::TaskScope tasks_;
};

}  // namespace keelson::shard
