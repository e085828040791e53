// The errors with which the session answers when a shard or its log did not take a command.
#pragma once

#include <string_view>

#include "log/commit_log.h"

namespace keelson::resp {

inline constexpr std::string_view kErrCrossSlot = "CROSSSLOT Keys in request don't hash to the same slot";

// With its code, without "-". `outcome` is not kOk.
inline std::string_view refusal_text(log::LogErrc outcome) {
  switch (outcome) {
    case log::LogErrc::kFull:
      return "MISCONF The disk of the data folder is full: writes are refused until there is room again, reads go on";
    case log::LogErrc::kFailed:
      return "MISCONF Writing to the log failed, see the server's log: writes are refused until the server is "
             "restarted";
    case log::LogErrc::kRefused:
      return "TRYAGAIN The write was not committed and has no effect";
    case log::LogErrc::kDamaged:
      return "ERR The shard of this key is stopped because its data on disk is damaged, see the server's log and "
             "'keelson log verify'";
    case log::LogErrc::kTooLarge:
      return "ERR The command is larger than a log record may be (1 GiB, in a cluster 64 MiB)";
    case log::LogErrc::kTimedOut:
      return "UNCERTAIN The shard's group did not say in time whether the write is committed: it may or may not take "
             "effect";
    case log::LogErrc::kNoLeader:
      return "CLUSTERDOWN The shard of this key has no leader at the moment; the command has no effect";
    case log::LogErrc::kNotLeader:
      return "TRYAGAIN Another node leads the shard of this key";
    case log::LogErrc::kNotOwner:
      return "TRYAGAIN The slot of this key is moving to another shard";
    case log::LogErrc::kManyShards:
      return kErrCrossSlot;
    case log::LogErrc::kStopped:
    case log::LogErrc::kOk:
      break;
  }
  return "ERR The server is shutting down";
}

}  // namespace keelson::resp
