// `keelson elect NAME -- COMMAND...`: runs the command on the server that is elected, alone.
//
// It waits until it leads, starts the command with KEELSON_ELECT_TOKEN (the fencing token, see election.h) in its
// environment, and keeps the lease. The command ends before the lease can have run out elsewhere: SIGTERM, and SIGKILL
// when the grace period is over (lease_time.h). When the command ends, the next candidate is let in at once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/coord_client.h"

namespace keelson::cli {

struct ElectOptions {
  CoordTarget target;
  std::string name;
  std::string value;  // empty: this host's name and process
  int64_t ttl_s = 10;
  int64_t grace_ms = -1;  // until SIGKILL; below 0: three tenths of the time to live
  bool quiet = false;
  std::vector<std::string> command;
};

inline constexpr int64_t kTtlLeastS = 2;
inline constexpr int64_t kTtlMostS = 24 * 3600;

// The leadership was lost while the command ran (EX_TEMPFAIL of sysexits.h): begin again.
inline constexpr int kExitLost = 75;

// The exit code: the command's, as a shell tells it; kExitLost; 128 + signal if one came before the command ran; 1 if
// there could be no election, 2 if the options are wrong.
int elect(ElectOptions options);

}  // namespace keelson::cli
