// A command in a process of its own, which ends with this one.
//
// It leads a process group, and signals go to the group: what it has started ends with it. If this process is killed,
// the kernel kills the command (but not what that has started: Linux's PR_SET_PDEATHSIG is for one process). Use it on
// the main thread alone. Destroying it kills what still runs.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace keelson::cli {

class ChildProcess {
 public:
  // `variables` are added to this process's environment.
  static Result<ChildProcess> start(const std::vector<std::string>& command,
                                    const std::vector<std::pair<std::string, std::string>>& variables);
  ChildProcess(ChildProcess&& other) noexcept : pid_(std::exchange(other.pid_, 0)) {}
  ChildProcess& operator=(ChildProcess&&) = delete;
  ~ChildProcess();

  void send(int signal);
  // As a shell tells it: 128 + the signal that has ended it. nullopt: it runs. Does not wait.
  std::optional<int> exit_code();

 private:
  explicit ChildProcess(int pid) : pid_(pid) {}
  int pid_;  // 0: ended, or moved from
};

}  // namespace keelson::cli
