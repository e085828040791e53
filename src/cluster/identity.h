// What a node knows of its cluster before any shard is there: the file `cluster` of its data folder.
//
//   keelson-cluster=1
//   cluster=6d0c...         32 hex digits
//   node=3
//   boots=7                 how often the node has started: the revision of its address
//   founding=1              the node has begun the cluster, and its shards' groups may not be on disk yet
//   node-1=4 127.0.0.1:7401 where the others were: revision, address
//   crc=1f2e3d4c            CRC32C of everything before this line
//
// It is written anew as a whole (env::replace_file), so a crash leaves the old one or the new one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "env/disk.h"
#include "env/random.h"
#include "env/reactor.h"
#include "peer/handshake.h"

namespace keelson::cluster {

using peer::BookEntry;
using peer::NodeId;

inline constexpr std::string_view kIdentityName = "cluster";

struct ClusterFile {
  std::string cluster;
  NodeId node = 0;
  uint64_t boots = 0;
  bool is_founding = false;
  std::vector<BookEntry> book;
  bool operator==(const ClusterFile&) const = default;
};

[[nodiscard]] std::string write_cluster_file(const ClusterFile& file);
// kDamaged with a sentence that names the path.
[[nodiscard]] Result<ClusterFile> read_cluster_file(std::string_view text, const std::string& path);

// None: the folder belongs to no cluster.
[[nodiscard]] Result<std::optional<ClusterFile>> load_cluster_file(env::Disk& disk, const std::string& folder);
Task<Status> save_cluster_file(env::Disk& disk, env::Reactor& on, std::string folder, ClusterFile file);

// 128 bits by chance, in hex.
[[nodiscard]] std::string new_cluster_id(env::Random& random);

}  // namespace keelson::cluster
