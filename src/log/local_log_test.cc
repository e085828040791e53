#include "log/local_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

#include "log/log_harness.h"

namespace keelson::log {
namespace {

using env::sim::kMillisecond;
using env::sim::kSecond;

std::vector<std::string> numbered(size_t count, size_t bytes = 20) {
  std::vector<std::string> payloads;
  for (size_t i = 0; i < count; ++i) {
    std::string payload = "payload " + std::to_string(i) + " ";
    payload.resize(bytes, 'x');
    payloads.push_back(payload);
  }
  return payloads;
}

TEST(LocalLog, EmptyFolderIsANewLog) {
  LogHarness h;
  ASSERT_TRUE(h.open().ok());
  EXPECT_TRUE(h.log->recovery().is_new);
  EXPECT_EQ(h.log->recovery().last_index, (std::vector<uint64_t>{0, 0, 0}));
  EXPECT_NE(h.log->log_id(), 0U);
  EXPECT_TRUE(h.recorder.entries.empty());
  EXPECT_TRUE(h.stop().ok());
}

TEST(LocalLog, AlwaysCommitsWhenSyncedAndRecoversInOrder) {
  LogHarness h;
  ASSERT_TRUE(h.open().ok());
  const auto payloads = numbered(10);
  for (size_t i = 0; i < payloads.size(); ++i) {
    const auto waiter = h.append(static_cast<ShardId>(i % 2), payloads[i]);
    EXPECT_FALSE(waiter->outcome) << "always: not before the sync";
  }
  ASSERT_TRUE(h.settle());
  for (const auto& waiter : h.waiters) EXPECT_EQ(waiter->outcome, LogErrc::kOk);
  ASSERT_TRUE(h.reopen_after_crash().ok());
  ASSERT_EQ(h.recorder.entries.size(), 10U);
  for (size_t i = 0; i < payloads.size(); ++i) {
    const Entry expected{static_cast<ShardId>(i % 2), i / 2 + 1, payloads[i]};
    EXPECT_EQ(h.recorder.entries[i], expected);
  }
  EXPECT_EQ(h.log->recovery().last_index, (std::vector<uint64_t>{5, 5, 0}));
  EXPECT_TRUE(h.log->recovery().damage.empty());
}

TEST(LocalLog, IntervalCommitsAtOnceAndSyncsWithinTheInterval) {
  LogHarness h;
  h.options.durability = Durability::kInterval;
  h.options.sync_interval_ms = 1000;
  ASSERT_TRUE(h.open().ok());
  const uint64_t syncs_before = h.log->stats().syncs.value();
  EXPECT_EQ(h.append(0, "a")->outcome, LogErrc::kOk);
  EXPECT_GT(h.log->stats().unsynced_bytes.value(), 0);
  h.world.run_for(900 * kMillisecond);
  EXPECT_EQ(h.log->stats().syncs.value(), syncs_before);
  h.world.run_for(200 * kMillisecond);
  EXPECT_EQ(h.log->stats().syncs.value(), syncs_before + 1);
  EXPECT_EQ(h.log->stats().unsynced_bytes.value(), 0);
  // Once more, for the mark that vouches for it; then there is nothing to sync, and the timer rests.
  h.world.run_for(10 * kSecond);
  EXPECT_EQ(h.log->stats().syncs.value(), syncs_before + 2);
  ASSERT_TRUE(h.reopen_after_crash().ok());
  EXPECT_EQ(h.recorder.of(0), std::vector<std::string>{"a"});
}

TEST(LocalLog, NeverSyncsOnlyWhenAsked) {
  LogHarness h;
  h.options.durability = Durability::kNever;
  ASSERT_TRUE(h.open().ok());
  const uint64_t syncs_before = h.log->stats().syncs.value();
  EXPECT_EQ(h.append(0, "a")->outcome, LogErrc::kOk);
  h.world.run_for(60 * kSecond);
  EXPECT_EQ(h.log->stats().syncs.value(), syncs_before);
  EXPECT_TRUE(h.world.run(h.node.reactor(0), h.log->sync()).ok());
  EXPECT_EQ(h.log->stats().unsynced_bytes.value(), 0);
  ASSERT_TRUE(h.reopen_after_crash().ok());
  EXPECT_EQ(h.recorder.of(0), std::vector<std::string>{"a"});
}

TEST(LocalLog, DurabilityIsSwitchedWhileRunning) {
  LogHarness h;
  ASSERT_TRUE(h.open().ok());
  h.log->set_durability(Durability::kInterval);
  EXPECT_EQ(h.append(0, "a")->outcome, LogErrc::kOk);
  h.log->set_durability(Durability::kAlways);
  EXPECT_EQ(h.log->durability(), Durability::kAlways);
  const auto waiter = h.append(0, "b");
  EXPECT_FALSE(waiter->outcome);
  ASSERT_TRUE(h.settle());
  EXPECT_EQ(waiter->outcome, LogErrc::kOk);
  ASSERT_TRUE(h.reopen_after_crash().ok());
  EXPECT_EQ(h.recorder.of(0), (std::vector<std::string>{"a", "b"}));
}

TEST(LocalLog, OneSyncServesEveryoneWhoWaits) {
  env::sim::SimOptions sim;
  sim.disk.sync_ns_min = sim.disk.sync_ns_max = 10 * kMillisecond;
  LogHarness h(2, 3, sim);
  ASSERT_TRUE(h.open().ok());
  const uint64_t before = h.log->stats().syncs.value();
  h.append(0, "first");
  for (int i = 0; i < 20; ++i) {
    h.append(1, "home", 0);
    h.append(2, "other", 1);
  }
  ASSERT_TRUE(h.settle());
  EXPECT_EQ(h.log->stats().syncs.value(), before + 2) << "the first record's, and one for all that came meanwhile";
}

TEST(LocalLog, ATurnIsOneWrite) {
  LogHarness h;
  h.options.durability = Durability::kNever;
  ASSERT_TRUE(h.open().ok());
  const uint64_t before = h.log->stats().writes.value();
  Waiter waiter;
  h.world.run_on(h.node.reactor(0), [&] {
    for (int i = 0; i < 50; ++i) {
      waiter.outcome.reset();
      h.append_now(waiter, {{0, "x"}});
    }
  });
  h.world.run_for(kMillisecond);
  EXPECT_EQ(h.log->stats().writes.value(), before + 1);
  EXPECT_EQ(h.log->stats().records.value(), 50U);
}

TEST(LocalLog, OtherReactorsHandOverAndAreToldOnTheirOwn) {
  LogHarness h(3);
  ASSERT_TRUE(h.open().ok());
  const auto first = h.append(1, "from 1", 1);
  const auto second = h.append(2, "from 2", 2);
  const auto third = h.append(0, "from 0", 0);
  ASSERT_TRUE(h.settle());
  EXPECT_EQ(first->outcome, LogErrc::kOk);
  EXPECT_EQ(second->outcome, LogErrc::kOk);
  EXPECT_EQ(third->outcome, LogErrc::kOk);
  ASSERT_TRUE(h.reopen_after_crash().ok());
  EXPECT_EQ(h.recorder.of(0), std::vector<std::string>{"from 0"});
  EXPECT_EQ(h.recorder.of(1), std::vector<std::string>{"from 1"});
  EXPECT_EQ(h.recorder.of(2), std::vector<std::string>{"from 2"});
}

// A shard that was lent: the borrower appends on its reactor, hands over and gives back; then the owner goes on.
TEST(LocalLog, HandOverKeepsAShardsOrderAcrossReactors) {
  LogHarness h(2);
  h.options.durability = Durability::kInterval;
  ASSERT_TRUE(h.open().ok());
  for (int round = 0; round < 20; ++round) {
    Waiter waiter;
    bool is_back = false;
    h.world.run_on(h.node.reactor(1), [&] {
      h.append_now(waiter, {{0, "borrower"}}, 1);
      h.ports[1]->hand_over();
      h.node.reactor(0).post([&] {
        Waiter own;
        h.append_now(own, {{0, "owner"}}, 0);
        is_back = true;
      });
    });
    ASSERT_TRUE(h.world.run_until([&] { return is_back; }));
  }
  ASSERT_TRUE(h.stop().ok());
  ASSERT_TRUE(h.open().ok());
  const auto payloads = h.recorder.of(0);
  ASSERT_EQ(payloads.size(), 40U);
  for (size_t i = 0; i < 40; ++i) EXPECT_EQ(payloads[i], i % 2 == 0 ? "borrower" : "owner");
}

TEST(LocalLog, RecordsOfSeveralPartsAreRecoveredWhole) {
  LogHarness h;
  ASSERT_TRUE(h.open().ok());
  h.append(2, "before");
  h.append_parts({{0, "a"}, {1, std::string(500, 'b')}, {2, ""}});
  h.append(1, "after");
  ASSERT_TRUE(h.settle());
  ASSERT_TRUE(h.reopen_after_crash().ok());
  const std::vector<Entry> expected = {
      {2, 1, "before"}, {0, 1, "a"}, {1, 1, std::string(500, 'b')}, {2, 2, ""}, {1, 2, "after"}};
  EXPECT_EQ(h.recorder.entries, expected);
}

TEST(LocalLog, CheckpointedRecordsAreNotHandedOver) {
  LogHarness h;
  ASSERT_TRUE(h.open().ok());
  for (int i = 0; i < 5; ++i) h.append(0, std::to_string(i));
  ASSERT_TRUE(h.stop().ok());
  h.first_index = {4, 1, 1};
  ASSERT_TRUE(h.open().ok());
  EXPECT_EQ(h.recorder.of(0), (std::vector<std::string>{"3", "4"}));
}

TEST(LocalLog, FillsSegmentsAndGoesOnAfterManyRestarts) {
  LogHarness h;
  std::vector<std::string> expected;
  for (int run = 0; run < 5; ++run) {
    ASSERT_TRUE(h.open().ok());
    EXPECT_EQ(h.recorder.of(1), expected);
    for (const std::string& payload : numbered(100, 700)) {
      h.append(1, payload);
      expected.push_back(payload);
    }
    ASSERT_TRUE(h.settle());
    if (run % 2 == 0) {
      h.crash();
    } else {
      ASSERT_TRUE(h.stop().ok());
    }
  }
  ASSERT_TRUE(h.open().ok());
  EXPECT_EQ(h.recorder.of(1), expected);
  EXPECT_GT(h.segments().size(), 20U);
}

TEST(LocalLog, RunsThatWriteNothingLeaveNoSegments) {
  LogHarness h;
  ASSERT_TRUE(h.open().ok());
  h.append(0, "a");
  ASSERT_TRUE(h.stop().ok());
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(h.open().ok());
    EXPECT_EQ(h.recorder.of(0), std::vector<std::string>{"a"});
    ASSERT_TRUE(h.stop().ok());
  }
  EXPECT_LE(h.segments().size(), 3U);
}

TEST(LocalLog, ARecordLargerThanASegmentGetsItsOwn) {
  LogHarness h;
  ASSERT_TRUE(h.open().ok());
  const std::string large(100'000, 'L');
  h.append(0, "small");
  h.append(0, large);
  h.append(0, "small again");
  ASSERT_TRUE(h.settle());
  ASSERT_TRUE(h.reopen_after_crash().ok());
  EXPECT_EQ(h.recorder.of(0), (std::vector<std::string>{"small", large, "small again"}));
}

TEST(LocalLog, TooLargeARecordIsRefused) {
  LogHarness h(2);
  ASSERT_TRUE(h.open().ok());
  EXPECT_EQ(h.ports[0]->admit(kRecordBytesMax + 1), LogErrc::kTooLarge);
  EXPECT_EQ(h.ports[1]->admit(kRecordBytesMax + 1), LogErrc::kTooLarge);
}

TEST(LocalLog, TrimFreesWhatNobodyNeedsAndRecyclesFiles) {
  LogHarness h;
  ASSERT_TRUE(h.open().ok());
  const auto append_some = [&] {
    for (const std::string& payload : numbered(100, 500)) h.append(0, payload);
    ASSERT_TRUE(h.settle());
  };
  append_some();
  h.append(1, "needed");
  append_some();
  const size_t before = h.segments().size();
  const uint64_t held_before = h.log->bytes_held();
  // Shard 1 still needs its record, in the middle.
  h.world.run_on(h.node.reactor(0), [&] { h.log->trim(std::vector<uint64_t>{201, 1, 1}); });
  h.world.run_for(kSecond);
  const size_t after = h.segments().size();
  EXPECT_LT(after, before - 2);
  EXPECT_GT(after, 2U);
  EXPECT_LT(h.log->bytes_held(), held_before);
  EXPECT_GT(h.log->stats().segments_recycled.value(), 0U);
  append_some();
  h.first_index = {201, 1, 1};
  ASSERT_TRUE(h.reopen_after_crash().ok());
  EXPECT_TRUE(h.log->recovery().damage.empty());
  EXPECT_EQ(h.recorder.of(1), std::vector<std::string>{"needed"});
  EXPECT_EQ(h.recorder.of(0), numbered(100, 500));
}

TEST(LocalLog, TrimmedTooFarIsDamageNotSilence) {
  LogHarness h;
  ASSERT_TRUE(h.open().ok());
  for (const std::string& payload : numbered(100, 500)) h.append(0, payload);
  h.append(1, "other");
  ASSERT_TRUE(h.settle());
  h.world.run_on(h.node.reactor(0), [&] { h.log->trim(std::vector<uint64_t>{60, 1, 1}); });
  h.world.run_for(kSecond);
  h.first_index = {10, 1, 1};  // but the checkpoint is older than that
  ASSERT_TRUE(h.reopen_after_crash().ok());
  ASSERT_EQ(h.log->recovery().damage.size(), 1U);
  EXPECT_EQ(h.log->recovery().damage[0].shard, 0);
  EXPECT_TRUE(h.recorder.of(0).empty());
  EXPECT_EQ(h.recorder.of(1), std::vector<std::string>{"other"});
}

TEST(LocalLog, FullDiskRefusesAndRecoversByItself) {
  LogHarness h(2);
  ASSERT_TRUE(h.open().ok());
  h.node.disk().set_full(true);
  size_t accepted = 0;
  size_t refused = 0;
  for (const std::string& payload : numbered(200, 400)) {
    const auto waiter = h.append(0, payload, 0);
    (waiter->outcome == LogErrc::kFull ? refused : accepted) += 1;
  }
  EXPECT_GT(accepted, 20U) << "what was preallocated can be used";
  EXPECT_GT(refused, 20U);
  EXPECT_EQ(h.append(1, std::string(400, 'o'), 1)->outcome, LogErrc::kFull);
  EXPECT_EQ(h.log->stats().is_full.value(), 1);
  ASSERT_TRUE(h.settle());
  h.node.disk().set_full(false);
  h.world.run_for(kSecond);
  EXPECT_EQ(h.log->stats().is_full.value(), 0);
  const auto after = h.append(0, "room again");
  ASSERT_TRUE(h.settle());
  EXPECT_EQ(after->outcome, LogErrc::kOk);
  ASSERT_TRUE(h.reopen_after_crash().ok());
  EXPECT_EQ(h.recorder.of(0).size(), accepted + 1);
  EXPECT_EQ(h.recorder.of(0).back(), "room again");
}

// Of records that are written before their turn has ended, too, no more are taken than there is room for.
TEST(LocalLog, AFullDiskLosesNothingOfATurnWithManyLargeRecords) {
  for (unsigned reactor = 0; reactor < 2; ++reactor) {
    LogHarness h(2);
    h.options.durability = Durability::kInterval;
    h.options.segment_bytes = uint64_t{8} << 20;
    ASSERT_TRUE(h.open().ok());
    h.node.disk().set_full(true);
    std::deque<Waiter> waiters(40);
    h.world.run_on(h.node.reactor(reactor), [&] {
      for (Waiter& waiter : waiters) h.append_now(waiter, {{0, std::string(600'000, 'x')}}, reactor);
    });
    const auto accepted =
        std::ranges::count(waiters, LogErrc::kOk, [](const Waiter& waiter) { return *waiter.outcome; });
    EXPECT_GT(accepted, 10) << "what was preallocated can be used";
    EXPECT_LT(accepted, 40);
    h.world.run_for(env::sim::kMillisecond);
    h.node.kill();
    h.close();
    h.node.disk().set_full(false);
    h.node.restart();
    ASSERT_TRUE(h.open().ok());
    EXPECT_EQ(h.recorder.of(0).size(), static_cast<size_t>(accepted)) << "reactor " << reactor;
  }
}

TEST(LocalLog, ALargeRecordWithoutRoomIsRefusedAndSmallOnesGoOn) {
  LogHarness h(2);
  ASSERT_TRUE(h.open().ok());
  h.node.disk().set_full(true);
  EXPECT_EQ(h.append(0, std::string(50'000, 'x'))->outcome, LogErrc::kFull);
  const auto small = h.append(0, "small");
  ASSERT_TRUE(h.settle());
  EXPECT_EQ(small->outcome, LogErrc::kOk);
}

TEST(LocalLog, StartsOnAFullDiskAndRefusesUntilThereIsRoom) {
  LogHarness h;
  ASSERT_TRUE(h.open().ok());
  h.append(0, "kept");
  ASSERT_TRUE(h.stop().ok());
  h.node.disk().set_full(true);
  ASSERT_TRUE(h.open().ok());
  EXPECT_EQ(h.recorder.of(0), std::vector<std::string>{"kept"});
  EXPECT_EQ(h.append(0, "refused")->outcome, LogErrc::kFull);
  h.node.disk().set_full(false);
  h.world.run_for(kSecond);
  const auto waiter = h.append(0, "taken");
  ASSERT_TRUE(h.settle());
  EXPECT_EQ(waiter->outcome, LogErrc::kOk);
  ASSERT_TRUE(h.reopen_after_crash().ok());
  EXPECT_EQ(h.recorder.of(0), (std::vector<std::string>{"kept", "taken"}));
}

TEST(LocalLog, AFailedSyncEndsTheLogAndIsNeverRetried) {
  LogHarness h(2);
  ASSERT_TRUE(h.open().ok());
  h.append(0, "good");
  ASSERT_TRUE(h.settle());
  h.node.disk().fail_syncs(1);
  const auto lost = h.append(0, "lost", 0);
  const auto other = h.append(1, "lost too", 1);
  ASSERT_TRUE(h.settle());
  EXPECT_EQ(lost->outcome, LogErrc::kFailed);
  EXPECT_NE(other->outcome, LogErrc::kOk);
  ASSERT_NE(h.log->failure(), nullptr);
  EXPECT_EQ(h.log->stats().has_failed.value(), 1);
  EXPECT_EQ(h.append(0, "after")->outcome, LogErrc::kFailed);
  EXPECT_EQ(h.append(1, "after", 1)->outcome, LogErrc::kFailed);
  EXPECT_FALSE(h.world.run(h.node.reactor(0), h.log->sync()).ok());
  const uint64_t syncs = h.log->stats().syncs.value();
  h.world.run_for(10 * kSecond);
  EXPECT_EQ(h.log->stats().syncs.value(), syncs);
  ASSERT_TRUE(h.reopen_after_crash().ok());
  ASSERT_FALSE(h.recorder.of(0).empty());
  EXPECT_EQ(h.recorder.of(0)[0], "good");
}

TEST(LocalLog, AFailedWriteEndsTheLog) {
  LogHarness h;
  h.options.durability = Durability::kInterval;
  ASSERT_TRUE(h.open().ok());
  h.node.disk().fail_writes(1);
  h.append(0, "x");
  h.world.run_for(kMillisecond);
  ASSERT_NE(h.log->failure(), nullptr);
  EXPECT_NE(h.log->failure()->find(".log"), std::string::npos) << "names the file: " << *h.log->failure();
  EXPECT_EQ(h.append(0, "after")->outcome, LogErrc::kFailed);
  EXPECT_FALSE(h.stop().ok());
}

TEST(LocalLog, StoppedTakesNothingMore) {
  LogHarness h(2);
  h.options.durability = Durability::kNever;
  ASSERT_TRUE(h.open().ok());
  h.append(0, "x");
  ASSERT_TRUE(h.world.run(h.node.reactor(0), h.log->stop()).ok());
  EXPECT_EQ(h.append(0, "after")->outcome, LogErrc::kStopped);
  EXPECT_EQ(h.append(1, "after", 1)->outcome, LogErrc::kStopped);
  ASSERT_TRUE(h.reopen_after_crash().ok());
  EXPECT_EQ(h.recorder.of(0), std::vector<std::string>{"x"});
}

TEST(LocalLog, KilledProcessLosesNothingThatWasWritten) {
  LogHarness h;
  h.options.durability = Durability::kNever;
  ASSERT_TRUE(h.open().ok());
  for (const std::string& payload : numbered(100)) h.append(0, payload);
  h.world.run_for(kMillisecond);
  h.close();
  h.node.kill();
  h.node.restart();
  ASSERT_TRUE(h.open().ok());
  EXPECT_EQ(h.recorder.of(0), numbered(100));
}

TEST(LocalLog, AReadOnlyFolderIsAClearError) {
  LogHarness h;
  ASSERT_TRUE(h.open().ok());
  h.append(0, "x");
  ASSERT_TRUE(h.stop().ok());
  h.node.disk().set_read_only(true);
  const Status status = h.open();
  ASSERT_FALSE(status.ok());
  EXPECT_FALSE(status.error().message().empty());
}

TEST(LocalLog, ANewLogInAReadOnlyFolderIsAClearError) {
  LogHarness h;
  ASSERT_TRUE(h.node.env().disk().make_folder(h.folder).ok());
  h.node.disk().set_read_only(true);
  const Status status = h.open();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code(), env::DiskErrc::kReadOnly) << status.error().message();
}

TEST(LocalLog, TakesMoreShardsThanItWasWrittenWithAndNoFewer) {
  LogHarness h;
  ASSERT_TRUE(h.open().ok());
  h.append(2, "a");
  ASSERT_TRUE(h.settle());
  ASSERT_TRUE(h.stop().ok());
  h.first_index = {1, 1, 1, 1, 1};
  h.next_index.resize(5, 1);
  ASSERT_TRUE(h.open().ok());
  EXPECT_EQ(h.recorder.of(2), std::vector<std::string>{"a"});
  EXPECT_EQ(h.log->recovery().last_index, (std::vector<uint64_t>{0, 0, 1, 0, 0}));
  h.append(4, "b");
  h.append(2, "c");
  ASSERT_TRUE(h.settle());
  ASSERT_TRUE(h.reopen_after_crash().ok());
  EXPECT_EQ(h.recorder.of(2), (std::vector<std::string>{"a", "c"}));
  EXPECT_EQ(h.recorder.of(4), std::vector<std::string>{"b"});
  EXPECT_TRUE(h.log->recovery().damage.empty());
  ASSERT_TRUE(h.stop().ok());
  h.first_index = {1, 1, 1};
  const Status status = h.open();
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message().find("5 shards"), std::string::npos) << status.error().message();
}

TEST(LocalLog, EachShardHasADurabilityOfItsOwn) {
  for (const unsigned reactor : {0U, 1U}) {
    LogHarness h(2);
    h.options.durability_of = {Durability::kInterval, Durability::kAlways, Durability::kNever};
    ASSERT_TRUE(h.open().ok());
    EXPECT_EQ(h.log->durability(1), Durability::kAlways);
    EXPECT_EQ(h.append(0, "a", reactor)->outcome, LogErrc::kOk);
    EXPECT_EQ(h.append(2, "b", reactor)->outcome, LogErrc::kOk);
    const auto waits = h.append(1, "c", reactor);
    EXPECT_FALSE(waits->outcome);
    const auto mixed = h.append_parts({{0, "d"}, {1, "e"}}, reactor);
    EXPECT_FALSE(mixed->outcome) << "one of its shards waits";
    ASSERT_TRUE(h.settle());
    EXPECT_EQ(waits->outcome, LogErrc::kOk);
    EXPECT_EQ(mixed->outcome, LogErrc::kOk);
    h.log->set_durability(0, 1, Durability::kAlways);
    h.log->set_durability(1, 1, Durability::kInterval);
    EXPECT_FALSE(h.append(0, "f", reactor)->outcome);
    EXPECT_EQ(h.append(1, "g", reactor)->outcome, LogErrc::kOk);
    EXPECT_EQ(h.append(2, "h", reactor)->outcome, LogErrc::kOk);
    ASSERT_TRUE(h.settle());
    h.log->set_durability(0, 3, Durability::kNever);
    const uint64_t syncs = h.log->stats().syncs.value();
    h.append(2, "i", reactor);
    h.world.run_for(10 * kSecond);
    EXPECT_EQ(h.log->stats().syncs.value(), syncs) << "no shard counts on the interval";
    h.log->set_durability(2, 1, Durability::kInterval);
    h.append(2, "j", reactor);
    h.world.run_for(2 * kSecond);
    EXPECT_EQ(h.log->stats().syncs.value(), syncs + 1);
  }
}

TEST(LocalLog, StatsTellBytesSyncsAndSegments) {
  LogHarness h;
  ASSERT_TRUE(h.open().ok());
  h.append(0, std::string(100, 'x'));
  ASSERT_TRUE(h.settle());
  const LocalLogStats& stats = h.log->stats();
  EXPECT_EQ(stats.records.value(), 1U);
  EXPECT_EQ(stats.payload_bytes.value(), 100U);
  EXPECT_GE(stats.written_bytes.value(), 132U);
  EXPECT_GE(stats.sync_ns.snapshot().count, 1U);
  EXPECT_EQ(stats.segments.value(), 2) << "one in use, one spare";
  EXPECT_EQ(stats.disk_bytes.value(), 2 * 16384);
  EXPECT_GT(stats.last_sync_ns.value(), 0);
}

}  // namespace
}  // namespace keelson::log
