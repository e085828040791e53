// How a node comes into a cluster: what it says of itself, and what it is told.
//
// The node that wants to join asks any node of the cluster, as a guest. Whoever is asked writes the new node down in
// the system shard, which gives it a number that nobody else has or will have. Asking again with the same token (the
// answer was lost) gives the same number.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "cluster/state.h"
#include "env/network.h"
#include "peer/mesh.h"

namespace keelson::cluster {

struct JoinRequest {
  std::string name;  // empty: it gets one
  std::string zone;
  std::string peer;   // where other nodes reach it
  std::string token;  // drawn by chance, once for each attempt to join
};
[[nodiscard]] std::string encode(const JoinRequest& request);
[[nodiscard]] bool decode(std::string_view from, JoinRequest& request);

struct Joined {
  std::string cluster;
  NodeId node = 0;
  // What must be the same on all nodes.
  ClusterSettings settings;
  uint64_t hash_secret = 0;
  std::vector<BookEntry> book;
};
[[nodiscard]] std::string encode(const Joined& joined);
[[nodiscard]] bool decode(std::string_view from, Joined& joined);

// Asks these in turn, once each. Reactor 0.
Task<Result<Joined>> ask_to_join(peer::Mesh& mesh, std::vector<env::Address> addresses, JoinRequest request);

}  // namespace keelson::cluster
