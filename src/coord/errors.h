// How a request to the coordination service can fail, besides what the engine answers to it.
#pragma once

#include <cstdint>

#include "log/commit_log.h"

namespace keelson::coord {

enum class ServiceErrc : uint8_t {
  kOk = 0,
  kNoLeader,  // nobody leads now, or the lead was lost before it was agreed on: it was not done
  kTimedOut,  // no answer in time: a write may have been done or may yet be
  kFull,      // no room on the disk: not done, may pass
  kTooLarge,  // above the log's limit: not done
  kFailed,    // the log or the shard's data is damaged: not done, and nothing will be until somebody looks
  kStopping,  // the service stops: a write may have been done
};
// A sentence for a log line or a person.
[[nodiscard]] const char* text_of(ServiceErrc code);
[[nodiscard]] ServiceErrc from_log(log::LogErrc outcome);

}  // namespace keelson::coord
