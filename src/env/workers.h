// Threads beside the reactors, for work that would hold a reactor up: hashing a large piece of an upload.
//
// A worker is of use only while it would idle otherwise: where all are busy the caller does its work itself, or asks
// again later, which is the back-pressure, so nothing ever waits in a queue. Work refers to nothing that its caller
// could destroy meanwhile: it owns its bytes, and gives them back with its result through a HandOff (env/hand_off.h).
//
// In simulation the work is done at once, on the one thread there is, and every other time none is idle.
#pragma once

#include "env/reactor.h"

namespace keelson::env {

// Safe from every thread.
class Workers {
 public:
  virtual ~Workers() = default;
  // Takes `work` if a thread is idle, and runs it there. False: none is, and `work` is left as it was.
  [[nodiscard]] virtual bool try_run(Callback& work) = 0;
};

}  // namespace keelson::env
