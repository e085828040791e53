// All members of Raft groups on one reactor: their ticks, and the messages that arrive for them.
//
// One timer ticks all; the messenger packs what they send to one node in a turn. Own thread only.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "env/env.h"
#include "env/reactor.h"
#include "raft/member.h"
#include "raft/messenger.h"

namespace keelson::raft {

struct GroupsOptions {
  int64_t tick_ms = 100;
};

class Groups final : public MessageSink {
 public:
  Groups(env::Env& env, env::Reactor& reactor, GroupsOptions options = {});

  // The member outlives its stay here.
  void add(Member& member);
  void remove(Member& member);
  [[nodiscard]] Member* find(ShardId group);

  // What comes for a group of which this node has no member here (it was never made, or was removed) is dropped.
  void received(NodeId from, ShardId group, std::string_view message) override;
  void received_file(NodeId from, ShardId group, std::string message, std::string path,
                     std::vector<SideFile> beside) override;
  [[nodiscard]] std::vector<uint64_t> bytes_here(NodeId from, ShardId group,
                                                 const std::vector<SideFile>& offered) override;
  void reachable_changed(NodeId node, bool is_reachable) override;

 private:
  void tick();

  env::Env& env_;
  const int64_t tick_ns_;
  std::map<ShardId, Member*> members_;
  env::Timer timer_;
};

}  // namespace keelson::raft
