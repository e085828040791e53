#include "net/http/server.h"

#include <gtest/gtest.h>

#include "env/sim/gtest_seeds.h"
#include "env/sim/sim.h"
#include "net/http/client.h"
#include "net/http/http1_connection.h"

namespace keelson::net::http {
namespace {

using env::sim::kSecond;
using env::sim::World;

// Answers /echo with the body, /stream with pieces, /slow after a while, and everything else with 404.
Task<void> answer(Exchange& exchange, env::Reactor& reactor) {
  const std::string_view path = exchange.request().path();
  if (path == "/echo") {
    Result<std::string> body = co_await exchange.read_all(1 << 20);
    if (!body.ok()) co_return;
    (void)co_await exchange.respond(200, "text/plain", *body);
  } else if (path == "/stream") {
    bool is_there = co_await exchange.begin(200, "text/plain");
    for (int i = 0; i < 100 && is_there; ++i)
      is_there = co_await exchange.send(std::string(1000, static_cast<char>('a' + i % 26)));
    if (is_there) (void)co_await exchange.end();
  } else if (path == "/broken") {
    (void)co_await exchange.begin(200, "text/plain");
    (void)co_await exchange.send("part");
  } else if (path == "/hold") {
    co_await env::sleep_for(reactor, 5 * kSecond);
    uint64_t total = 0;
    while (true) {
      Result<std::string_view> piece = co_await exchange.read_body();
      if (!piece.ok()) co_return;
      if (piece->empty()) break;
      total += piece->size();
    }
    (void)co_await exchange.respond(200, "text/plain", std::to_string(total));
  } else if (path == "/endless") {
    bool is_there = co_await exchange.begin(200, "text/plain");
    while (is_there) is_there = co_await exchange.send(std::string(100'000, 'x'));
  } else if (path == "/silent") {
    co_return;
  } else if (path == "/slow") {
    co_await env::sleep_for(reactor, 5 * kSecond);
    (void)co_await exchange.respond(200, "text/plain", "at last");
  } else {
    (void)co_await exchange.respond(404, "text/plain", "nothing\n");
  }
}

class HttpServerTest : public testing::Test {
 protected:
  void set_up(uint64_t seed, ServerOptions options = {}, env::sim::SimOptions sim = {}) {
    world_ = std::make_unique<World>(seed, sim);
    node_ = &world_->add_node();
    client_ = &world_->add_node();
    env::Reactor& reactor = node_->reactor();
    server_ = std::make_unique<Server>(node_->env().network(), reactor, options,
                                       [&reactor](Exchange& exchange) { return answer(exchange, reactor); });
    world_->run_on(reactor, [&] { ASSERT_TRUE(server_->listen(node_->address(0), nullptr).ok()); });
  }
  void TearDown() override {
    if (server_ != nullptr) world_->run_on(node_->reactor(), [&] { server_.reset(); });
    world_.reset();
  }

  static Task<std::string> talk(env::Env& env, env::Address to, std::string sends, size_t piece, bool ends) {
    auto stream = co_await env.network().connect(env.reactor(0), to);
    if (!stream.ok()) co_return "no connection";
    for (size_t at = 0; at < sends.size(); at += piece) {
      const env::IoOutcome sent = co_await (*stream)->write(std::string_view(sends).substr(at, piece));
      if (!sent.ok()) break;
    }
    if (ends) (*stream)->shutdown_write();
    std::string got;
    std::string into(1000, '\0');
    while (true) {
      const env::IoOutcome outcome = co_await (*stream)->read(into);
      if (!outcome.ok()) break;
      got.append(into, 0, outcome.count);
    }
    co_return got;
  }
  // Sends the bytes and returns everything until the server closes.
  std::string raw(std::string sends, size_t piece = SIZE_MAX, bool ends = true) {
    return world_->run(
        client_->reactor(),
        talk(client_->env(), server_->addresses().front(), std::move(sends), std::min<size_t>(piece, 1 << 20), ends),
        600 * kSecond);
  }

  static Task<std::string> get(env::Env& env, env::Address to, std::string target, std::string method) {
    auto stream = co_await env.network().connect(env.reactor(0), to);
    if (!stream.ok()) co_return "no connection";
    Client client(std::move(*stream), {.silence_timeout_ms = 20'000});
    Client::Request request;
    request.method = method;
    request.target = target;
    request.host = "h";
    request.body = method == "POST" ? "the body" : "";
    Result<Response> head = co_await client.request(std::move(request));
    if (!head.ok()) co_return head.error().message();
    Result<std::string> body = co_await client.read_all(1 << 20);
    co_return std::to_string(head->status) + " " + (body.ok() ? *body : body.error().message());
  }
  std::string get(std::string target, std::string method = "GET") {
    return world_->run(client_->reactor(),
                       get(client_->env(), server_->addresses().front(), std::move(target), std::move(method)));
  }

  std::unique_ptr<World> world_;
  env::sim::Node* node_ = nullptr;
  env::sim::Node* client_ = nullptr;
  std::unique_ptr<Server> server_;
};

size_t count(const std::string& text, std::string_view what) {
  size_t found = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++found;
  return found;
}

TEST_F(HttpServerTest, AnswersItsClient) {
  env::sim::for_each_seed(1, 10, [&](uint64_t seed) {
    env::sim::SimOptions options;
    options.network.short_transfer_probability = 0.5;
    set_up(seed, {}, options);
    EXPECT_EQ(get("/echo", "POST"), "200 the body");
    EXPECT_EQ(get("/none"), "404 nothing\n");
    EXPECT_EQ(get("/stream").size(), 4u + 100'000u);
    EXPECT_EQ(get("/stream", "HEAD"), "200 ");
    EXPECT_EQ(get("/echo", "HEAD"), "200 ");
    TearDown();
  });
}

TEST_F(HttpServerTest, AnAnswerThatIsCutShortIsNoticed) {
  set_up(1);
  EXPECT_NE(get("/broken").find("ended the connection before its answer was whole"), std::string::npos);
}

TEST_F(HttpServerTest, KeepsAliveAndAnswersInOrder) {
  set_up(1);
  std::string sends;
  for (int i = 0; i < 20; ++i)
    sends += "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n" + std::to_string(10 + i);
  for (size_t piece : {SIZE_MAX, size_t{1}, size_t{7}, size_t{100}}) {
    const std::string got = raw(sends, piece);
    EXPECT_EQ(count(got, "HTTP/1.1 200 OK"), 20u);
    size_t at = 0;
    for (int i = 0; i < 20; ++i) {
      at = got.find("\r\n\r\n" + std::to_string(10 + i), at);
      ASSERT_NE(at, std::string::npos) << i;
    }
  }
  EXPECT_EQ(server_->request_count(), 80u);
}

TEST_F(HttpServerTest, ClosesWhenAskedTo) {
  set_up(1);
  const std::string two = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n";
  const std::string got = raw(two, SIZE_MAX, false);
  EXPECT_EQ(count(got, "HTTP/1.1 404"), 1u);
  EXPECT_NE(got.find("Connection: close\r\n"), std::string::npos);
  EXPECT_EQ(count(raw("GET / HTTP/1.0\r\n\r\n", SIZE_MAX, false), "HTTP/1.1 404"), 1u);
}

TEST_F(HttpServerTest, OldClientsGetAStreamUntilTheEnd) {
  set_up(1);
  const std::string got = raw("GET /stream HTTP/1.0\r\n\r\n", SIZE_MAX, false);
  EXPECT_EQ(got.find("chunked"), std::string::npos);
  EXPECT_EQ(got.size() - got.find("\r\n\r\n") - 4, 100'000u);
}

TEST_F(HttpServerTest, FaultsAreAnsweredAndEndTheConnection) {
  set_up(1);
  const auto status = [&](std::string sends) { return raw(std::move(sends), SIZE_MAX, false).substr(0, 12); };
  EXPECT_EQ(status("GET / HTTP/1.1\r\n\r\n"), "HTTP/1.1 400");
  EXPECT_EQ(status("nonsense\r\n\r\n"), "HTTP/1.1 400");
  EXPECT_EQ(status("GET / HTTP/1.1\nHost: h\n\n"), "HTTP/1.1 400");
  EXPECT_EQ(status("GET / HTTP/3.0\r\nHost: h\r\n\r\n"), "HTTP/1.1 505");
  EXPECT_EQ(status("GET /" + std::string(20'000, 'a') + " HTTP/1.1\r\n"), "HTTP/1.1 414");
  EXPECT_EQ(status("GET / HTTP/1.1\r\nX: " + std::string(100'000, 'a')), "HTTP/1.1 431");
  EXPECT_EQ(status("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n"), "HTTP/1.1 413");
  EXPECT_EQ(status("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
            "HTTP/1.1 400");
  EXPECT_EQ(status("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nxx\r\n"), "HTTP/1.1 400");
  EXPECT_EQ(status("POST / HTTP/1.1\r\nHost: h\r\nExpect: magic\r\n\r\n"), "HTTP/1.1 417");
}

TEST_F(HttpServerTest, SaysContinueToThoseWhoWait) {
  set_up(1);
  const std::string got =
      raw("POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", 200);
  EXPECT_TRUE(got.starts_with("HTTP/1.1 100 Continue\r\n\r\n")) << got;
}

TEST_F(HttpServerTest, SlowClientsAreGivenUp) {
  set_up(1, {.head_timeout_ms = 1000, .idle_timeout_ms = 3000});
  const int64_t began = world_->now_ns();
  EXPECT_EQ(raw("GET / HT", SIZE_MAX, false), "");
  EXPECT_LT(world_->now_ns() - began, 2 * kSecond);
  EXPECT_EQ(raw("", SIZE_MAX, false), "");
  EXPECT_LT(world_->now_ns() - began, 6 * kSecond);
}

TEST_F(HttpServerTest, TooManyConnectionsAreTurnedAway) {
  set_up(1, {.connections_max = 2});
  std::vector<std::unique_ptr<env::Stream>> kept;
  for (int i = 0; i < 2; ++i) {
    auto stream = world_->run(client_->reactor(),
                              client_->env().network().connect(client_->reactor(), server_->addresses().front()));
    ASSERT_TRUE(stream.ok());
    kept.push_back(std::move(*stream));
  }
  world_->run_for(kSecond / 10);
  EXPECT_EQ(raw("GET / HTTP/1.1\r\nHost: h\r\n\r\n").substr(0, 12), "HTTP/1.1 503");
  world_->run_on(client_->reactor(), [&] { kept.clear(); });
  world_->run_for(kSecond / 10);
  EXPECT_EQ(raw("GET / HTTP/1.1\r\nHost: h\r\n\r\n").substr(0, 12), "HTTP/1.1 404");
}

TEST_F(HttpServerTest, StopWaitsForAnswersAndEndsIdleConnections) {
  set_up(1);
  auto idle = world_->run(client_->reactor(),
                          client_->env().network().connect(client_->reactor(), server_->addresses().front()));
  ASSERT_TRUE(idle.ok());
  std::string answer_text;
  const auto slow = [](env::Env& env, env::Address to, std::string& into) -> Task<void> {
    into = co_await talk(env, to, "GET /slow HTTP/1.1\r\nHost: h\r\n\r\n", 100, false);
  };
  env::TaskScope scope(client_->reactor());
  world_->run_on(client_->reactor(),
                 [&] { scope.spawn(slow(client_->env(), server_->addresses().front(), answer_text)); });
  world_->run_for(kSecond);
  world_->run(node_->reactor(), server_->stop());
  world_->run_for(kSecond);
  EXPECT_NE(answer_text.find("at last"), std::string::npos);
  EXPECT_EQ(server_->connection_count(), 0u);
  world_->run_on(client_->reactor(), [&] { idle->reset(); });
}

TEST_F(HttpServerTest, BodiesAreReadNoFurtherThanTheHandlerAsks) {
  ServerOptions options;
  options.limits.body_bytes_max = 100 << 20;
  set_up(1, options);
  const std::string head = "PUT /hold HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 10000000\r\n\r\n";
  env::TaskScope scope(client_->reactor());
  std::string got;
  const auto put = [](env::Env& env, env::Address to, std::string bytes, std::string& into) -> Task<void> {
    into = co_await talk(env, to, std::move(bytes), 1 << 20, false);
  };
  world_->run_on(client_->reactor(), [&] {
    scope.spawn(put(client_->env(), server_->addresses().front(), head + std::string(10'000'000, 'x'), got));
  });
  world_->run_for(3 * kSecond);
  EXPECT_LE(server_->counts().bytes_received, 200'000u);
  EXPECT_EQ(server_->counts().requests_active, 1u);
  ASSERT_TRUE(world_->run_until([&] { return !got.empty(); }, 600 * kSecond));
  EXPECT_TRUE(got.ends_with("10000000")) << got;
}

TEST_F(HttpServerTest, ClientsThatDoNotReadAreGivenUp) {
  set_up(1, {.write_timeout_ms = 3000});
  auto stream = world_->run(client_->reactor(),
                            client_->env().network().connect(client_->reactor(), server_->addresses().front()));
  ASSERT_TRUE(stream.ok());
  const auto ask = [](env::Stream& to) -> Task<void> {
    (void)co_await to.write("GET /endless HTTP/1.1\r\nHost: h\r\n\r\n");
  };
  world_->run(client_->reactor(), ask(**stream));
  world_->run_for(2 * kSecond);
  EXPECT_EQ(server_->connection_count(), 1u);
  EXPECT_LE(server_->counts().bytes_sent, 1u << 20);
  world_->run_for(4 * kSecond);
  EXPECT_EQ(server_->connection_count(), 0u);
  EXPECT_EQ(server_->counts().timeouts, 1u);
  world_->run_on(client_->reactor(), [&] { stream->reset(); });
}

TEST_F(HttpServerTest, BodiesThatStopAreGivenUp) {
  set_up(1, {.body_timeout_ms = 2000});
  const int64_t began = world_->now_ns();
  EXPECT_EQ(raw("PUT /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc", SIZE_MAX, false), "");
  EXPECT_LT(world_->now_ns() - began, 3 * kSecond);
}

TEST_F(HttpServerTest, AHandlerThatSaysNothingIsAnsweredFor) {
  set_up(1);
  EXPECT_EQ(raw("GET /silent HTTP/1.1\r\nHost: h\r\n\r\n", SIZE_MAX, false).substr(0, 12), "HTTP/1.1 500");
}

TEST_F(HttpServerTest, TooMuchUnreadEndsTheConnection) {
  set_up(1, {.drain_bytes_max = 1000});
  const auto answers = [&](size_t size) {
    const std::string got =
        raw("PUT /none HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" +
                std::string(size, 'x') + "GET /none HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
            SIZE_MAX, false);
    return count(got, "HTTP/1.1 404");
  };
  EXPECT_EQ(answers(1000), 2u);
  EXPECT_EQ(answers(1001 + Http1Connection::kHeadReadBytes), 1u);
}

TEST_F(HttpServerTest, CountsWhatHappens) {
  set_up(1);
  (void)raw("GET /none HTTP/1.1\r\nHost: h\r\n\r\nGET /echo HTTP/1.1\r\nHost: h\r\n\r\nnonsense\r\n", SIZE_MAX, false);
  world_->run_for(2 * kSecond);
  const ServerCounts counts = server_->counts();
  EXPECT_EQ(counts.requests, 2u);
  EXPECT_EQ(counts.faults, 1u);
  EXPECT_EQ(counts.responses[1], 1u);
  EXPECT_EQ(counts.responses[3], 2u);
  EXPECT_EQ(counts.connections_accepted, 1u);
  EXPECT_EQ(counts.connections, 0u);
}

TEST(HttpServer, SpreadsConnectionsOverReactors) {
  World world(1);
  env::sim::Node& node = world.add_node(3);
  env::sim::Node& client = world.add_node();
  std::vector<env::Reactor*> reactors = {&node.reactor(0), &node.reactor(1), &node.reactor(2)};
  std::vector<int> seen(3);
  const auto note = [](Exchange& exchange, std::vector<int>& counts) -> Task<void> {
    EXPECT_TRUE(exchange.reactor().is_current());
    ++counts[exchange.reactor().index()];
    (void)co_await exchange.respond(200, "", "x");
  };
  auto server = std::make_unique<Server>(node.env().network(), reactors, ServerOptions{},
                                         [&](Exchange& exchange) { return note(exchange, seen); });
  world.run_on(node.reactor(), [&] { ASSERT_TRUE(server->listen(node.address(0), nullptr).ok()); });
  std::vector<std::unique_ptr<env::Stream>> streams;
  const auto ask = [](env::Env& env, env::Address to,
                      std::vector<std::unique_ptr<env::Stream>>& keep) -> Task<std::string> {
    auto stream = co_await env.network().connect(env.reactor(0), to);
    if (!stream.ok()) co_return "no connection";
    keep.push_back(std::move(*stream));
    (void)co_await keep.back()->write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    std::string into(1000, '\0');
    const env::IoOutcome got = co_await keep.back()->read(into);
    co_return into.substr(0, got.count);
  };
  for (int i = 0; i < 9; ++i) {
    EXPECT_TRUE(world.run(client.reactor(), ask(client.env(), server->addresses().front(), streams))
                    .starts_with("HTTP/1.1 200"));
  }
  EXPECT_EQ(seen, (std::vector<int>{3, 3, 3}));
  EXPECT_EQ(server->connection_count(), 9u);
  world.run(node.reactor(), server->stop());
  EXPECT_EQ(server->connection_count(), 0u);
  world.run_on(client.reactor(), [&] { streams.clear(); });
  world.run_on(node.reactor(), [&] { server.reset(); });
}

}  // namespace
}  // namespace keelson::net::http
