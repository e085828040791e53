// `keelson topic`: its verbs and their flags, for the command line.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "cli/target.h"

namespace CLI {
class App;
}

namespace keelson::cli {

// Lives as long as the App that it adds to.
class TopicCommands {
 public:
  // `add_target_flags` adds the flags for TLS and the password to a verb.
  TopicCommands(CLI::App& program, const std::function<void(CLI::App&)>& add_target_flags);
  ~TopicCommands();

  [[nodiscard]] bool is_asked() const;
  // Does it; the exit code. `target`: what those flags have said.
  int run(Target target);

 private:
  struct Command;
  Command& add(const char* name, const char* description);
  void add_admin_verbs();
  void add_message_verbs();
  void add_group_verbs();

  CLI::App* topic_;
  std::function<void(CLI::App&)> add_target_flags_;
  std::vector<std::unique_ptr<Command>> commands_;
};

}  // namespace keelson::cli
