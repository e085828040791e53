// A node that was away gets the state of a topic shard as a checkpoint and its segments, while topics are written to,
// trimmed, compacted and deleted: afterwards every node has the same, byte for byte, and all that was acknowledged.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/logging.h"
#include "engine/topic/batch_builder.h"
#include "engine/topic/record_reader.h"
#include "env/sim/chance.h"
#include "env/sim/gtest_seeds.h"
#include "env/sim/sim.h"
#include "tests/sim/transfer_node.h"

namespace keelson::sim_test {
namespace {

using env::sim::kMillisecond;
using env::sim::kSecond;
using topic::PartitionId;
using topic::TopicId;

TopicId topic_id(uint8_t number) {
  TopicId id;
  id.bytes[0] = 0xcd;
  id.bytes[15] = number;
  return id;
}
const TopicId kPlain = topic_id(1);
const TopicId kCompacted = topic_id(2);
constexpr int32_t kPartitions = 3;

struct Written {
  PartitionId to;
  std::string key;
  std::string value;
  TopicCall* call = nullptr;
};
struct Record {
  std::string key;
  std::string value;
  bool operator==(const Record&) const = default;
};
using Records = std::map<int64_t, Record>;

class TransferRun {
 public:
  TransferRun(uint64_t seed, env::sim::SimOptions options) : world(seed, std::move(options)), chance(seed) {
    for (unsigned i = 0; i < 3; ++i) world.add_node();
    for (unsigned i = 0; i < 3; ++i) {
      world.node(i).run_program(
          [this, i](env::Env& env) { return std::make_unique<TransferNode>(env, i, peer_addresses(3), counts); });
    }
  }

  TransferNode& node(unsigned i) { return static_cast<TransferNode&>(*world.node(i).program()); }
  [[nodiscard]] bool is_up(unsigned i) { return world.node(i).is_up() && node(i).is_serving(); }
  void crash(unsigned i) {
    if (world.node(i).is_up()) world.node(i).crash();
  }
  void restart(unsigned i) {
    if (!world.node(i).is_up()) world.node(i).restart();
  }
  int leader() {
    for (unsigned i = 0; i < 3; ++i) {
      if (is_up(i) && node(i).leads()) return static_cast<int>(i);
    }
    return -1;
  }
  bool wait_for_leader() {
    return world.run_until([&] { return leader() >= 0; }, 60 * kSecond);
  }

  template <class Body>
  TopicCall& submit(unsigned at, const Body& body, std::string payload = {}, bool writes = true) {
    calls_.push_back(std::make_unique<TopicCall>(body, std::move(payload), writes));
    TopicCall& call = *calls_.back();
    world.run_on(world.node(at).reactor(), [&] { node(at).submit(call); });
    return call;
  }
  bool wait(TopicCall& call) {
    return world.run_until([&] { return call.outcome.has_value(); }, 60 * kSecond);
  }
  void create(TopicId id, const std::string& name, topic::Pairs configs) {
    TopicCall& call = submit(
        static_cast<unsigned>(leader()),
        topic::CreateTopic{.id = id, .name = name, .partition_count = kPartitions, .configs = std::move(configs)});
    ASSERT_TRUE(wait(call) && call.ok()) << call.got.reason;
  }
  void create_all() {
    create(kPlain, "plain", {{"segment.bytes", "3000"}});
    create(kCompacted, "compacted",
           {{"segment.bytes", "700"}, {"cleanup.policy", "compact"}, {"min.cleanable.dirty.ratio", "0"}});
  }
  TopicCall& append(unsigned at, PartitionId to) {
    Written& one = written.emplace_back();
    one.to = to;
    one.key = "key" + std::to_string(chance.below(5));
    one.value = std::to_string(written.size()) + "-" + std::string(chance.below(400), 'v');
    topic::BatchBuilder builder;
    builder.add(world.now_ns() / kMillisecond, one.key, one.value);
    one.call = &submit(at, topic::Append{.to = to}, builder.finish());
    return *one.call;
  }
  PartitionId any_partition() {
    return {chance.below(2) == 0 ? kPlain : kCompacted, static_cast<int32_t>(chance.below(kPartitions))};
  }
  // Waits for each, so that all are there.
  void write(unsigned at, int count) {
    for (int i = 0; i < count; ++i) {
      TopicCall& call = append(at, any_partition());
      ASSERT_TRUE(wait(call));
    }
  }
  void checkpoint(unsigned at) {
    const Status done = world.run(world.node(at).reactor(), node(at).runtime().checkpoint_all(true));
    EXPECT_TRUE(done.ok()) << done.error().message();
  }

