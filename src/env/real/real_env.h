// The Env of a Linux process: one reactor for each core, files, TCP and Unix sockets.
//
//   auto env = RealEnv::make({.reactors = 2});
//   env->reactor(0).post([&] { start_serving(*env); });
//   env->run();        // this thread is reactor 0; returns after stop()
//   ... destroy what uses the env, then the env ...
//
// How it is built. Each reactor thread waits on one epoll set of its own, in which the streams stand edge-triggered: a
// turn handles every socket that is ready, then posts, then timers, then what at_turn_end() gathered, and only then
// asks the kernel again. Sockets are made and accepted, signals taken and slow disk calls run by Asio, on threads of
// their own ("backstage"), which hand the results to the reactors by post().
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/result.h"
#include "env/env.h"
#include "env/reactor.h"

namespace keelson::env {

struct RealEnvOptions {
  unsigned reactors = 0;      // 0: one for each core that the process may use
  bool pin = false;           // reactor i stays on the i-th of these cores
  unsigned disk_threads = 2;  // syncs that may be under way at the same time
};

// Since the start; read from any thread.
struct ReactorCounts {
  uint64_t turns = 0;
  uint64_t sleeps = 0;  // turns that began with a wait in the kernel
  uint64_t socket_events = 0;
  uint64_t posts = 0;
  uint64_t timers = 0;
  uint64_t bytes_received = 0;
  uint64_t bytes_sent = 0;
  uint64_t longest_turn_ns = 0;  // without the wait in the kernel
};

class RealEnv : public Env {
 public:
  static Result<std::unique_ptr<RealEnv>> make(RealEnvOptions options);

  // Runs reactor 0 on the calling thread and the others on threads of their own. Once only.
  virtual void run() = 0;
  // From any thread and from run()'s callbacks: every reactor ends its present turn, then run() returns. What is still
  // posted or awaited then is destroyed with the Env, never run.
  virtual void stop() = 0;

  // Calls `on_signal` on reactor 0 for each SIGTERM, SIGINT, SIGHUP. Once, before run(). SIGPIPE is always ignored.
  virtual Status watch_signals(std::function<void(int signal)> on_signal) = 0;

  [[nodiscard]] virtual ReactorCounts counts(unsigned reactor) const = 0;
};

}  // namespace keelson::env
