#include "log/commit_log.h"

namespace keelson::log {

namespace {

class LogCategory final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "log"; }
  [[nodiscard]] std::string message(int code) const override {
    switch (static_cast<LogErrc>(code)) {
      case LogErrc::kOk:
        return "no error";
      case LogErrc::kFull:
        return "no room on the disk for the log";
      case LogErrc::kFailed:
        return "the log failed and takes nothing more until a restart";
      case LogErrc::kRefused:
        return "the record was not committed";
      case LogErrc::kDamaged:
        return "data on disk is damaged";
      case LogErrc::kTooLarge:
        return "the record is larger than the log allows";
      case LogErrc::kStopped:
        return "the log is shutting down";
      case LogErrc::kTimedOut:
        return "it is not known whether the record was committed";
      case LogErrc::kNoLeader:
        return "the shard has no leader that could be asked";
      case LogErrc::kNotLeader:
        return "another node leads this shard";
      case LogErrc::kNotOwner:
        return "the shard does not own this slot";
      case LogErrc::kManyShards:
        return "a record cannot span shards of a cluster";
    }
    return "unknown error";
  }
};

}  // namespace

std::error_code make_error_code(LogErrc code) {
  static const LogCategory category;
  return {static_cast<int>(code), category};
}

}  // namespace keelson::log