  // One thing, through one node; and another one that has a hard time.
  void step(unsigned at, unsigned victim) {
    switch (chance.below(12)) {
      case 0:
        crash(victim);
        break;
      case 1:
      case 2:
        restart(victim);
        // Soon again, maybe in the midst of what it gets.
        if (chance.happens(0.5)) {
          world.after(static_cast<int64_t>(chance.below(150'000)) * env::sim::kMicrosecond,
                      [this, victim] { crash(victim); });
        }
        break;
      case 3:
        world.run_on(world.node(at).reactor(), [&] { node(at).checkpoint(); });
        break;
      case 4: {
        const PartitionId of = any_partition();
        const TopicCall& asked = submit(at, topic::DescribePartition{of}, {}, false);
        const int64_t end = asked.got.partition.high_watermark;
        const int64_t start = asked.got.partition.log_start;
        if (end > start) {
          const auto by = static_cast<int64_t>(chance.below(static_cast<uint64_t>(end - start)));
          submit(at, topic::TrimPartition{.at = of, .start = start + by / 2});
        }
        break;
      }
      case 5: {
        const TopicId id = topic_id(doomed_);
        submit(at, topic::CreateTopic{.id = id, .name = "doomed" + std::to_string(doomed_)});
        ++doomed_;
        for (int i = 0; i < 5; ++i) append(at, {id, 0});
        if (doomed_ > 12) submit(at, topic::DeleteTopic{.id = topic_id(doomed_ - 2)});
        break;
      }
      case 6:
        if (world.node(victim).is_up()) world.node(victim).disk().set_full(chance.happens(0.5));
        break;
      default:
        for (uint64_t i = chance.below(15); i > 0; --i) append(at, any_partition());
    }
  }

  // All nodes come to hold the same state.
  bool settle() {
    world.run_for(kSecond);  // the last crash
    for (unsigned i = 0; i < 3; ++i) restart(i);
    if (!wait_for_leader()) return false;
    for (int tries = 0;; ++tries) {
      TopicCall& last = append(static_cast<unsigned>(std::max(leader(), 0)), {kPlain, 0});
      if (wait(last) && last.ok()) break;
      if (tries == 50) return false;
      world.run_for(200 * kMillisecond);
    }
    return world.run_until(
        [&] {
          for (unsigned i = 0; i < 3; ++i) {
            if (is_up(i) && !node(i).failure().empty()) {
              crash(i);
              restart(i);
            }
            if (!is_up(i) || node(i).applied() == 0 || node(i).applied() != node(0).applied()) return false;
          }
          return true;
        },
        120 * kSecond);
  }
  Records records(const std::string& bytes) {
    Records all;
    std::string_view rest = bytes;
    topic::RecordReader reader;
    topic::Record record;
    for (; !rest.empty(); rest.remove_prefix(topic::BatchView(rest).size_bytes())) {
      EXPECT_EQ(topic::BatchView(rest).crc(), topic::BatchView(rest).computed_crc());
      EXPECT_EQ(reader.begin(rest), topic::BatchErrc::kOk);
      while (reader.next(record)) {
        all[record.offset] = {std::string(record.key.value_or("")), std::string(record.value.value_or(""))};
      }
    }
    return all;
  }
  std::optional<std::string> read(unsigned at, PartitionId from, int64_t offset) {
    std::string why;
    auto all = world.run(world.node(at).reactor(), node(at).read_all(from, offset, why));
    EXPECT_TRUE(all) << "node " << at << ", partition " << from.partition << ": " << why;
    return all;
  }
  void check_partition(PartitionId of) {
    const bool is_compacted = of.topic == kCompacted;
    std::vector<topic::PartitionInfo> infos;
    std::vector<std::string> bytes;
    std::vector<Records> all;
    for (unsigned i = 0; i < 3; ++i) {
      infos.push_back(submit(i, topic::DescribePartition{of}, {}, false).got.partition);
      auto got = read(i, of, infos[i].log_start);
      if (!got) return;
      bytes.push_back(std::move(*got));
      all.push_back(records(bytes[i]));
    }
    for (unsigned i = 1; i < 3; ++i) {
      EXPECT_EQ(infos[i].log_start, infos[0].log_start);
      EXPECT_EQ(infos[i].high_watermark, infos[0].high_watermark);
      if (!is_compacted) EXPECT_TRUE(bytes[i] == bytes[0]) << "node " << i << " has other bytes";
    }
    for (unsigned i = 0; i < 3; ++i) {
      std::map<std::string, int64_t> last;
      for (const auto& [offset, record] : all[i]) last[record.key] = offset;
      for (const Written& one : written) {
        if (one.to != of || !one.call->ok() || one.call->got.append.base_offset < infos[0].log_start) continue;
        const int64_t offset = one.call->got.append.base_offset;
        const bool must_be_there = !is_compacted || last[one.key] == offset;
        if (is_compacted) EXPECT_GE(last[one.key], offset) << "node " << i;
        if (must_be_there) EXPECT_EQ(all[i][offset], (Record{one.key, one.value})) << "node " << i << " at " << offset;
      }
    }
  }
  void check() {
    ASSERT_TRUE(settle()) << tell();
    for (int32_t partition = 0; partition < kPartitions; ++partition) {
      check_partition({kPlain, partition});
      check_partition({kCompacted, partition});
    }
    for (unsigned i = 0; i < 3; ++i) {
      world.run_until([&] { return node(i).leftovers().empty(); }, 20 * kSecond);
      EXPECT_EQ(node(i).leftovers(), std::vector<std::string>()) << "on node " << i;
    }
  }
  std::string tell() {
    std::string text = "leader " + std::to_string(leader());
    for (unsigned i = 0; i < 3; ++i) {
      text += ", node " + std::to_string(i) + (is_up(i) ? " applied " + std::to_string(node(i).applied()) : " down") +
              (is_up(i) ? " " + node(i).failure() : "");
    }
    return text;
  }
  uint64_t bytes_sent(unsigned at) {
    uint64_t bytes = 0;
    for (const auto& figures : world.run(world.node(at).reactor(), node(at).peers().mesh().figures())) {
      bytes += figures.bytes_sent;
    }
    return bytes;
  }

  TransferNode::Counts counts;
  env::sim::World world;
  env::sim::Chance chance;
  std::vector<Written> written;

 private:
  uint8_t doomed_ = 10;
  std::vector<std::unique_ptr<TopicCall>> calls_;
};

TEST(Transfer, ANodeThatWasAwayGetsSegmentsToo) {
  set_log_level(LogLevel::kError);
  TransferRun run(1, {});
  ASSERT_TRUE(run.wait_for_leader());
  ASSERT_NO_FATAL_FAILURE(run.create_all());
  run.write(0, 40);
  ASSERT_TRUE(run.settle());
  run.crash(2);
  ASSERT_TRUE(run.wait_for_leader());
  run.write(0, 300);
  run.checkpoint(0);
  run.checkpoint(1);
  run.write(1, 5);
  run.restart(2);
  run.check();
  EXPECT_EQ(run.counts.replaced, 1U);
  // What it has by now is not sent again.
  run.crash(2);
  ASSERT_TRUE(run.wait_for_leader());
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(run.wait(run.append(0, {kPlain, 1})));
  run.checkpoint(0);
  run.checkpoint(1);
  const uint64_t before = run.bytes_sent(0) + run.bytes_sent(1);
  run.restart(2);
  ASSERT_TRUE(run.settle());
  EXPECT_EQ(run.counts.replaced, 2U);
  EXPECT_LT(run.bytes_sent(0) + run.bytes_sent(1) - before, 60'000U);
  run.check();
}

// Again and again, at any point from when the first of it arrives.
TEST(Transfer, SurvivesACrashInTheMidstOfAnInstallation) {
  set_log_level(LogLevel::kError);
  uint64_t replaced = 0;
  uint64_t crashes = 0;
  env::sim::for_each_seed(1, 150, [&](uint64_t seed) {
    TransferRun run(seed, {});
    ASSERT_TRUE(run.wait_for_leader());
    ASSERT_NO_FATAL_FAILURE(run.create_all());
    run.crash(2);
    for (uint64_t rounds = 1 + run.chance.below(3); rounds > 0; --rounds) {
      ASSERT_TRUE(run.wait_for_leader());
      run.write(0, 60);
      run.checkpoint(0);
      run.checkpoint(1);
      run.restart(2);
      const uint64_t before = run.counts.replaced;
      const auto has_some = [&] {
        const auto names = run.world.node(2).env().disk().list("data/incoming");
        return names.ok() && !names->empty();
      };
      ASSERT_TRUE(run.world.run_until(has_some, 20 * kSecond));
      uint64_t events = run.chance.below(600);
      if (run.chance.happens(0.5)) {
        // Right behind the commit point.
        const auto files = [&] {
          const auto names = run.world.node(2).env().disk().list("data/checkpoints");
          return names.ok() ? *names : std::vector<std::string>();
        };
        const std::vector<std::string> own = files();
        ASSERT_TRUE(run.world.run_until(
            [&] {
              const auto now = files();
              return !now.empty() && now != own && !now.back().ends_with(".tmp");
            },
            20 * kSecond));
        events = run.chance.below(10);
      }
      for (; events > 0; --events) run.world.step();
      crashes += run.counts.replaced == before ? 1 : 0;
      run.crash(2);
    }
    run.check();
    replaced += run.counts.replaced;
  });
  std::printf("%llu states replaced, %llu crashes before that\n", static_cast<unsigned long long>(replaced),
              static_cast<unsigned long long>(crashes));
  EXPECT_GT(replaced, 0U);
  EXPECT_GT(crashes, 0U);
}

TEST(Transfer, AReplicaThatLeavesTakesItsFilesWithIt) {
  set_log_level(LogLevel::kError);
  TransferRun run(3, {});
  ASSERT_TRUE(run.wait_for_leader());
  ASSERT_NO_FATAL_FAILURE(run.create_all());
  run.write(0, 100);
  ASSERT_TRUE(run.settle());
  const auto at = static_cast<unsigned>(run.leader());
  const unsigned gone = (at + 1) % 3;
  env::Reactor& here = run.world.node(at).reactor();
  ASSERT_EQ(run.world.run(here, run.node(at).runtime().change_members(
                                    here, 0, {{static_cast<uint8_t>(raft::ChangeType::kRemove), gone + 1}})),
            raft::MemberErrc::kOk);
  run.world.run_for(2 * kSecond);
  env::Reactor& there = run.world.node(gone).reactor();
  const Status removed = run.world.run(there, run.node(gone).runtime().remove_replica(there, 0));
  ASSERT_TRUE(removed.ok()) << removed.error().message();
  const auto left = [&] { return run.world.node(gone).env().disk().list(std::string(TransferNode::kFolder)); };
  EXPECT_TRUE(run.world.run_until([&] { return left()->empty(); }, 20 * kSecond)) << left()->size();
  // The others go on.
  EXPECT_TRUE(run.wait(run.append(at, {kPlain, 0})));
  EXPECT_EQ(run.written.back().call->outcome, log::LogErrc::kOk);
}

// Everything at once, and the node that gets the state crashes in the midst of it.
TEST(Transfer, SurvivesWhateverHappensMeanwhile) {
  set_log_level(LogLevel::kError);
  TransferNode::Counts all;
  uint64_t acknowledged = 0;
  env::sim::for_each_seed(1, 60, [&](uint64_t seed) {
    env::sim::SimOptions options;
    options.disk.slow_sync_probability = seed % 3 == 0 ? 0.1 : 0;
    options.disk.slow_sync_ns_max = 50 * kMillisecond;
    options.network.short_transfer_probability = seed % 2 == 0 ? 0.2 : 0;
    TransferRun run(seed, options);
    ASSERT_TRUE(run.wait_for_leader());
    ASSERT_NO_FATAL_FAILURE(run.create_all());
    unsigned victim = 2;
    for (int step = 0; step < 120; ++step) {
      if (step % 40 == 39) {
        run.restart(victim);
        run.world.node(victim).disk().set_full(false);
        victim = static_cast<unsigned>(run.chance.below(3));
      }
      const unsigned at = (victim + 1 + static_cast<unsigned>(run.chance.below(2))) % 3;
      if (!run.is_up(at)) {
        run.restart(at);
        run.world.run_for(100 * kMillisecond);
        continue;
      }
      if (!run.node(at).failure().empty()) {
        run.crash(at);
        continue;
      }
      run.step(at, victim);
      run.world.run_for(static_cast<int64_t>(run.chance.below(120)) * kMillisecond);
    }
    for (unsigned i = 0; i < 3; ++i) run.world.node(i).disk().set_full(false);
    run.world.options().disk = {};
    run.world.options().network = {};
    run.check();
    for (const Written& one : run.written) acknowledged += one.call->ok() ? 1 : 0;
    all.replaced += run.counts.replaced;
    all.compactions += run.counts.compactions;
    all.files_removed += run.counts.files_removed;
  });
  std::printf("%llu acknowledged, %llu states replaced, %llu compactions, %llu files removed\n",
              static_cast<unsigned long long>(acknowledged), static_cast<unsigned long long>(all.replaced),
              static_cast<unsigned long long>(all.compactions), static_cast<unsigned long long>(all.files_removed));
  EXPECT_GT(all.replaced, 0U);
  EXPECT_GT(all.compactions, 0U);
}

}  // namespace
}  // namespace keelson::sim_test
