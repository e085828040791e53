// `keelson config get | set | unset | diff | history | watch`: the dynamic settings of a running server or cluster,
// over its HTTP port (/admin/config); watch follows them at the coordination service itself.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "cli/target.h"

namespace CLI {
class App;
}

namespace keelson::cli {

// Lives as long as the App that it adds to.
class ConfigCommands {
 public:
  // Adds the verbs to `config`. `add_target_flags` adds to a verb the flags that say how the server is reached.
  ConfigCommands(CLI::App& config, const std::function<void(CLI::App&)>& add_target_flags);
  ~ConfigCommands();

  // Is one of these verbs on the command line?
  [[nodiscard]] bool is_asked() const;
  // Does it; the exit code.
  int run(Target target);

 private:
  struct Command;
  std::unique_ptr<Command> command_;
};

}  // namespace keelson::cli
