// Task scopes and hand-offs, on a simulated reactor.
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "env/hand_off.h"
#include "env/reactor.h"
#include "env/sim/sim.h"

namespace keelson::env {
namespace {

using sim::kSecond;

struct Fixture {
  sim::World world{1};
  Reactor& reactor = world.add_node().reactor();
};

Task<void> sleep_and_note(Reactor& reactor, int64_t delay_ns, int which, std::vector<int>& done) {
  if (delay_ns > 0) co_await sleep_for(reactor, delay_ns);
  done.push_back(which);
}
Task<void> join_and_note(TaskScope& scope, std::vector<int>& done) {
  co_await scope.join();
  done.push_back(-1);
}

TEST(TaskScope, JoinWaitsForAll) {
  Fixture f;
  std::vector<int> done;
  TaskScope scope(f.reactor);
  TaskScope joiners(f.reactor);
  f.world.run_on(f.reactor, [&] {
    scope.spawn(sleep_and_note(f.reactor, 2 * kSecond, 2, done));
    scope.spawn(sleep_and_note(f.reactor, kSecond, 1, done));
    scope.spawn(sleep_and_note(f.reactor, 0, 0, done));
    EXPECT_EQ(done, std::vector<int>{0}) << "it runs at once, up to its first suspension";
    EXPECT_EQ(scope.count(), 2U);
    joiners.spawn(join_and_note(scope, done));
  });
  f.world.run_until_idle();
  EXPECT_EQ(done, (std::vector<int>{0, 1, 2, -1}));
  EXPECT_EQ(scope.count(), 0U);
  EXPECT_EQ(joiners.count(), 0U);
}

TEST(TaskScope, JoinOfAnEmptyScopeReturnsAtOnce) {
  Fixture f;
  std::vector<int> done;
  TaskScope scope(f.reactor);
  TaskScope joiners(f.reactor);
  f.world.run_on(f.reactor, [&] {
    joiners.spawn(join_and_note(scope, done));
    EXPECT_EQ(done, std::vector<int>{-1});
  });
}

Task<void> hold(Reactor& reactor, std::shared_ptr<int> token) { co_await sleep_for(reactor, 100 * kSecond); }

TEST(TaskScope, DestroyingItDestroysWhatIsLeft) {
  Fixture f;
  auto token = std::make_shared<int>(0);
  std::vector<int> done;
  {
    TaskScope scope(f.reactor);
    f.world.run_on(f.reactor, [&] {
      for (int i = 0; i < 10; ++i) scope.spawn(hold(f.reactor, token));
      scope.spawn(sleep_and_note(f.reactor, 0, 0, done));
    });
    EXPECT_EQ(token.use_count(), 11);
  }
  EXPECT_EQ(token.use_count(), 1);
  f.world.run_until_idle();  // the sweep that was posted finds the scope gone
}

TEST(TaskScope, MayDieBeforeWhoeverJoinsIt) {
  Fixture f;
  std::vector<int> done;
  TaskScope joiners(f.reactor);
  auto scope = std::make_unique<TaskScope>(f.reactor);
  f.world.run_on(f.reactor, [&] {
    scope->spawn(sleep_and_note(f.reactor, kSecond, 1, done));
    joiners.spawn(join_and_note(*scope, done));
  });
  scope.reset();
  f.world.run_until_idle();
  EXPECT_TRUE(done.empty());
}

TEST(TaskScope, FramesOfEndedTasksAreFreedBeforeTheScopeIs) {
  Fixture f;
  auto token = std::make_shared<int>(0);
  struct Once {
    static Task<void> run(std::shared_ptr<int> held) { co_return; }
  };
  TaskScope scope(f.reactor);
  f.world.run_on(f.reactor, [&] { scope.spawn(Once::run(token)); });
  f.world.run_until_idle();
  EXPECT_EQ(token.use_count(), 1);
}

Task<void> wait_for(HandOff<int>& result, std::optional<int>& got) { got = co_await result; }

TEST(HandOff, DeliversOnTheReactorOrDropsTheResult) {
  Fixture f;
  std::optional<int> got;
  HandOff<int> result(f.reactor);
  auto deliver = result.deliverer();
  TaskScope scope(f.reactor);
  f.world.run_on(f.reactor, [&] { scope.spawn(wait_for(result, got)); });
  deliver(5);
  EXPECT_FALSE(got.has_value());
  f.world.run_until_idle();
  EXPECT_EQ(got, 5);

  auto too_late = HandOff<int>(f.reactor).deliverer();
  too_late(6);
  f.world.run_until_idle();
}

}  // namespace
}  // namespace keelson::env
