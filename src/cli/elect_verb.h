// `keelson elect` and its flags, for the command line.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "cli/target.h"

namespace CLI {
class App;
}

namespace keelson::cli {

// Lives as long as the App that it adds to.
class ElectCommand {
 public:
  // `add_target_flags` adds the flags for TLS and the password.
  ElectCommand(CLI::App& program, const std::function<void(CLI::App&)>& add_target_flags);
  ~ElectCommand();

  [[nodiscard]] bool is_asked() const;
  // Does it; the exit code. `target`: what those flags have said.
  int run(Target target);

 private:
  struct Words;
  std::unique_ptr<Words> words_;
};

}  // namespace keelson::cli
