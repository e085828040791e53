// What watches promise, one promise at a time. All of them together under random use: watch_random_test.cc.
#include "coord/watch.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "coord/coord_harness.h"

namespace keelson::coord {
namespace {

using env::sim::kMillisecond;
using env::sim::kSecond;

Task<Delivery> next_of(WatchStream& stream) { co_return co_await stream.next(); }

class WatchTest : public testing::Test {
 protected:
  void start(ServiceOptions options = {}) {
    h_ = std::make_unique<CoordHarness>(1, options);
    client_ = std::make_unique<Client>(h_->service(), h_->here());
  }
  // On a reactor that is not the shard's.
  std::unique_ptr<WatchStream> open(unsigned reactor = 0) {
    std::unique_ptr<WatchStream> stream;
    h_->world.run_on(h_->node.reactor(reactor),
                     [&] { stream = h_->service().open_watch_stream(h_->node.reactor(reactor)); });
    return stream;
  }
  void on_here(env::Callback action) { h_->world.run_on(h_->here(), std::move(action)); }
  void create(WatchStream& stream, WatchRequest request) {
    on_here([&] { stream.create(std::move(request)); });
  }
  void drop(std::unique_ptr<WatchStream>& stream) {
    on_here([&] { stream.reset(); });
  }
  Delivery next(WatchStream& stream) { return h_->run(next_of(stream)); }
  Delivery created(WatchStream& stream, WatchRequest request) {
    create(stream, std::move(request));
    Delivery delivery = next(stream);
    EXPECT_EQ(delivery.kind, DeliveryKind::kCreated);
    return delivery;
  }
  // The revisions of all events up to that one, of one watcher.
  std::vector<Revision> read_until(WatchStream& stream, Revision last) {
    std::vector<Revision> revisions;
    while (revisions.empty() || revisions.back() < last) {
      const Delivery delivery = next(stream);
      if (delivery.kind != DeliveryKind::kEvents) {
        ADD_FAILURE() << "no events";
        break;
      }
      for (const auto& event : delivery.events->events()) revisions.push_back(event->revision());
    }
    return revisions;
  }
  Revision put(const std::string& key, const std::string& value = "v") { return *h_->run(client_->put(key, value)); }
  void compact(Revision revision) {
    const auto write = [](Service& service, env::Reactor& here, Revision to) -> Task<ServiceErrc> {
      co_return (
          co_await service.write(here, Compact{.caller = kHouse, .revision = to}, std::make_unique<SilentSink>()))
          .outcome;
    };
    EXPECT_EQ(h_->run(write(h_->service(), h_->here(), revision)), ServiceErrc::kOk);
  }
  const Statistics& statistics() { return h_->service().statistics(); }

