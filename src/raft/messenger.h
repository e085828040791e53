// How the members of Raft groups on different nodes reach one another; what stands below raft/member.h.
//
// One for each reactor, used on its thread. Messages between two nodes may be lost when a connection breaks, never
// doubled or reordered within one; Raft needs neither promise.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "log/agreed_log.h"

namespace keelson::raft {

using log::NodeId;
using log::ShardId;

// A file that goes along with another one.
struct SideFile {
  std::string name;    // what the receiver knows it by; never a path
  std::string path;    // at the sender: where it lies; at the receiver: where what was sent lies, empty if nothing was
  uint64_t bytes = 0;  // from its beginning: so much counts
  uint64_t here = 0;   // at the receiver: so much of that was not sent, because it was there already
};

class Messenger {
 public:
  virtual ~Messenger() = default;
  // Takes the bytes along with what else goes to that node in this turn. Dropped if the node cannot be reached or too
  // much waits for it (a named limit); the group tries again by itself.
  virtual void send(NodeId to, ShardId group, std::string_view message) = 0;
  // Streams the file in chunks, never as one buffer, then what the group there lacks of those beside it, then hands
  // `message` to that group together with the paths under which they arrived: all of them, or none. `done` tells
  // whether they did; on this reactor, once, also when the node goes away.
  virtual void send_file(NodeId to, ShardId group, std::string message, std::string path, std::vector<SideFile> beside,
                         std::function<void(bool has_arrived)> done) = 0;
  // A connection to that node stands, and something was heard of it lately.
  [[nodiscard]] virtual bool is_reachable(NodeId node) const = 0;
};

// What arrives; the messenger calls it on the reactor that owns the group.
class MessageSink {
 public:
  virtual ~MessageSink() = default;
  virtual void received(NodeId from, ShardId group, std::string_view message) = 0;
  // The file is complete and synced, its CRCs not yet looked at, and so are those beside it, in the order in which they
  // were offered; they are the sink's from now on.
  virtual void received_file(NodeId from, ShardId group, std::string message, std::string path,
                             std::vector<SideFile> beside) = 0;
  // Of files that another node wants to send along with one: so many of the first bytes of each are here, and only what
  // follows is to be sent.
  [[nodiscard]] virtual std::vector<uint64_t> bytes_here(NodeId from, ShardId group,
                                                         const std::vector<SideFile>& offered) {
    return std::vector<uint64_t>(offered.size());
  }
  // Nothing was heard of the node for the liveness time-out, or its connection came back.
  virtual void reachable_changed(NodeId node, bool is_reachable) = 0;
};

}  // namespace keelson::raft
