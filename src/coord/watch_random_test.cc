// Watchers of all kinds under random writes, compactions, crashes, slow clients and clients that go away at any moment,
// against a plain record of what happened. Each delivery is checked when it comes: the events must be exactly those
// that the record has between where the watcher stood and the last one delivered. So nothing is missing, doubled, out
// of order, split, or told too early by a progress notification.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "coord/coord_harness.h"
#include "env/sim/chance.h"
#include "env/sim/gtest_seeds.h"

namespace keelson::coord {
namespace {

using env::sim::kMillisecond;
using env::sim::kSecond;

// A watcher may begin that much later than what is known to have happened.
constexpr int kLaterMax = 20;

// What happened, written down before a compaction can take it away.
class Record {
 public:
  struct Change {
    Item now;
    std::optional<Item> before;
    [[nodiscard]] bool is_deletion() const { return now.version == 0; }
  };

  void catch_up(const CoordEngine& engine) {
    if (engine.revision() <= upto) return;
    const auto copy = [](const KeyValue& kv) {
      return Item{
          std::string(kv.key), std::string(kv.value), kv.create_revision, kv.mod_revision, kv.version, kv.lease};
    };
    EventsAnswer answer;
    const CoordErrc outcome = engine.read_events(
        {.from = upto + 1, .to = engine.revision(), .prev_kv = true, .events_max = UINT32_MAX, .bytes_max = UINT64_MAX},
        [&](const Event& event) {
          changes.push_back({.now = copy(event.kv), .before = std::nullopt});
          if (event.prev_kv != nullptr) changes.back().before = copy(*event.prev_kv);
          return true;
        },
        answer);
    ASSERT_EQ(outcome, CoordErrc::kOk);
    upto = engine.revision();
  }

  std::vector<Change> changes;
  Revision upto = 1;
  Revision compacted = 0;
};

// What one watcher has been told, over all lives of its client.
struct Watched {
  WatchRequest request;
  Revision next = 0;  // 0: from now on, and not created yet
  [[nodiscard]] bool wants(const Record::Change& change) const {
    const std::string& key = change.now.key;
    if (change.is_deletion() ? request.without_deletes : request.without_puts) return false;
    if (request.range_end.empty()) return key == request.key;
    return key >= request.key && (request.range_end == kFromKeyOn || key < request.range_end);
  }
};

struct Run;

// A client with its watchers, over all its lives.
struct WatchingClient {
  Run& run;
  unsigned reactor = 0;
  bool is_slow = false;
  bool awaits = false;  // in next(), instead of looking now and then
  std::vector<std::unique_ptr<Watched>> watched{};

  // Of the present life.
  std::unique_ptr<env::TaskScope> scope{};
  std::deque<Watched*> being_created{};
  std::map<WatchId, Watched*> active{};
  size_t progress_owed = 0;
  bool asked_last = false;
  bool has_drained = false;
  WatchId next_id = 1000;
};

struct Run {
  Run(uint64_t seed, ServiceOptions options) : harness(seed, options), chance(seed * 77 + 5) {}

  CoordHarness harness;
  env::sim::Chance chance;
  Record record;
  std::vector<std::unique_ptr<WatchingClient>> clients;
  bool is_writing = true;
  bool is_draining = false;
  uint64_t told = 0;
  uint64_t compacted_watchers = 0;

