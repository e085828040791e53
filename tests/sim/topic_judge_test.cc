// The judge of topics on histories that are good, and on each way in which one can be bad.
#include "tests/sim/topic_judge.h"

#include <gtest/gtest.h>

namespace keelson::sim_test {
namespace {

using Message = TopicJudge::Message;
using Partition = TopicJudge::Partition;

SeenRecord record(int64_t offset, const std::string& value) { return {offset, std::nullopt, value}; }
SeenRecord keyed(int64_t offset, const std::string& key, const std::string& value) { return {offset, key, value}; }

Partition all_committed(std::vector<SeenRecord> records, int64_t start = 0) { return {start, records, records}; }

void expect_wrong(const std::string& verdict, const std::string& words) {
  EXPECT_NE(verdict.find(words), std::string::npos) << "verdict: " << verdict;
}

// Writer 1, idempotent, has sent a, b and c to partition 0; a and b were answered.
class Judge : public testing::Test {
 protected:
  Judge() {
    for (const char* value : {"a", "b", "c"}) {
      Message message{.writer = 1, .key = {}, .value = value, .is_idempotent = true};
      ids_.push_back(judge_.sent(message));
    }
    judge_.acknowledged(ids_[0], 0);
    judge_.acknowledged(ids_[1], 1);
  }
  TopicJudge judge_;
  std::vector<TopicJudge::MessageId> ids_;
};

TEST_F(Judge, TakesWhatIsRight) {
  EXPECT_EQ(judge_.judge(0, all_committed({record(0, "a"), record(1, "b")})), "");
  EXPECT_EQ(judge_.judge(0, all_committed({record(0, "a"), record(1, "b"), record(2, "c")})), "");
  EXPECT_EQ(judge_.judge(0, all_committed({record(1, "b")}, 1)), "") << "trimmed";
}

TEST_F(Judge, FindsWhatIsLost) {
  expect_wrong(judge_.judge(0, all_committed({record(0, "a")})), "b was acknowledged and is lost");
  expect_wrong(judge_.judge(0, all_committed({record(0, "b"), record(1, "c")})), "a was acknowledged, and");
}

TEST_F(Judge, FindsWhatIsDoubled) {
  expect_wrong(judge_.judge(0, all_committed({record(0, "a"), record(1, "b"), record(2, "b")})), "twice");
}

TEST_F(Judge, FindsAnotherOrder) {
  judge_.sent({.writer = 1, .key = {}, .value = "d", .is_idempotent = true});
  expect_wrong(judge_.judge(0, all_committed({record(0, "a"), record(1, "b"), record(2, "d"), record(3, "c")})),
               "ahead of d");
  expect_wrong(judge_.judge(0, all_committed({record(1, "b"), record(0, "a")})), "comes behind");
}

TEST_F(Judge, FindsWhatNobodySentAndWhatWasRefused) {
  expect_wrong(judge_.judge(0, all_committed({record(0, "a"), record(1, "b"), record(2, "x")})), "nobody sent");
  expect_wrong(judge_.judge(1, all_committed({record(0, "a")})), "nobody sent");
  judge_.refused(ids_[2]);
  expect_wrong(judge_.judge(0, all_committed({record(0, "a"), record(1, "b"), record(2, "c")})), "was refused");
}

TEST_F(Judge, FindsAnOffsetThatChanges) {
  judge_.saw(0, record(2, "c"));
  expect_wrong(judge_.judge(0, all_committed({record(0, "a"), record(1, "b")})), "was read as committed and is gone");
  judge_.saw(0, record(2, "d"));
  expect_wrong(judge_.violation(), "was no key = c and is no key = d");
}

TEST_F(Judge, FindsAGroupThatMissesSomething) {
  const Partition end = all_committed({record(0, "a"), record(1, "b")});
  judge_.delivered("g", 0, 0);
  expect_wrong(judge_.judge_group("g", 0, 0, end), "b was never given to group g");
  judge_.delivered("g", 0, 1);
  EXPECT_EQ(judge_.judge_group("g", 0, 0, end), "");
  expect_wrong(judge_.judge_group("h", 0, 0, end), "never given to group h");
  EXPECT_EQ(judge_.judge_group("h", 0, 2, end), "");
}

TEST_F(Judge, FindsACommittedOffsetThatGoesBack) {
  EXPECT_EQ(judge_.committed_floor("g", 0), -1);
  const int64_t early = judge_.committed_floor("g", 0);
  judge_.committed("g", 0, 5);
  judge_.committed("g", 1, 3);
  judge_.found_committed("g", 0, 4, early);
  judge_.found_committed("g", 0, 6, judge_.committed_floor("g", 0));
  EXPECT_EQ(judge_.violation(), "") << "a question that was under way may be answered with either";
  judge_.found_committed("g", 0, 5, judge_.committed_floor("g", 0));
  expect_wrong(judge_.violation(), "went back from 6 to 5");
}

TEST(JudgeOfTransactions, AllOrNothing) {
  TopicJudge judge;
  const TopicJudge::TransactionId transaction = judge.began();
  for (int32_t partition = 0; partition < 2; ++partition) {
    const auto id = judge.sent({.writer = 1,
                                .partition = partition,
                                .key = {},
                                .value = "t" + std::to_string(partition),
                                .is_idempotent = true,
                                .transaction = transaction});
    judge.acknowledged(id, 0);
  }
  const Partition seen_0{0, {record(0, "t0")}, {record(0, "t0")}};
  const Partition seen_1{0, {record(0, "t1")}, {record(0, "t1")}};
  const Partition unseen_1{0, {record(0, "t1")}, {}};
  EXPECT_EQ(judge.judge_transactions({{0, seen_0}, {1, seen_1}}), "");
  expect_wrong(judge.judge_transactions({{0, seen_0}, {1, unseen_1}}), "seen in part");
  EXPECT_EQ(judge.judge(1, unseen_1), "") << "nobody knows how it ended";
  judge.ended(transaction, TransactionFate::kCommitted);
  expect_wrong(judge.judge(1, unseen_1), "was committed, and is not seen");
  judge.ended(transaction, TransactionFate::kAborted);
  expect_wrong(judge.judge(1, seen_1), "was aborted, and is seen");
  EXPECT_EQ(judge.judge(1, unseen_1), "");
}

TEST(JudgeOfTransactions, WhatIsInNoneIsSeen) {
  TopicJudge judge;
  judge.acknowledged(judge.sent({.writer = 1, .key = {}, .value = "a"}), 0);
  expect_wrong(judge.judge(0, {0, {record(0, "a")}, {}}), "is not seen as committed");
  expect_wrong(judge.judge(0, {0, {}, {record(0, "a")}}), "is lost");
}

TEST(JudgeOfCompaction, TheLastOfEachKeyStays) {
  TopicJudge judge;
  judge.acknowledged(judge.sent({.writer = 1, .key = "k", .value = "1"}), 0);
  judge.acknowledged(judge.sent({.writer = 1, .key = "k", .value = "2"}), 1);
  judge.acknowledged(judge.sent({.writer = 1, .key = "l", .value = "3"}), 2);
  judge.acknowledged(judge.sent({.writer = 1, .key = "l", .value = "4", .is_tombstone = true}), 3);
  EXPECT_EQ(judge.judge_compacted(0, all_committed({keyed(1, "k", "2")})), "");
  EXPECT_EQ(judge.judge_compacted(0, all_committed({keyed(1, "k", "2"), {3, "l", std::nullopt}})), "");
  expect_wrong(judge.judge_compacted(0, all_committed({{3, "l", std::nullopt}})), "2, the last of k, is lost");
  expect_wrong(judge.judge_compacted(0, all_committed({keyed(0, "k", "1")})), "is back");
  expect_wrong(judge.judge_compacted(0, all_committed({keyed(1, "k", "2"), keyed(2, "l", "3")})), "is back");
}

}  // namespace
}  // namespace keelson::sim_test
