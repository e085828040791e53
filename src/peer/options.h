// What the connections of a node are told at their start, and their limits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "base/task.h"
#include "env/network.h"
#include "peer/errors.h"
#include "peer/frame.h"
#include "peer/handshake.h"

namespace keelson::net {
class TlsContext;
}

namespace keelson::peer {

// Bytes of one piece of a file: messages wait for one at most.
inline constexpr size_t kFileChunkBytes = 256 << 10;
// Of a file, on their way and not yet written by the receiver: keeps a link of 1 Gbit/s and 10 ms busy.
inline constexpr uint64_t kFileWindowBytes = 8 * kFileChunkBytes;
// Files that one connection carries at a time; others wait for them.
inline constexpr size_t kFilesSendingMax = 2;
inline constexpr size_t kFilesWaitingMax = 256;
// Files that go along with one. Each costs about 300 bytes of memory on both sides while it is on its way; a shard of
// topics whose segments have 1 GiB would hold 1 PiB. A transfer with more is refused: the log says so, and a replica
// that needs it stays behind until segments have been deleted or compacted, or are larger (segment.bytes, segment.ms).
inline constexpr size_t kFilesBesideMax = size_t{1} << 20;
inline constexpr size_t kFileNameBytesMax = 255;
// Files of one transfer that are being synced: further credit waits for them.
inline constexpr size_t kFilesSyncingMax = 16;
// Calls of one reactor that wait for answers, and calls of one connection that are being answered.
inline constexpr size_t kCallsWaitingMax = 4096;
inline constexpr size_t kCallsServedMax = 1024;
// A request or an answer: states of nodes and shards, and what a move of slots carries, which fits a record of a
// shard's log (64 MiB) with what the call says besides.
inline constexpr size_t kCallBytesMax = size_t{65} << 20;
// What one may send who has not proved who it is.
inline constexpr size_t kGuestCallBytesMax = size_t{16} << 20;
// Connections that have not proved yet who they are, for each reactor.
inline constexpr size_t kGuestsMax = 64;

struct Timing {
  int64_t ping_interval_ms = 100;
  int64_t liveness_timeout_ms = 1'000;
  // Of a connection: until it stands and both sides know each other.
  int64_t handshake_timeout_ms = 2'000;
  // Between attempts; doubled each time, with up to half of it taken away by chance.
  int64_t retry_ms_min = 50;
  int64_t retry_ms_max = 1'000;
};

struct Options {
  env::Address listen;
  // Both or none. The server's asks for a certificate of the client (net::ClientCertificate::kRequired).
  net::TlsContext* tls_server = nullptr;
  net::TlsContext* tls_client = nullptr;
  Identity identity;
  std::string advertise;  // where others reach this node; empty: where it listens
  uint64_t revision = 1;  // of that address: grows with each start of the node
  // For files on their way in; emptied at start, made if missing.
  std::string incoming_folder;
  Timing timing;
  // Messages to one node that wait for its connection, in bytes, on each reactor. Past it they are dropped (but one
  // message may always wait).
  size_t queue_bytes_max = size_t{64} << 20;
  // The reactor that owns the group on this node.
  std::function<unsigned(uint16_t group)> reactor_of;
};

// A file that goes along with another one.
struct SideFile {
  std::string name;    // what the receiver knows it by; never a path
  std::string path;    // at the sender: where it lies; at the receiver: where what was sent lies, empty if nothing was
  uint64_t bytes = 0;  // from its beginning: so much counts
  uint64_t here = 0;   // at the receiver: so much of that was not sent, because it was there already
};

// What arrives; one for each reactor, called on its thread.
class Receiver {
 public:
  virtual ~Receiver() = default;
  virtual void received(NodeId from, uint16_t group, std::string_view message) = 0;
  // The file is complete and synced, and so are those beside it, all of them in the order in which they were offered;
  // they are the receiver's from now on. They are lost if the node stops before the receiver has renamed them out of
  // the folder.
  virtual void received_file(NodeId from, uint16_t group, std::string message, std::string path,
                             std::vector<SideFile> beside) = 0;
  // Of files that another node wants to send along with one: so many of the first bytes of each are here, and only what
  // follows is to be sent.
  [[nodiscard]] virtual std::vector<uint64_t> bytes_here(NodeId from, uint16_t group,
                                                         const std::vector<SideFile>& offered) {
    return std::vector<uint64_t>(offered.size());
  }
  virtual void reachable_changed(NodeId node, bool is_reachable) = 0;
};

// Who calls a method.
struct Caller {
  NodeId node = 0;  // 0: a guest
  env::Address remote;
};

// One method that other nodes can call.
struct Method {
  uint32_t number = 0;  // never reused
  bool is_for_guests = false;
  unsigned reactor = 0;  // where the handler runs
  std::function<Task<Result<std::string>>(Caller caller, std::string request)> handler;
};

// Of one other node, on one reactor. Written there, read from anywhere.
struct NodeCounts {
  Counter messages_sent;
  Counter messages_received;
  Counter messages_dropped;
  Counter bytes_sent;
  Counter bytes_received;
  Counter files_sent;
  Counter files_received;
  Counter files_failed;
  Counter connects;
  Counter connect_failures;
  Histogram round_trip_ns;  // of pings
};

}  // namespace keelson::peer
