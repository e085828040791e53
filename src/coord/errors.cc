#include "coord/errors.h"

namespace keelson::coord {

const char* text_of(ServiceErrc code) {
  switch (code) {
    case ServiceErrc::kOk:
      return "no error";
    case ServiceErrc::kNoLeader:
      return "no node leads the coordination shard now";
    case ServiceErrc::kTimedOut:
      return "no answer in time; a write may have been done";
    case ServiceErrc::kFull:
      return "no room on the disk";
    case ServiceErrc::kTooLarge:
      return "the request is too large for the log";
    case ServiceErrc::kFailed:
      return "the log or the coordination shard is damaged";
    case ServiceErrc::kStopping:
      return "the service stops";
  }
  return "unknown";
}

ServiceErrc from_log(log::LogErrc outcome) {
  switch (outcome) {
    case log::LogErrc::kOk:
      return ServiceErrc::kOk;
    case log::LogErrc::kFull:
      return ServiceErrc::kFull;
    case log::LogErrc::kRefused:
    case log::LogErrc::kNoLeader:
    case log::LogErrc::kNotLeader:
      return ServiceErrc::kNoLeader;
    case log::LogErrc::kTimedOut:
      return ServiceErrc::kTimedOut;
    case log::LogErrc::kTooLarge:
      return ServiceErrc::kTooLarge;
    case log::LogErrc::kStopped:
      return ServiceErrc::kStopping;
    case log::LogErrc::kFailed:
    case log::LogErrc::kDamaged:
    case log::LogErrc::kNotOwner:
    case log::LogErrc::kManyShards:
      break;
  }
  return ServiceErrc::kFailed;
}

}  // namespace keelson::coord
