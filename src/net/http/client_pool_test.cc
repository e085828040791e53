#include "net/http/client_pool.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "env/sim/sim.h"
#include "net/http/server.h"

namespace keelson::net::http {
namespace {

using env::sim::kSecond;
using env::sim::World;

Task<void> answer(Exchange& exchange) {
  if (exchange.request().path() == "/refused") {
    (void)co_await exchange.respond(403, "text/plain", "no");
    co_return;
  }
  if (exchange.request().path() == "/slow") co_await env::sleep_for(exchange.reactor(), 5 * kSecond);
  Result<std::string> body = co_await exchange.read_all(16 << 20);
  if (!body.ok()) co_return;
  if (exchange.request().path() == "/close") exchange.add_field("X", "y");
  (void)co_await exchange.respond(200, "text/plain",
                                  std::string(exchange.request().path()) + " " + std::to_string(body->size()));
}

class ClientPoolTest : public testing::Test {
 protected:
  void set_up(ServerOptions server = {}, ClientPoolOptions options = {}) {
    server.limits.body_bytes_max = 16 << 20;
    server_ = std::make_unique<Server>(node_.env().network(), node_.reactor(), server, answer);
    world_.run_on(node_.reactor(), [&] { ASSERT_TRUE(server_->listen(node_.address(0), nullptr).ok()); });
    options.to = server_->addresses().front();
    world_.run_on(machine_.reactor(),
                  [&] { pool_ = std::make_unique<ClientPool>(machine_.env().network(), machine_.reactor(), options); });
  }
  void TearDown() override {
    world_.run_on(machine_.reactor(), [&] { pool_.reset(); });
    world_.run_on(node_.reactor(), [&] { server_.reset(); });
  }
  static Task<void> fetch(ClientPool& pool, std::string target, std::string& into) {
    Client::Request request;
    request.target = std::move(target);
    request.host = "h";
    Result<ClientPool::Fetched> fetched = co_await pool.fetch(std::move(request), 1000);
    into = fetched.ok() ? fetched->body : "failed: " + fetched.error().message();
  }
  std::string get(std::string target) {
    std::string got;
    world_.run(machine_.reactor(), fetch(*pool_, std::move(target), got), 600 * kSecond);
    return got;
  }
  std::vector<std::string> get_at_once(std::string target, size_t count) {
    std::vector<std::string> got(count);
    env::TaskScope scope(machine_.reactor());
    world_.run_on(machine_.reactor(), [&] {
      for (std::string& into : got) scope.spawn(fetch(*pool_, target, into));
    });
    EXPECT_TRUE(world_.run_until([&] { return scope.count() == 0; }, 600 * kSecond));
    world_.run_for(kSecond / 100);
    return got;
  }

