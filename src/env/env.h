// The seam to the outside world of one node. Everything above takes an Env and knows nothing else of the machine.
#pragma once

#include <cstddef>
#include <cstdint>

#include "env/clock.h"

namespace keelson::env {

class Disk;
class Network;
class Reactor;
class Workers;

// The parts live as long as the Env. Accessors are safe from every thread.
class Env {
 public:
  virtual ~Env() = default;
  [[nodiscard]] virtual unsigned reactor_count() const = 0;
  [[nodiscard]] virtual Reactor& reactor(unsigned index) = 0;
  [[nodiscard]] virtual Disk& disk() = 0;
  [[nodiscard]] virtual Network& network() = 0;
  [[nodiscard]] virtual Workers& workers() = 0;
  [[nodiscard]] virtual const Clock& clock() const = 0;
  // Bytes of memory that the program holds from its allocator, at most one turn of each reactor out of date.
  [[nodiscard]] virtual uint64_t memory_used_bytes() const = 0;
};

}  // namespace keelson::env
