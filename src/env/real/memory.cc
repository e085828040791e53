#include "env/real/memory.h"

#include <malloc.h>
#include <time.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <string>

#include "base/check.h"
#include "env/real/process.h"

// Present when the program is linked with jemalloc, or with a sanitizer's runtime.
extern "C" {
__attribute__((weak)) int mallctl(const char* name, void* old, size_t* old_size, void* fresh, size_t fresh_size);
__attribute__((weak)) size_t __sanitizer_get_current_allocated_bytes();
}

namespace keelson::env {

namespace {

constexpr size_t kThreadsMax = 1024;
constexpr int64_t kAskAgainNs = 5'000'000;

// jemalloc's counters of one thread; they lie in memory of that thread and are valid while it lives.
struct Slot {
  std::atomic<const uint64_t*> allocated{nullptr};
  std::atomic<const uint64_t*> freed{nullptr};
  std::atomic<bool> is_taken{false};
};

std::array<Slot, kThreadsMax> slots;
std::atomic<unsigned> slots_used{0};
std::atomic<int64_t> left_behind_bytes{0};  // by threads that are gone

template <class T>
bool ask(const char* name, T& value) {
  size_t size = sizeof(value);
  return mallctl != nullptr && mallctl(name, &value, &size, nullptr, 0) == 0;
}

int64_t held_by(const Slot& slot) {
  const uint64_t* allocated = slot.allocated.load(std::memory_order_acquire);
  const uint64_t* freed = slot.freed.load(std::memory_order_acquire);
  if (allocated == nullptr || freed == nullptr) return 0;
  // The thread goes on counting meanwhile; a whole, slightly old number is all that is wanted.
  return static_cast<int64_t>(__atomic_load_n(allocated, __ATOMIC_RELAXED) - __atomic_load_n(freed, __ATOMIC_RELAXED));
}

uint64_t ask_allocator() {
  if (__sanitizer_get_current_allocated_bytes != nullptr) return __sanitizer_get_current_allocated_bytes();
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

uint64_t ask_allocator_now_and_then() {
  static std::atomic<uint64_t> last{0};
  static std::atomic<int64_t> asked_at_ns{0};
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  const int64_t now_ns = int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
  int64_t before = asked_at_ns.load(std::memory_order_relaxed);
  if (now_ns - before >= kAskAgainNs && asked_at_ns.compare_exchange_strong(before, now_ns))
    last.store(ask_allocator());
  return last.load(std::memory_order_relaxed);
}

}  // namespace

CountedThread::CountedThread() : slot_(0) {
  while (slots[slot_].is_taken.exchange(true)) {
    ++slot_;
    KEELSON_CHECK(slot_ < kThreadsMax, "too many threads");
  }
  unsigned used = slots_used.load();
  while (used < slot_ + 1 && !slots_used.compare_exchange_weak(used, slot_ + 1)) {
  }
  const uint64_t* allocated = nullptr;
  const uint64_t* freed = nullptr;
  if (ask("thread.allocatedp", allocated) && ask("thread.deallocatedp", freed)) {
    slots[slot_].allocated.store(allocated, std::memory_order_release);
    slots[slot_].freed.store(freed, std::memory_order_release);
  }
}

CountedThread::~CountedThread() {
  Slot& slot = slots[slot_];
  left_behind_bytes.fetch_add(held_by(slot));
  slot.allocated.store(nullptr);
  slot.freed.store(nullptr);
  slot.is_taken.store(false);
}

uint64_t memory_used_bytes() {
  if (mallctl == nullptr) return ask_allocator_now_and_then();
  int64_t sum = left_behind_bytes.load(std::memory_order_relaxed);
  const unsigned used = slots_used.load(std::memory_order_relaxed);
  for (unsigned i = 0; i < used; ++i) sum += held_by(slots[i]);
  return sum > 0 ? static_cast<uint64_t>(sum) : 0;
}

AllocatorStats allocator_stats() {
  AllocatorStats stats;
  const char* version = nullptr;
  if (!ask("version", version)) {
    stats.name = "libc";
    stats.allocated_bytes = ask_allocator();
    stats.active_bytes = stats.allocated_bytes;
    stats.resident_bytes = process_stats().resident_bytes;
    return stats;
  }
  stats.name = "jemalloc-" + std::string(version).substr(0, std::string(version).find('-'));
  uint64_t epoch = 1;
  size_t epoch_size = sizeof(epoch);
  (void)mallctl("epoch", &epoch, &epoch_size, &epoch, sizeof(epoch));  // the figures below are of this moment
  size_t value = 0;
  if (ask("stats.allocated", value)) stats.allocated_bytes = value;
  if (ask("stats.active", value)) stats.active_bytes = value;
  if (ask("stats.resident", value)) stats.resident_bytes = value;
  return stats;
}

void purge_memory() {
  if (mallctl == nullptr) {
    malloc_trim(0);
    return;
  }
  // 4096 is MALLCTL_ARENAS_ALL.
  (void)mallctl("arena.4096.purge", nullptr, nullptr, nullptr, 0);
}

}  // namespace keelson::env
