#include "cluster/errors.h"

#include <string>

namespace keelson::cluster {

namespace {

class ClusterCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "cluster"; }
  std::string message(int code) const override {
    switch (static_cast<ClusterErrc>(code)) {
      case ClusterErrc::kOk:
        return "ok";
      case ClusterErrc::kDamaged:
        return "it is not what was written";
      case ClusterErrc::kNotFound:
        return "there is no such node or shard";
      case ClusterErrc::kNotAllowed:
        return "the cluster does not allow it";
      case ClusterErrc::kNoLeader:
        return "the system shard has no leader";
      case ClusterErrc::kFailed:
        return "it failed";
    }
    return "unknown";
  }
};

}  // namespace

std::error_code make_error_code(ClusterErrc code) {
  static const ClusterCategory category;
  return {static_cast<int>(code), category};
}

}  // namespace keelson::cluster
