#include "tests/sim/cluster_peers.h"

#include <utility>

#include "raft/groups.h"

namespace keelson::sim_test {

namespace {

constexpr uint16_t kPeerPort = 7000;

template <class To, class From>
std::vector<To> side_files(const std::vector<From>& from) {
  std::vector<To> to;
  for (const From& one : from) to.push_back({one.name, one.path, one.bytes, one.here});
  return to;
}

}  // namespace

class ClusterPeers::Messenger final : public raft::Messenger {
 public:
  explicit Messenger(peer::Hub& hub) : hub_(hub) {}
  void send(raft::NodeId to, raft::ShardId group, std::string_view message) override { hub_.send(to, group, message); }
  void send_file(raft::NodeId to, raft::ShardId group, std::string message, std::string path,
                 std::vector<raft::SideFile> beside, std::function<void(bool has_arrived)> done) override {
    hub_.send_file(to, group, std::move(message), std::move(path), side_files<peer::SideFile>(beside), std::move(done));
  }
  [[nodiscard]] bool is_reachable(raft::NodeId node) const override { return hub_.is_reachable(node); }

 private:
  peer::Hub& hub_;
};

class ClusterPeers::Receiver final : public peer::Receiver {
 public:
  explicit Receiver(raft::Groups& groups) : groups_(groups) {}
  void received(peer::NodeId from, uint16_t group, std::string_view message) override {
    groups_.received(from, group, message);
  }
  void received_file(peer::NodeId from, uint16_t group, std::string message, std::string path,
                     std::vector<peer::SideFile> beside) override {
    groups_.received_file(from, group, std::move(message), std::move(path), side_files<raft::SideFile>(beside));
  }
  std::vector<uint64_t> bytes_here(peer::NodeId from, uint16_t group,
                                   const std::vector<peer::SideFile>& offered) override {
    return groups_.bytes_here(from, group, side_files<raft::SideFile>(offered));
  }
  void reachable_changed(peer::NodeId node, bool is_reachable) override {
    groups_.reachable_changed(node, is_reachable);
  }

 private:
  raft::Groups& groups_;
};

ClusterPeers::ClusterPeers(env::Env& env, unsigned index, std::vector<env::Address> peers)
    : env_(env), index_(index), peers_(std::move(peers)) {
  peer::Options options;
  options.listen = peers_[index];
  options.identity = {.cluster = "simulated", .node = node(), .secret = {}};
  options.incoming_folder = "data/incoming";
  options.reactor_of = [this](uint16_t group) { return runtime_->router().reactor_of(group); };
  mesh_ = std::make_unique<peer::Mesh>(env, std::move(options));
  for (unsigned i = 0; i < env.reactor_count(); ++i) messengers_.push_back(std::make_unique<Messenger>(mesh_->hub(i)));
}

ClusterPeers::~ClusterPeers() = default;

std::vector<raft::NodeId> ClusterPeers::nodes() const {
  std::vector<raft::NodeId> all;
  for (size_t i = 0; i < peers_.size(); ++i) all.push_back(i + 1);
  return all;
}

shard::ReplicationOptions ClusterPeers::replication() {
  shard::ReplicationOptions options;
  options.node = node();
  options.messenger = [this](unsigned reactor) -> raft::Messenger& { return *messengers_[reactor]; };
  options.first_members = [this](shard::ShardId) { return nodes(); };
  return options;
}

Task<Status> ClusterPeers::start(shard::Runtime& runtime) {
  runtime_ = &runtime;
  for (unsigned i = 0; i < env_.reactor_count(); ++i) {
    receivers_.push_back(std::make_unique<Receiver>(runtime.groups(i)));
    mesh_->hub(i).set_receiver(receivers_.back().get());
  }
  std::vector<peer::BookEntry> book;
  for (size_t i = 0; i < peers_.size(); ++i) {
    book.push_back({.node = i + 1, .revision = 1, .address = peers_[i].text()});
  }
  mesh_->set_nodes(book, {});
  co_return co_await mesh_->start();
}

std::vector<env::Address> peer_addresses(unsigned nodes) {
  std::vector<env::Address> all;
  for (unsigned i = 0; i < nodes; ++i) {
    all.push_back({.host = "10.0.0." + std::to_string(i + 1), .port = kPeerPort, .unix_path = {}});
  }
  return all;
}

Task<void> ClusterPeers::change_member(shard::ShardId shard, raft::NodeId who, bool is_demotion) {
  env::Reactor& home = env_.reactor(0);
  const auto status = co_await runtime_->group_status(home, shard);
  if (!status || status->role != raft::Role::kLeader) co_return;
  const raft::Members& members = status->members;
  if (members.is_joint() || (is_demotion && members.voters.size() <= 2)) co_return;
  const auto type = static_cast<uint8_t>(is_demotion ? raft::ChangeType::kAddLearner : raft::ChangeType::kAddVoter);
  (void)co_await runtime_->change_members(home, shard, {{type, who}});
}

}  // namespace keelson::sim_test
