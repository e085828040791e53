// The simulator itself: virtual time, order, determinism, programs and crashes.
#include "env/sim/sim.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "env/disk.h"
#include "env/network.h"
#include "env/reactor.h"
#include "env/sim/gtest_seeds.h"

namespace keelson::env::sim {
namespace {

TEST(World, TimersFireInOrderAtVirtualTimes) {
  World world(1);
  Node& node = world.add_node();
  Reactor& reactor = node.reactor();
  std::vector<std::pair<int, int64_t>> fired;
  const int64_t start = world.now_ns();
  const auto note = [&](int which) { return [&, which] { fired.emplace_back(which, world.now_ns() - start); }; };
  Timer first(reactor, note(1));
  Timer second(reactor, note(2));
  Timer moved(reactor, note(3));
  Timer dropped(reactor, note(4));
  world.run_on(reactor, [&] {
    second.arm_after(2 * kSecond);
    first.arm_after(kSecond);
    moved.arm_after(kSecond / 2);
    moved.arm_after(3 * kSecond);
    dropped.arm_after(kSecond);
    dropped.disarm();
  });
  EXPECT_TRUE(world.run_until_idle());
  ASSERT_EQ(fired.size(), 3U);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(fired[static_cast<size_t>(i)].first, i + 1);
    EXPECT_GE(fired[static_cast<size_t>(i)].second, (i + 1) * kSecond);
    EXPECT_LT(fired[static_cast<size_t>(i)].second, (i + 1) * kSecond + kMillisecond);
  }
}

TEST(World, PostsKeepCausalOrderBetweenReactors) {
  for_each_seed(1, 50, [](uint64_t seed) {
    SimOptions options;
    options.machine.split_turn_probability = 0.5;
    options.machine.stall_probability = 0.2;
    World world(seed, options);
    Node& node = world.add_node(3);
    std::vector<int> seen;
    // a posts to c, then to b, which posts to c: c sees them in that order.
    for (int i = 0; i < 20; ++i) {
      node.reactor(0).post([&, i] {
        node.reactor(2).post([&, i] { seen.push_back(2 * i); });
        node.reactor(1).post([&, i] { node.reactor(2).post([&, i] { seen.push_back(2 * i + 1); }); });
      });
    }
    EXPECT_TRUE(world.run_until_idle());
    EXPECT_EQ(seen.size(), 40U);
    std::vector<int> even;
    std::vector<int> position(40);
    for (size_t i = 0; i < seen.size(); ++i) position[static_cast<size_t>(seen[i])] = static_cast<int>(i);
    for (size_t i = 0; i < 20; ++i) {
      EXPECT_LT(position[2 * i], position[2 * i + 1]);
      if (i > 0) {
        EXPECT_LT(position[2 * i - 2], position[2 * i]);
        EXPECT_LT(position[2 * i - 1], position[2 * i + 1]);
      }
    }
  });
}

TEST(World, TurnEndRunsAfterEverythingElseOfTheTurn) {
  World world(1);
  Node& node = world.add_node();
  Reactor& reactor = node.reactor();
  std::string order;
  reactor.post([&] {
    reactor.at_turn_end([&] {
      order += 'e';
      reactor.at_turn_end([&] { order += 'f'; });
    });
    order += 'a';
  });
  reactor.post([&] { order += 'b'; });
  world.run_until_idle();
  EXPECT_EQ(order, "abef");
  EXPECT_FALSE(reactor.is_current());
}

Task<int> sleep_and_answer(Reactor& reactor) {
  co_await sleep_for(reactor, 5 * kSecond);
  EXPECT_TRUE(reactor.is_current());
  co_return 42;
}

TEST(World, RunsATaskToItsEnd) {
  World world(1);
  Node& node = world.add_node();
  const int64_t start = world.now_ns();
  EXPECT_EQ(world.run(node.reactor(), sleep_and_answer(node.reactor())), 42);
  EXPECT_GE(world.now_ns() - start, 5 * kSecond);
}

TEST(World, ClocksAndChanceComeFromTheSeed) {
  const auto draw = [](uint64_t seed) {
    World world(seed);
    Node& node = world.add_node(2);
    std::vector<uint64_t> drawn{node.reactor(0).random().next(), node.reactor(1).random().next(),
                                world.random().next()};
    node.crash();
    node.restart();
    drawn.push_back(node.reactor(0).random().next());
    return drawn;
  };
  const std::vector<uint64_t> first = draw(1);
  EXPECT_EQ(first, draw(1));
  EXPECT_NE(first, draw(2));
  EXPECT_NE(first[0], first[1]);
  EXPECT_NE(first[0], first[3]) << "a restarted node does not repeat its chance";

  World world(1);
  Node& node = world.add_node();
  const int64_t wall = node.env().clock().wall_ms();
  world.run_for(3 * kSecond);
  EXPECT_EQ(node.env().clock().wall_ms() - wall, 3000);
  node.jump_wall_clock(-60'000);
  EXPECT_EQ(node.env().clock().wall_ms() - wall, -57'000);
}

// A program that writes, syncs, talks to the other node and sleeps, for a trace with everything in it.
class Chatter final : public Program {
 public:
  Chatter(Env& env, Address listen_at, Address peer, int& talks) : env_(env), peer_(std::move(peer)), talks_(talks) {
    scope_.emplace(env.reactor(0));
    Result<std::unique_ptr<Listener>> listener = env.network().listen(env.reactor(0), listen_at);
    if (!listener.ok()) return;
    listener_ = std::move(*listener);
    env.reactor(0).post([this] {
      scope_->spawn(serve());
      scope_->spawn(talk());
    });
  }

 private:
  Task<void> serve() {
    for (;;) {
      Result<std::unique_ptr<Stream>> stream = co_await listener_->accept(env_.reactor(0));
      if (!stream.ok()) co_return;
      scope_->spawn(echo(std::move(*stream)));
    }
  }
  Task<void> echo(std::unique_ptr<Stream> stream) {
    std::string buffer(300, '\0');
    for (;;) {
      const IoOutcome read = co_await stream->read(buffer);
      if (!read.ok()) co_return;
      if (!(co_await write_down(std::string_view(buffer).substr(0, read.count))).ok()) co_return;
      if (!(co_await stream->write(std::string_view(buffer).substr(0, read.count))).ok()) co_return;
    }
  }
  Task<Status> write_down(std::string_view bytes) {
    if (!file_) {
      if (Status made = env_.disk().make_folder("/data"); !made.ok()) co_return made;
      Result<std::unique_ptr<File>> file = env_.disk().exists("/data/log")
                                               ? env_.disk().open("/data/log", OpenMode::kReadWrite)
                                               : env_.disk().open("/data/log", OpenMode::kCreate);
      if (!file.ok()) co_return forward_error(file);
      file_ = std::move(*file);
    }
    if (Status written = file_->write_at(*file_->size(), bytes); !written.ok()) co_return written;
    co_return co_await file_->sync(env_.reactor(0));
  }
  Task<void> talk() {
    for (;;) {
      Result<std::unique_ptr<Stream>> stream = co_await env_.network().connect(env_.reactor(0), peer_);
      while (stream.ok()) {
        const std::string sent(1 + env_.reactor(0).random().next() % 1000, 't');
        if (!(co_await (*stream)->write(sent)).ok()) break;
        size_t got = 0;
        std::string buffer(1000, '\0');
        while (got < sent.size()) {
          const IoOutcome read = co_await (*stream)->read(buffer);
          if (!read.ok()) break;
          got += read.count;
        }
        if (got < sent.size()) break;
        ++talks_;
        co_await sleep_for(env_.reactor(0), 10 * kMillisecond);
      }
      co_await sleep_for(env_.reactor(0), 100 * kMillisecond);
    }
  }

  Env& env_;
  const Address peer_;
  int& talks_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<File> file_;
  std::optional<TaskScope> scope_;
};

struct Outcome {
  uint64_t hash = 0;
  uint64_t events = 0;
  int talks = 0;
};

SimOptions stormy() {
  SimOptions options;
  options.network.slow_probability = 0.05;
  options.network.break_probability = 0.01;
  options.network.refuse_probability = 0.05;
  options.network.short_transfer_probability = 0.3;
  options.machine.stall_probability = 0.02;
  options.machine.wall_jump_probability = 0.01;
  options.machine.split_turn_probability = 0.2;
  options.disk.slow_sync_probability = 0.05;
  options.disk.write_error_probability = 0.005;
  options.disk.sync_error_probability = 0.005;
  options.disk.full_probability = 0.005;
  options.disk.flip_bit_on_write_probability = 0.01;
  options.disk.flip_bit_at_crash_probability = 0.1;
  return options;
}

Outcome run_chatters(uint64_t seed) {
  World world(seed, stormy());
  Node& a = world.add_node();
  Node& b = world.add_node(2);
  Outcome run;
  a.run_program([&](Env& env) { return std::make_unique<Chatter>(env, a.address(7), b.address(7), run.talks); });
  b.run_program([&](Env& env) { return std::make_unique<Chatter>(env, b.address(7), a.address(7), run.talks); });
  Random& random = world.random();
  for (int round = 0; round < 10; ++round) {
    world.run_for(static_cast<int64_t>(random.next() % kSecond));
    Node& victim = random.next() % 2 == 0 ? a : b;
    switch (random.next() % 4) {
      case 0:
        victim.crash();
        break;
      case 1:
        victim.kill();
        break;
      case 2:
        victim.stop();
        break;
      default:
        world.partition(a, b, random.next() % 2 == 0);
        world.run_for(static_cast<int64_t>(random.next() % (2 * kSecond)));
        world.heal();
        continue;
    }
    world.run_for(static_cast<int64_t>(random.next() % kSecond));
    victim.restart();
  }
  run.hash = world.trace_hash();
  run.events = world.event_count();
  return run;
}

TEST(World, TheSameSeedGivesTheSameRun) {
  for_each_seed(1, 30, [](uint64_t seed) {
    const Outcome first = run_chatters(seed);
    const Outcome again = run_chatters(seed);
    const Outcome other = run_chatters(seed + 1'000'000);
    EXPECT_EQ(first.hash, again.hash);
    EXPECT_EQ(first.events, again.events);
    EXPECT_NE(first.hash, other.hash);
    EXPECT_GT(first.talks, 0);
  });
}

TEST(World, WorldsEndWithEverythingUnderWay) {
  int talks = 0;
  auto world = std::make_unique<World>(7, stormy());
  Node& a = world->add_node();
  Node& b = world->add_node();
  a.run_program([&](Env& env) { return std::make_unique<Chatter>(env, a.address(7), b.address(7), talks); });
  b.run_program([&](Env& env) { return std::make_unique<Chatter>(env, b.address(7), a.address(7), talks); });
  world->run_for(200 * kMillisecond);
  EXPECT_GT(talks, 0);
  world.reset();
}

class Holder final : public Program {
 public:
  Holder(Env& env, std::shared_ptr<int> token, int& boots) : scope_(env.reactor(0)) {
    ++boots;
    env.reactor(0).post([this, &env, token] { scope_.spawn(wait(env, token)); });
    env.reactor(0).post([token] {});
  }

 private:
  static Task<void> wait(Env& env, std::shared_ptr<int> token) { co_await sleep_for(env.reactor(0), 1000 * kSecond); }
  TaskScope scope_;
};

TEST(Node, ACrashDropsTheProgramAndARestartBootsItAgain) {
  World world(1);
  Node& node = world.add_node();
  auto token = std::make_shared<int>(0);
  int boots = 0;
  node.run_program([&](Env& env) { return std::make_unique<Holder>(env, token, boots); });
  EXPECT_GT(token.use_count(), 1);
  node.crash();
  EXPECT_EQ(token.use_count(), 1) << "posts that were never run are dropped";
  EXPECT_FALSE(node.is_up());
  EXPECT_EQ(node.program(), nullptr);
  node.restart();
  world.run_for(kSecond);
  EXPECT_EQ(boots, 2);
  EXPECT_GT(token.use_count(), 1);
  node.kill();
  EXPECT_EQ(token.use_count(), 1) << "suspended coroutines are destroyed";
  node.restart();
  node.stop();
  EXPECT_EQ(token.use_count(), 1);
}

TEST(Node, ObjectsThatATestHoldsOverACrashAreHarmless) {
  World world(1);
  Node& node = world.add_node();
  Env& env = node.env();
  int fired = 0;
  Timer timer(env.reactor(0), [&] { ++fired; });
  world.run_on(env.reactor(0), [&] { timer.arm_after(kSecond); });
  ASSERT_TRUE(env.disk().make_folder("/d").ok());
  Result<std::unique_ptr<File>> file = env.disk().open("/d/f", OpenMode::kCreate);
  Result<std::unique_ptr<Listener>> listener = env.network().listen(env.reactor(0), node.address(9));
  ASSERT_TRUE(file.ok() && listener.ok());
  node.crash();
  node.restart();
  EXPECT_EQ((*file)->write_at(0, "x").error().code(), DiskErrc::kIo);
  EXPECT_TRUE(node.env().network().listen(node.reactor(), node.address(9)).ok()) << "the old listener is gone";
  timer.arm_after(1);
  world.run_for(2 * kSecond);
  EXPECT_EQ(fired, 0);
}

TEST(Seeds, ParseAndChoose) {
  EXPECT_EQ(parse_seeds("17")->first, 17U);
  EXPECT_EQ(parse_seeds("17")->count, 1U);
  EXPECT_EQ(parse_seeds("1000:500")->first, 1000U);
  EXPECT_EQ(parse_seeds("1000:500")->count, 500U);
  for (const char* bad : {"", "x", "1:", ":1", "1:0", "-1", "1:2:3"}) EXPECT_FALSE(parse_seeds(bad)) << bad;
  EXPECT_EQ(choose_seeds({3, 4}, {"program", "--seeds=5:6"}).first, 5U);
  EXPECT_EQ(choose_seeds({3, 4}, {"program", "--seed=9"}).count, 1U);
}

TEST(Seeds, StopsAtTheFirstFailureAndSaysHowToRunItAgain) {
  std::vector<uint64_t> ran;
  testing::internal::CaptureStderr();
  const auto failed = run_seeds({10, 20}, "Suite.Name", [&](uint64_t seed) {
    ran.push_back(seed);
    return seed != 12;
  });
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_EQ(failed, 12U);
  EXPECT_EQ(ran, (std::vector<uint64_t>{10, 11, 12}));
  EXPECT_NE(said.find("KEELSON_SEED=12 "), std::string::npos) << said;
  EXPECT_NE(said.find("--gtest_filter=Suite.Name"), std::string::npos) << said;
}

}  // namespace
}  // namespace keelson::env::sim
