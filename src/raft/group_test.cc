#include "raft/group.h"

#include <gtest/gtest.h>

#include <vector>

namespace keelson::raft {
namespace {

// The only voter of its group, and its leader.
class OneVoter {
 public:
  OneVoter() : group_(options(), initial()) {
    EXPECT_EQ(group_.campaign(), KR_OK);
    work();
    EXPECT_EQ(group_.role(), Role::kLeader);
  }

  KrCode change(std::vector<KrChange> changes) {
    const KrCode code = group_.propose_change(changes, {});
    work();
    return code;
  }
  [[nodiscard]] const std::vector<uint64_t>& voters() const { return voters_; }

 private:
  static KrOptions options() {
    KrOptions options{};
    options.id = 1;
    options.election_ticks = 10;
    options.heartbeat_ticks = 2;
    options.message_bytes_max = 1'000;
    options.inflight_messages_max = 4;
    options.uncommitted_bytes_max = 10'000;
    options.committed_bytes_per_ready = 1'000;
    options.is_guarded = true;
    options.seed = 1;
    return options;
  }
  KrInitial initial() {
    KrInitial initial{};
    initial.members.voters = {voters_.data(), voters_.size()};
    return initial;
  }
  void work() {
    KrReady ready;
    while (group_.ready(ready)) {
      uint64_t applied = 0;
      std::vector<std::string> changes;
      for (size_t i = 0; i < ready.committed_count; ++i) {
        applied = ready.committed[i].index;
        if (ready.committed[i].type == static_cast<uint8_t>(EntryType::kChange)) {
          changes.emplace_back(from_raft(ready.committed[i].data));
        }
      }
      const uint64_t number = ready.number;
      group_.stored();
      group_.persisted(number);
      for (const std::string& data : changes) {
        const KrIds voters = group_.apply_change(data).voters;
        voters_.assign(voters.ids, voters.ids + voters.count);
      }
      if (applied != 0) group_.applied(applied);
    }
  }

  std::vector<uint64_t> voters_{1};
  Group group_;
};

KrChange one(ChangeType type, uint64_t id) { return {static_cast<uint8_t>(type), id}; }

// Once it is committed nobody could refuse it any more.
TEST(Group, AChangeThatCannotBeAppliedIsNotProposed) {
  OneVoter group;
  EXPECT_EQ(group.change({one(ChangeType::kRemove, 1)}), KR_BAD_CHANGE);
  EXPECT_EQ(group.change({one(ChangeType::kAddLearner, 1)}), KR_BAD_CHANGE);
  EXPECT_EQ(group.change({one(ChangeType::kRemove, 1), one(ChangeType::kAddLearner, 2)}), KR_BAD_CHANGE);
  EXPECT_EQ(group.change({}), KR_BAD_CHANGE) << "there is no joint state to leave";
  EXPECT_EQ(group.change({one(static_cast<ChangeType>(3), 2)}), KR_BAD_CHANGE);
  EXPECT_EQ(group.voters(), std::vector<uint64_t>{1});

  EXPECT_EQ(group.change({one(ChangeType::kAddLearner, 2)}), KR_OK);
  EXPECT_EQ(group.change({one(ChangeType::kAddLearner, 3)}), KR_OK);
  EXPECT_EQ(group.voters(), std::vector<uint64_t>{1});
}

}  // namespace
}  // namespace keelson::raft
