// `keelson backup`: takes a backup of a running server over HTTP into one file, checked as it comes.
#pragma once

#include <string>

#include "cli/target.h"

namespace keelson::cli {

struct BackupOptions {
  Target target;       // its HTTP address
  std::string file;    // "-": standard output
  bool quiet = false;  // no progress
};

// The exit code. The file appears under its name only when it is whole, synced and checked.
int backup(BackupOptions options);

}  // namespace keelson::cli
