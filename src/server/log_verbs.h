// `keelson log inspect` and `keelson log verify`: what stands in the log and the checkpoints of a data folder that no
// server uses.
#pragma once

#include <string>

namespace keelson::server {

struct LogVerbOptions {
  std::string data_dir;
  bool with_records = false;  // inspect: a line for each record
};

// Says what is there. Exit codes: 0; 1 if it could not be read.
int log_inspect(LogVerbOptions options);
// Reads everything and says what is wrong. Exit codes: 0; 1 if something is damaged or could not be read.
int log_verify(LogVerbOptions options);

}  // namespace keelson::server
