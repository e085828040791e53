// Keep-alives of leases, carried to the node that leads the system shard, and their bytes.
#pragma once

#include <string>
#include <string_view>

#include "cluster/calls.h"
#include "cluster/leaders.h"
#include "coord/lease.h"
#include "peer/mesh.h"

namespace keelson::cluster {

[[nodiscard]] std::string encode(const coord::LeaseAnswer& answer);
[[nodiscard]] bool decode(std::string_view from, coord::LeaseAnswer& answer);
[[nodiscard]] std::string encode_lease(coord::LeaseId lease);
[[nodiscard]] bool decode_lease(std::string_view from, coord::LeaseId& lease);

// Any reactor.
class RemoteLeases final : public coord::LeaseKeeper {
 public:
  RemoteLeases(peer::Mesh& mesh, const Leaders& leaders, ShardId shard)
      : mesh_(mesh), leaders_(leaders), shard_(shard) {}

  Task<coord::LeaseAnswer> keep_alive(env::Reactor& here, coord::LeaseId lease) override {
    return ask(here, CallMethod::kKeepAlive, lease);
  }
  Task<coord::LeaseAnswer> time_to_live(env::Reactor& here, coord::LeaseId lease) override {
    return ask(here, CallMethod::kTimeToLive, lease);
  }

 private:
  Task<coord::LeaseAnswer> ask(env::Reactor& here, CallMethod method, coord::LeaseId lease);

  peer::Mesh& mesh_;
  const Leaders& leaders_;
  const ShardId shard_;
};

}  // namespace keelson::cluster
