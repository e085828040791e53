#include "engine/topic/group_part.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>

#include "engine/topic/group_commands.h"
#include "engine/topic/part_test_support.h"

namespace keelson::topic {
namespace {

GroupOffset at(std::string topic, int32_t partition, int64_t offset) {
  return {.topic = std::move(topic), .partition = partition, .offset = offset};
}
std::optional<int64_t> offset_of(const PartHarness& part, std::string group, std::string topic, int32_t partition) {
  const Answer answer = part.query(FetchOffsets{.group = std::move(group), .topics = {{topic, {partition}}}});
  if (answer.group_offsets.empty() || answer.group_offsets[0].offset < 0) return std::nullopt;
  return answer.group_offsets[0].offset;
}

TEST(GroupPart, CommitsAndFetchesOffsets) {
  PartHarness part(make_group_part);
  EXPECT_EQ(part.query(FetchOffsets{.group = "g", .is_all = true}).error, TopicErrc::kUnknownGroup);
  GroupOffset full = at("t", 3, 17);
  full.metadata = "where I am";
  full.leader_epoch = 4;
  full.topic_id.bytes[0] = 9;
  EXPECT_TRUE(part.apply(CommitOffsets{.group = "g", .offsets = {full, at("u", 0, 1)}}).ok());
  part.reload();
  const Answer all = part.query(FetchOffsets{.group = "g", .is_all = true});
  ASSERT_EQ(all.group_offsets.size(), 2U);
  EXPECT_EQ(all.group_offsets[0].metadata, "where I am");
  EXPECT_EQ(all.group_offsets[0].leader_epoch, 4);
  EXPECT_EQ(all.group_offsets[0].topic_id, full.topic_id);
  EXPECT_EQ(all.group_offsets[0].committed_ms, part.now_ms);
  EXPECT_EQ(offset_of(part, "g", "t", 3), 17);
  EXPECT_EQ(offset_of(part, "g", "t", 4), std::nullopt);
  EXPECT_TRUE(part.apply(CommitOffsets{.group = "g", .offsets = {at("t", 0, -2)}}).ok());
  EXPECT_EQ(part.query(FetchOffsets{.group = "g", .topics = {{"t", {0}}}}).group_offsets.at(0).offset, -2);
  EXPECT_EQ(part.apply(CommitOffsets{.group = "g", .offsets = {at("t", -1, 1)}}).error, TopicErrc::kInvalid);
}

TEST(GroupPart, AnEpochNeverGoesBack) {
  PartHarness part(make_group_part);
  const GroupMember member{.id = "m", .client_id = "c", .protocols = {{"range", "x"}}, .assignment = "a"};
  GroupHead head{.name = "g", .type = GroupType::kClassic, .epoch = 5, .protocol_type = "consumer"};
  EXPECT_TRUE(part.apply(SaveGroup{.head = head, .members = {member}}).ok());
  head.epoch = 4;
  EXPECT_EQ(part.apply(SaveGroup{.head = head, .is_whole = true}).error, TopicErrc::kIllegalGeneration);
  part.reload();
  const Answer answer = part.query(DescribeGroup{.group = "g"});
  ASSERT_EQ(answer.members.size(), 1U);
  EXPECT_EQ(answer.members[0], member);
  EXPECT_EQ(answer.groups[0].head.epoch, 5);
  EXPECT_EQ(answer.groups[0].emptied_ms, kNoTimestamp);
  EXPECT_EQ(part.apply(DeleteGroup{.group = "g"}).error, TopicErrc::kGroupNotEmpty);
  head.epoch = 6;
  EXPECT_TRUE(part.apply(SaveGroup{.head = head, .removed = {"m"}}).ok());
  EXPECT_EQ(part.query(DescribeGroup{.group = "g"}).groups[0].emptied_ms, part.now_ms);
  EXPECT_TRUE(part.apply(DeleteGroup{.group = "g"}).ok());
  EXPECT_EQ(part.apply(DeleteGroup{.group = "g"}).error, TopicErrc::kUnknownGroup);
}

TEST(GroupPart, PendingOffsetsShowOnceTheTransactionIsCommitted) {
  PartHarness part(make_group_part);
  part.apply(CommitOffsets{.group = "g", .offsets = {at("t", 0, 1)}});
  EXPECT_TRUE(part.apply(PendOffsets{"g", 7, 0, {at("t", 0, 5), at("t", 1, 5)}}).ok());
  EXPECT_EQ(offset_of(part, "g", "t", 0), 1);
  EXPECT_TRUE(part.query(FetchOffsets{.group = "g", .topics = {{"t", {0}}}}).group_offsets[0].is_pending);
  part.reload();
  EXPECT_TRUE(part.apply(EndPendingOffsets{"g", 7, 0, true}).ok());
  EXPECT_EQ(offset_of(part, "g", "t", 0), 5);
  EXPECT_EQ(offset_of(part, "g", "t", 1), 5);
  // An abort leaves what was; what was committed after it was pended stays.
  part.apply(PendOffsets{"g", 7, 0, {at("t", 0, 9)}});
  part.apply(EndPendingOffsets{"g", 7, 0, false});
  EXPECT_EQ(offset_of(part, "g", "t", 0), 5);
  part.apply(PendOffsets{"g", 7, 0, {at("t", 0, 9)}});
  part.apply(CommitOffsets{.group = "g", .offsets = {at("t", 0, 20)}});
  part.apply(EndPendingOffsets{"g", 7, 0, true});
  EXPECT_EQ(offset_of(part, "g", "t", 0), 20);
  // A newer epoch has pended: an old end does not touch it, an old producer may not add.
  part.apply(PendOffsets{"g", 7, 3, {at("t", 0, 30)}});
  EXPECT_EQ(part.apply(EndPendingOffsets{"g", 7, 2, true}).error, TopicErrc::kInvalidProducerEpoch);
  EXPECT_EQ(part.apply(PendOffsets{"g", 7, 2, {at("t", 0, 31)}}).error, TopicErrc::kInvalidProducerEpoch);
  EXPECT_TRUE(part.apply(EndPendingOffsets{"g", 7, 4, false}).ok());
  EXPECT_EQ(offset_of(part, "g", "t", 0), 20);
}

TEST(GroupPart, WhoeverHasNotThePresentClaimChangesNothing) {
  PartHarness part(make_group_part);
  const GroupHead head{.name = "g", .type = GroupType::kClassic, .epoch = 5};
  const GroupMember member{.id = "m"};
  part.claim = 1;
  EXPECT_TRUE(part.apply(SaveGroup{.head = head, .members = {member}, .claim = 1}).ok());
  EXPECT_TRUE(part.apply(CommitOffsets{.group = "g", .offsets = {at("t", 0, 10)}, .claim = 1}).ok());
  // Another node decides from now on. What the former one has sent comes late.
  part.claim = 2;
  EXPECT_TRUE(part.apply(CommitOffsets{.group = "g", .offsets = {at("t", 0, 20)}, .claim = 2}).ok());
  const std::string before = part.saved();
  EXPECT_EQ(part.apply(CommitOffsets{.group = "g", .offsets = {at("t", 0, 15)}, .claim = 1}).error,
            TopicErrc::kFencedClaim);
  EXPECT_EQ(
      part.apply(
              PendOffsets{.group = "g", .producer_id = 7, .producer_epoch = 0, .offsets = {at("t", 0, 15)}, .claim = 1})
          .error,
      TopicErrc::kFencedClaim);
  EXPECT_EQ(part.apply(SaveGroup{.head = {.name = "g", .epoch = 9}, .is_whole = true, .claim = 1}).error,
            TopicErrc::kFencedClaim);
  EXPECT_EQ(part.apply(SaveGroup{.head = {.name = "new", .epoch = 1}, .claim = 3}).error, TopicErrc::kFencedClaim);
  EXPECT_EQ(part.apply(DeleteOffsets{.group = "g", .offsets = {at("t", 0, 0)}, .claim = 1}).error,
            TopicErrc::kFencedClaim);
  EXPECT_EQ(part.apply(DeleteGroup{.group = "g", .claim = 1}).error, TopicErrc::kFencedClaim);
  EXPECT_EQ(part.saved(), before);
  EXPECT_EQ(offset_of(part, "g", "t", 0), 20);
  // Of nobody: the house's own, and records of an earlier version.
  EXPECT_TRUE(part.apply(CommitOffsets{.group = "g", .offsets = {at("t", 0, 21)}}).ok());
  EXPECT_EQ(offset_of(part, "g", "t", 0), 21);
}

// The producer goes from one transaction to the next with the same epoch, and meanwhile another node has come to end
// them: what the former one has sent for the first must not end the second.
TEST(GroupPart, AnEndThatComesLateLeavesTheNextTransactionAlone) {
  for (const bool is_commit : {false, true}) {
    PartHarness part(make_group_part);
    const auto pend = [&](int64_t offset, int32_t coordinator_epoch) {
      return part.apply(PendOffsets{.group = "g",
                                    .producer_id = 7,
                                    .producer_epoch = 0,
                                    .offsets = {at("t", 0, offset)},
                                    .coordinator_epoch = coordinator_epoch});
    };
    const auto end = [&](bool commits, int32_t coordinator_epoch) {
      return part.apply(EndPendingOffsets{"g", 7, 0, commits, coordinator_epoch}).error;
    };
    EXPECT_TRUE(pend(5, 1).ok());
    EXPECT_EQ(end(true, 2), TopicErrc::kOk);
    EXPECT_EQ(offset_of(part, "g", "t", 0), 5);
    EXPECT_TRUE(pend(9, 2).ok());
    part.reload();
    EXPECT_EQ(end(is_commit, 1), TopicErrc::kTransactionCoordinatorFenced);
    EXPECT_EQ(offset_of(part, "g", "t", 0), 5);
    EXPECT_TRUE(part.query(FetchOffsets{.group = "g", .topics = {{"t", {0}}}}).group_offsets[0].is_pending);
    // Later in the same transaction, by somebody who asked earlier.
    EXPECT_TRUE(pend(10, 1).ok());
    EXPECT_EQ(end(is_commit, 1), TopicErrc::kTransactionCoordinatorFenced);
    EXPECT_EQ(end(true, 2), TopicErrc::kOk);
    EXPECT_EQ(offset_of(part, "g", "t", 0), 10);
    EXPECT_EQ(end(is_commit, 1), TopicErrc::kOk);  // there is nothing to end
    EXPECT_EQ(offset_of(part, "g", "t", 0), 10);
  }
}

// A producer is fenced while it has its offsets pended: its transaction was aborted with the next epoch.
TEST(GroupPart, WhatAFencedProducerPendsIsNeverCommitted) {
  PartHarness part(make_group_part);
  part.apply(CommitOffsets{.group = "g", .offsets = {at("t", 0, 1)}});
  EXPECT_TRUE(part.apply(EndPendingOffsets{"g", 7, 1, false}).ok());
  part.reload();
  EXPECT_EQ(part.apply(PendOffsets{"g", 7, 0, {at("t", 0, 5)}}).error, TopicErrc::kInvalidProducerEpoch);
  EXPECT_FALSE(part.query(FetchOffsets{.group = "g", .topics = {{"t", {0}}}}).group_offsets.at(0).is_pending);
  // Its successor's transactions are not kept from anything.
  EXPECT_TRUE(part.apply(PendOffsets{"g", 7, 2, {at("t", 0, 6)}}).ok());
  EXPECT_TRUE(part.apply(EndPendingOffsets{"g", 7, 2, true}).ok());
  EXPECT_EQ(offset_of(part, "g", "t", 0), 6);
  // Whatever an older epoch has left is neither taken over by the next one nor committed with it.
  EXPECT_TRUE(part.apply(PendOffsets{"g", 7, 2, {at("t", 0, 50)}}).ok());
  EXPECT_TRUE(part.apply(PendOffsets{"g", 7, 3, {at("t", 1, 7)}}).ok());
  EXPECT_TRUE(part.apply(EndPendingOffsets{"g", 7, 3, true}).ok());
  EXPECT_EQ(offset_of(part, "g", "t", 0), 6);
  EXPECT_EQ(offset_of(part, "g", "t", 1), 7);
  EXPECT_TRUE(part.apply(PendOffsets{"g", 7, 3, {at("t", 0, 50)}}).ok());
  EXPECT_TRUE(part.apply(EndPendingOffsets{"g", 7, 4, true}).ok());
  EXPECT_EQ(offset_of(part, "g", "t", 0), 6);
  // Who is remembered as fenced keeps no group from going.
  EXPECT_TRUE(part.apply(EndPendingOffsets{"g", 8, 1, false}).ok());
  part.apply(DeleteOffsets{.group = "g", .offsets = {at("t", 0, 0), at("t", 1, 0)}, .removes_empty = true});
  EXPECT_EQ(part.query(DescribeGroup{.group = "g"}).error, TopicErrc::kUnknownGroup);
}

TEST(GroupPart, FindsWhatHasExpired) {
  PartHarness part(make_group_part);
  part.apply(CommitOffsets{.group = "alone", .offsets = {at("t", 0, 1)}});
  part.apply(SaveGroup{.head = {.name = "busy", .type = GroupType::kClassic}, .members = {{.id = "m"}}});
  part.apply(CommitOffsets{.group = "busy", .offsets = {at("t", 0, 1)}});
  part.apply(SaveGroup{.head = {.name = "left", .type = GroupType::kClassic}, .members = {{.id = "m"}}});
  part.apply(CommitOffsets{.group = "left", .offsets = {at("t", 0, 1)}});
  part.now_ms = 5'000;
  part.apply(SaveGroup{.head = {.name = "left", .type = GroupType::kClassic}, .is_whole = true});
  const auto expired = [&](int64_t now_ms) {
    std::vector<std::string> names;
    const Answer answer = part.query(FindExpiredOffsets{.now_ms = now_ms, .retention_ms = 1'000});
    for (const auto& [group, offset] : answer.expired) names.push_back(group);
    return names;
  };
  EXPECT_TRUE(expired(1'999).empty());
  EXPECT_EQ(expired(2'000), (std::vector<std::string>{"alone"}));
  EXPECT_EQ(expired(6'000), (std::vector<std::string>{"alone", "left"}));
  // What was committed again meanwhile stays.
  part.apply(CommitOffsets{.group = "alone", .offsets = {at("t", 0, 2)}});
  part.apply(
      DeleteOffsets{.group = "alone", .offsets = {at("t", 0, 0)}, .committed_before_ms = 2'000, .removes_empty = true});
  EXPECT_EQ(offset_of(part, "alone", "t", 0), 2);
  part.apply(
      DeleteOffsets{.group = "left", .offsets = {at("t", 0, 0)}, .committed_before_ms = 6'000, .removes_empty = true});
  EXPECT_EQ(part.query(DescribeGroup{.group = "left"}).error, TopicErrc::kUnknownGroup);
}

TEST(GroupPart, ListsInPieces) {
  PartHarness part(make_group_part);
  for (const char* name : {"c", "a", "b"}) part.apply(CommitOffsets{.group = name, .offsets = {at("t", 0, 1)}});
  const Answer first = part.query(ListGroups{.count_max = 2});
  ASSERT_EQ(first.groups.size(), 2U);
  EXPECT_TRUE(first.is_truncated);
  EXPECT_EQ(first.groups[1].head.name, "b");
  const Answer rest = part.query(ListGroups{.after = "b", .count_max = 2});
  ASSERT_EQ(rest.groups.size(), 1U);
  EXPECT_FALSE(rest.is_truncated);
}

TEST(GroupPart, RefusesBodiesThatAreMalformed) {
  PartHarness part(make_group_part);
  Answer answer;
  part.part().apply({}, Code::kCommitOffsets, "\x05zz", &answer);
  EXPECT_EQ(answer.error, TopicErrc::kInvalid);
  part.part().apply({}, Code::kCommitOffsets, "\x05zz", nullptr);
  EXPECT_FALSE(part.part().load("").ok());
  EXPECT_FALSE(part.part().load("\x01\x03xx").ok());
}

// Random histories against the plainest model: what was committed when, per producer.
struct Model {
  std::map<int32_t, std::pair<uint64_t, int64_t>> committed;  // partition: order, offset
  std::map<int64_t, std::map<int32_t, std::pair<uint64_t, int64_t>>> pending;
};

TEST(GroupPart, HoldsAgainstAModel) {
  for (unsigned seed = 0; seed < 50; ++seed) {
    std::mt19937 random(seed);
    PartHarness part(make_group_part);
    Model model;
    for (uint64_t order = 1; order < 300; ++order) {
      const auto partition = static_cast<int32_t>(random() % 4);
      const int64_t producer = random() % 3;
      const int64_t offset = random() % 1'000;
      switch (random() % 5) {
        case 0:
          part.apply(CommitOffsets{"g", {at("t", partition, offset)}});
          model.committed[partition] = {order, offset};
          break;
        case 1:
        case 2:
          part.apply(PendOffsets{"g", producer, 0, {at("t", partition, offset)}});
          model.pending[producer][partition] = {order, offset};
          break;
        case 3: {
          const bool is_commit = random() % 2 == 0;
          part.apply(EndPendingOffsets{"g", producer, 0, is_commit});
          for (const auto& [where, what] : model.pending[producer]) {
            if (is_commit) model.committed[where] = std::max(model.committed[where], what);
          }
          model.pending.erase(producer);
          break;
        }
        default:
          if (random() % 8 == 0) part.reload();
      }
      for (int32_t each = 0; each < 4; ++each) {
        const auto expected =
            model.committed.contains(each) ? std::optional(model.committed[each].second) : std::nullopt;
        ASSERT_EQ(offset_of(part, "g", "t", each), expected) << "seed " << seed << ", step " << order;
      }
    }
  }
}

}  // namespace
}  // namespace keelson::topic
