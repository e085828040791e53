// `keelson restore`: makes a data folder from a backup.
#pragma once

#include <string>

namespace keelson::server {

struct RestoreOptions {
  std::string data_dir;
  std::string file;  // "-": not possible, since the file is read twice
  bool quiet = false;
};

// The exit code. The whole backup is checked before anything is written; the folder must be new or empty. It can be
// used once the file `node` is there, which is written last.
int restore(RestoreOptions options);

}  // namespace keelson::server
