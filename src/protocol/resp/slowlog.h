// SLOWLOG: the latest commands that took longer than slowlog-log-slower-than.
//
// One for the node, on reactor 0; sessions on other reactors reach it through report_slow_command(). Arguments are cut
// as in Redis.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "engine/kv/command.h"

namespace keelson::resp {

class Session;

// Arguments kept of one command (the last one says how many more there were) and bytes kept of one argument.
inline constexpr size_t kSlowlogArgsMax = 32;
inline constexpr size_t kSlowlogArgBytesMax = 128;

struct SlowlogEntry {
  uint64_t id = 0;     // counts up for the life of the server
  int64_t time_s = 0;  // wall clock
  int64_t duration_us = 0;
  std::vector<std::string> args = {};
  std::string client_address = {};
  std::string client_name = {};
};

class Slowlog {
 public:
  // The entry gets its id. Keeps the latest `entries_max`.
  void add(SlowlogEntry entry, size_t entries_max);
  void reset() { entries_.clear(); }
  // The latest first.
  [[nodiscard]] const std::deque<SlowlogEntry>& entries() const { return entries_; }

 private:
  uint64_t next_id_ = 0;
  std::deque<SlowlogEntry> entries_;
};

// What SLOWLOG keeps of a command's arguments.
[[nodiscard]] std::vector<std::string> slowlog_args(kv::Args args);

// The session's reactor, after a command that may be logged (no kSkipSlowlog): keeps it if it took long enough by the
// settings. One comparison if it did not.
void report_slow_command(Session& session, kv::Args args, int64_t duration_ns);

}  // namespace keelson::resp
