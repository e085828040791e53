// `keelson cli`: sends commands to a kv server and shows the replies; a prompt on a terminal.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/target.h"

namespace keelson::cli {

struct PromptOptions {
  Target target;
  std::string user;  // empty: "default"
  int64_t database = 0;
  bool resp3 = true;    // falls back to RESP2 where HELLO is not known
  bool raw = false;     // bytes as they are
  bool pretty = false;  // redis-cli's notation even where the output is no terminal
  uint64_t repeat = 1;
  double interval_s = 0;  // between repeats
  bool last_argument_from_input = false;
  std::vector<std::string> command;  // empty: a prompt, or commands from standard input
};

// The exit code: 0, or 1 when the server could not be reached or the (last) command was answered with an error.
int prompt(PromptOptions options);

}  // namespace keelson::cli
