// A node's connections to the other nodes of its cluster.
//
// Every reactor has a Hub, through which it sends and calls; the mesh listens, knows who the nodes are and where, and
// tells all hubs. A node that belongs to no cluster has a mesh too: it can call others as a guest (to join), and
// refuses everybody.
//
// Liveness is found out by reactor 0's connections: nothing else may flow there for ping_interval_ms before a ping
// does, and a node of which nothing was heard for liveness_timeout_ms, or whose connection broke, is unreachable on all
// reactors.
//
// Made, started, stopped and destroyed on reactor 0.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "env/env.h"
#include "env/network.h"
#include "peer/hub.h"
#include "peer/options.h"

namespace keelson::peer {

// The figures of one node's connections, all reactors together.
struct NodeFigures {
  NodeId node = 0;
  bool is_reachable = false;
  uint64_t messages_sent = 0;
  uint64_t messages_received = 0;
  uint64_t messages_dropped = 0;
  uint64_t bytes_sent = 0;
  uint64_t bytes_received = 0;
  uint64_t files_sent = 0;
  uint64_t files_received = 0;
  uint64_t files_failed = 0;
  uint64_t connects = 0;
  uint64_t connect_failures = 0;
  HistogramSnapshot round_trip_ns;
};

class Mesh {
 public:
  Mesh(env::Env& env, Options options);
  ~Mesh();
  Mesh(const Mesh&) = delete;
  Mesh& operator=(const Mesh&) = delete;

  // Before start().
  void add_method(Method method);
  // Empties the folder for files and listens.
  Task<Status> start();
  // Nothing is sent, received or answered any more when it returns.
  Task<void> stop();

  // The node has joined, or begun, a cluster.
  void set_identity(Identity identity);
  // Whom to connect to (this node is passed over) and whom never to talk to again. An address whose revision is older
  // than what the nodes themselves have told does not count. Connections begin after start().
  void set_nodes(const std::vector<BookEntry>& nodes, const std::vector<NodeId>& removed);

  // Any thread may ask for the hub; it is used on its reactor.
  [[nodiscard]] Hub& hub(unsigned reactor) { return *hubs_[reactor]; }
  // With the port that was picked.
  [[nodiscard]] const env::Address& listening() const { return listener_->local(); }
  // What others are told.
  [[nodiscard]] const std::string& advertised() const { return advertised_; }
  [[nodiscard]] const Identity& identity() const { return options_.identity; }
  // What is known of the nodes' addresses, this node's own first.
  [[nodiscard]] std::vector<BookEntry> book() const;
  Task<std::vector<NodeFigures>> figures();

  // For this folder alone.
  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] const Method* method(uint32_t number) const;
  // Any thread.
  void learn(std::vector<BookEntry> book);
  void tell_reachable(NodeId node, bool is_reachable);

 private:
  Task<void> accept_loop();
  void take_in(const std::vector<BookEntry>& book);
  Task<Status> empty_incoming();
  void tell_nodes();
  Task<void> visit(unsigned index, std::function<void(Hub&)> what);

  env::Env& env_;
  env::Reactor& home_;
  Options options_;
  std::string advertised_;
  std::map<uint32_t, Method> methods_;  // not changed after start
  std::map<NodeId, BookEntry> nodes_;
  std::set<NodeId> removed_;
  bool is_started_ = false;
  bool is_stopping_ = false;
  unsigned next_owner_ = 0;
  std::unique_ptr<env::Listener> listener_;
  std::vector<std::unique_ptr<Hub>> hubs_;
  env::TaskScope tasks_;
};

}  // namespace keelson::peer
