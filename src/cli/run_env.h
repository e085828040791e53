// Runs one coroutine on an Env of its own: what a verb that talks to a server or works on files needs.
#pragma once

#include <functional>
#include <string>

#include "base/task.h"
#include "env/env.h"

namespace keelson::cli {

inline constexpr int kExitGood = 0;
inline constexpr int kExitBad = 1;
inline constexpr int kExitUsage = 2;

// `work` is called on reactor 0 of an Env with one reactor; its result is the exit code. SIGINT and SIGTERM end the
// program with 128 + signal, unless `on_interrupt` is set: then SIGINT calls it.
int run_on_env(std::function<Task<int>(env::Env&)> work, std::function<void()> on_interrupt = nullptr);

// "keelson: " and the sentence, on standard error.
void complain(const std::string& sentence);

}  // namespace keelson::cli