  std::unique_ptr<CoordHarness> h_;
  std::unique_ptr<Client> client_;
};

std::vector<Revision> run_of(Revision first, Revision last) {
  std::vector<Revision> all;
  for (Revision i = first; i <= last; ++i) all.push_back(i);
  return all;
}

TEST_F(WatchTest, GivesIdsAsEtcdDoes) {
  start();
  auto stream = open();
  EXPECT_EQ(created(*stream, {.key = "a", .range_end = ""}).id, 0);
  EXPECT_EQ(created(*stream, {.id = 1, .key = "a", .range_end = ""}).id, 1);
  EXPECT_EQ(created(*stream, {.id = 7, .key = "a", .range_end = ""}).id, 7);
  EXPECT_EQ(created(*stream, {.key = "a", .range_end = ""}).id, 2);
  create(*stream, {.id = 7, .key = "b", .range_end = ""});
  Delivery refused = next(*stream);
  EXPECT_EQ(refused.kind, DeliveryKind::kRefused);
  EXPECT_EQ(refused.why, WatchErrc::kDuplicateId);
  EXPECT_STREQ(watch_error_text(refused.why), "mvcc: duplicate watch ID provided on the WatchStream");
  create(*stream, {.key = "b", .range_end = "a"});
  EXPECT_EQ(next(*stream).why, WatchErrc::kEmptyRange);
  create(*stream, {.key = "b", .range_end = "b"});
  EXPECT_EQ(next(*stream).why, WatchErrc::kEmptyRange);
  EXPECT_EQ(created(*stream, {.key = "b", .range_end = std::string(kFromKeyOn)}).id, 3);
  on_here([&] { stream->cancel(7); });
  const Delivery canceled = next(*stream);
  EXPECT_EQ(canceled.kind, DeliveryKind::kCanceled);
  EXPECT_EQ(canceled.why, WatchErrc::kAsked);
  EXPECT_EQ(created(*stream, {.id = 7, .key = "b", .range_end = ""}).id, 7);
  drop(stream);
}

TEST_F(WatchTest, TellsWhatMatchesWithItsFilters) {
  start();
  put("k/1", "old");
  auto stream = open();
  const Delivery begun = created(*stream, {.key = "k/", .range_end = "k0", .with_previous = true});
  EXPECT_EQ(begun.revision, 2);
  created(*stream, {.key = "k/", .range_end = "k0", .without_puts = true});
  created(*stream, {.key = "k/", .range_end = "k0", .without_deletes = true, .is_fragmented = true});
  put("other");
  put("k/1", "new");
  EXPECT_EQ(*h_->run(client_->remove("k/1")), 1);
  std::map<WatchId, std::vector<Delivery>> told;
  for (int i = 0; i < 4; ++i) {
    Delivery delivery = next(*stream);
    ASSERT_EQ(delivery.kind, DeliveryKind::kEvents);
    told[delivery.id].push_back(std::move(delivery));
  }
  ASSERT_EQ(told[0].size(), 2U);
  ASSERT_EQ(told[1].size(), 1U);
  ASSERT_EQ(told[2].size(), 1U);
  const WatchEvent& changed = *told[0][0].events->events()[0];
  EXPECT_EQ(changed.kv().value, "new");
  ASSERT_NE(changed.prev_kv(), nullptr);
  EXPECT_EQ(changed.prev_kv()->value, "old");
  EXPECT_FALSE(changed.is_create());
  EXPECT_TRUE(told[0][1].events->events()[0]->is_deletion());
  EXPECT_TRUE(told[1][0].events->events()[0]->is_deletion());
  EXPECT_TRUE(told[2][0].is_fragmented);
  EXPECT_FALSE(told[2][0].with_previous);
  // The event is the same one, in all its deliveries.
  EXPECT_EQ(told[0][0].events->events()[0], told[2][0].events->events()[0]);
  drop(stream);
}

TEST_F(WatchTest, TenThousandWatchersOfAKeyShareOneEvent) {
  start();
  auto stream = open();
  auto away = open(2);
  for (int i = 0; i < 5000; ++i) {
    create(*stream, {.key = "k", .range_end = ""});
    h_->world.run_on(h_->node.reactor(2), [&] { away->create({.key = "k", .range_end = ""}); });
  }
  for (int i = 0; i < 5000; ++i) EXPECT_EQ(next(*stream).kind, DeliveryKind::kCreated);
  put("k");
  std::set<const EventSet*> sets;
  std::set<WatchId> ids;
  for (int i = 0; i < 5000; ++i) {
    const Delivery delivery = next(*stream);
    ASSERT_EQ(delivery.kind, DeliveryKind::kEvents);
    sets.insert(delivery.events.get());
    ids.insert(delivery.id);
    if (i != 4999) continue;
    EXPECT_EQ(sets.size(), 1U);
    EXPECT_EQ(ids.size(), 5000U);
  }
  EXPECT_EQ(statistics().events_delivered.value(), 10'000U);
  drop(stream);
  h_->world.run_on(h_->node.reactor(2), [&] { away.reset(); });
  h_->world.run_for(kMillisecond);
  EXPECT_EQ(statistics().watchers.value(), 0);
  EXPECT_EQ(statistics().watched_keys.value(), 0);
}

TEST_F(WatchTest, ASlowClientCostsAQueueAndMissesNothing) {
  start();
  auto slow = open();
  auto quick = open(2);
  created(*slow, {.key = "k", .range_end = ""});
  h_->world.run_on(h_->node.reactor(2), [&] { quick->create({.key = "k", .range_end = ""}); });
  const std::string value(20'000, 'v');
  Revision last = 0;
  std::vector<Revision> quickly;
  for (int i = 0; i < 400; ++i) {
    last = put("k", value);
    Delivery delivery;
    h_->world.run_for(kMillisecond);
    h_->world.run_on(h_->node.reactor(2), [&] {
      while (quick->try_next(delivery)) {
        if (delivery.kind == DeliveryKind::kEvents) quickly.push_back(delivery.events->last_revision());
      }
    });
    EXPECT_LT(statistics().bytes_waiting.value(), static_cast<int64_t>(kStreamBytesMax) + 50'000);
  }
  EXPECT_EQ(quickly, run_of(2, last));
  EXPECT_EQ(statistics().watchers_behind.value(), 1);
  EXPECT_EQ(statistics().fell_behind.value(), 1U);
  EXPECT_EQ(statistics().catch_up_slices.value(), 0U);
  EXPECT_EQ(read_until(*slow, last), run_of(2, last));
  h_->world.run_for(10 * kMillisecond);
  EXPECT_EQ(statistics().watchers_behind.value(), 0);
  last = put("k");
  EXPECT_EQ(read_until(*slow, last), std::vector<Revision>{last});
  drop(slow);
  h_->world.run_on(h_->node.reactor(2), [&] { quick.reset(); });
}

TEST_F(WatchTest, ARevisionComesWhole) {
  ServiceOptions options;
  options.watch.slice_events_max = 1;
  options.watch.slice_bytes_max = 1;
  start(options);
  for (int i = 0; i < 5; ++i) {
    Txn txn{.caller = kHouse, .success = {}, .failure = {}};
    std::vector<std::string> keys;
    for (int k = 0; k < 50; ++k) keys.push_back("k" + std::to_string(k));
    for (const std::string& key : keys) txn.success.push_back({Put{.key = key, .value = "v"}});
    EXPECT_TRUE(h_->run(client_->commit(std::move(txn))).has_value());
  }
  auto stream = open();
  created(*stream, {.key = "k", .range_end = "l", .start_revision = 3});
  for (Revision revision = 3; revision <= 6; ++revision) {
    const Delivery delivery = next(*stream);
    ASSERT_EQ(delivery.events->events().size(), 50U);
    EXPECT_EQ(delivery.events->events().front()->revision(), revision);
    EXPECT_EQ(delivery.events->last_revision(), revision);
  }
  drop(stream);
}

TEST_F(WatchTest, BeginsInThePastOrInTheFuture) {
  start();
  for (int i = 0; i < 10; ++i) put("k");
  auto stream = open();
  created(*stream, {.key = "k", .range_end = "", .start_revision = 5});
  EXPECT_EQ(read_until(*stream, 11), run_of(5, 11));
  created(*stream, {.id = 9, .key = "k", .range_end = "", .start_revision = 14});
  on_here([&] { stream->cancel(0); });
  EXPECT_EQ(next(*stream).kind, DeliveryKind::kCanceled);
  for (int i = 0; i < 5; ++i) put("k");
  EXPECT_EQ(read_until(*stream, 16), run_of(14, 16));
  drop(stream);
}

TEST_F(WatchTest, ACompactionCancelsWhomItOvertakes) {
  start();
  for (int i = 0; i < 10; ++i) put("k");
  EXPECT_EQ(*h_->run(client_->remove("k")), 1);
  auto stream = open();
  created(*stream, {.id = 5, .key = "x", .range_end = ""});
  compact(12);
  created(*stream, {.id = 1, .key = "k", .range_end = "", .start_revision = 11});
  const Delivery canceled = next(*stream);
  EXPECT_EQ(canceled.kind, DeliveryKind::kCanceled);
  EXPECT_EQ(canceled.why, WatchErrc::kCompacted);
  EXPECT_EQ(canceled.id, 1);
  EXPECT_EQ(canceled.compact_revision, 12);
  EXPECT_EQ(canceled.revision, 12);
  // At the compacted revision a watch may begin, and sees the deletion there.
  created(*stream, {.id = 2, .key = "k", .range_end = "", .start_revision = 12});
  const Delivery gone = next(*stream);
  ASSERT_EQ(gone.kind, DeliveryKind::kEvents);
  EXPECT_TRUE(gone.events->events()[0]->is_deletion());
  EXPECT_EQ(put("x"), 13);
  EXPECT_EQ(next(*stream).id, 5);
  drop(stream);
}

TEST_F(WatchTest, ProgressIsToldWhenEverythingBeforeItWas) {
  start();
  for (int i = 0; i < 10; ++i) put("k", std::string(400'000, 'v'));
  auto stream = open();
  // With nobody watching everything has been told.
  on_here([&] { stream->request_progress(); });
  Delivery progress = next(*stream);
  EXPECT_EQ(progress.kind, DeliveryKind::kProgress);
  EXPECT_EQ(progress.id, kWholeStream);
  EXPECT_EQ(progress.revision, 11);
  created(*stream, {.key = "k", .range_end = "", .start_revision = 2});
  on_here([&] {
    stream->request_progress();
    stream->request_progress();
  });
  // It needs several rounds with the client.
  EXPECT_EQ(read_until(*stream, 11), run_of(2, 11));
  progress = next(*stream);
  EXPECT_EQ(progress.kind, DeliveryKind::kProgress);
  EXPECT_EQ(progress.revision, 11);
  // Who begins later could be told to go on too early.
  created(*stream, {.key = "z", .range_end = "", .start_revision = 14});
  on_here([&] { stream->request_progress(); });
  for (int i = 0; i < 3; ++i) put("k");
  EXPECT_EQ(read_until(*stream, 13), run_of(12, 13));
  progress = next(*stream);
  EXPECT_EQ(progress.kind, DeliveryKind::kProgress);
  EXPECT_EQ(progress.revision, 13);
  drop(stream);
}

TEST_F(WatchTest, QuietWatchersHearOfProgressFromTimeToTime) {
  ServiceOptions options;
  options.watch.progress_every_ms = 1000;
  start(options);
  auto stream = open();
  created(*stream, {.id = 1, .key = "a", .range_end = "", .wants_progress = true});
  created(*stream, {.id = 2, .key = "b", .range_end = ""});
  const int64_t begun = h_->world.now_ns();
  Delivery progress = next(*stream);
  EXPECT_EQ(progress.kind, DeliveryKind::kProgress);
  EXPECT_EQ(progress.id, 1);
  EXPECT_LE(h_->world.now_ns() - begun, kSecond + kMillisecond);
  const Revision last = put("a");
  EXPECT_EQ(next(*stream).kind, DeliveryKind::kEvents);
  const int64_t told = h_->world.now_ns();
  progress = next(*stream);
  EXPECT_EQ(progress.revision, last);
  EXPECT_GT(h_->world.now_ns() - told, kSecond);
  drop(stream);
}

TEST_F(WatchTest, TenThousandThatComeBackCostOneWalk) {
  start();
  for (int i = 0; i < 2000; ++i) put("k" + std::to_string(i % 100), "");
  std::vector<std::unique_ptr<WatchStream>> streams;
  for (int i = 0; i < 100; ++i) streams.push_back(open());
  for (int i = 0; i < 10'000; ++i) {
    create(*streams[static_cast<size_t>(i) % 100],
           {.key = "k" + std::to_string(i / 100), .range_end = "", .start_revision = 2 + i % 300});
  }
  ASSERT_TRUE(h_->world.run_until([&] { return statistics().watchers.value() == 10'000; }, kSecond));
  ASSERT_TRUE(h_->world.run_until([&] { return statistics().watchers_behind.value() == 0; }, 10 * kSecond));
  // They did not all come at the same moment: some walks (13), not thousands.
  EXPECT_LT(statistics().catch_up_events.value(), 2000U * 25);
  EXPECT_GT(statistics().events_delivered.value(), 10'000U * 17);
  for (auto& stream : streams) drop(stream);
}

TEST_F(WatchTest, MoreBeginningsThanCohortsAreServedAllTheSame) {
  ServiceOptions options;
  options.watch.near_revisions = 3;
  options.watch.slice_events_max = 5;
  start(options);
  for (int i = 0; i < 300; ++i) put("k");
  std::vector<std::unique_ptr<WatchStream>> streams;
  for (int i = 0; i < 30; ++i) {
    streams.push_back(open());
    create(*streams.back(), {.key = "k", .range_end = "", .start_revision = 300 - i * 10});
  }
  for (int i = 0; i < 30; ++i) {
    EXPECT_EQ(next(*streams[static_cast<size_t>(i)]).kind, DeliveryKind::kCreated);
    EXPECT_EQ(read_until(*streams[static_cast<size_t>(i)], 301), run_of(300 - i * 10, 301));
  }
  for (auto& stream : streams) drop(stream);
}

TEST_F(WatchTest, WhoTakesNoAnswersIsNotListenedTo) {
  start();
  auto stream = open();
  int asked = 0;
  const auto ask = [](WatchStream& to, int& count) -> Task<void> {
    while (co_await to.room()) {
      to.cancel(1);
      to.create({.key = "k", .range_end = ""});
      ++count;
    }
    count = -1;
  };
  env::TaskScope scope(h_->here());
  on_here([&] { scope.spawn(ask(*stream, asked)); });
  h_->world.run_for(10 * kMillisecond);
  const int before = asked;
  EXPECT_GE(before, static_cast<int>(kStreamAnswersMax) / 2);
  EXPECT_LE(before, static_cast<int>(kStreamAnswersMax));
  h_->world.run_for(10 * kMillisecond);
  EXPECT_LE(asked, static_cast<int>(kStreamAnswersMax));
  for (int i = 0; i < 100; ++i) (void)next(*stream);
  h_->world.run_for(10 * kMillisecond);
  EXPECT_GT(asked, before);
  ASSERT_TRUE(h_->run(h_->program().stop()).ok());
  while (next(*stream).kind != DeliveryKind::kClosed) {
  }
  h_->world.run_for(kMillisecond);
  EXPECT_EQ(asked, -1);
}

TEST_F(WatchTest, AStreamThatComesAfterTheEndIsClosed) {
  start();
  auto stream = open();
  ASSERT_TRUE(h_->run(h_->program().stop()).ok());
  EXPECT_EQ(next(*stream).kind, DeliveryKind::kClosed);
  EXPECT_EQ(next(*stream).kind, DeliveryKind::kClosed);
  auto late = open();
  EXPECT_EQ(next(*late).kind, DeliveryKind::kClosed);
}

}  // namespace
}  // namespace keelson::coord
