// How much memory the program holds from its allocator, cheaply enough to ask before every write.
//
// With jemalloc each thread counts what it has allocated and freed; the counters of all threads of the Env are summed.
// Without it (sanitizers) the allocator is asked, at most every few milliseconds.
#pragma once

#include <cstdint>

namespace keelson::env {

// Takes the calling thread into the sum until the object dies, which must be on the same thread. What the thread held
// then stays in the sum.
class CountedThread {
 public:
  CountedThread();
  CountedThread(const CountedThread&) = delete;
  CountedThread& operator=(const CountedThread&) = delete;
  ~CountedThread();

 private:
  unsigned slot_;
};

// Any thread.
[[nodiscard]] uint64_t memory_used_bytes();

}  // namespace keelson::env
