// Requests from every reactor, their time-outs, stopping, leases and compaction, on a simulated machine.
#include "coord/service.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "coord/client.h"
#include "coord/coord_harness.h"

namespace keelson::coord {
namespace {

using env::sim::kMillisecond;
using env::sim::kSecond;

class GrantSink final : public AnswerSink {
 public:
  void failed(const Failure& failure) override { error = failure.code; }
  void lease_granted(Revision, const LeaseInfo& granted) override { lease = granted; }
  void done(Revision) override {}
  CoordErrc error = CoordErrc::kOk;
  LeaseInfo lease;
};

class PutSink final : public AnswerSink {
 public:
  explicit PutSink(int* alive = nullptr) : alive_(alive) {
    if (alive_ != nullptr) ++*alive_;
  }
  ~PutSink() override {
    if (alive_ != nullptr) --*alive_;
  }
  void failed(const Failure& failure) override { error = failure.code; }
  void put(Revision at, const KeyValue*) override { revision = at; }
  void range(const RangeAnswer& answer) override { revision = answer.revision; }
  void key_value(const KeyValue& kv) override { value = kv.value; }
  CoordErrc error = CoordErrc::kOk;
  Revision revision = 0;
  std::string value;

 private:
  int* alive_;
};

Task<ServiceErrc> put(Service& service, env::Reactor& here, std::string key, LeaseId lease,
                      int64_t timeout_ms = kRequestTimeoutMs) {
  auto answered = co_await service.write(here, Put{.caller = kHouse, .key = key, .value = "v", .lease = lease},
                                         std::make_unique<PutSink>(), timeout_ms);
  if (answered.outcome == ServiceErrc::kOk) EXPECT_EQ(answered.sink->error, CoordErrc::kOk);
  co_return answered.outcome;
}

Task<LeaseInfo> grant(Service& service, env::Reactor& here, LeaseId id, int64_t ttl_s) {
  auto answered = co_await service.write(here, LeaseGrant{.caller = kHouse, .id = id, .ttl_s = ttl_s},
                                         std::make_unique<GrantSink>());
  EXPECT_EQ(answered.outcome, ServiceErrc::kOk);
  EXPECT_EQ(answered.sink->error, CoordErrc::kOk);
  co_return answered.sink->lease;
}

Task<void> increment(Client client, std::string key, int times, int& left) {
  while (times != 0) {
    const auto read = co_await client.get(key);
    const Revision seen = read->has_value() ? (**read).mod_revision : 0;
    const int value = read->has_value() ? std::stoi((**read).value) : 0;
    const auto written = co_await client.put_if(key, std::to_string(value + 1), seen);
    EXPECT_TRUE(written.has_value());
    if (written->is_done) --times;
  }
  --left;
}

TEST(Service, ChangesThatDependOnWhatWasReadLoseNothing) {
  CoordHarness h(3);
  int left = 9;
  for (unsigned i = 0; i < 9; ++i) {
    env::Reactor& on = h.node.reactor(i % 3);
    h.program().scope(i % 3).spawn(increment(Client(h.service(), on), "counter", 20, left));
  }
  ASSERT_TRUE(h.world.run_until([&] { return left == 0; }));
  Client client(h.service(), h.here());
  const auto read = h.run(client.get("counter"));
  EXPECT_EQ((**read).value, "180");
  EXPECT_EQ((**read).version, 180);
  h.crash_and_restart();
  Client again(h.service(), h.here());
  EXPECT_EQ((**h.run(again.get("counter"))).mod_revision, (**read).mod_revision);
}

TEST(Service, TheHousesClientListsRemovesAndSaysWhatIsWrong) {
  CoordHarness h;
  Client client(h.service(), h.here());
  EXPECT_EQ(*h.run(client.put("/a/1", "x")), 2);
  EXPECT_EQ(*h.run(client.put("/a/2", "y")), 3);
  EXPECT_EQ(*h.run(client.put("/b", "z")), 4);
  const auto all = h.run(client.list("/a/"));
  ASSERT_EQ(all->items.size(), 2U);
  EXPECT_EQ(all->revision, 4);
  EXPECT_EQ(all->items[1].key, "/a/2");
  EXPECT_EQ(h.run(client.list(""))->items.size(), 3U);
  EXPECT_FALSE(h.run(client.remove_if("/a/1", 3))->is_done);
  EXPECT_TRUE(h.run(client.remove_if("/a/1", 2))->is_done);
  EXPECT_EQ(*h.run(client.remove("/a/1")), 0);
  EXPECT_EQ(*h.run(client.remove("/a/2")), 1);
  const auto refused = h.run(client.put("", "empty"));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().engine, CoordErrc::kEmptyKey);
  EXPECT_EQ(end_of_prefix("a\xff"), "b");
  EXPECT_EQ(end_of_prefix("\xff\xff"), kFromKeyOn);
}

TEST(Service, AFullDiskIsAnErrorAndPasses) {
  CoordHarness h;
  h.node.disk().set_full(true);
  ServiceErrc outcome = ServiceErrc::kOk;
  std::string value(100'000, 'v');
  Client client(h.service(), h.here());
  for (int i = 0; i < 2000 && outcome == ServiceErrc::kOk; ++i) {
    const auto written = h.run(client.put("key", value));
    if (!written) outcome = written.error().service;
  }
  EXPECT_EQ(outcome, ServiceErrc::kFull);
  h.node.disk().set_full(false);
  h.world.run_for(5 * kSecond);
  EXPECT_TRUE(h.run(client.put("key", "v")).has_value());
}

TEST(Service, AnAnswerThatDoesNotComeInTimeIsGivenUpAndTheWriteMayBeDone) {
  env::sim::SimOptions sim;
  sim.disk.sync_ns_min = sim.disk.sync_ns_max = 2 * kSecond;
  for (const unsigned on : {0U, 1U}) {
    CoordHarness h(1, {}, sim);
    EXPECT_EQ(h.run(put(h.service(), h.node.reactor(0), "warm", 0, 10'000)), ServiceErrc::kOk);
    const int64_t begun = h.world.now_ns();
    EXPECT_EQ(h.world.run(h.node.reactor(on), put(h.service(), h.node.reactor(on), "late", 0, 500)),
              ServiceErrc::kTimedOut);
    EXPECT_LT(h.world.now_ns() - begun, 700 * kMillisecond);
    EXPECT_EQ(h.service().requests_timed_out(), 1U);
    h.world.run_for(10 * kSecond);
    Client client(h.service(), h.here());
    EXPECT_TRUE((*h.run(client.get("late"))).has_value());
  }
}

Task<void> put_and_tell(Service& service, env::Reactor& here, int* alive, int& done) {
  auto answered =
      co_await service.write(here, Put{.caller = kHouse, .key = "k", .value = "v"}, std::make_unique<PutSink>(alive));
  ++done;
}

TEST(Service, WhoeverWaitsMayBeDestroyedAndNothingIsLeft) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    CoordHarness h(seed);
    int alive = 0;
    int done = 0;
    std::vector<std::unique_ptr<env::TaskScope>> scopes;
    for (unsigned i = 0; i < 30; ++i) {
      scopes.push_back(std::make_unique<env::TaskScope>(h.node.reactor(i % 3)));
      scopes.back()->spawn(put_and_tell(h.service(), h.node.reactor(i % 3), &alive, done));
    }
    h.world.run_until([&] { return h.world.random().next() % 40 == 0; });
    for (size_t i = 0; i < scopes.size(); i += 2) scopes[i].reset();
    h.world.run_for(kSecond);
    EXPECT_GE(done, 15);
    scopes.clear();
    EXPECT_EQ(alive, 0) << seed;
    if (seed % 2 == 0) {
      ASSERT_TRUE(h.run(h.program().stop()).ok());
      EXPECT_EQ(h.run(put(h.service(), h.node.reactor(0), "k", 0)), ServiceErrc::kStopping);
    }
  }
}

TEST(Service, ASerializableReadNeedsNobody) {
  CoordHarness h;
  EXPECT_EQ(h.run(put(h.service(), h.here(), "k", 0)), ServiceErrc::kOk);
  for (const Consistency consistency : {Consistency::kLinearizable, Consistency::kSerializable}) {
    const auto read = [](Service& service, env::Reactor& here, Consistency which) -> Task<std::string> {
      auto answered =
          co_await service.query(here, Range{.caller = kHouse, .key = "k"}, std::make_unique<PutSink>(), which);
      co_return answered.sink->value;
    };
    EXPECT_EQ(h.run(read(h.service(), h.here(), consistency)), "v");
  }
}

TEST(Service, ALeaseThatIsNotKeptAliveTakesItsKeysWithIt) {
  CoordHarness h;
  Client client(h.service(), h.here());
  EXPECT_EQ(h.run(grant(h.service(), h.here(), 5, 1)).granted_ttl_s, kLeaseTtlMinS);
  EXPECT_EQ(h.run(grant(h.service(), h.here(), 6, 60)).granted_ttl_s, 60);
  h.run(put(h.service(), h.here(), "short/1", 5));
  h.run(put(h.service(), h.here(), "short/2", 5));
  h.run(put(h.service(), h.here(), "long", 6));
  const Revision before = h.run(client.list(""))->revision;
  for (int i = 0; i < 5; ++i) {
    h.world.run_for(1'900 * kMillisecond);
    env::Reactor& on = h.node.reactor(static_cast<unsigned>(i) % 3);
    const LeaseAnswer kept = h.world.run(on, h.service().leases().keep_alive(on, 5));
    EXPECT_EQ(kept.outcome, ServiceErrc::kOk);
    EXPECT_TRUE(kept.is_found);
    EXPECT_EQ(kept.ttl_s, 2);
  }
  EXPECT_EQ(h.run(client.list(""))->items.size(), 3U);
  h.world.run_for(2'200 * kMillisecond);
  const auto after = h.run(client.list(""));
  ASSERT_EQ(after->items.size(), 1U);
  EXPECT_EQ(after->items[0].key, "long");
  EXPECT_EQ(after->revision, before + 1);
  EXPECT_FALSE(h.run(h.service().leases().keep_alive(h.here(), 5)).is_found);
  const LeaseAnswer left = h.run(h.service().leases().time_to_live(h.here(), 6));
  EXPECT_EQ(left.granted_ttl_s, 60);
  EXPECT_LT(left.ttl_s, 50);
  EXPECT_GT(left.ttl_s, 40);
  EXPECT_EQ(h.service().statistics().leases_expired.value(), 1U);
  EXPECT_EQ(h.service().statistics().leases.value(), 1);
}

TEST(Service, ARestartGivesLeasesTheirWholeTimeAgain) {
  CoordHarness h;
  h.run(grant(h.service(), h.here(), 5, 10));
  h.run(put(h.service(), h.here(), "k", 5));
  h.world.run_for(9 * kSecond);
  h.crash_and_restart();
  h.world.run_for(9 * kSecond);
  EXPECT_TRUE((*h.run(Client(h.service(), h.here()).get("k"))).has_value());
  h.world.run_for(2 * kSecond);
  EXPECT_FALSE((*h.run(Client(h.service(), h.here()).get("k"))).has_value());
  // And what has ended stays ended.
  h.crash_and_restart();
  EXPECT_FALSE((*h.run(Client(h.service(), h.here()).get("k"))).has_value());
}

TEST(Service, WithoutTheLeadNobodyEndsLeases) {
  ServiceOptions options;
  options.is_alone = false;
  CoordHarness h(1, options);
  h.run(grant(h.service(), h.here(), 5, 2));
  h.world.run_for(20 * kSecond);
  EXPECT_EQ(h.run(h.service().leases().keep_alive(h.here(), 5)).outcome, ServiceErrc::kNoLeader);
  h.world.run_on(h.service().home(), [&] { h.service().leader_changed(true); });
  h.world.run_for(100 * kMillisecond);
  EXPECT_TRUE(h.run(h.service().leases().keep_alive(h.here(), 5)).is_found);
  h.world.run_for(1 * kSecond);
  h.world.run_on(h.service().home(), [&] { h.service().leader_changed(false); });
  h.world.run_for(20 * kSecond);
  h.world.run_on(h.service().home(), [&] { h.service().leader_changed(true); });
  h.world.run_for(100 * kMillisecond);
  EXPECT_EQ(h.run(h.service().local_leases().time_to_live(h.here(), 5)).ttl_s, 1);
  h.world.run_for(3 * kSecond);
  EXPECT_FALSE(h.run(h.service().leases().keep_alive(h.here(), 5)).is_found);
}

// What a cluster brings.
class FarKeeper final : public LeaseKeeper {
 public:
  Task<LeaseAnswer> keep_alive(env::Reactor&, LeaseId) override { co_return answer; }
  Task<LeaseAnswer> time_to_live(env::Reactor&, LeaseId) override { co_return answer; }
  LeaseAnswer answer{.is_found = true, .granted_ttl_s = 77, .ttl_s = 77};
};

TEST(Service, AFollowerAsksTheLeadersKeeper) {
  FarKeeper far;
  ServiceOptions options;
  options.is_alone = false;
  CoordHarness h(1, options);
  h.service().set_remote_leases(far);
  EXPECT_EQ(h.run(h.service().leases().keep_alive(h.here(), 5)).ttl_s, 77);
  EXPECT_EQ(h.run(h.service().leases().time_to_live(h.here(), 5)).ttl_s, 77);
  EXPECT_EQ(h.run(h.service().local_leases().keep_alive(h.here(), 5)).outcome, ServiceErrc::kNoLeader);
}

TEST(Service, CompactsByItselfIfAskedTo) {
  ServiceOptions options;
  options.compaction = {.mode = AutoCompactionOptions::Mode::kPeriodic, .retention = 10 * 60'000};
  CoordHarness h(1, options);
  Client client(h.service(), h.here());
  for (int minute = 0; minute < 35; ++minute) {
    ASSERT_TRUE(h.run(client.put("k", std::to_string(minute))).has_value());
    h.world.run_for(60 * kSecond);
  }
  // Of ten minutes ago, and one note: at the 30th minute the revision of the 19th.
  EXPECT_NEAR(static_cast<double>(h.program().engine().compact_revision()), 21, 2);
}

}  // namespace
}  // namespace keelson::coord
