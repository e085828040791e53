// Who the members of the cluster are, and what can be done about it: what etcd's Cluster and Maintenance services ask
// of whoever knows (src/cluster in a cluster; LoneMember on a single node).
//
// facts() may be asked on any thread, for every answer. The rest is called on the reactor `here` and goes on there.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/task.h"
#include "env/reactor.h"
#include "net/grpc/status.h"
#include "protocol/etcd/header.h"

namespace keelson::etcd {

struct Member {
  uint64_t id = 0;
  std::string name;
  std::vector<std::string> peer_urls;
  std::vector<std::string> client_urls;
  bool is_learner = false;
};

// Of the coordination shard's group on this node.
struct RaftFacts {
  uint64_t leader = 0;  // 0: none
  uint64_t index = 0;
  uint64_t applied_index = 0;
  bool is_learner = false;
};

struct MembersAnswer {
  net::grpc::CallStatus status;
  std::vector<Member> members;
  Member changed;  // add() alone
};

class Members {
 public:
  virtual ~Members() = default;
  [[nodiscard]] virtual HeaderFacts facts() const = 0;
  [[nodiscard]] virtual Task<RaftFacts> raft(env::Reactor& here) = 0;
  [[nodiscard]] virtual Task<MembersAnswer> list(env::Reactor& here, bool is_linearizable) = 0;
  [[nodiscard]] virtual Task<MembersAnswer> add(env::Reactor& here, std::vector<std::string> peer_urls,
                                                bool is_learner) = 0;
  [[nodiscard]] virtual Task<MembersAnswer> remove(env::Reactor& here, uint64_t id) = 0;
  [[nodiscard]] virtual Task<MembersAnswer> update(env::Reactor& here, uint64_t id,
                                                   std::vector<std::string> peer_urls) = 0;
  [[nodiscard]] virtual Task<MembersAnswer> promote(env::Reactor& here, uint64_t id) = 0;
  // OK: it has begun.
  [[nodiscard]] virtual Task<net::grpc::CallStatus> move_leader(env::Reactor& here, uint64_t target) = 0;
};

// A node that is alone: itself, leading, for ever in one term.
class LoneMember : public Members {
 public:
  LoneMember(const HeaderFacts& facts, std::string name) : facts_(facts), name_(std::move(name)) {}
  // Once they are known; before anybody asks.
  void set_client_urls(std::vector<std::string> urls) { client_urls_ = std::move(urls); }
  // How far the shard has come: called on `home`, its reactor. 0 without one.
  void set_applied_index(env::Reactor& home, std::function<uint64_t()> applied_index) {
    home_ = &home;
    applied_index_ = std::move(applied_index);
  }

  HeaderFacts facts() const override { return facts_; }
  Task<RaftFacts> raft(env::Reactor& here) override;
  Task<MembersAnswer> list(env::Reactor& here, bool is_linearizable) override;
  Task<MembersAnswer> add(env::Reactor& here, std::vector<std::string> peer_urls, bool is_learner) override;
  Task<MembersAnswer> remove(env::Reactor& here, uint64_t id) override;
  Task<MembersAnswer> update(env::Reactor& here, uint64_t id, std::vector<std::string> peer_urls) override;
  Task<MembersAnswer> promote(env::Reactor& here, uint64_t id) override;
  Task<net::grpc::CallStatus> move_leader(env::Reactor& here, uint64_t target) override;

 private:
  [[nodiscard]] MembersAnswer refuse(uint64_t id) const;

  const HeaderFacts facts_;
  const std::string name_;
  std::vector<std::string> client_urls_;
  env::Reactor* home_ = nullptr;  // null: nobody knows how far
  std::function<uint64_t()> applied_index_;
};

}  // namespace keelson::etcd
