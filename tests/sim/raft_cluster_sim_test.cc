// Whole members of Raft groups over many seeds of faults; and the test of that test: each planted defect is found.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>

#include "base/logging.h"
#include "env/sim/gtest_seeds.h"
#include "tests/sim/raft_cluster.h"

namespace keelson::tests {
namespace {

TEST(RaftMember, KeepsItsPromises) {
  set_log_level(LogLevel::kError);
  RaftTruth all;
  env::sim::for_each_seed(1, 200, [&](uint64_t seed) {
    RaftCluster cluster(seed, {});
    const auto broken = cluster.run();
    EXPECT_FALSE(broken) << *broken;
    const RaftTruth& truth = cluster.truth();
    all.acknowledged += truth.acknowledged;
    all.refused += truth.refused;
    all.lost += truth.lost;
    all.reads += truth.reads;
    all.reads_failed += truth.reads_failed;
    all.holds += truth.holds;
    all.installs += truth.installs;
    all.elections += truth.elections;
    all.checkpoints += truth.checkpoints;
    all.crashes += truth.crashes;
    all.changes += truth.changes;
    all.halts += truth.halts;
    all.slept += truth.slept;
  });
  const auto n = [](uint64_t count) { return static_cast<unsigned long long>(count); };
  std::printf(
      "%llu acknowledged, %llu refused, %llu lost, %llu reads (%llu failed), %llu holds, %llu leaders, %llu crashes, "
      "%llu halts, %llu checkpoints, %llu sent and installed, %llu changes of members, %llu times seen asleep\n",
      n(all.acknowledged), n(all.refused), n(all.lost), n(all.reads), n(all.reads_failed), n(all.holds),
      n(all.elections), n(all.crashes), n(all.halts), n(all.checkpoints), n(all.installs), n(all.changes),
      n(all.slept));
}

// Runs the seeds in a child, since raft-rs ends the process when it meets the impossible: that counts as found too.
void find(bool raft::MemberFaults::* planted) {
  raft::MemberFaults faults;
  faults.*planted = true;
  set_log_level(LogLevel::kError);
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    RaftCluster cluster(seed, faults);
    if (cluster.run()) std::_Exit(1);
  }
  std::_Exit(0);
}
bool is_found(int status) { return WIFSIGNALED(status) || WEXITSTATUS(status) == 1; }

TEST(RaftMember, AnswersBeforeTheSyncAreFound) {
  EXPECT_EXIT(find(&raft::MemberFaults::answers_before_sync), is_found, "");
}
TEST(RaftMember, AForgottenVoteIsFound) { EXPECT_EXIT(find(&raft::MemberFaults::forgets_vote), is_found, ""); }
TEST(RaftMember, AReadWithoutARoundIsFound) {
  EXPECT_EXIT(find(&raft::MemberFaults::reads_without_round), is_found, "");
}
TEST(RaftMember, AQuorumOfOneIsFound) { EXPECT_EXIT(find(&raft::MemberFaults::quorum_of_one), is_found, ""); }
TEST(RaftMember, ARefusalOfWhatCommitsIsFound) {
  EXPECT_EXIT(find(&raft::MemberFaults::refuses_too_early), is_found, "");
}
TEST(RaftMember, AForwardTakenTwiceIsFound) {
  EXPECT_EXIT(find(&raft::MemberFaults::takes_forwarded_twice), is_found, "");
}
TEST(RaftMember, AHoldThatIsNotLevelIsFound) {
  EXPECT_EXIT(find(&raft::MemberFaults::holds_before_level), is_found, "");
}

}  // namespace
}  // namespace keelson::tests
