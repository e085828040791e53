// Calls of every kind over HTTP/2, and what becomes of those that are bad, late, large or left alone.
#include "net/grpc/server.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "env/sim/sim.h"
#include "net/grpc/grpc_test_support.h"
#include "net/http/server.h"

namespace keelson::net::grpc {
namespace {

using env::sim::kSecond;
using env::sim::World;

constexpr size_t kMessageBytesMax = 64 << 10;

struct Seen {
  int cancelled = 0;
  int ended = 0;
};

// Waits until the call is cancelled.
struct Cancelled {
  Call& call;
  bool await_ready() const noexcept { return call.is_cancelled(); }
  void await_suspend(std::coroutine_handle<> waiter) const {
    call.on_cancel = [waiter] { waiter.resume(); };
  }
  void await_resume() const noexcept {}
};

Task<CallStatus> echo(Call& call) {
  call.read_without_timeout();
  std::string_view message;
  while (co_await call.read(message) == Read::kMessage) {
    if (!co_await call.send(message)) co_return CallStatus{};
  }
  co_return call.failure();
}

Task<CallStatus> length(Call& call) {
  std::string_view message;
  if (co_await call.read_only(message) != Read::kMessage) co_return call.failure();
  if (message == "fail") co_return CallStatus{Code::kOutOfRange, "no\nmore", "why"};
  if (message == "fail at length") {
    co_return CallStatus{Code::kOutOfRange, std::string(1 << 20, '\n'), std::string(1 << 20, 'w')};
  }
  (void)co_await call.send(std::to_string(message.size()));
  co_return CallStatus{};
}

Task<CallStatus> many(Call& call) {
  std::string_view message;
  if (co_await call.read_only(message) != Read::kMessage) co_return call.failure();
  for (int i = 0; i < 100; ++i) {
    if (!co_await call.send(std::string(10'000, 'm'))) break;
  }
  co_return CallStatus{Code::kAborted, "enough"};
}

Task<CallStatus> wait(Call& call, Seen& seen) {
  std::string_view message;
  if (co_await call.read_only(message) != Read::kMessage) co_return call.failure();
  co_await Cancelled{call};
  ++seen.cancelled;
  co_return call.cancellation();
}

class GrpcServerTest : public testing::Test {
 protected:
  void set_up(http::ServerOptions options = {}) {
    world_ = std::make_unique<World>(1, env::sim::SimOptions{});
    node_ = &world_->add_node();
    machine_ = &world_->add_node();
    methods_ = std::make_unique<Methods>(kMessageBytesMax);
    methods_->add("/test.Service/Echo", [](Call& call, size_t) { return echo(call); });
    methods_->add("/test.Service/Length", [](Call& call, size_t) { return length(call); });
    methods_->add("/test.Service/Many", [](Call& call, size_t) { return many(call); });
    methods_->add("/test.Other/Wait", [this](Call& call, size_t) { return wait(call, seen_); });
    server_ = std::make_unique<http::Server>(node_->env().network(), node_->reactor(), options,
                                             [this](http::Exchange& exchange) { return methods_->handle(exchange); });
    world_->run_on(node_->reactor(), [&] { ASSERT_TRUE(server_->listen(node_->address(0), nullptr).ok()); });
    auto stream = world_->run(machine_->reactor(),
                              machine_->env().network().connect(machine_->reactor(), server_->addresses().front()));
    ASSERT_TRUE(stream.ok());
    client_ = std::make_unique<TestClient>(std::move(*stream));
  }
  void TearDown() override {
    world_->run_on(machine_->reactor(), [&] { client_.reset(); });
    world_->run_on(node_->reactor(), [&] { server_.reset(); });
    world_.reset();
  }
  bool run_until(std::function<bool()> done, int64_t within_ns = 600 * kSecond) {
    return world_->run(machine_->reactor(), client_->run_until(std::move(done)), within_ns);
  }
  TestReply& finish(uint32_t id) {
    EXPECT_TRUE(run_until([&] { return client_->reply(id).is_over(); }));
    return client_->reply(id);
  }
  TestReply& call(std::string_view path, std::string_view message, const TestClient::Lines& more = {}) {
    const uint32_t id = client_->open(path, more);
    client_->send(id, message, true);
    return finish(id);
  }

  Seen seen_;
  std::unique_ptr<World> world_;
  env::sim::Node* node_ = nullptr;
  env::sim::Node* machine_ = nullptr;
  std::unique_ptr<Methods> methods_;
  std::unique_ptr<http::Server> server_;
  std::unique_ptr<TestClient> client_;
};

TEST_F(GrpcServerTest, OneMessageEachWay) {
  set_up();
  const TestReply& reply = call("/test.Service/Length", "12345");
  EXPECT_EQ(reply.field(":status"), "200");
  EXPECT_EQ(reply.field("content-type"), "application/grpc");
  EXPECT_EQ(reply.messages, std::vector<std::string>{"5"});
  EXPECT_EQ(reply.field("grpc-status"), "0");
  EXPECT_EQ(reply.field("grpc-message"), "(none)");
  EXPECT_EQ(call("/test.Service/Length", "", {{"content-type", "application/grpc+proto"}}).messages.front(), "0");
}

TEST_F(GrpcServerTest, ErrorsComeInTheHeadAlone) {
  set_up();
  const TestReply& reply = call("/test.Service/Length", "fail");
  EXPECT_EQ(reply.field(":status"), "200");
  EXPECT_EQ(reply.field("grpc-status"), "11");
  EXPECT_EQ(reply.field("grpc-message"), "no%0Amore");
  EXPECT_EQ(reply.field("grpc-status-details-bin"), "d2h5");
  EXPECT_TRUE(reply.messages.empty());
  // A trailer that is too large would hide the status.
  const TestReply& long_reply = call("/test.Service/Length", "fail at length");
  EXPECT_EQ(long_reply.field("grpc-status"), "11");
  EXPECT_EQ(long_reply.field("grpc-message").size(), kMessageFieldBytesMax);
  EXPECT_EQ(long_reply.field("grpc-status-details-bin"), "(none)");
  EXPECT_EQ(call("/test.Service/Nothing", "").field("grpc-message"), "unknown method Nothing for service test.Service");
  EXPECT_EQ(call("/test.Servic/Length", "").field("grpc-message"), "unknown service test.Servic");
  EXPECT_EQ(call("/nothing", "").field("grpc-status"), "12");
  EXPECT_EQ(call("/test.Service/Length", "", {{"grpc-timeout", "soon"}}).field("grpc-status"), "13");
  const TestReply& zipped = call("/test.Service/Length", "", {{"grpc-encoding", "gzip"}});
  EXPECT_EQ(zipped.field("grpc-status"), "12");
  EXPECT_EQ(zipped.field("grpc-accept-encoding"), "identity");
}

TEST_F(GrpcServerTest, BadMessagesEndTheirCallAlone) {
  set_up();
  const uint32_t none = client_->open("/test.Service/Length");
  client_->finish(none);
  EXPECT_EQ(finish(none).field("grpc-status"), "13");
  const uint32_t cut = client_->open("/test.Service/Length");
  client_->send_raw(cut, std::string_view("\0\0\0\0\5abc", 8), true);
  EXPECT_EQ(finish(cut).field("grpc-status"), "13");
  const uint32_t zipped = client_->open("/test.Service/Echo");
  client_->send_raw(zipped, std::string_view("\1\0\0\0\1a", 6), true);
  EXPECT_EQ(finish(zipped).field("grpc-status"), "13");
  const TestReply& large = call("/test.Service/Length", std::string(kMessageBytesMax + 1, 'x'));
  EXPECT_EQ(large.field("grpc-status"), "8");
  EXPECT_EQ(large.field("grpc-message"), "grpc: received message larger than max (65537 vs. 65536)");
  EXPECT_EQ(call("/test.Service/Length", std::string(kMessageBytesMax, 'x')).messages.front(), "65536");
}

TEST_F(GrpcServerTest, BothWaysAtOnce) {
  set_up();
  const uint32_t first = client_->open("/test.Service/Echo");
  const uint32_t second = client_->open("/test.Service/Echo");
  client_->send(first, "a");
  client_->send(second, "b");
  ASSERT_TRUE(run_until(
      [&] { return client_->reply(first).messages.size() == 1 && client_->reply(second).messages.size() == 1; }));
  client_->send(first, "c");
  client_->finish(first);
  EXPECT_EQ(finish(first).messages, (std::vector<std::string>{"a", "c"}));
  EXPECT_EQ(client_->reply(first).field("grpc-status"), "0");
  EXPECT_FALSE(client_->reply(second).is_over());
}

TEST_F(GrpcServerTest, AnErrorBehindMessages) {
  set_up();
  const TestReply& reply = call("/test.Service/Many", "");
  EXPECT_EQ(reply.messages.size(), 100U);
  EXPECT_EQ(reply.field("grpc-status"), "10");
  EXPECT_EQ(reply.field("grpc-message"), "enough");
}

TEST_F(GrpcServerTest, ASilentStreamLivesForDaysAndAVanishedClientDoesNot) {
  set_up({.http2 = {.ping_after_ms = 60'000, .ping_timeout_ms = 20'000}, .idle_timeout_ms = 0});
  const uint32_t id = client_->open("/test.Service/Echo");
  client_->send(id, "a");
  ASSERT_TRUE(run_until([&] { return client_->reply(id).messages.size() == 1; }));
  ASSERT_TRUE(run_until([&] { return client_->pings_asked() == 2880; }, 4 * 24 * 3600 * kSecond));
  EXPECT_GE(world_->now_ns(), int64_t{2} * 24 * 3600 * kSecond);
  client_->send(id, "b");
  ASSERT_TRUE(run_until([&] { return client_->reply(id).messages.size() == 2; }));
  EXPECT_EQ(server_->connection_count(), 1U);
  client_->answers_pings = false;
  EXPECT_FALSE(run_until([] { return false; }));
  EXPECT_EQ(server_->counts().requests_active, 0U);
}

TEST_F(GrpcServerTest, ADeadlineAndAResetCancel) {
  set_up();
  EXPECT_EQ(call("/test.Other/Wait", "", {{"grpc-timeout", "5S"}}).field("grpc-status"), "4");
  EXPECT_EQ(seen_.cancelled, 1);
  const uint32_t left = client_->open("/test.Other/Wait");
  client_->send(left, "", true);
  client_->ping();
  ASSERT_TRUE(run_until([&] { return client_->pings_answered() == 1; }));
  EXPECT_EQ(seen_.cancelled, 1);
  client_->reset(left);
  client_->ping();
  ASSERT_TRUE(run_until([&] { return client_->pings_answered() == 2; }));
  EXPECT_EQ(seen_.cancelled, 2);
}

TEST_F(GrpcServerTest, PingsBehindAnswersAreNoFlood) {
  set_up();
  for (int i = 0; i < 3000; ++i) {
    client_->ping();
    ASSERT_EQ(call("/test.Service/Length", "1").messages.size(), 1U);
  }
  EXPECT_FALSE(client_->has_goaway());
  for (int i = 0; i < 3000; ++i) client_->ping();
  (void)run_until([&] { return client_->has_goaway(); });
  EXPECT_TRUE(client_->has_goaway());
}

}  // namespace
}  // namespace keelson::net::grpc
