// What the kernel tells about this process, and the limits it may raise for itself. Any thread.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace keelson::env {

struct ProcessStats {
  uint64_t resident_bytes = 0;
  uint64_t virtual_bytes = 0;
  uint64_t user_cpu_us = 0;
  uint64_t system_cpu_us = 0;
  uint64_t file_descriptors = 0;
  uint64_t threads = 0;
};
// Fields that the kernel does not tell stay 0.
[[nodiscard]] ProcessStats process_stats();

// Bytes of the machine's memory or, if less, what its control group lets this process have.
[[nodiscard]] uint64_t machine_memory_bytes();
[[nodiscard]] uint64_t process_id();
// "Linux 6.1.0-18-amd64 x86_64", as INFO shows it.
[[nodiscard]] std::string operating_system();

// Raises the number of files that may be open to `wanted` or as near as is allowed; the result is the limit in force.
Result<uint64_t> raise_file_limit(uint64_t wanted);

// Gives freed memory back to the system as far as the allocator can (MEMORY PURGE).
void purge_memory();

struct AllocatorStats {
  std::string name;              // "jemalloc-5.3.0", "libc"
  uint64_t allocated_bytes = 0;  // by the program
  uint64_t active_bytes = 0;     // in pages that hold some of it
  uint64_t resident_bytes = 0;   // in physical memory for the allocator
};
// Slow (it stops at every arena): for INFO and MEMORY, not for each command.
[[nodiscard]] AllocatorStats allocator_stats();

}  // namespace keelson::env