  World world_{1};
  env::sim::Node& node_ = world_.add_node();
  env::sim::Node& machine_ = world_.add_node();
  std::unique_ptr<Server> server_;
  std::unique_ptr<ClientPool> pool_;
};

TEST_F(ClientPoolTest, KeepsConnections) {
  set_up();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(get("/x"), "/x 0");
  EXPECT_EQ(server_->counts().connections_accepted, 1u);
  EXPECT_EQ(pool_->idle_count(), 1u);
  world_.run_for(60 * kSecond);
  EXPECT_EQ(pool_->open_count(), 0u);  // nobody needed it
}

TEST_F(ClientPoolTest, OpensNoMoreThanItsLimit) {
  set_up({}, {.to = {}, .connections_max = 3, .wait_timeout_ms = 60'000});
  for (const std::string& got : get_at_once("/slow", 9)) EXPECT_EQ(got, "/slow 0");
  EXPECT_EQ(server_->counts().connections_accepted, 3u);
  EXPECT_EQ(pool_->open_count(), 3u);
}

TEST_F(ClientPoolTest, WaitingHasLimits) {
  set_up({}, {.to = {}, .connections_max = 1, .waiting_max = 2, .wait_timeout_ms = 7000});
  size_t good = 0;
  for (const std::string& got : get_at_once("/slow", 5)) good += got == "/slow 0" ? 1 : 0;
  EXPECT_EQ(good, 2u);  // one at 5 s, one at 10 s; one has waited 7 s, two were too many
}

TEST_F(ClientPoolTest, AConnectionThatTheServerHasClosedIsReplaced) {
  set_up({.idle_timeout_ms = 1000});
  EXPECT_EQ(get("/x"), "/x 0");
  world_.run_for(5 * kSecond);
  EXPECT_EQ(get("/x"), "/x 0");
  EXPECT_EQ(server_->counts().connections_accepted, 2u);
}

TEST_F(ClientPoolTest, ConnectingHasATimeout) {
  set_up({}, {.to = {}, .connect_timeout_ms = 2000});
  world_.partition(node_, machine_);
  const int64_t began = world_.now_ns();
  EXPECT_TRUE(get("/x").starts_with("failed: http: cannot connect to"));
  EXPECT_LT(world_.now_ns() - began, 3 * kSecond);
  EXPECT_EQ(pool_->open_count(), 0u);
}

Task<std::string> upload(ClientPool& pool, std::optional<uint64_t> length) {
  Result<ClientPool::Lease> lease = co_await pool.acquire();
  if (!lease.ok()) co_return lease.error().message();
  Client& client = **lease;
  Client::Request request;
  request.method = "PUT";
  request.target = "/up";
  request.host = "h";
  if (Status begun = co_await client.begin(std::move(request), length); !begun.ok()) co_return begun.error().message();
  const std::string piece(100'000, 'x');
  for (int i = 0; i < 50; ++i) {
    if (Status sent = co_await client.send(piece); !sent.ok()) co_return sent.error().message();
  }
  if (Status ended = co_await client.end(); !ended.ok()) co_return ended.error().message();
  Result<Response> head = co_await client.response();
  if (!head.ok()) co_return head.error().message();
  Result<std::string> body = co_await client.read_all(100);
  co_return body.ok() ? *body : body.error().message();
}

TEST_F(ClientPoolTest, StreamsBodies) {
  set_up();
  EXPECT_EQ(world_.run(machine_.reactor(), upload(*pool_, 5'000'000)), "/up 5000000");
  EXPECT_EQ(world_.run(machine_.reactor(), upload(*pool_, std::nullopt)), "/up 5000000");
  EXPECT_EQ(server_->counts().connections_accepted, 1u);
}

// "status bytes-sent" of a request that asks first (RFC 9110 §10.1.1).
Task<std::string> ask_first(ClientPool& pool, std::string target) {
  Result<ClientPool::Lease> lease = co_await pool.acquire();
  if (!lease.ok()) co_return lease.error().message();
  Client& client = **lease;
  Client::Request request;
  request.method = "PUT";
  request.target = std::move(target);
  request.host = "h";
  request.expects_continue = true;
  const std::string body(100'000, 'x');
  if (Status begun = co_await client.begin(std::move(request), body.size()); !begun.ok()) {
    co_return begun.error().message();
  }
  Result<bool> may_go = co_await client.await_continue();
  if (!may_go.ok()) co_return may_go.error().message();
  if (*may_go) {
    if (Status sent = co_await client.send(body); !sent.ok()) co_return sent.error().message();
    if (Status ended = co_await client.end(); !ended.ok()) co_return ended.error().message();
  }
  Result<Response> head = co_await client.response();
  if (!head.ok()) co_return head.error().message();
  Result<std::string> answered = co_await client.read_all(100);
  co_return std::to_string(head->status) + " " + (*may_go ? "sent" : "kept") + " " +
      (answered.ok() ? *answered : answered.error().message());
}

TEST_F(ClientPoolTest, AsksBeforeItSendsABody) {
  set_up();
  EXPECT_EQ(world_.run(machine_.reactor(), ask_first(*pool_, "/up")), "200 sent /up 100000");
  EXPECT_EQ(world_.run(machine_.reactor(), ask_first(*pool_, "/up")), "200 sent /up 100000");
  EXPECT_EQ(server_->counts().connections_accepted, 1u);
  const uint64_t before = server_->counts().bytes_received;
  EXPECT_EQ(world_.run(machine_.reactor(), ask_first(*pool_, "/refused")), "403 kept no");
  EXPECT_LT(server_->counts().bytes_received - before, 1000u);
  EXPECT_EQ(pool_->idle_count(), 0u);  // the server still waits for a body there
}

TEST_F(ClientPoolTest, DoesNotWaitForeverForAContinue) {
  set_up({}, {.to = {}, .client = {.continue_timeout_ms = 500}});
  const int64_t began = world_.now_ns();
  EXPECT_EQ(world_.run(machine_.reactor(), ask_first(*pool_, "/slow")), "200 sent /slow 100000");
  EXPECT_LT(world_.now_ns() - began, 6 * kSecond);
  world_.partition(node_, machine_);
  EXPECT_TRUE(world_.run(machine_.reactor(), ask_first(*pool_, "/up"), 600 * kSecond).starts_with("http: "));
}

TEST_F(ClientPoolTest, LooksNamesUp) {
  set_up();
  ClientPoolOptions options{.to = server_->addresses().front(), .connect_timeout_ms = 1000};
  options.to.host = "nowhere.invalid";
  EXPECT_TRUE(
      world_.run(machine_.reactor(), [](env::Network& network, env::Reactor& on, ClientPoolOptions with) -> Task<bool> {
        ClientPool pool(network, on, std::move(with));
        Result<ClientPool::Lease> lease = co_await pool.acquire();
        co_return !lease.ok() && pool.open_count() == 0;
      }(machine_.env().network(), machine_.reactor(), options)));
}

}  // namespace
}  // namespace keelson::net::http
