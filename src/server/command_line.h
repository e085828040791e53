// The verbs of `keelson` and their arguments.
#pragma once

#include <string>
#include <vector>

namespace keelson::server {

// The whole program; the result is its exit code: 0, 1 when something failed, 2 when the arguments or settings are
// wrong.
int run_command_line(int argc, char** argv);

// What shell completion and the man page are made of.
struct FlagText {
  std::string names;  // "-c,--config"
  std::string value;  // "FILE"; empty: a switch
  std::string group;
  std::string description;
};
struct VerbText {
  std::string name;   // "log verify"
  std::string usage;  // "[OPTIONS] FILE"
  std::string description;
  std::vector<FlagText> flags;
};
std::vector<VerbText> verb_texts();

// In roff, for packaging/keelson.1.
std::string man_page();
// For "bash", "zsh" or "fish"; empty for another shell.
std::string shell_completion(const std::string& shell);

}  // namespace keelson::server