  [[nodiscard]] std::string some_key() {
    std::string key(1, static_cast<char>('a' + chance.below(4)));
    while (chance.below(3) == 0) key.push_back(static_cast<char>('a' + chance.below(3)));
    return key;
  }
  [[nodiscard]] std::pair<std::string, std::string> some_range() {
    switch (chance.below(4)) {
      case 0:
        return {some_key(), std::string(kFromKeyOn)};
      case 1: {
        std::string key = some_key();
        std::string end = end_of_prefix(key);
        return {key, end};
      }
      default:
        return {some_key(), ""};
    }
  }
};

void create(Run& run, WatchingClient& client, WatchStream& stream, Watched& watched) {
  watched.request.id = run.chance.below(2) == 0 ? kAutoWatchId : client.next_id++;
  watched.request.start_revision = watched.next;
  client.being_created.push_back(&watched);
  stream.create(watched.request);
}

void create_new(Run& run, WatchingClient& client, WatchStream& stream) {
  auto made = std::make_unique<Watched>();
  auto [key, end] = run.some_range();
  made->request = {.key = key,
                   .range_end = end,
                   .with_previous = run.chance.below(2) == 0,
                   .without_puts = run.chance.below(8) == 0,
                   .without_deletes = run.chance.below(8) == 0,
                   .wants_progress = run.chance.below(4) == 0};
  switch (run.chance.below(4)) {
    case 0:
      made->next = static_cast<Revision>(1 + run.chance.below(static_cast<uint64_t>(run.record.upto)));
      break;
    case 1:
      // Once nothing is written any more, none that begins later than that: it would never be told everything.
      made->next = run.record.upto + (run.is_writing ? static_cast<Revision>(run.chance.below(kLaterMax)) : 0);
      break;
    default:
      break;
  }
  create(run, client, stream, *made);
  client.watched.push_back(std::move(made));
}

void check_event(const Run& run, const Watched& watched, const WatchEvent& told, const Record::Change& happened) {
  const KeyValue& kv = told.kv();
  EXPECT_EQ(kv.key, happened.now.key);
  EXPECT_EQ(kv.value, happened.now.value);
  EXPECT_EQ(kv.mod_revision, happened.now.mod_revision);
  EXPECT_EQ(kv.create_revision, happened.now.create_revision);
  EXPECT_EQ(kv.version, happened.now.version);
  if (!watched.request.with_previous) return;
  if (told.prev_kv() == nullptr) {
    EXPECT_TRUE(!happened.before || run.record.compacted >= kv.mod_revision) << kv.mod_revision;
    return;
  }
  ASSERT_TRUE(happened.before.has_value());
  EXPECT_EQ(told.prev_kv()->value, happened.before->value);
  EXPECT_EQ(told.prev_kv()->mod_revision, happened.before->mod_revision);
}

void check_events(Run& run, Watched& watched, const Delivery& delivery) {
  const auto& told = delivery.events->events();
  EXPECT_EQ(delivery.with_previous, watched.request.with_previous);
  EXPECT_GE(delivery.revision, delivery.events->last_revision());
  size_t i = 0;
  for (const Record::Change& change : run.record.changes) {
    if (change.now.mod_revision < watched.next || change.now.mod_revision > delivery.events->last_revision()) continue;
    if (!watched.wants(change)) continue;
    ASSERT_LT(i, told.size()) << "missing: " << change.now.key << " at " << change.now.mod_revision;
    check_event(run, watched, *told[i++], change);
  }
  EXPECT_EQ(i, told.size()) << "told what did not happen, or twice";
  run.told += told.size();
  watched.next = delivery.events->last_revision() + 1;
}

void check_progress(Run& run, Watched& watched, Revision revision) {
  for (const Record::Change& change : run.record.changes) {
    const Revision at = change.now.mod_revision;
    EXPECT_FALSE(at >= watched.next && at <= revision && watched.wants(change))
        << "progress at " << revision << " before the change at " << at;
  }
  watched.next = std::max(watched.next, revision + 1);
}

// False: the stream is over.
bool handle(Run& run, WatchingClient& client, WatchStream& stream, const Delivery& delivery) {
  run.record.catch_up(run.harness.program().engine());
  switch (delivery.kind) {
    case DeliveryKind::kCreated: {
      Watched& watched = *client.being_created.front();
      client.being_created.pop_front();
      if (watched.next == 0) watched.next = delivery.revision + 1;
      EXPECT_FALSE(client.active.contains(delivery.id));
      client.active[delivery.id] = &watched;
      break;
    }
    case DeliveryKind::kEvents:
      check_events(run, *client.active.at(delivery.id), delivery);
      break;
    case DeliveryKind::kProgress:
      if (delivery.id == kWholeStream) {
        --client.progress_owed;
        for (const auto& [id, watched] : client.active) check_progress(run, *watched, delivery.revision);
        if (client.asked_last && client.progress_owed == 0) {
          EXPECT_EQ(delivery.revision, run.record.upto);
          // A watcher that a compaction has cancelled may be on its way again: then once more.
          client.has_drained = client.being_created.empty();
          client.asked_last = client.has_drained;
        }
      } else {
        check_progress(run, *client.active.at(delivery.id), delivery.revision);
      }
      break;
    case DeliveryKind::kCanceled: {
      Watched& watched = *client.active.at(delivery.id);
      client.active.erase(delivery.id);
      if (delivery.why == WatchErrc::kCompacted) {
        EXPECT_LT(watched.next, delivery.compact_revision);
        EXPECT_LE(delivery.compact_revision, run.record.compacted);
        ++run.compacted_watchers;
        watched.next = delivery.compact_revision;
        create(run, client, stream, watched);
      } else {
        EXPECT_EQ(delivery.why, WatchErrc::kAsked);
        std::erase_if(client.watched, [&](const auto& one) { return one.get() == &watched; });
      }
      break;
    }
    case DeliveryKind::kRefused:
      ADD_FAILURE() << "refused";
      break;
    case DeliveryKind::kClosed:
      return false;
  }
  return true;
}

void do_something(Run& run, WatchingClient& client, WatchStream& stream) {
  switch (run.chance.below(12)) {
    case 0:
    case 1:
      if (client.watched.size() < 12) create_new(run, client, stream);
      break;
    case 2:
      if (!client.active.empty())
        stream.cancel(
            std::next(client.active.begin(), static_cast<ptrdiff_t>(run.chance.below(client.active.size())))->first);
      break;
    case 3:
      stream.cancel(-99);
      break;
    case 4:
      // A second one while one is owed is answered together with it.
      if (client.progress_owed == 0) {
        ++client.progress_owed;
        stream.request_progress();
      }
      break;
    default:
      break;
  }
}

void begin_draining(WatchingClient& client, WatchStream& stream) {
  if (client.asked_last || client.progress_owed != 0 || !client.being_created.empty()) return;
  client.asked_last = true;
  ++client.progress_owed;
  stream.request_progress();
}

Task<void> live(Run& run, WatchingClient& client, CoordProgram& program) {
  env::Reactor& here = program.reactor(client.reactor);
  const std::unique_ptr<WatchStream> stream = program.service().open_watch_stream(here);
  for (const auto& watched : client.watched) create(run, client, *stream, *watched);
  while (client.watched.size() < 4) create_new(run, client, *stream);
  Delivery delivery;
  for (;;) {
    if (client.awaits && !run.is_draining) {
      if (!handle(run, client, *stream, co_await stream->next())) co_return;
    } else if (stream->try_next(delivery)) {
      if (!handle(run, client, *stream, delivery)) co_return;
    } else {
      co_await env::sleep_for(here, run.chance.between(10, 3000) * 1000);
    }
    if (run.is_draining) {
      begin_draining(client, *stream);
    } else {
      do_something(run, client, *stream);
      if (!co_await stream->room()) co_return;
      if (client.is_slow)
        co_await env::sleep_for(here, run.chance.between(0, run.chance.below(40) == 0 ? 800 : 12) * kMillisecond);
    }
  }
}

Task<void> write(Run& run, CoordProgram& program) {
  Client client(program.service(), program.reactor(0));
  while (run.is_writing) {
    co_await env::sleep_for(program.reactor(0), run.chance.between(0, 2) * kMillisecond);
    const uint64_t what = run.chance.below(100);
    if (what < 5) {
      run.record.catch_up(program.engine());
      const Revision to = run.record.compacted + static_cast<Revision>(1 + run.chance.below(60));
      if (to > run.record.upto) continue;
      // It is compacted to that before anybody can hear of it.
      run.record.compacted = to;
      (void)co_await program.service().write(program.reactor(0), Compact{.caller = kHouse, .revision = to},
                                             std::make_unique<SilentSink>());
    } else if (what < 15) {
      (void)co_await client.remove(run.some_key());
    } else if (what < 20) {
      const auto [key, end] = run.some_range();
      (void)co_await program.service().write(program.reactor(0),
                                             DeleteRange{.caller = kHouse, .key = key, .range_end = end},
                                             std::make_unique<SilentSink>());
    } else if (what < 40) {
      Txn txn{.caller = kHouse, .success = {}, .failure = {}};
      std::map<std::string, std::string> puts;
      for (uint64_t i = run.chance.below(5); i-- != 0;) puts[run.some_key()] = std::string(run.chance.below(300), 't');
      for (const auto& [key, value] : puts) txn.success.push_back({Put{.key = key, .value = value}});
      (void)co_await client.commit(std::move(txn));
    } else {
      (void)co_await client.put(run.some_key(), std::string(run.chance.below(1500), 'v'));
    }
  }
}

void bring_to_life(Run& run, WatchingClient& client) {
  CoordProgram& program = run.harness.program();
  run.harness.world.run_on(program.reactor(client.reactor), [&] {
    client.scope.reset();
    client.being_created.clear();
    client.active.clear();
    client.progress_owed = 0;
    client.asked_last = client.has_drained = false;
    client.scope = std::make_unique<env::TaskScope>(program.reactor(client.reactor));
    client.scope->spawn(live(run, client, program));
  });
}

void crash(Run& run) {
  // Destroyed within the crash, as everything that runs there.
  for (auto& client : run.clients) client->scope.reset();
  run.harness.node.crash();
  run.harness.node.restart();
  run.harness.wait_until_serving();
  CoordProgram& program = run.harness.program();
  EXPECT_GE(program.engine().revision(), run.record.upto) << "a revision went back";
  run.record.catch_up(program.engine());
  run.harness.world.run_on(program.reactor(0), [&] { program.scope(0).spawn(write(run, program)); });
  for (auto& client : run.clients) bring_to_life(run, *client);
}

std::string who_is_left(const Run& run) {
  std::string left;
  for (size_t i = 0; i < run.clients.size(); ++i) {
    const WatchingClient& client = *run.clients[i];
    if (client.has_drained) continue;
    left += "\nclient " + std::to_string(i) + ": progress owed " + std::to_string(client.progress_owed) +
            (client.asked_last ? ", asked last" : "") + ", being created " +
            std::to_string(client.being_created.size()) + ", the record is at " + std::to_string(run.record.upto);
    for (const auto& [id, watched] : client.active) {
      left += "; watcher " + std::to_string(id) + " from " + std::to_string(watched->request.start_revision) + " at " +
              std::to_string(watched->next);
    }
  }
  return left;
}

void run_seed(uint64_t seed) {
  ServiceOptions options;
  options.watch = {.progress_every_ms = 300,
                   .stream_bytes_max = 6'000,
                   .all_bytes_max = 20'000,
                   .slice_events_max = 9,
                   .slice_bytes_max = 4'000,
                   .near_revisions = static_cast<Revision>(seed % 3 * 8)};
  Run run(seed, options);
  CoordProgram& program = run.harness.program();
  run.harness.world.run_on(program.reactor(0), [&] { program.scope(0).spawn(write(run, program)); });
  for (unsigned i = 0; i < 7; ++i) {
    run.clients.push_back(std::make_unique<WatchingClient>(
        WatchingClient{.run = run, .reactor = i % 3, .is_slow = i >= 2, .awaits = i % 2 == 0}));
    bring_to_life(run, *run.clients.back());
  }
  for (int round = 0; round < 12 && !testing::Test::HasFailure(); ++round) {
    run.harness.world.run_for(run.chance.between(1, 200) * kMillisecond);
    if (run.chance.below(4) == 0) {
      crash(run);
    } else if (run.chance.below(2) == 0) {
      WatchingClient& gone = *run.clients[run.chance.below(run.clients.size())];
      run.harness.world.run_on(run.harness.program().reactor(gone.reactor), [&] { gone.scope.reset(); });
      run.harness.world.run_for(run.chance.between(0, 3) * kMillisecond);
      bring_to_life(run, gone);
    }
    // One slice or revision above the limit for each client.
    EXPECT_LT(run.harness.service().statistics().bytes_waiting.value(), 20'000 + 7 * 12'000);
  }
  run.is_writing = false;
  run.harness.world.run_for(50 * kMillisecond);
  run.record.catch_up(run.harness.program().engine());
  // Let the present pass those that begin later.
  Client client(run.harness.service(), run.harness.here());
  for (int i = 0; i < 2 * kLaterMax; ++i) ASSERT_TRUE(run.harness.run(client.put("a", "last")).has_value());
  run.record.catch_up(run.harness.program().engine());
  run.is_draining = true;
  // Who waits in next() might hear of nothing any more.
  for (auto& one : run.clients) {
    if (one->awaits) bring_to_life(run, *one);
  }
  const bool has_drained = run.harness.world.run_until(
      [&] {
        return testing::Test::HasFailure() ||
               std::ranges::all_of(run.clients, [](const auto& one) { return one->has_drained; });
      },
      60 * kSecond);
  EXPECT_TRUE(has_drained) << "somebody was not told everything:" << who_is_left(run);
  for (const auto& one : run.clients) {
    for (const auto& [id, watched] : one->active) EXPECT_GT(watched->next, run.record.upto);
  }
  EXPECT_EQ(run.harness.service().statistics().watchers_behind.value(), 0);
  for (auto& one : run.clients) {
    run.harness.world.run_on(run.harness.program().reactor(one->reactor), [&] { one->scope.reset(); });
  }
  ASSERT_TRUE(run.harness.run(run.harness.program().stop()).ok());
  EXPECT_EQ(run.harness.service().statistics().watchers.value(), 0);
  EXPECT_GT(run.told, 0U);
}

TEST(WatchRandom, TellsEverybodyEverythingOnceAndInOrder) { env::sim::for_each_seed(1, 40, run_seed); }

}  // namespace
}  // namespace keelson::coord
