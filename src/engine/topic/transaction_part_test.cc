#include "engine/topic/transaction_part.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>
#include <utility>

#include "engine/topic/part_test_support.h"
#include "engine/topic/transaction_commands.h"

namespace keelson::topic {
namespace {

PartitionId partition(int32_t number) { return {.topic = {.bytes = {1}}, .partition = number}; }

class TransactionTest : public ::testing::Test {
 protected:
  Answer init(int64_t expected_id = kNoProducerId, int16_t expected_epoch = -1) {
    return part.apply(InitProducer{.id = "t",
                                   .timeout_ms = 1'000,
                                   .new_producer_id = next_id_++,
                                   .expected_producer_id = expected_id,
                                   .expected_epoch = expected_epoch});
  }
  TopicErrc add(int64_t id, int16_t epoch, int32_t number = 0) {
    return part.apply(AddToTransaction{"t", id, epoch, {partition(number)}, {}}).error;
  }
  TopicErrc end(int64_t id, int16_t epoch, bool is_commit) {
    return part.apply(EndTransaction{"t", id, epoch, is_commit}).error;
  }
  TopicErrc complete(int64_t id, int16_t epoch) { return part.apply(CompleteTransaction{"t", id, epoch}).error; }
  TransactionInfo present() const { return part.query(FindTransaction{"t"}).transactions.at(0); }

