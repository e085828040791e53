// Memory and speed of the coordination engine with many keys: one engine, no log, no network.
//
//   coord_engine KEYS [VALUE_BYTES]
//
// Keys of 30 bytes in no order, as pods in Kubernetes have them. Tells bytes of memory for each key beside its own
// bytes and its value's, the time of a put, an overwrite, a get, a list of 500, and of compaction for each version that
// it removes; what a checkpoint weighs, its longest step, and how long it takes to load.

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "engine/coord/coord_engine.h"

namespace {

using namespace keelson;
// CPU time: what others do on the machine is not told.
double now_s() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}
double seconds_since(double start) { return now_s() - start; }

double resident_bytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");  // tidy: file, because the bench looks at its own process.
  long total = 0;
  long resident = 0;
  // tidy: printf, likewise.
  if (file == nullptr || std::fscanf(file, "%ld %ld", &total, &resident) != 2) return 0;
  (void)std::fclose(file);
  return static_cast<double>(resident) * 4096;
}

class StatusSink final : public coord::AnswerSink {
 public:
  coord::StoreStatusAnswer status;
  void failed(const coord::Failure&) override {}
  void store_status(const coord::StoreStatusAnswer& answer) override { status = answer; }
};

struct Bench {
  coord::CoordEngine engine;
  coord::SilentSink sink;
  uint64_t index = 0;

  template <class Body>
  void apply(const Body& body) {
    ++index;
    engine.apply({index, static_cast<int64_t>(index), index}, coord::Encoded(body).command(), sink);
  }
  template <class Body>
  void query(const Body& body) {
    engine.query({0, static_cast<int64_t>(index), index}, coord::Encoded(body).command(), sink);
  }
  coord::StoreStatusAnswer status() {
    StatusSink answer;
    engine.query({}, coord::Encoded(coord::StoreStatus{}).command(), answer);
    return answer.status;
  }
};

// The same for the same number; no two alike.
std::string key_of(uint64_t number) {
  char text[40];
  std::snprintf(text, sizeof(text), "/registry/pods/%015" PRIx64, (number * uint64_t{0x9e3779b97f4a7c15}) >> 4);
  return text;
}

void report(const char* what, uint64_t count, double start) {
  std::printf("%-28s %8.0f ns each\n", what, seconds_since(start) * 1e9 / static_cast<double>(count));
}

void measure_checkpoint(Bench& bench, uint64_t keys) {
  const auto source = bench.engine.begin_checkpoint();
  coord::CoordEngine again;
  double bytes = 0;
  double longest = 0;
  double load = 0;
  int slow = 0;
  for (bool is_done = false; !is_done;) {
    Buffer out;
    const auto start = now_s();
    is_done = source->next(size_t{256} << 10, out);
    const double took = seconds_since(start);
    longest = std::max(longest, took);
    slow += took > 1e-3 ? 1 : 0;
    bytes += static_cast<double>(out.size());
    const auto load_start = now_s();
    if (!again.load_checkpoint(out.view()).ok()) std::printf("the checkpoint cannot be loaded\n");
    load += seconds_since(load_start);
  }
  std::printf("checkpoint: %.1f bytes for each key, longest step %.2f ms, %d above 1 ms, loaded in %.2f s\n",
              bytes / static_cast<double>(keys), longest * 1e3, slow, load);
}

}  // namespace

int main(int argc, char** argv) {
  const uint64_t keys = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1'000'000;
  const size_t value_bytes = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 100;
  const std::string value(value_bytes, 'v');
  auto bench = std::make_unique<Bench>();
  const double before = resident_bytes();

  auto start = now_s();
  for (uint64_t i = 0; i < keys; ++i) bench->apply(coord::Put{.key = key_of(i), .value = value});
  report("put, new key", keys, start);
  const double payload = static_cast<double>(keys) * static_cast<double>(30 + value_bytes);
  std::printf("memory: %.1f bytes for each key beside key and value, of the process; %.1f as the engine counts\n",
              (resident_bytes() - before - payload) / static_cast<double>(keys),
              (static_cast<double>(bench->status().bytes_held) - payload) / static_cast<double>(keys));

  std::mt19937_64 random(1);
  const uint64_t some = std::min<uint64_t>(keys, 1'000'000);
  start = now_s();
  for (uint64_t i = 0; i < some; ++i) bench->query(coord::Range{.key = key_of(random() % keys)});
  report("get", some, start);
  start = now_s();
  const uint64_t lists = 1000;
  for (uint64_t i = 0; i < lists; ++i) {
    bench->query(coord::Range{.key = key_of(random() % keys), .range_end = coord::kFromKeyOn, .limit = 500});
  }
  report("list of 500, with count", lists, start);
  start = now_s();
  for (uint64_t i = 0; i < some; ++i) bench->apply(coord::Put{.key = key_of(random() % keys), .value = value});
  report("put, key that is there", some, start);

  const uint64_t versions = bench->status().versions;
  start = now_s();
  bench->apply(coord::Compact{.revision = bench->engine.revision()});
  double longest = 0;
  for (bool is_done = false; !is_done;) {
    const auto step = now_s();
    is_done = bench->engine.tidy_up(1000);
    longest = std::max(longest, seconds_since(step));
  }
  const uint64_t removed = versions - bench->status().versions;
  report("compaction, version removed", std::max<uint64_t>(removed, 1), start);
  std::printf("longest step of 1000: %.2f ms; %" PRIu64 " versions removed\n", longest * 1e3, removed);
  measure_checkpoint(*bench, keys);
  return 0;
}
