#include "peer/errors.h"

#include <string>

namespace keelson::peer {

namespace {

class PeerCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "peer"; }
  std::string message(int code) const override {
    switch (static_cast<PeerErrc>(code)) {
      case PeerErrc::kOk:
        return "ok";
      case PeerErrc::kUnreachable:
        return "the node cannot be reached";
      case PeerErrc::kTimedOut:
        return "the node did not answer in time";
      case PeerErrc::kBusy:
        return "the node is busy";
      case PeerErrc::kNoMethod:
        return "the node does not know the method";
      case PeerErrc::kFailed:
        return "the node says no";
      case PeerErrc::kTooLarge:
        return "too many bytes";
      case PeerErrc::kRefused:
        return "the node refused the connection";
      case PeerErrc::kStopped:
        return "this node is stopping";
    }
    return "unknown";
  }
};

}  // namespace

std::error_code make_error_code(PeerErrc code) {
  static const PeerCategory category;
  return {static_cast<int>(code), category};
}

}  // namespace keelson::peer
