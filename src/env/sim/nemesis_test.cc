// What a cluster's nodes can suffer beside crashes: pauses, clocks that run wrong, bad links; and who deals it out.
#include "env/sim/nemesis.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "env/network.h"
#include "env/reactor.h"
#include "env/sim/gtest_seeds.h"

namespace keelson::env::sim {
namespace {

TEST(Machine, PauseKeepsTurnsBackAndLosesNothing) {
  World world(1);
  Node& node = world.add_node(2);
  int ran = 0;
  Timer timer(node.reactor(0), [&] { ++ran; });
  world.run_on(node.reactor(0), [&] { timer.arm_after(kSecond); });
  node.pause();
  EXPECT_TRUE(node.is_paused());
  node.reactor(1).post([&] { ++ran; });
  world.run_for(5 * kSecond);
  EXPECT_EQ(ran, 0);
  node.unpause();
  world.run_for(kMillisecond);
  EXPECT_EQ(ran, 2) << "the timer is late, the post was kept";
  node.pause();
  node.crash();
  EXPECT_FALSE(node.is_paused());
  node.restart();
  node.reactor(1).post([&] { ++ran; });
  world.run_for(kMillisecond);
  EXPECT_EQ(ran, 3);
}

TEST(Machine, ClockDriftsWithItsTimers) {
  for (const int64_t ppm : {-200'000L, -1'000L, 1'000L, 250'000L}) {
    World world(1);
    Node& fast = world.add_node();
    Node& right = world.add_node();
    const int64_t began_ns = world.now_ns();
    const int64_t wall_ms = fast.env().clock().wall_ms();
    fast.set_clock_drift(ppm);
    int64_t fired_ns = 0;
    Timer timer(fast.reactor(), [&] { fired_ns = world.now_ns() - began_ns; });
    world.run_on(fast.reactor(), [&] { timer.arm_after(10 * kSecond); });
    world.run_for(100 * kSecond);
    const auto expected_ns = static_cast<int64_t>(1e16 / static_cast<double>(1'000'000 + ppm));
    EXPECT_NEAR(static_cast<double>(fired_ns), static_cast<double>(expected_ns), 1e6) << ppm;
    const int64_t passed_ns = world.now_ns() - began_ns;
    EXPECT_EQ(right.env().clock().monotonic_ns(), world.now_ns());
    const double counted_ns = static_cast<double>(passed_ns) * static_cast<double>(1'000'000 + ppm) / 1e6;
    EXPECT_NEAR(static_cast<double>(fast.env().clock().monotonic_ns() - began_ns), counted_ns, 1);
    EXPECT_NEAR(static_cast<double>(fast.env().clock().wall_ms() - wall_ms), counted_ns / 1e6, 1);
  }
}

TEST(Machine, TimerOfAClockThatIsSetRightFiresInTime) {
  World world(1);
  Node& node = world.add_node();
  int64_t fired_ns = 0;
  Timer timer(node.reactor(), [&] { fired_ns = world.now_ns(); });
  node.set_clock_drift(-500'000);
  const int64_t began_ns = world.now_ns();
  world.run_on(node.reactor(), [&] { timer.arm_after(10 * kSecond); });
  world.run_for(4 * kSecond);  // it has counted two
  node.set_clock_drift(0);
  world.run_for(60 * kSecond);
  EXPECT_NEAR(static_cast<double>(fired_ns - began_ns), 12e9, 1e6);
}

TEST(Machine, ScatteredClocksShareNoZero) {
  SimOptions options;
  options.machine.scatter_clocks = true;
  World world(1, options);
  Node& one = world.add_node();
  Node& other = world.add_node();
  const int64_t before_ns = one.env().clock().monotonic_ns();
  EXPECT_NE(before_ns, other.env().clock().monotonic_ns());
  EXPECT_EQ(one.env().clock().wall_ms(), other.env().clock().wall_ms());
  one.crash();
  one.restart();
  EXPECT_NE(one.env().clock().monotonic_ns(), before_ns);
  EXPECT_EQ(one.env().clock().wall_ms(), other.env().clock().wall_ms());
  bool has_fired = false;
  Timer timer(one.reactor(), [&] { has_fired = true; });
  world.run_on(one.reactor(), [&] { timer.arm_after(kSecond); });
  world.run_for(kSecond - kMillisecond);
  EXPECT_FALSE(has_fired);
  world.run_for(2 * kMillisecond);
  EXPECT_TRUE(has_fired);
}

// Sends a counter every few milliseconds, and notes what the others send it.
class Gossip final : public Program {
 public:
  Gossip(Env& env, std::vector<Address> others, std::vector<uint64_t>& heard, uint64_t& sent)
      : env_(env), others_(std::move(others)), heard_(heard), sent_(sent), scope_(env.reactor(0)) {
    env.reactor(0).post([this] {
      Result<std::unique_ptr<Listener>> listener =
          env_.network().listen(env_.reactor(0), {.host = "", .port = 7000, .unix_path = {}});
      ASSERT_TRUE(listener.ok());
      listener_ = std::move(*listener);
      scope_.spawn(serve());
      for (const Address& other : others_) scope_.spawn(talk(other));
    });
  }

 private:
  Task<void> serve() {
    for (;;) {
      Result<std::unique_ptr<Stream>> stream = co_await listener_->accept(env_.reactor(0));
      if (!stream.ok()) co_return;
      scope_.spawn(hear(std::move(*stream)));
    }
  }
  Task<void> hear(std::unique_ptr<Stream> stream) {
    char bytes[64];
    for (;;) {
      const IoOutcome outcome = co_await stream->read(bytes);
      if (!outcome.ok()) co_return;
      for (size_t i = 0; i < outcome.count; ++i) heard_.push_back(static_cast<unsigned char>(bytes[i]));
    }
  }
  Task<void> talk(Address to) {
    for (;;) {
      co_await sleep_for(env_.reactor(0), 20 * kMillisecond);
      Result<std::unique_ptr<Stream>> stream = co_await env_.network().connect(env_.reactor(0), to);
      while (stream.ok()) {
        const char byte = static_cast<char>(++sent_);
        if (!(co_await (*stream)->write({&byte, 1})).ok()) break;
        co_await sleep_for(env_.reactor(0), 20 * kMillisecond);
      }
    }
  }

  Env& env_;
  std::vector<Address> others_;
  std::vector<uint64_t>& heard_;
  uint64_t& sent_;
  std::unique_ptr<Listener> listener_;
  TaskScope scope_;
};

struct GossipWorld {
  explicit GossipWorld(uint64_t seed, unsigned count = 3) : world(seed), heard(count), sent(count) {
    for (unsigned i = 0; i < count; ++i) nodes.push_back(&world.add_node());
    for (unsigned i = 0; i < count; ++i) {
      std::vector<Address> others;
      for (unsigned other = 0; other < count; ++other) {
        if (other != i) others.push_back(nodes[other]->address(7000));
      }
      nodes[i]->run_program(
          [this, i, others](Env& env) { return std::make_unique<Gossip>(env, others, heard[i], sent[i]); });
    }
  }
  World world;
  std::vector<Node*> nodes;
  std::vector<std::vector<uint64_t>> heard;
  std::vector<uint64_t> sent;
};

TEST(Links, PairIsHealedAlone) {
  GossipWorld gossip(1);
  World& world = gossip.world;
  world.run_for(kSecond);
  world.partition(*gossip.nodes[0], *gossip.nodes[1]);
  world.partition(*gossip.nodes[0], *gossip.nodes[2]);
  world.run_for(100 * kMillisecond);
  const size_t before = gossip.heard[0].size();
  world.run_for(kSecond);
  EXPECT_EQ(gossip.heard[0].size(), before);
  world.heal(*gossip.nodes[0], *gossip.nodes[1]);
  EXPECT_FALSE(world.is_cut(*gossip.nodes[0], *gossip.nodes[1]));
  EXPECT_TRUE(world.is_cut(*gossip.nodes[0], *gossip.nodes[2]));
  world.run_for(kSecond);
  EXPECT_NEAR(static_cast<double>(gossip.heard[0].size() - before), 105, 20) << "what was held back, and a second's";
}

TEST(Links, LossIsLatenessInOrder) {
  GossipWorld gossip(1, 2);
  gossip.world.set_link(*gossip.nodes[0], *gossip.nodes[1], {.loss_probability = 0.3});
  gossip.world.run_for(5 * kSecond);
  ASSERT_GT(gossip.heard[1].size(), 100U);
  for (size_t i = 1; i < gossip.heard[1].size(); ++i) {
    EXPECT_EQ(gossip.heard[1][i], (gossip.heard[1][i - 1] + 1) % 256);
  }
}

TEST(Nemesis, EveryFaultIsMendedAndTheSameSeedStrikesTheSame) {
  std::array<uint64_t, static_cast<size_t>(Fault::kCount)> struck{};
  for_each_seed(1, 24, [&](uint64_t seed) {
    const auto life = [&] {
      GossipWorld gossip(seed, 3 + 2 * (seed % 2));
      Nemesis nemesis(gossip.world, gossip.nodes,
                      NemesisOptions::draw(gossip.world.random(), gossip.world.node_count()));
      unsigned downs = 0;
      nemesis.goes_down = [&](Node& node) { downs += node.is_up() ? 1 : 100; };
      nemesis.is_back = [&](Node&) { --downs; };
      nemesis.start();
      gossip.world.run_for(10 * kSecond);
      nemesis.stop();
      EXPECT_EQ(downs, 0U);
      for (size_t i = 0; i < struck.size(); ++i) struck[i] += nemesis.count(static_cast<Fault>(i));
      gossip.world.run_for(6 * kSecond);
      for (auto& heard : gossip.heard) heard.clear();
      gossip.world.run_for(kSecond);
      for (const auto& heard : gossip.heard) EXPECT_GT(heard.size(), 44U * (gossip.nodes.size() - 1));
      return gossip.world.trace_hash();
    };
    EXPECT_EQ(life(), life());
  });
  if (testing::Test::HasFailure() || struck[0] < 5) return;  // one seed alone
  for (size_t i = 0; i < struck.size(); ++i) EXPECT_GT(struck[i], 0U) << name_of(static_cast<Fault>(i));
}

}  // namespace
}  // namespace keelson::env::sim
