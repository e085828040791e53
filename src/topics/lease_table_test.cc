#include "topics/lease_table.h"

#include <gtest/gtest.h>
#include <algorithm>
#include <map>
#include <random>
#include <set>

namespace keelson::topics {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

std::unique_ptr<Message> message(int64_t offset, std::string key = {}, int32_t partition = 0, size_t bytes = 10) {
  auto made = std::make_unique<Message>();
  made->partition = partition;
  made->offset = offset;
  made->key = std::move(key);
  made->data.assign(bytes, 'd');
  return made;
}

// A log of one partition whose messages have these keys, and a consumer without limits.
struct Fixture {
  explicit Fixture(LeaseRules rules, std::vector<std::string> with_keys = {})
      : table(rules, 100), keys(std::move(with_keys)), one(table.add_consumer({})) {
    table.set_partition_count(1);
  }
  // Reads what is wanted, as far as there is room.
  void read() {
    for (auto due = table.next_due(); due && table.has_room(); due = table.next_due()) {
      table.feed(message(due->offset, keys[static_cast<size_t>(due->offset)]));
    }
    for (auto next = table.next_new(0); next && table.has_room(); next = table.next_new(0)) {
      if (*next >= static_cast<int64_t>(keys.size())) break;
      table.feed(message(*next, keys[static_cast<size_t>(*next)]));
    }
  }
  std::vector<Grant> take(size_t count = 1000, ConsumerId who = 0) {
    read();
    std::vector<Grant> out;
    table.grant(who == 0 ? one : who, count, SIZE_MAX, now + 10 * kSecond, out);
    return out;
  }
  void write(bool is_written = true) {
    (void)table.take_advance("s");
    table.advanced(is_written, now + 10 * kSecond);
  }
  LeaseTable table;
  std::vector<std::string> keys;
  ConsumerId one;
  int64_t now = kSecond;
};

std::vector<int64_t> offsets(const std::vector<Grant>& grants) {
  std::vector<int64_t> result;
  for (const Grant& grant : grants) result.push_back(grant.id.offset);
  return result;
}
using Offsets = std::vector<int64_t>;

TEST(Leases, AnAcknowledgedMessageMovesTheCursorOnceItIsWritten) {
  Fixture f({}, std::vector<std::string>(3));
  auto got = f.take();
  ASSERT_EQ(offsets(got), (Offsets{0, 1, 2}));
  EXPECT_TRUE(f.table.acknowledge(got[1].id, f.now));
  EXPECT_TRUE(f.table.has_settling());
  const topic::AdvanceCursor advance = f.table.take_advance("s");
  ASSERT_EQ(advance.parts.size(), 1U);
  EXPECT_EQ(advance.parts[0].done, (std::vector<topic::OffsetRange>{{1, 2}}));
  f.table.advanced(true, 0);
  EXPECT_TRUE(f.table.done(0).contains(1));
  EXPECT_EQ(f.table.unacknowledged(), 2U);
}

TEST(Leases, AnAcknowledgementThatWasNotWrittenCanBeMadeAgain) {
  Fixture f({.is_exactly_once = true}, std::vector<std::string>(1));
  auto got = f.take();
  ASSERT_TRUE(f.table.acknowledge(got[0].id, f.now));
  f.write(false);
  EXPECT_FALSE(f.table.done(0).contains(0));
  EXPECT_TRUE(f.table.acknowledge(got[0].id, f.now));
  f.write();
  EXPECT_TRUE(f.table.done(0).contains(0));
  EXPECT_FALSE(f.table.acknowledge(got[0].id, f.now)) << "an id is good for once";
}

TEST(Leases, WhatIsNotAcknowledgedInTimeComesAgain) {
  Fixture f({.is_exactly_once = true}, std::vector<std::string>(1));
  const auto first = f.take();
  EXPECT_TRUE(f.take().empty());
  ASSERT_EQ(f.table.next_event_ns(), f.now + 10 * kSecond);
  EXPECT_TRUE(f.table.extend(first[0].id, f.now, f.now + 20 * kSecond));
  f.now += 10 * kSecond;
  f.table.expire(f.now);
  EXPECT_TRUE(f.take().empty());
  f.now += 10 * kSecond;
  f.table.expire(f.now);
  const auto second = f.take();
  ASSERT_EQ(second.size(), 1U);
  EXPECT_EQ(second[0].attempt, 2U);
  EXPECT_FALSE(f.table.acknowledge(first[0].id, f.now)) << "with exactly-once delivery a lease that is over is void";
  EXPECT_FALSE(f.table.extend(first[0].id, f.now, f.now + kSecond));
  EXPECT_TRUE(f.table.acknowledge(second[0].id, f.now));
}

TEST(Leases, WithoutExactlyOnceALateAcknowledgementCounts) {
  Fixture f({}, std::vector<std::string>(1));
  const auto first = f.take();
  f.now += 11 * kSecond;
  f.table.expire(f.now);
  EXPECT_TRUE(f.table.acknowledge(first[0].id, f.now));
  EXPECT_TRUE(f.take().empty());
}

TEST(Leases, BackOffDoublesUpToItsMaximum) {
  Fixture f({.backoff = Backoff{1000, 3000}}, std::vector<std::string>(1));
  for (const int64_t wait_s : {1, 2, 3, 3}) {
    const auto got = f.take();
    ASSERT_EQ(got.size(), 1U);
    ASSERT_TRUE(f.table.nack(got[0].id, f.now));
    EXPECT_TRUE(f.take().empty());
    EXPECT_EQ(f.table.next_event_ns(), f.now + wait_s * kSecond);
    f.now = f.table.next_event_ns();
    f.table.expire(f.now);
  }
}

TEST(Leases, AMessageThatFailsTooOftenIsADeadLetterOnce) {
  Fixture f({.attempts_max = 5}, std::vector<std::string>(2));
  for (uint32_t attempt = 1; attempt <= 5; ++attempt) {
    const auto got = f.take(1);
    ASSERT_EQ(offsets(got), (Offsets{0}));
    EXPECT_EQ(got[0].attempt, attempt);
    ASSERT_TRUE(f.table.nack(got[0].id, f.now));
  }
  EXPECT_EQ(offsets(f.take()), (Offsets{1}));
  auto dead = f.table.take_dead();
  ASSERT_EQ(dead.size(), 1U);
  EXPECT_EQ(dead[0]->offset, 0);
  EXPECT_EQ(f.table.attempts({0, 0}), 5U);
  f.table.dead_letter({0, 0}, false, f.now);
  EXPECT_TRUE(f.table.take_dead().empty());
  f.now = f.table.next_event_ns();
  f.table.expire(f.now);
  f.read();
  ASSERT_EQ(f.table.take_dead().size(), 1U);
  f.table.dead_letter({0, 0}, true, f.now);
  f.write();
  EXPECT_TRUE(f.table.done(0).contains(0));
  EXPECT_EQ(f.table.counts().dead_lettered, 1U);
}

TEST(Leases, AttemptsAreWrittenDownAndTakenOver) {
  Fixture f({.attempts_max = 5}, std::vector<std::string>(1));
  (void)f.table.nack(f.take()[0].id, f.now);
  const topic::AdvanceCursor advance = f.table.take_advance("s");
  ASSERT_EQ(advance.parts.size(), 1U);
  EXPECT_EQ(advance.parts[0].attempts, (std::vector<topic::FailedAttempts>{{0, 1}}));
  Fixture later({.attempts_max = 5}, std::vector<std::string>(1));
  later.table.reset({"s", {}, 0, {{0, {}, advance.parts[0].attempts}}});
  EXPECT_EQ(later.take().at(0).attempt, 2U);
}

TEST(Leases, LeasesFromBeforeASeekAreVoid) {
  Fixture f({}, std::vector<std::string>(2));
  const auto got = f.take();
  f.table.reset({"s", {}, 1, {{0, {}, {}}}});
  EXPECT_FALSE(f.table.acknowledge(got[0].id, f.now));
  EXPECT_FALSE(f.table.nack(got[0].id, f.now));
  EXPECT_EQ(offsets(f.take()), (Offsets{0, 1}));
}

TEST(Leases, AConsumerGetsWhatItsLimitsAllow) {
  Fixture f({}, std::vector<std::string>(10));
  f.table.set_limits(f.one, {3, UINT64_MAX});
  const auto got = f.take();
  EXPECT_EQ(got.size(), 3U);
  EXPECT_TRUE(f.take().empty());
  EXPECT_TRUE(f.table.acknowledge(got[0].id, f.now));
  EXPECT_TRUE(f.table.nack(got[1].id, f.now));
  EXPECT_EQ(offsets(f.take()), (Offsets{1, 3}));
  f.table.set_limits(f.one, {100, 45});  // three have 30
  EXPECT_EQ(f.take().size(), 2U) << "the one that goes beyond is not kept back";
  EXPECT_TRUE(f.take().empty());
}

TEST(Leases, AKeyIsWithOneConsumerAndInOrder) {
  Fixture f({.is_ordered = true}, {"a", "a", "b", "a", ""});
  const ConsumerId two = f.table.add_consumer({});
  const auto first = f.take(1);
  ASSERT_EQ(offsets(first), (Offsets{0}));
  const auto other = f.take(1000, two);
  EXPECT_EQ(offsets(other), (Offsets{2, 4})) << "a is with the first consumer";
  const auto more = f.take();
  EXPECT_EQ(offsets(more), (Offsets{1, 3}));
  // The second of a's fails: the third comes again behind it.
  EXPECT_TRUE(f.table.nack(more[0].id, f.now));
  EXPECT_FALSE(f.table.extend(more[1].id, f.now, f.now + kSecond));
  EXPECT_TRUE(f.take(1000, two).empty()) << "the first is not acknowledged yet";
  EXPECT_TRUE(f.table.acknowledge(first[0].id, f.now));
  f.write();
  EXPECT_EQ(offsets(f.take(1000, two)), (Offsets{1, 3}));
}

TEST(Leases, BlockedKeysMakeRoomForOthers) {
  std::vector<std::string> keys(kReadyCountMax + 2, "a");
  keys.back() = "b";
  Fixture f({.is_ordered = true, .backoff = Backoff{1000, 1000}}, keys);
  const auto first = f.take(1);
  ASSERT_TRUE(f.table.nack(first[0].id, f.now));
  EXPECT_TRUE(f.take().empty());
  EXPECT_FALSE(f.table.has_room());
  EXPECT_TRUE(f.table.park_blocked());
  EXPECT_EQ(f.table.ready_bytes(), 0U);
  EXPECT_EQ(offsets(f.take()), (Offsets{static_cast<int64_t>(keys.size()) - 1}));
  f.now += kSecond;
  f.table.expire(f.now);
  Offsets expected;
  for (int64_t i = 0; i <= static_cast<int64_t>(kReadyCountMax); ++i) expected.push_back(i);
  Offsets seen;
  while (seen.size() < expected.size()) {
    const auto got = f.take();
    ASSERT_FALSE(got.empty());
    for (const Grant& grant : got) seen.push_back(grant.id.offset);
  }
  EXPECT_EQ(seen, expected);
}

TEST(Leases, AConsumerThatNeverAcknowledgesCostsBoundedMemory) {
  Fixture f({}, std::vector<std::string>(kUnackedMax + 500));
  size_t got = 0;
  for (auto grants = f.take(); !grants.empty(); grants = f.take()) got += grants.size();
  EXPECT_EQ(got, kUnackedMax);
  EXPECT_EQ(f.table.next_new(0), std::nullopt);
  // Every second one is acknowledged: the cursor has as many holes as it ever can.
  for (int64_t i = 1; i < static_cast<int64_t>(kUnackedMax); i += 2) {
    EXPECT_TRUE(f.table.acknowledge({0, 0, i, 0}, f.now));
  }
  f.write();
  EXPECT_EQ(f.table.done(0).ranges().size(), kUnackedMax / 2);
  EXPECT_LE(f.table.done(0).ranges().size(), topic::kCursorRangesMax);
}

TEST(Leases, WhatIsNotThereIsSkipped) {
  Fixture f({}, std::vector<std::string>(20));
  f.table.feed(message(5));  // the log begins there
  f.table.feed(message(8));
  f.table.skip(0, 9, 15);
  EXPECT_EQ(f.table.next_new(0), 15);
  const topic::AdvanceCursor advance = f.table.take_advance("s");
  EXPECT_EQ(advance.parts.at(0).done, (std::vector<topic::OffsetRange>{{0, 5}, {6, 8}, {9, 15}}));
  f.table.advanced(true, 0);
  EXPECT_EQ(f.table.done(0).floor(), 5);
}

TEST(Leases, WhatWasNeverSentIsGivenBack) {
  Fixture f({.is_ordered = true, .attempts_max = 5}, {"a", "a"});
  const auto got = f.take();
  ASSERT_EQ(got.size(), 2U);
  f.table.give_back(got[0].id);
  f.table.give_back(got[1].id);
  const auto again = f.take();
  EXPECT_EQ(offsets(again), (Offsets{0, 1}));
  EXPECT_EQ(again[0].attempt, 1U);
}

// What the judge believes of a message.
struct Seen {
  bool is_done = false;
  uint64_t lease = 0;  // that is valid
  ConsumerId holder = 0;
  int64_t deadline = 0;
};

struct Random {
  LeaseRules rules;
  std::mt19937 random;
  Fixture f;
  std::vector<Seen> seen;
  std::vector<ConsumerId> consumers;
  std::vector<Grant> out;  // under way, valid or not

