// How the members of Raft groups on different nodes reach one another; what stands below raft/member.h.
//
// One for each reactor, used on its thread. Messages between two nodes may be lost when a connection breaks, never
// doubled or reordered within one; Raft needs neither promise.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "log/agreed_log.h"

namespace keelson::raft {

using log::NodeId;
using log::ShardId;

class Messenger {
 public:
  virtual ~Messenger() = default;
  // Takes the bytes along with what else goes to that node in this turn. Dropped if the node cannot be reached or too
  // much waits for it (a named limit); the group tries again by itself.
  virtual void send(NodeId to, ShardId group, std::string_view message) = 0;
  // Streams the file in chunks, never as one buffer, then hands `message` to the group there together with the path
  // under which the file arrived. `done` tells whether it did; on this reactor, once, also when the node goes away.
  virtual void send_file(NodeId to, ShardId group, std::string message, std::string path,
                         std::function<void(bool has_arrived)> done) = 0;
  // A connection to that node stands, and something was heard of it lately.
  [[nodiscard]] virtual bool is_reachable(NodeId node) const = 0;
};

// What arrives; the messenger calls it on the reactor that owns the group.
class MessageSink {
 public:
  virtual ~MessageSink() = default;
  virtual void received(NodeId from, ShardId group, std::string_view message) = 0;
  // The file is complete and synced, its CRCs not yet looked at; it is the sink's from now on.
  virtual void received_file(NodeId from, ShardId group, std::string message, std::string path) = 0;
  // Nothing was heard of the node for the liveness time-out, or its connection came back.
  virtual void reachable_changed(NodeId node, bool is_reachable) = 0;
};

}  // namespace keelson::raft
