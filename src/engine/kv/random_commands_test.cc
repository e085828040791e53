// Random commands on one shard and on several at once: the answers must be the same, the states must be the same, and
// the logs, replayed into fresh shards, must lead to the state again. Time passes, so keys expire in between.
//
// A failure prints its seed and the last commands.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/kv/random_commands_test_support.h"
#include "engine/kv/test_support.h"

namespace keelson::kv {
namespace {

std::string joined(const std::vector<std::string>& args) {
  std::string text;
  for (const std::string& arg : args) text += quote(arg) + " ";
  return text;
}

void expect_same_state(TestNode& one, TestNode& many, const std::string& history) {
  ASSERT_EQ(one.digest(), many.digest()) << history << "one shard:\n"
                                         << one.describe() << "several:\n"
                                         << many.describe();
  for (TestNode* node : {&one, &many}) {
    TestNode replica(node->shard_count());
    node->replay_into(replica);
    ASSERT_EQ(node->shard_digests(), replica.shard_digests()) << history;
  }
}

void run_round(uint64_t seed, unsigned shard_count) {
  RandomCommands generator(seed);
  TestNode one(1);
  TestNode many(shard_count);
  std::string history = "seed " + std::to_string(seed) + "\n";
  for (int i = 0; i < 1500; ++i) {
    const int64_t pause_ms = generator.pause_ms();
    one.now_ms += pause_ms;
    many.now_ms += pause_ms;
    std::vector<std::string> args = generator.next();
    if (generator.rarely()) args = {"FLUSHALL"};
    if (generator.rarely()) args = {"SWAPDB", "0", "1"};
    history += joined(args) + "\n";
    if (history.size() > 4000) history.erase(0, history.find('\n', 2000) + 1);
    ASSERT_EQ(one.run(args), many.run(args)) << "seed " << seed << "\n" << history;
    ASSERT_EQ(one.take_events(), many.take_events()) << "seed " << seed << "\n" << history;
    if (i % 100 == 99) expect_same_state(one, many, history);
  }
}

TEST(RandomCommands, AnswerAndReplayTheSameOnAnyNumberOfShards) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    run_round(seed, seed % 2 == 0 ? 16 : 3);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace keelson::kv