  Random(LeaseRules with, unsigned seed) : rules(with), random(seed), f(with, keys_of(random)), seen(f.keys.size()) {
    consumers = {f.one, f.table.add_consumer({7, UINT64_MAX}), f.table.add_consumer({UINT64_MAX, 45})};
  }
  static std::vector<std::string> keys_of(std::mt19937& random) {
    std::vector<std::string> keys(200);
    for (std::string& key : keys) key = std::vector<std::string>{"", "a", "b", "c"}[random() % 4];
    return keys;
  }

  // A lease is over, and with it those of all later messages of its key.
  void end_lease(int64_t offset) {
    const auto at = static_cast<size_t>(offset);
    seen[at].lease = 0;
    if (!rules.is_ordered || f.keys[at].empty()) return;
    for (size_t i = at + 1; i < seen.size(); ++i) {
      if (f.keys[i] == f.keys[at]) seen[i].lease = 0;
    }
  }
  void take() {
    const ConsumerId who = consumers[random() % consumers.size()];
    for (Grant& grant : f.take(1 + random() % 5, who)) {
      const auto at = static_cast<size_t>(grant.id.offset);
      ASSERT_FALSE(seen[at].is_done) << at;
      ASSERT_EQ(seen[at].lease, 0U) << at << " is with somebody";
      seen[at] = {false, grant.id.lease, who, f.now + 10 * kSecond};
      if (rules.is_ordered && !f.keys[at].empty()) {
        for (size_t i = 0; i < at; ++i) {
          if (f.keys[i] != f.keys[at] || seen[i].is_done) continue;
          ASSERT_NE(seen[i].lease, 0U) << at << " came before " << i;
          ASSERT_EQ(seen[i].holder, who) << at << " and " << i << " are with different consumers";
        }
      }
      out.push_back(std::move(grant));
    }
  }
  void say() {
    if (out.empty()) return;
    const size_t which = random() % out.size();
    const LeaseId id = out[which].id;
    const auto at = static_cast<size_t>(id.offset);
    const bool is_valid = seen[at].lease == id.lease && seen[at].deadline > f.now;
    switch (random() % 4) {
      case 0:
        ASSERT_EQ(f.table.nack(id, f.now), is_valid);
        if (is_valid) end_lease(id.offset);
        break;
      case 1:
        ASSERT_EQ(f.table.extend(id, f.now, f.now + 15 * kSecond), is_valid);
        if (is_valid) seen[at].deadline = f.now + 15 * kSecond;
        break;
      default: {
        const bool is_taken = rules.is_exactly_once ? is_valid : !seen[at].is_done;
        ASSERT_EQ(f.table.acknowledge(id, f.now), is_taken);
        if (!is_taken) break;
        seen[at].is_done = true;
        seen[at].lease = 0;
      }
    }
    out.erase(out.begin() + static_cast<long>(which));
  }
  void pass() {
    f.now += static_cast<int64_t>(random() % 4) * kSecond;
    f.table.expire(f.now);
    for (size_t i = 0; i < seen.size(); ++i) {
      if (seen[i].lease != 0 && seen[i].deadline <= f.now) end_lease(static_cast<int64_t>(i));
    }
  }
  void run() {
    for (int step = 0; step < 3000; ++step) {
      const unsigned kind = random() % 10;
      if (kind < 3) take();
      if (kind >= 3 && kind < 8) say();
      if (kind == 8) pass();
      if (kind == 9) f.write();
      if (random() % 50 == 0) f.table.park_blocked();
      if (::testing::Test::HasFatalFailure()) return;
    }
    // In the end everything is delivered and acknowledged.
    for (int round = 0; round < 2000 && f.table.done(0).floor() < 200; ++round) {
      f.now += 5 * kSecond;
      f.table.expire(f.now);
      for (size_t i = 0; i < seen.size(); ++i) {
        if (seen[i].lease != 0 && seen[i].deadline <= f.now) end_lease(static_cast<int64_t>(i));
      }
      out.clear();
      take();
      if (::testing::Test::HasFatalFailure()) return;
      for (const Grant& grant : out) {
        ASSERT_TRUE(f.table.acknowledge(grant.id, f.now));
        seen[static_cast<size_t>(grant.id.offset)].is_done = true;
        seen[static_cast<size_t>(grant.id.offset)].lease = 0;
      }
      f.write();
    }
    EXPECT_EQ(f.table.done(0).floor(), 200);
    EXPECT_EQ(f.table.leased(), 0U);
    EXPECT_EQ(f.table.unacknowledged(), 0U);
  }
};

TEST(Leases, EqualAModelWhateverHappens) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    for (const bool is_ordered : {false, true}) {
      SCOPED_TRACE(::testing::Message() << seed << (is_ordered ? " ordered" : ""));
      Random random({.is_ordered = is_ordered,
                     .is_exactly_once = seed % 2 == 0,
                     .backoff = seed % 3 == 0 ? std::optional<Backoff>(Backoff{1000, 8000}) : std::nullopt},
                    seed);
      random.run();
      if (HasFailure()) return;
    }
  }
}

}  // namespace
}  // namespace keelson::topics
