// raft-rs as we use it, over many seeds of faults; and the test of that test: each planted defect is found.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>

#include "env/sim/gtest_seeds.h"
#include "tests/sim/raft_world.h"

namespace keelson::tests {
namespace {

TEST(RaftCore, KeepsItsPromises) {
  RaftCounts all;
  env::sim::for_each_seed(1, 1000, [&](uint64_t seed) {
    RaftWorld world(seed, RaftBug::kNone);
    const auto broken = world.run();
    EXPECT_FALSE(broken) << *broken;
    const RaftCounts& counts = world.counts();
    all.acknowledged += counts.acknowledged;
    all.reads += counts.reads;
    all.elections += counts.elections;
    all.crashes += counts.crashes;
    all.snapshots += counts.snapshots;
    all.changes += counts.changes;
  });
  std::printf("%llu acknowledged, %llu reads, %llu leaders, %llu crashes, %llu snapshots, %llu changes of members\n",
              static_cast<unsigned long long>(all.acknowledged), static_cast<unsigned long long>(all.reads),
              static_cast<unsigned long long>(all.elections), static_cast<unsigned long long>(all.crashes),
              static_cast<unsigned long long>(all.snapshots), static_cast<unsigned long long>(all.changes));
}

// Runs the seeds in a child, since raft-rs ends the process when it meets the impossible: that counts as found too.
void find(RaftBug bug) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    RaftWorld world(seed, bug);
    if (world.run()) std::_Exit(1);
  }
  std::_Exit(0);
}
bool is_found(int status) { return WIFSIGNALED(status) || WEXITSTATUS(status) == 1; }

TEST(RaftCore, AnswersBeforeTheSyncAreFound) { EXPECT_EXIT(find(RaftBug::kAnswersBeforeSync), is_found, ""); }
TEST(RaftCore, AForgottenVoteIsFound) { EXPECT_EXIT(find(RaftBug::kForgetsVote), is_found, ""); }
TEST(RaftCore, AReadWithoutReadIndexIsFound) { EXPECT_EXIT(find(RaftBug::kReadsLocally), is_found, ""); }
TEST(RaftCore, RaftRs557IsFoundWithoutTheGuard) { EXPECT_EXIT(find(RaftBug::kUnguarded), is_found, ""); }

}  // namespace
}  // namespace keelson::tests