  PartHarness part{make_transaction_part};
  int64_t next_id_ = 100;
};

TEST_F(TransactionTest, GivesProducerIdsOnce) {
  EXPECT_EQ(part.apply(AllocateProducerIds{.count = 10}).producer_id, 0);
  part.reload();
  EXPECT_EQ(part.apply(AllocateProducerIds{.count = 10}).producer_id, 10);
  EXPECT_EQ(part.apply(AllocateProducerIds{.count = 0}).error, TopicErrc::kInvalid);
}

// A producer keeps its epoch from one transaction to the next: what was sent for the first must not be taken for the
// second's.
TEST_F(TransactionTest, WhoeverHasNotThePresentClaimChangesNothing) {
  part.claim = 1;
  ASSERT_TRUE(init().ok());
  const auto add_by = [&](int32_t claim) {
    return part.apply(AddToTransaction{"t", 100, 0, {partition(0)}, {}, claim}).error;
  };
  const auto end_by = [&](int32_t claim) { return part.apply(EndTransaction{"t", 100, 0, true, claim}).error; };
  const auto complete_by = [&](int32_t claim) { return part.apply(CompleteTransaction{"t", 100, 0, claim}).error; };
  ASSERT_EQ(add_by(1), TopicErrc::kOk);
  ASSERT_EQ(end_by(1), TopicErrc::kOk);
  part.claim = 2;
  ASSERT_EQ(complete_by(1), TopicErrc::kFencedClaim);
  ASSERT_EQ(complete_by(2), TopicErrc::kOk);
  EXPECT_EQ(add_by(1), TopicErrc::kFencedClaim);
  EXPECT_EQ(present().state, TransactionState::kCompleteCommit);
  ASSERT_EQ(add_by(2), TopicErrc::kOk);
  EXPECT_EQ(end_by(1), TopicErrc::kFencedClaim);
  EXPECT_EQ(part.apply(TimeOutTransaction{"t", 100, 0, present().started_ms, 1}).error, TopicErrc::kFencedClaim);
  EXPECT_EQ(part.apply(InitProducer{.id = "t", .timeout_ms = 1'000, .new_producer_id = 1, .claim = 1}).error,
            TopicErrc::kFencedClaim);
  EXPECT_EQ(present().state, TransactionState::kOngoing);
  ASSERT_EQ(end_by(2), TopicErrc::kOk);
  EXPECT_EQ(complete_by(1), TopicErrc::kFencedClaim);
  EXPECT_EQ(present().state, TransactionState::kPrepareCommit);
  ASSERT_EQ(complete_by(2), TopicErrc::kOk);
  EXPECT_EQ(part.apply(ExpireTransactionalId{"t", present().updated_ms, 1}).error, TopicErrc::kFencedClaim);
  EXPECT_EQ(part.apply(ExpireTransactionalId{"t", present().updated_ms, 2}).error, TopicErrc::kOk);
  // Ids of producers are anybody's.
  EXPECT_TRUE(part.apply(AllocateProducerIds{.count = 10}).ok());
}

TEST_F(TransactionTest, RunsThroughItsStates) {
  const Answer made = init();
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made.producer_id, 100);
  EXPECT_EQ(made.producer_epoch, 0);
  EXPECT_EQ(end(100, 0, true), TopicErrc::kInvalidTxnState);
  EXPECT_EQ(add(100, 0, 1), TopicErrc::kOk);
  EXPECT_EQ(add(100, 0, 2), TopicErrc::kOk);
  part.reload();
  EXPECT_EQ(part.query(VerifyTransaction{"t", 100, 0, {partition(1)}}).error, TopicErrc::kOk);
  EXPECT_EQ(part.query(VerifyTransaction{"t", 100, 0, {partition(3)}}).error, TopicErrc::kInvalidTxnState);
  EXPECT_EQ(part.query(VerifyTransaction{"t", 100, 1, {partition(1)}}).error, TopicErrc::kInvalidProducerEpoch);
  EXPECT_EQ(part.query(VerifyTransaction{"t", 9, 0, {partition(1)}}).error, TopicErrc::kInvalidProducerIdMapping);
  EXPECT_EQ(end(100, 0, true), TopicErrc::kOk);
  EXPECT_EQ(present().partitions.size(), 2U);
  EXPECT_EQ(part.query(VerifyTransaction{"t", 100, 0, {partition(1)}}).error, TopicErrc::kConcurrentTransactions);
  EXPECT_EQ(add(100, 0), TopicErrc::kConcurrentTransactions);
  EXPECT_EQ(end(100, 0, true), TopicErrc::kConcurrentTransactions);
  EXPECT_EQ(end(100, 0, false), TopicErrc::kInvalidTxnState);
  EXPECT_EQ(init().error, TopicErrc::kConcurrentTransactions);
  part.reload();
  EXPECT_EQ(complete(100, 0), TopicErrc::kOk);
  EXPECT_EQ(complete(100, 0), TopicErrc::kInvalidTxnState);
  EXPECT_EQ(end(100, 0, true), TopicErrc::kOk);  // asked again
  EXPECT_EQ(end(100, 0, false), TopicErrc::kInvalidTxnState);
  EXPECT_TRUE(present().partitions.empty());
  EXPECT_EQ(add(100, 0), TopicErrc::kOk);
}

TEST_F(TransactionTest, ANewProducerFencesTheOld) {
  init();
  add(100, 0);
  // The transaction that is under way is aborted with an epoch that nobody gets.
  EXPECT_EQ(init().error, TopicErrc::kConcurrentTransactions);
  EXPECT_EQ(present().state, TransactionState::kPrepareAbort);
  EXPECT_EQ(present().producer_epoch, 1);
  EXPECT_EQ(add(100, 0), TopicErrc::kInvalidProducerEpoch);
  EXPECT_EQ(complete(100, 1), TopicErrc::kOk);
  EXPECT_EQ(init().producer_epoch, 2);
  EXPECT_EQ(end(100, 0, true), TopicErrc::kInvalidProducerEpoch);
  EXPECT_EQ(init(100, 0).error, TopicErrc::kInvalidProducerEpoch);
}

TEST_F(TransactionTest, AProducerGoesOnWithTheNextEpoch) {
  init();
  EXPECT_EQ(init(100, 0).producer_epoch, 1);
  EXPECT_EQ(init(100, 0).producer_epoch, 1);  // asked again
  EXPECT_EQ(init(100, 1).producer_epoch, 2);
  EXPECT_EQ(init(100, 0).error, TopicErrc::kInvalidProducerEpoch);
  EXPECT_EQ(init(7, 0).error, TopicErrc::kInvalidProducerEpoch);
  // With a transaction under way.
  EXPECT_EQ(add(100, 2), TopicErrc::kOk);
  EXPECT_EQ(init(100, 1).error, TopicErrc::kInvalidProducerEpoch);
  EXPECT_EQ(init(100, 2).error, TopicErrc::kConcurrentTransactions);
  EXPECT_EQ(init(100, 2).error, TopicErrc::kConcurrentTransactions);
  EXPECT_EQ(complete(100, 3), TopicErrc::kOk);
  EXPECT_EQ(init(100, 2).producer_epoch, 4);
  EXPECT_EQ(init(100, 2).producer_epoch, 4);
}

TEST_F(TransactionTest, EpochsThatAreUsedUpTakeAnotherProducerId) {
  int16_t epoch = init().producer_epoch;
  while (epoch < kProducerEpochMax) {
    const Answer next = init();
    ASSERT_EQ(next.producer_id, 100);
    epoch = next.producer_epoch;
  }
  const Answer rotated = init(100, epoch);
  EXPECT_NE(rotated.producer_id, 100);
  EXPECT_EQ(rotated.producer_epoch, 0);
  const Answer again = init(100, epoch);
  EXPECT_EQ(again.producer_id, rotated.producer_id);
  EXPECT_EQ(again.producer_epoch, 0);
  EXPECT_EQ(init(100, 5).error, TopicErrc::kInvalidProducerEpoch);
}

TEST_F(TransactionTest, TheEpochThatFencesTheLastOneIsNobodys) {
  while (init().producer_epoch < kProducerEpochMax) {
  }
  constexpr int16_t kFence = kProducerEpochMax + 1;
  EXPECT_EQ(add(100, kProducerEpochMax), TopicErrc::kOk);
  EXPECT_EQ(init().error, TopicErrc::kConcurrentTransactions);
  EXPECT_EQ(complete(100, kFence), TopicErrc::kOk);
  EXPECT_EQ(add(100, kFence), TopicErrc::kInvalidProducerEpoch);
  EXPECT_NE(init().producer_id, 100);
}

TEST_F(TransactionTest, TimesOutAndExpires) {
  init();
  part.now_ms = 2'000;
  add(100, 0);
  const auto due = [&](int64_t now_ms) {
    return part.query(FindDueTransactions{.now_ms = now_ms, .expiration_ms = 10'000}).transactions.size();
  };
  EXPECT_EQ(due(2'999), 0U);
  EXPECT_EQ(due(3'000), 1U);
  EXPECT_EQ(part.apply(TimeOutTransaction{"t", 100, 0, 1'999}).error, TopicErrc::kInvalidTxnState);
  EXPECT_EQ(part.apply(TimeOutTransaction{"t", 100, 0, 2'000}).transactions.at(0).producer_epoch, 1);
  EXPECT_EQ(end(100, 0, true), TopicErrc::kInvalidProducerEpoch);
  EXPECT_EQ(due(2'000), 1U);
  EXPECT_EQ(part.apply(ExpireTransactionalId{"t", 2'000}).error, TopicErrc::kInvalidTxnState);
  complete(100, 1);
  EXPECT_EQ(due(11'999), 0U);
  EXPECT_EQ(due(12'000), 1U);
  EXPECT_EQ(part.apply(ExpireTransactionalId{"t", 1'999}).error, TopicErrc::kInvalidTxnState);
  EXPECT_EQ(part.apply(ExpireTransactionalId{"t", 2'000}).error, TopicErrc::kOk);
  // Who comes back with what it had begins anew.
  EXPECT_EQ(init(100, 0).producer_epoch, 0);
}

// Random histories: whatever happens, what Kafka promises holds. Known here is who has been given which (id, epoch) in
// what order, and of each transaction how it was decided.
class RandomHistory : public TransactionTest {
 protected:
  using Producer = std::pair<int64_t, int16_t>;
  enum class Phase : uint8_t { kNothing, kOpen, kDecided };

  void begin(unsigned seed) {
    random_.seed(seed);
    part = PartHarness(make_transaction_part);
    given_.clear();
    added_.clear();
    holder_ = {-1, -1};
    phase_ = Phase::kNothing;
  }
  // Anybody who ever was may ask.
  Producer somebody() {
    if (given_.empty() || random_() % 4 != 0) return holder_;
    return *std::next(given_.begin(), static_cast<long>(random_() % given_.size()));
  }

  void try_init(Producer who) {
    const bool is_known = random_() % 2 == 0;
    const bool is_holder = who == holder_;
    const Answer answer = is_known ? init(who.first, who.second) : init();
    if (answer.ok()) {
      EXPECT_EQ(phase_, Phase::kNothing);
      const Producer got{answer.producer_id, answer.producer_epoch};
      if (got != holder_) EXPECT_TRUE(given_.insert(got).second) << "an epoch is given once";
      holder_ = got;
      return;
    }
    if (phase_ == Phase::kNothing) EXPECT_TRUE(is_known && !is_holder);
    if (phase_ == Phase::kOpen && answer.error == TopicErrc::kConcurrentTransactions) {
      EXPECT_TRUE(!is_known || is_holder);
      phase_ = Phase::kDecided;
      is_commit_ = false;
      holder_ = {present().producer_id, present().producer_epoch};
      EXPECT_FALSE(given_.contains(holder_)) << "the fencing epoch is nobody's";
    }
  }

  void try_add(Producer who) {
    const auto number = static_cast<int32_t>(random_() % 5);
    const TopicErrc error = add(who.first, who.second, number);
    EXPECT_EQ(error == TopicErrc::kOk, who == holder_ && phase_ != Phase::kDecided && holder_.first >= 0);
    if (error != TopicErrc::kOk) return;
    phase_ = Phase::kOpen;
    added_.insert(number);
  }

  void try_end(Producer who) {
    const bool wants_commit = random_() % 2 == 0;
    const TopicErrc error = end(who.first, who.second, wants_commit);
    if (who != holder_) EXPECT_NE(error, TopicErrc::kOk);
    if (who != holder_ || phase_ != Phase::kOpen) return;
    EXPECT_EQ(error, TopicErrc::kOk);
    phase_ = Phase::kDecided;
    is_commit_ = wants_commit;
  }

  void carry_out() {
    if (phase_ != Phase::kDecided) return;
    const TransactionInfo info = present();
    EXPECT_EQ(info.state, is_commit_ ? TransactionState::kPrepareCommit : TransactionState::kPrepareAbort);
    EXPECT_EQ(info.partitions.size(), added_.size()) << "every partition gets its marker";
    EXPECT_EQ(complete(info.producer_id, info.producer_epoch), TopicErrc::kOk);
    added_.clear();
    phase_ = Phase::kNothing;
  }

  std::mt19937 random_;
  std::set<Producer> given_;
  Producer holder_{-1, -1};
  std::set<int32_t> added_;
  Phase phase_ = Phase::kNothing;
  bool is_commit_ = false;
};

TEST_F(RandomHistory, KeepsItsPromises) {
  for (unsigned seed = 0; seed < 100; ++seed) {
    begin(seed);
    for (int step = 0; step < 400; ++step) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", step " + std::to_string(step));
      const Producer who = somebody();
      switch (random_() % 6) {
        case 0:
          try_init(who);
          break;
        case 1:
        case 2:
          try_add(who);
          break;
        case 3:
          try_end(who);
          break;
        case 4:
          carry_out();
          break;
        default:
          part.reload();
      }
    }
  }
}

}  // namespace
}  // namespace keelson::topic
