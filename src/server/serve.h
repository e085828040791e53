// `keelson serve`: a node in a process of its own, from the command line to the exit code.
#pragma once

#include <string>

#include "server/settings.h"

namespace keelson::server {

struct ServeOptions {
  SettingSources sources;
  std::string ready_file;  // empty: none
  std::string executable;
};

// Exit codes: 0 after a graceful stop, 1 when it could not start or stop as it should, 2 when the settings are wrong.
int serve(ServeOptions options);

// `keelson config check`: 0 if a server would start with these settings, 2 and all errors on standard error otherwise.
int check_config(const SettingSources& sources);

// What is on the machine: environment variables, and a file's text. An empty path: no file.
Pairs environment_variables();
// Fills in file_name and file_text; false and a line on standard error if it cannot be read.
bool read_config_file(const std::string& path, SettingSources& sources);

}  // namespace keelson::server
