// What watchers cost: memory for each, and CPU for each event that is delivered to one.
//
//   coord_watch [WATCHERS [EVENTS]]
//
// The coordination service on real reactors (one for the shard, one for the clients), without a network and with a log
// that is never synced: what is measured is the watch hub and the way to the client's queue. Three shapes: everybody
// watches one key, on streams of 100 watchers and on streams of one; and everybody watches a key of his own. CPU is
// that of the whole process, the 256-byte puts included; it is given less the same puts without watchers.
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "coord/client.h"
#include "coord/service.h"
#include "engine/coord/answer.h"
#include "engine/coord/coord_engine.h"
#include "env/real/real_env.h"
#include "shard/call_on.h"
#include "shard/runtime.h"

namespace {

using namespace keelson;

constexpr size_t kValueBytes = 256;

struct Shape {
  const char* name;
  size_t on_a_stream;
  bool has_own_key;
  bool is_range = false;
};
constexpr std::array kShapes = {
    Shape{"one key, 100 on a stream", 100, false}, Shape{"one key, one on a stream", 1, false},
    Shape{"own keys, 100 on a stream", 100, true}, Shape{"own ranges, 100 on a stream", 100, true, true}};

uint64_t cpu_ns() {
  timespec used{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<uint64_t>(used.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(used.tv_nsec);
}

struct Bench {
  env::Env& env;
  coord::Service& service;
  size_t watchers = 0;
  size_t events = 0;
  uint64_t created = 0;
  uint64_t delivered = 0;
};

Task<void> consume(Bench& bench, coord::WatchStream& stream, size_t first, Shape shape) {
  for (size_t i = first; i < first + shape.on_a_stream; ++i) {
    if (!co_await stream.room()) co_return;
    const std::string key = shape.has_own_key ? "bench/key/" + std::to_string(i) : "bench/key";
    stream.create({.key = key, .range_end = shape.is_range ? key + "!" : ""});
  }
  for (;;) {
    const coord::Delivery delivery = co_await stream.next();
    if (delivery.kind == coord::DeliveryKind::kClosed) co_return;
    if (delivery.kind == coord::DeliveryKind::kCreated) ++bench.created;
    if (delivery.kind == coord::DeliveryKind::kEvents) bench.delivered += delivery.events->events().size();
  }
}

Task<void> put_all(Bench& bench, env::Reactor& here, bool has_own_key, uint64_t expected_each) {
  coord::Client client(bench.service, here);
  const std::string value(kValueBytes, 'v');
  for (size_t i = 0; i < bench.events; ++i) {
    const uint64_t target = bench.delivered + expected_each;
    const auto put =
        co_await client.put(has_own_key ? "bench/key/" + std::to_string(i % bench.watchers) : "bench/key", value);
    KEELSON_CHECK(put.has_value(), "a put failed");
    while (bench.delivered < target) co_await env::sleep_for(here, 0);
  }
}

// On reactor 1, where the clients are.
Task<void> run_shape(Bench& bench, const Shape& shape) {
  env::Reactor& here = bench.env.reactor(1);
  uint64_t begun = cpu_ns();
  co_await put_all(bench, here, shape.has_own_key, 0);
  const uint64_t without_ns = cpu_ns() - begun;

  // The consumers go before the streams that they wait for.
  std::vector<std::unique_ptr<coord::WatchStream>> streams;
  auto scope = std::make_unique<env::TaskScope>(here);
  co_await env::sleep_for(here, 100'000'000);
  const uint64_t memory_before = bench.env.memory_used_bytes();
  bench.created = bench.delivered = 0;
  for (size_t first = 0; first < bench.watchers; first += shape.on_a_stream) {
    streams.push_back(bench.service.open_watch_stream(here));
    scope->spawn(consume(bench, *streams.back(), first, shape));
  }
  while (bench.created < bench.watchers) co_await env::sleep_for(here, 1'000'000);
  co_await env::sleep_for(here, 100'000'000);
  const uint64_t memory_after = bench.env.memory_used_bytes();

  const uint64_t told_each = shape.has_own_key ? 1 : bench.watchers;
  begun = cpu_ns();
  co_await put_all(bench, here, shape.has_own_key, told_each);
  const uint64_t with_ns = cpu_ns() - begun;
  const auto per_event = static_cast<double>(with_ns - without_ns) / static_cast<double>(bench.delivered);
  std::printf("%-28s %8zu watchers %8.0f bytes each %8zu puts %10llu events %8.1f ns CPU for each\n", shape.name,
              bench.watchers, static_cast<double>(memory_after - memory_before) / static_cast<double>(bench.watchers),
              bench.events, static_cast<unsigned long long>(bench.delivered), per_event);
  scope.reset();
}

Task<void> run_all(Bench& bench, bool& is_over) {
  for (const Shape& shape : kShapes) {
    co_await run_shape(bench, shape);
    co_await env::sleep_for(bench.env.reactor(1), 200'000'000);
  }
  is_over = true;
}

Task<void> serve(env::RealEnv& env, std::string folder, size_t watchers, size_t events) {
  coord::SilentSink unheard;
  shard::RuntimeOptions options;
  options.folder = std::move(folder);
  shard::ServiceOptions& service_options = options.services.emplace_back();
  service_options.name = "coord";
  service_options.shard_count = 1;
  service_options.durability = log::Durability::kNever;
  service_options.replay_sink = &unheard;
  service_options.make_engine = [](shard::ShardId) { return std::make_unique<coord::CoordEngine>(); };
  shard::Runtime runtime(env, std::move(options));
  const Status started = co_await runtime.start();
  KEELSON_CHECK(started.ok(), "the runtime does not start");
  coord::Service service(runtime, runtime.router(), {});
  KEELSON_CHECK((co_await service.start()).ok(), "the service does not start");
  Bench bench{.env = env, .service = service, .watchers = watchers, .events = events};
  bool is_over = false;
  // Lives on reactor 1, like what runs in it.
  std::unique_ptr<env::TaskScope> scope;
  env.reactor(1).post([&] {
    scope = std::make_unique<env::TaskScope>(env.reactor(1));
    scope->spawn(run_all(bench, is_over));
  });
  while (!co_await shard::call_on(env.reactor(0), env.reactor(1), [&] { return is_over; })) {
    co_await env::sleep_for(env.reactor(0), 50'000'000);
  }
  co_await shard::call_on(env.reactor(0), env.reactor(1), [&] { scope.reset(); });
  co_await service.stop();
  KEELSON_CHECK((co_await runtime.stop(false)).ok(), "the runtime does not stop");
  env.stop();
}

}  // namespace

int main(int argc, char** argv) {
  const size_t watchers = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 10'000;
  const size_t events = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 200;
  std::string folder = "/tmp/coord_watch.XXXXXX";
  KEELSON_CHECK(mkdtemp(folder.data()) != nullptr, "no folder for the log");
  auto env = env::RealEnv::make({.reactors = 2});
  KEELSON_CHECK(env.ok(), "the reactors do not start");
  {
    env::TaskScope scope((*env)->reactor(0));
    (*env)->reactor(0).post([&] { scope.spawn(serve(**env, folder, watchers, events)); });
    (*env)->run();
  }
  std::filesystem::remove_all(folder);
  return 0;
}
