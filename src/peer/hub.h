// A reactor's share of the connections between nodes: one outgoing stream to each other node, and what came in here.
//
//   Mesh (mesh.h) makes one for each reactor. hub.send(node, group, bytes) leaves with what else goes to that node in
//   this turn; the other node hands it to the Receiver of the reactor that owns the group.
//
// Messages may be lost when a connection breaks or the queue is full, and are never doubled or reordered within a
// connection. Own reactor only, but for the constructor.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "base/task.h"
#include "env/env.h"
#include "env/network.h"
#include "env/reactor.h"
#include "peer/greeting.h"
#include "peer/options.h"
#include "peer/wire.h"

namespace keelson::peer {

class CallWait;
class Inlet;
class Link;
class Mesh;
struct ArrivedFile;
struct OfferedFiles;

class Hub final : public Gatekeeper {
 public:
  Hub(Mesh& mesh, env::Env& env, env::Reactor& reactor);
  ~Hub() override;

  // The bytes go along with what else goes to that node in this turn. Dropped (and counted) if no connection stands or
  // too much waits for it.
  void send(NodeId to, uint16_t group, std::string_view message);
  // Streams the file, then what the receiver there lacks of those beside it (kFilesBesideMax of them at most), then
  // hands it `message` with the paths under which they arrived. They stay what they are until `done` is called: once,
  // in a later turn; `false` also when the connection breaks.
  void send_file(NodeId to, uint16_t group, std::string message, std::string path, std::vector<SideFile> beside,
                 std::function<void(bool)> done);
  // A connection stands, and something was heard of the node within the liveness time-out.
  [[nodiscard]] bool is_reachable(NodeId node) const;

  // Calls a method of another node, or of this one. After kUnreachable and kTimedOut it may have been done or not.
  Task<Result<std::string>> call(NodeId to, uint32_t method, std::string request, int64_t timeout_ms);
  // The same of whoever is at that address, over a connection of its own: for a node that belongs to no cluster yet.
  Task<Result<std::string>> call_address(env::Address to, uint32_t method, std::string request, int64_t timeout_ms);

  // What arrives from now on goes there; null: it is dropped.
  void set_receiver(Receiver* receiver) { receiver_ = receiver; }
  [[nodiscard]] env::Reactor& reactor() { return reactor_; }

  // For this folder alone.
  [[nodiscard]] const Identity& identity() const override { return identity_; }
  [[nodiscard]] bool is_removed(NodeId node) const override { return removed_.contains(node); }
  [[nodiscard]] std::vector<BookEntry> book() const override;
  [[nodiscard]] Mesh& mesh() { return mesh_; }
  [[nodiscard]] const Options& options() const;
  [[nodiscard]] env::Env& env() { return env_; }
  [[nodiscard]] TurnEnd& turn_end() { return turn_end_; }
  [[nodiscard]] bool is_home() const { return reactor_.index() == 0; }
  [[nodiscard]] NodeCounts& counts(NodeId node);
  [[nodiscard]] const std::map<NodeId, std::unique_ptr<NodeCounts>>& all_counts() const { return counts_; }
  // Where the node is to be reached now; null: it is not known.
  [[nodiscard]] const std::string* address_of(NodeId node) const;
  void set_identity(Identity identity);
  void set_nodes(const std::map<NodeId, BookEntry>& nodes, const std::set<NodeId>& removed);
  void set_reachable(NodeId node, bool is_reachable);
  void accept(std::unique_ptr<env::Stream> stream);
  // Wraps it in TLS if the node uses it.
  [[nodiscard]] std::unique_ptr<env::Stream> secure(std::unique_ptr<env::Stream> stream, const std::string& host);
  void deliver(NodeId from, uint16_t group, std::string_view message);
  // Hands on what deliver() has gathered for other reactors.
  void deliver_gathered(NodeId from);
  void deliver_file(NodeId from, ArrivedFile file);
  // Asks the receiver which it wants; the inlet gets the answer.
  void offer_files(uint64_t inlet, NodeId from, OfferedFiles files);
  // A call has come in by the inlet with that number (0: it is this hub's own), which gets the answer.
  void serve(uint64_t inlet, Caller caller, uint64_t call, const Method& method, std::string request);
  void finish_call(uint64_t call, Result<std::string> result);
  // Every call that waits for that node's answer.
  void fail_calls(NodeId node, const std::string& why);
  // In a later turn.
  void remove(Inlet& inlet);
  void stop();

 private:
  friend class CallWait;
  // Messages of one read for another reactor.
  struct Parcel {
    std::vector<std::pair<uint16_t, size_t>> messages;  // group, bytes
    Buffer bytes;
  };
  void unpack(NodeId from, Parcel parcel);
  static Task<void> run_method(Hub& asker, uint64_t inlet, Caller caller, uint64_t call, const Method& method,
                               std::string request);
  void answer_call(uint64_t inlet, uint64_t call, Result<std::string> result);
  Task<void> run_call_address(uint64_t call, env::Address to, uint32_t method, std::string request, int64_t timeout_ms);
  Task<Result<std::string>> ask_address(uint64_t call, env::Address to, uint32_t method, std::string request,
                                        int64_t timeout_ms);

  Mesh& mesh_;
  env::Env& env_;
  env::Reactor& reactor_;
  TurnEnd turn_end_;
  Identity identity_;
  Receiver* receiver_ = nullptr;
  bool is_stopped_ = false;
  std::map<NodeId, BookEntry> nodes_;
  std::set<NodeId> removed_;
  std::set<NodeId> reachable_;
  std::map<NodeId, std::unique_ptr<NodeCounts>> counts_;
  std::map<NodeId, std::unique_ptr<Link>> links_;
  std::map<uint64_t, std::unique_ptr<Inlet>> inlets_;
  uint64_t next_inlet_ = 1;
  std::vector<Parcel> parcels_;  // for each reactor
  std::map<uint64_t, CallWait*> calls_;
  uint64_t next_call_ = 1;
  std::unique_ptr<env::TaskScope> tasks_;
};

}  // namespace keelson::peer
