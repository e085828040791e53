#include "cli/run_env.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "env/real/real_env.h"

namespace keelson::cli {

namespace {

Task<void> keep_exit_code(Task<int> work, env::RealEnv& env, int& exit_code) {
  exit_code = co_await std::move(work);
  env.stop();
}

}  // namespace

void complain(const std::string& sentence) { std::fprintf(stderr, "keelson: %s\n", sentence.c_str()); }

int run_on_env(std::function<Task<int>(env::Env&)> work, std::function<void()> on_interrupt) {
  auto env = env::RealEnv::make({.reactors = 1});
  if (!env.ok()) {
    complain(env.error().message());
    return kExitBad;
  }
  const Status watching = (*env)->watch_signals([&on_interrupt](int signal) {
    if (signal == SIGINT && on_interrupt) {
      on_interrupt();
    } else {
      std::fflush(stdout);
      std::_Exit(128 + signal);
    }
  });
  if (!watching.ok()) {
    complain(watching.error().message());
    return kExitBad;
  }
  int exit_code = kExitBad;
  env::TaskScope scope((*env)->reactor(0));
  (*env)->reactor(0).post([&] { scope.spawn(keep_exit_code(work(**env), **env, exit_code)); });
  (*env)->run();
  return exit_code;
}

}  // namespace keelson::cli
