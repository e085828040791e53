// What can go wrong in the cluster's own affairs.
#pragma once

#include <cstdint>
#include <system_error>

namespace keelson::cluster {

enum class ClusterErrc : uint8_t {
  kOk = 0,
  kDamaged,     // a file or a record is not what was written
  kNotFound,    // no such node or shard
  kNotAllowed,  // it would break the cluster, or is done already
  kNoLeader,    // the system shard has no leader now: nothing was changed
  kFailed,      // another node, the disk or the log said no
};
std::error_code make_error_code(ClusterErrc code);

}  // namespace keelson::cluster

template <>
struct std::is_error_code_enum<keelson::cluster::ClusterErrc> : std::true_type {};
