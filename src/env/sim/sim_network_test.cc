// The simulated network: streams as TCP gives them, and every way in which they fail.
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "env/network.h"
#include "env/sim/gtest_seeds.h"
#include "env/sim/sim.h"

namespace keelson::env::sim {
namespace {

// Two nodes with a connection between them.
struct Pair {
  World world;
  Node& a;
  Node& b;
  std::unique_ptr<Listener> listener;
  std::unique_ptr<Stream> client;  // on a
  std::unique_ptr<Stream> server;  // on b

  explicit Pair(uint64_t seed, SimOptions options = {})
      : world(seed, options), a(world.add_node()), b(world.add_node(2)) {
    listener = std::move(*b.env().network().listen(b.reactor(), b.address(80)));
    TaskScope scope(b.reactor());
    world.run_on(b.reactor(), [&] { scope.spawn(accept_one(*this)); });
    Result<std::unique_ptr<Stream>> connected =
        world.run(a.reactor(), a.env().network().connect(a.reactor(), b.address(80)));
    EXPECT_TRUE(connected.ok());
    client = std::move(*connected);
    EXPECT_TRUE(world.run_until([&] { return server != nullptr; }));
  }
  static Task<void> accept_one(Pair& pair) {
    Result<std::unique_ptr<Stream>> stream = co_await pair.listener->accept(pair.b.reactor(1));
    EXPECT_TRUE(stream.ok());
    pair.server = std::move(*stream);
  }
};

Task<IoOutcome> read_some(Stream& stream, std::string& into) {
  std::string buffer(1000, '\0');
  const IoOutcome outcome = co_await stream.read(buffer);
  into.append(buffer, 0, outcome.count);
  co_return outcome;
}

Task<IoOutcome> read_until_error(Stream& stream, std::string& into) {
  for (;;) {
    const IoOutcome outcome = co_await read_some(stream, into);
    if (!outcome.ok()) co_return outcome;
  }
}
Task<IoOutcome> write_all(Stream& stream, std::string bytes) { co_return co_await stream.write(bytes); }
Task<void> keep(Task<IoOutcome> task, std::optional<IoOutcome>& outcome) { outcome = co_await std::move(task); }

std::string pattern(size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 7 + i / 251);
  return bytes;
}

TEST(SimNetwork, BytesArriveInOrderAndThenTheEnd) {
  for_each_seed(1, 50, [](uint64_t seed) {
    SimOptions options;
    options.network.short_transfer_probability = 0.3;
    options.network.slow_probability = 0.1;
    options.network.socket_buffer_bytes = 5000;
    Pair p(seed, options);
    const std::string sent = pattern(50'000);
    TaskScope scope(p.a.reactor());
    std::optional<IoOutcome> written;
    p.world.run_on(p.a.reactor(), [&] { scope.spawn(keep(write_all(*p.client, sent), written)); });
    p.world.run_for(10 * kSecond);
    EXPECT_FALSE(written.has_value()) << "the peer reads nothing, so the writer waits";
    std::string got;
    TaskScope readers(p.b.reactor(1));
    std::optional<IoOutcome> ended;
    p.world.run_on(p.b.reactor(1), [&] { readers.spawn(keep(read_until_error(*p.server, got), ended)); });
    EXPECT_TRUE(p.world.run_until([&] { return written.has_value(); }));
    EXPECT_TRUE(written->ok());
    p.client->shutdown_write();
    EXPECT_TRUE(p.world.run_until([&] { return ended.has_value(); }));
    EXPECT_EQ(ended->error, NetErrc::kEof);
    EXPECT_EQ(got, sent);
    // The other way still works.
    EXPECT_TRUE(p.world.run(p.b.reactor(1), write_all(*p.server, "back")).ok());
    std::string back;
    while (back.size() < 4) EXPECT_TRUE(p.world.run(p.a.reactor(), read_some(*p.client, back)).ok());
    EXPECT_EQ(back, "back");
  });
}

TEST(SimNetwork, TryWriteTakesWhatFits) {
  SimOptions options;
  options.network.socket_buffer_bytes = 100;
  Pair p(1, options);
  EXPECT_EQ(p.client->try_write(pattern(80)).count, 80U);
  EXPECT_EQ(p.client->try_write(pattern(80)).count, 20U);
  EXPECT_EQ(p.client->try_write(pattern(80)).count, 0U);
  std::string got;
  while (got.size() < 100) EXPECT_TRUE(p.world.run(p.b.reactor(1), read_some(*p.server, got)).ok());
  p.world.run_for(kSecond);
  EXPECT_EQ(p.client->try_write(pattern(80)).count, 80U);
}

TEST(SimNetwork, CloseEndsMyReadAndThePeersAfterTheData) {
  Pair p(1);
  std::optional<IoOutcome> outcome;
  std::string nothing;
  TaskScope scope(p.a.reactor());
  p.world.run_on(p.a.reactor(), [&] {
    EXPECT_EQ(p.client->try_write("last words").count, 10U);
    scope.spawn(keep(read_some(*p.client, nothing), outcome));
    p.client->close();
    EXPECT_FALSE(outcome.has_value()) << "in a later turn";
  });
  EXPECT_TRUE(p.world.run_until([&] { return outcome.has_value(); }));
  EXPECT_EQ(outcome->error, NetErrc::kClosed);
  std::string got;
  EXPECT_EQ(p.world.run(p.b.reactor(1), read_until_error(*p.server, got)).error, NetErrc::kEof);
  EXPECT_EQ(got, "last words");
  // Nobody reads there any more.
  EXPECT_GT(p.server->try_write("x").count, 0U);
  p.world.run_for(kSecond);
  EXPECT_EQ(p.server->try_write("x").error, NetErrc::kReset);
}

TEST(SimNetwork, ACrashIsSeenAsAReset) {
  for (const bool is_kill : {true, false}) {
    Pair p(1);
    std::optional<IoOutcome> outcome;
    std::string nothing;
    TaskScope scope(p.a.reactor());
    p.world.run_on(p.a.reactor(), [&] { scope.spawn(keep(read_some(*p.client, nothing), outcome)); });
    is_kill ? p.b.kill() : p.b.crash();
    EXPECT_TRUE(p.world.run_until([&] { return outcome.has_value(); }));
    EXPECT_EQ(outcome->error, NetErrc::kReset);
    // A machine without power does not answer; one whose program is gone refuses.
    const auto stream = p.world.run(p.a.reactor(), p.a.env().network().connect(p.a.reactor(), p.b.address(80)));
    EXPECT_EQ(stream.error().code(), is_kill ? NetErrc::kRefused : NetErrc::kTimedOut);
  }
}

TEST(SimNetwork, PartitionsHoldBytesBackUntilTheyHealOrTimeOut) {
  for (const bool heals : {true, false}) {
    Pair p(1);
    p.world.partition(p.a, p.b);
    EXPECT_GT(p.client->try_write("through").count, 0U);
    std::optional<IoOutcome> outcome;
    std::string got;
    TaskScope scope(p.b.reactor(1));
    p.world.run_on(p.b.reactor(1), [&] { scope.spawn(keep(read_some(*p.server, got), outcome)); });
    p.world.run_for(5 * kSecond);
    EXPECT_FALSE(outcome.has_value());
    if (heals) {
      p.world.heal();
      EXPECT_TRUE(p.world.run_until([&] { return outcome.has_value(); }, kSecond));
      EXPECT_EQ(got, "through");
    } else {
      const auto stream = p.world.run(p.a.reactor(), p.a.env().network().connect(p.a.reactor(), p.b.address(80)));
      EXPECT_EQ(stream.error().code(), NetErrc::kTimedOut);
      EXPECT_TRUE(p.world.run_until([&] { return outcome.has_value(); }, 20 * kSecond));
      EXPECT_EQ(outcome->error, NetErrc::kTimedOut);
      EXPECT_EQ(p.client->try_write("x").error, NetErrc::kTimedOut);
    }
  }
}

TEST(SimNetwork, ConnectionsBreakWithTheirProbability) {
  SimOptions options;
  options.network.break_probability = 1;
  Pair p(1, options);
  (void)p.client->try_write("x");
  std::string got;
  EXPECT_EQ(p.world.run(p.b.reactor(1), read_some(*p.server, got)).error, NetErrc::kReset);
  EXPECT_EQ(p.world.run(p.a.reactor(), read_some(*p.client, got)).error, NetErrc::kReset);
  p.world.options().network.refuse_probability = 1;
  const auto refused = p.world.run(p.a.reactor(), p.a.env().network().connect(p.a.reactor(), p.b.address(80)));
  EXPECT_EQ(refused.error().code(), NetErrc::kRefused);
}

TEST(SimNetwork, LoopbackIsReachedFromTheSameNodeAlone) {
  World world(1);
  Node& a = world.add_node();
  Node& b = world.add_node();
  Result<std::unique_ptr<Listener>> listener = a.env().network().listen(a.reactor(), *Address::parse("127.0.0.1:0"));
  ASSERT_TRUE(listener.ok());
  const uint16_t port = (*listener)->local().port;
  ASSERT_NE(port, 0);
  const auto connect = [&](Node& from, const Address& to) {
    return world.run(from.reactor(), from.env().network().connect(from.reactor(), to));
  };
  EXPECT_TRUE(connect(a, (*listener)->local()).ok());
  EXPECT_EQ(connect(b, (*listener)->local()).error().code(), NetErrc::kRefused);
  EXPECT_EQ(connect(b, a.address(port)).error().code(), NetErrc::kRefused);
  EXPECT_EQ(a.env().network().listen(a.reactor(), (*listener)->local()).error().code(), NetErrc::kAddressInUse);
  EXPECT_FALSE(a.env().network().listen(a.reactor(), b.address(1)).ok());
  const Address unix_address = *Address::parse("unix:/run/socket");
  Result<std::unique_ptr<Listener>> local = a.env().network().listen(a.reactor(), unix_address);
  ASSERT_TRUE(local.ok());
  EXPECT_TRUE(connect(a, unix_address).ok());
  EXPECT_FALSE(connect(b, unix_address).ok());
  listener->reset();
  EXPECT_TRUE(a.env().network().listen(a.reactor(), a.address(port)).ok());
}

TEST(SimNetwork, StreamsMayDieBeforeThoseWhoWaitOnThem) {
  Pair p(1);
  std::optional<IoOutcome> outcome;
  std::string nothing;
  TaskScope scope(p.a.reactor());
  p.world.run_on(p.a.reactor(), [&] { scope.spawn(keep(read_some(*p.client, nothing), outcome)); });
  p.client.reset();
  p.world.run_for(kSecond);
  EXPECT_FALSE(outcome.has_value());
  EXPECT_EQ(p.world.run(p.b.reactor(1), read_some(*p.server, nothing)).error, NetErrc::kEof);
}

}  // namespace
}  // namespace keelson::env::sim
