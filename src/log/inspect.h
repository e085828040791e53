// What stands in a log folder or a checkpoint folder, as lines of text: `keelson log inspect` and `keelson log verify`.
// Reads only; the server must not be running on the folder (the caller holds its lock).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "env/disk.h"

namespace keelson::log {

struct InspectReport {
  uint64_t segments = 0;
  uint64_t records = 0;  // parts
  uint64_t marks = 0;
  uint64_t payload_bytes = 0;
  uint64_t checkpoints = 0;
  uint64_t torn_tails = 0;  // cut at the next start; no damage
  uint64_t problems = 0;    // damage: nothing acknowledged may be lost, and something is
};

// One line, without its newline.
using InspectSink = std::function<void(std::string_view line)>;

struct InspectOptions {
  // A line for each record, not for segments, torn tails and damage alone.
  bool with_records = false;
};

// An error means that the folder could not be read; what is found in it is in the lines and the report.
Result<InspectReport> inspect_log(env::Disk& disk, const std::string& folder, const InspectOptions& options,
                                  const InspectSink& sink);
// Reads every checkpoint to its end.
Result<InspectReport> inspect_checkpoints(env::Disk& disk, const std::string& folder, const InspectSink& sink);

}  // namespace keelson::log
