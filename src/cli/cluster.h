// `keelson cluster`: the nodes of a cluster shown, added, drained and removed, over the HTTP port of any of them
// (/admin/cluster).
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
class ClusterCommands {
 public:
  // Adds `cluster` with its verbs. `add_target_flags` adds to a verb the flags that say how the server is reached.
  ClusterCommands(CLI::App& app, const std::function<void(CLI::App&)>& add_target_flags);
  ~ClusterCommands();

  // Is one of these verbs on the command line?
  [[nodiscard]] bool is_asked() const;
  // The address of the HTTP port, as given or by default.
  [[nodiscard]] const std::string& address() const;
  // Does it; the exit code.
  int run(Target target);

 private:
  struct Command;
  std::unique_ptr<Command> command_;
};

}  // namespace keelson::cli
