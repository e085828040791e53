// Memory, listing and restart of the blob engine with many objects: one engine for each shard, no log, no volumes.
//
//   blob_index OBJECTS [SHARDS]
//
// Objects of 1 KiB with keys of 30 bytes, a content type and a checksum, as an SDK sends them. Tells bytes of memory
// for each object (index, and what the process holds), what a checkpoint weighs, how long it takes to load, and how
// long listings of 1,000 take.

#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "blobstore/list_merge.h"
#include "engine/blob/blob_engine.h"

namespace {

using namespace keelson;
using Clock = std::chrono::steady_clock;
using Engines = std::vector<std::unique_ptr<blob::BlobEngine>>;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

double resident_bytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");  // tidy: file, because the bench looks at its own process.
  long total = 0;
  long resident = 0;
  // tidy: printf, likewise.
  if (file == nullptr || std::fscanf(file, "%ld %ld", &total, &resident) != 2) return 0;
  (void)std::fclose(file);
  return static_cast<double>(resident) * 4096;
}

template <class Body>
blob::Answer run(blob::BlobEngine& engine, uint64_t index, const Body& body) {
  blob::Answer answer;
  blob::OneAnswer sink(answer);
  const blob::Encoded encoded(body);
  if (index == 0) {
    engine.query({}, encoded.command(), sink);
  } else {
    engine.apply({index, 1'800'000'000'000 + static_cast<int64_t>(index), index}, encoded.command(), sink);
  }
  return answer;
}

Engines make_engines(unsigned shards) {
  Engines engines;
  for (unsigned i = 0; i < shards; ++i) engines.push_back(std::make_unique<blob::BlobEngine>());
  return engines;
}

void fill(Engines& engines, uint64_t objects) {
  for (auto& engine : engines) run(*engine, 1, blob::CreateBucket{"bench", "me", "", false, {}});
  std::mt19937_64 random(1);
  std::vector<uint64_t> offsets(engines.size(), 64);
  for (uint64_t i = 0; i < objects; ++i) {
    char key[40];
    std::snprintf(key, sizeof(key), "%03u/%02u/object-%016" PRIx64, static_cast<unsigned>(random() % 1000),
                  static_cast<unsigned>(random() % 100), static_cast<uint64_t>(random()));
    blob::PutObject put{.bucket = 1, .key = key};
    const uint16_t shard = blob::shard_of_object(1, put.key, static_cast<uint16_t>(engines.size()));
    uint64_t& offset = offsets[shard];
    put.meta.payload = {1024, {}, {{static_cast<uint32_t>(1 + (offset >> 30)), offset & ((1U << 30) - 1), 1024}}};
    offset += 1044;
    for (unsigned char& byte : put.meta.etag.md5) byte = static_cast<unsigned char>(random());
    put.meta.headers = {{"content-type", "binary/octet-stream"}};
    put.meta.checksums = {{blob::ChecksumAlgorithm::kCrc64Nvme, false, std::string(8, static_cast<char>(random()))}};
    run(*engines[shard], i + 2, put);
  }
}

double cpu_ms() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

// Milliseconds of CPU: what others do on the machine is not told.
double list_once(Engines& engines, const std::string& after, const std::string& prefix, const std::string& delimiter) {
  blob::ListObjects what{.bucket = 1, .prefix = prefix, .delimiter = delimiter, .after = after};
  const double start = cpu_ms();
  blobstore::ListMerger merger(what, engines.size());
  while (!merger.step()) {
    for (size_t shard : merger.wanted()) {
      merger.give(shard, run(*engines[shard], 0, merger.request(shard)).page);
    }
  }
  (void)merger.take();
  return cpu_ms() - start;
}

}  // namespace

int main(int argc, char** argv) {
  const uint64_t objects = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1'000'000;
  const unsigned shards = argc > 2 ? static_cast<unsigned>(std::strtoul(argv[2], nullptr, 10)) : 16;
  Engines engines = make_engines(shards);
  const double before = resident_bytes();
  auto start = Clock::now();
  fill(engines, objects);
  std::printf("put: %.2f us each\n", seconds_since(start) * 1e6 / static_cast<double>(objects));
  double index_bytes = 0;
  for (auto& engine : engines) index_bytes += static_cast<double>(engine->state().index.bytes_used());
  std::printf("memory for each object: index %.1f B, process %.1f B\n", index_bytes / static_cast<double>(objects),
              (resident_bytes() - before) / static_cast<double>(objects));
  double worst = 0;
  for (int i = 0; i < 1000; ++i) worst = std::max(worst, list_once(engines, std::to_string(i) + "/", "", ""));
  std::printf("list 1,000 of all, anywhere: worst %.2f ms\n", worst);
  const auto middle_of = [&](const std::string& after, const std::string& prefix) {
    std::vector<double> took;
    for (int i = 0; i < 101; ++i) took.push_back(list_once(engines, after, prefix, "/"));
    std::ranges::nth_element(took, took.begin() + 50);
    return took[50];
  };
  std::printf("list with / at the top: %.2f ms; from the middle: %.2f ms; below: %.2f ms (medians of 101)\n",
              middle_of("", ""), middle_of("500/", ""), middle_of("", "500/"));
  std::vector<std::vector<std::string>> pieces(shards);
  start = Clock::now();
  double bytes = 0;
  double longest = 0;
  for (unsigned i = 0; i < shards; ++i) {
    const auto source = engines[i]->begin_checkpoint();
    for (bool is_last = false; !is_last;) {
      Buffer piece;
      const auto began = Clock::now();
      is_last = source->next(128 << 10, piece);
      longest = std::max(longest, seconds_since(began) * 1000);
      bytes += static_cast<double>(piece.size());
      pieces[i].emplace_back(piece.view());
    }
  }
  std::printf("checkpoint: %.1f B for each object, %.2f s, longest piece %.2f ms\n",
              bytes / static_cast<double>(objects), seconds_since(start), longest);
  engines.clear();
  engines = make_engines(shards);
  start = Clock::now();
  for (unsigned i = 0; i < shards; ++i) {
    for (const std::string& piece : pieces[i]) {
      if (!engines[i]->load_checkpoint(piece).ok()) return 1;
    }
  }
  std::printf("load, one thread: %.2f s\n", seconds_since(start));
  return 0;
}
