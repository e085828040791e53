// HTTP/2 against the server, by libnghttp2's client side and by hand-made frames, over simulated streams.
#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "env/sim/gtest_seeds.h"
#include "env/sim/sim.h"
#include "net/http/http2_connection.h"
#include "net/http/server.h"

namespace keelson::net::http {
namespace {

using env::sim::kSecond;
using env::sim::World;

struct Reply {
  std::map<std::string, std::string> fields;
  std::map<std::string, std::string> trailers;
  std::string body;
  bool has_continue = false;
  bool has_ended = false;
  bool is_closed = false;
  uint32_t error = 0;
  [[nodiscard]] std::string status() const { return fields.contains(":status") ? fields.at(":status") : ""; }
};

// One connection of a client. Single-threaded like everything in the simulation.
class TestClient {
 public:
  explicit TestClient(std::unique_ptr<env::Stream> stream) : stream_(std::move(stream)) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_option* option = nullptr;
    nghttp2_option_new(&option);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_session_client_new2(&session_, callbacks, this, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, nullptr, 0);
  }
  TestClient(const TestClient&) = delete;
  TestClient& operator=(const TestClient&) = delete;
  ~TestClient() { nghttp2_session_del(session_); }

  using Lines = std::vector<std::pair<std::string, std::string>>;
  // `body` null: none. The client's own trailers follow the body.
  int32_t submit(const std::string& method, const std::string& path, const Lines& more = {},
                 const std::string* body = nullptr, const Lines& trailers = {}) {
    Lines lines = {{":method", method}, {":path", path}, {":scheme", "http"}, {":authority", "h"}};
    lines.insert(lines.end(), more.begin(), more.end());
    const auto nv = make(lines);
    nghttp2_data_provider provider{};
    provider.read_callback = read_body;
    const int32_t id =
        nghttp2_submit_request(session_, nullptr, nv.data(), nv.size(), body ? &provider : nullptr, nullptr);
    if (body != nullptr) bodies_[id] = {*body, trailers};
    return id;
  }
  Reply& reply(int32_t id) { return replies[id]; }
  void reset(int32_t id) { nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL); }
  void consume(int32_t id, size_t bytes) { nghttp2_session_consume(session_, id, bytes); }
  nghttp2_session* session() { return session_; }

  Task<bool> flush() {
    std::string out;
    while (true) {
      const uint8_t* bytes = nullptr;
      const ssize_t size = nghttp2_session_mem_send(session_, &bytes);
      if (size <= 0) break;
      out.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
    }
    if (out.empty()) co_return true;
    co_return (co_await stream_->write(out)).ok();
  }
  // Until `done`, or the end of the connection (false).
  Task<bool> run_until(std::function<bool()> done) {
    std::string into(32 << 10, '\0');
    while (!done()) {
      if (!co_await flush()) co_return false;
      if (done()) break;
      const env::IoOutcome got = co_await stream_->read(into);
      if (!got.ok()) co_return done();
      if (nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(into.data()), got.count) < 0)
        co_return false;
    }
    co_return true;
  }
  Task<bool> run_until_closed(int32_t id) {
    co_return co_await run_until([this, id] { return replies[id].is_closed; });
  }
  env::Stream& stream() { return *stream_; }

  std::map<int32_t, Reply> replies;
  bool acknowledges = true;  // data, at once
  bool holds_bodies = false;
  bool has_goaway = false;
  uint32_t goaway_error = 0;

 private:
  static std::vector<nghttp2_nv> make(const Lines& lines) {
    std::vector<nghttp2_nv> nv;
    for (const auto& [name, value] : lines) {
      nv.push_back({reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
                    reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(), 0});
    }
    return nv;
  }
  static TestClient& of(void* user) { return *static_cast<TestClient*>(user); }
  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                       const uint8_t* value, size_t value_size, uint8_t, void* user) {
    Reply& reply = of(user).replies[frame->hd.stream_id];
    const std::string key(reinterpret_cast<const char*>(name), name_size);
    const std::string text(reinterpret_cast<const char*>(value), value_size);
    if (key == ":status" && text == "100") {
      reply.has_continue = true;
    } else if (reply.fields.contains(":status") && frame->headers.cat == NGHTTP2_HCAT_HEADERS && key != ":status" &&
               reply.fields.contains("date")) {
      reply.trailers[key] = text;
    } else {
      reply.fields[key] = text;
    }
    return 0;
  }
  static int on_data(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* bytes, size_t size, void* user) {
    of(user).replies[id].body.append(reinterpret_cast<const char*>(bytes), size);
    if (of(user).acknowledges) nghttp2_session_consume(session, id, size);
    return 0;
  }
  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 &&
        (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS)) {
      of(user).replies[frame->hd.stream_id].has_ended = true;
    }
    if (frame->hd.type == NGHTTP2_GOAWAY) {
      of(user).has_goaway = true;
      of(user).goaway_error = frame->goaway.error_code;
    }
    return 0;
  }
  static int on_close(nghttp2_session*, int32_t id, uint32_t error, void* user) {
    of(user).replies[id].is_closed = true;
    of(user).replies[id].error = error;
    return 0;
  }
  static ssize_t read_body(nghttp2_session* session, int32_t id, uint8_t* into, size_t room, uint32_t* flags,
                           nghttp2_data_source*, void* user) {
    auto& [body, trailers] = of(user).bodies_[id];
    if (of(user).holds_bodies) return NGHTTP2_ERR_DEFERRED;
    const size_t size = std::min(room, body.size());
    std::copy_n(body.data(), size, into);
    body.erase(0, size);
    if (body.empty()) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (!trailers.empty()) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        const auto nv = make(trailers);
        nghttp2_submit_trailer(session, id, nv.data(), nv.size());
      }
    }
    return static_cast<ssize_t>(size);
  }

  std::unique_ptr<env::Stream> stream_;
  nghttp2_session* session_ = nullptr;
  std::map<int32_t, std::pair<std::string, Lines>> bodies_;
};

// How far handlers got; the test looks on.
struct Seen {
  size_t body_bytes = 0;
  size_t sent_bytes = 0;
  int running = 0;
  int failed_reads = 0;
  int ended = 0;
};

struct Running {
  explicit Running(Seen& the_seen) : seen(the_seen) { ++seen.running; }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  ~Running() { --seen.running, ++seen.ended; }
  Seen& seen;
};

Task<void> answer(Exchange& exchange, Seen& seen) {
  const Running running(seen);
  const std::string_view path = exchange.request().path();
  if (path == "/echo") {
    if (!co_await exchange.begin(200, "text/plain")) co_return;
    while (true) {
      Result<std::string_view> piece = co_await exchange.read_body();
      if (!piece.ok()) ++seen.failed_reads;
      if (!piece.ok()) co_return;
      if (piece->empty()) break;
      seen.body_bytes += piece->size();
      if (!co_await exchange.send(*piece)) co_return;
    }
    for (const Field& field : exchange.trailers()) exchange.add_trailer("Echo-" + std::string(field.name), field.value);
    (void)co_await exchange.end();
  } else if (path == "/count") {
    Result<std::string> body = co_await exchange.read_all(64 << 20);
    if (!body.ok()) ++seen.failed_reads;
    if (!body.ok()) co_return;
    (void)co_await exchange.respond(200, "text/plain", std::to_string(body->size()));
  } else if (path == "/large") {
    if (!co_await exchange.begin(200, "", 1'000'000)) co_return;
    for (int i = 0; i < 10; ++i) {
      if (!co_await exchange.send(std::string(100'000, static_cast<char>('a' + i)))) co_return;
      seen.sent_bytes += 100'000;
    }
    (void)co_await exchange.end();
  } else if (path == "/thirty") {
    (void)co_await exchange.respond(200, "text/plain", std::string(30'000, 't'));
  } else if (path == "/never") {
    co_await env::sleep_for(exchange.reactor(), 3600 * kSecond);
  } else if (path == "/slow") {
    co_await env::sleep_for(exchange.reactor(), 5 * kSecond);
    (void)co_await exchange.respond(200, "", "at last");
  } else if (path == "/broken") {
    (void)co_await exchange.begin(200, "text/plain");
    (void)co_await exchange.send("part");
  } else if (path == "/fields") {
    std::string all(exchange.request().authority());
    for (const Field& field : exchange.request().fields())
      all.append("|").append(field.name).append("=").append(field.value);
    exchange.add_field("X-Mixed-Case", "v");
    exchange.add_field("Connection", "close");
    (void)co_await exchange.respond(200, "text/plain", all);
  } else {
    (void)co_await exchange.respond(404, "text/plain", "nothing\n");
  }
}

class Http2Test : public testing::Test {
 protected:
  void set_up(uint64_t seed, ServerOptions options = {}, env::sim::SimOptions sim = {}) {
    world_ = std::make_unique<World>(seed, sim);
    node_ = &world_->add_node();
    machine_ = &world_->add_node();
    if (options.limits.body_bytes_max == Limits{}.body_bytes_max) options.limits.body_bytes_max = 64 << 20;
    server_ = std::make_unique<Server>(node_->env().network(), node_->reactor(), options,
                                       [this](Exchange& exchange) { return answer(exchange, seen_); });
    world_->run_on(node_->reactor(), [&] { ASSERT_TRUE(server_->listen(node_->address(0), nullptr).ok()); });
    connect();
  }
  void connect() {
    auto stream = world_->run(machine_->reactor(),
                              machine_->env().network().connect(machine_->reactor(), server_->addresses().front()));
    ASSERT_TRUE(stream.ok());
    close_client();
    client_ = std::make_unique<TestClient>(std::move(*stream));
  }
  void close_client() {
    if (client_ != nullptr) world_->run_on(machine_->reactor(), [&] { client_.reset(); });
  }
  void TearDown() override {
    close_client();
    if (server_ != nullptr) world_->run_on(node_->reactor(), [&] { server_.reset(); });
    world_.reset();
    seen_ = {};
  }
  bool run_until(std::function<bool()> done) {
    return world_->run(machine_->reactor(), client_->run_until(std::move(done)), 600 * kSecond);
  }
  Reply& get(const std::string& path, const TestClient::Lines& more = {}, const std::string* body = nullptr,
             const std::string& method = "GET") {
    const int32_t id = client_->submit(method, path, more, body);
    (void)world_->run(machine_->reactor(), client_->run_until_closed(id), 600 * kSecond);
    return client_->reply(id);
  }
  // Sends bytes that no library would, behind what the client has to send; what the server says then.
  bool send_raw(std::string bytes) {
    return world_->run(machine_->reactor(), send_both(*client_, std::move(bytes)), 600 * kSecond);
  }
  static Task<bool> send_both(TestClient& client, std::string bytes) {
    if (!co_await client.flush()) co_return false;
    co_return (co_await client.stream().write(bytes)).ok();
  }

  std::unique_ptr<World> world_;
  env::sim::Node* node_ = nullptr;
  env::sim::Node* machine_ = nullptr;
  std::unique_ptr<Server> server_;
  std::unique_ptr<TestClient> client_;
  Seen seen_;
};

std::string frame(uint8_t type, uint8_t flags, int32_t stream, std::string_view payload) {
  std::string bytes;
  for (int shift : {16, 8, 0}) bytes.push_back(static_cast<char>(payload.size() >> shift));
  bytes.push_back(static_cast<char>(type));
  bytes.push_back(static_cast<char>(flags));
  for (int shift : {24, 16, 8, 0}) bytes.push_back(static_cast<char>(stream >> shift));
  return bytes.append(payload);
}

TEST_F(Http2Test, AnswersWhateverIsAsked) {
  env::sim::for_each_seed(1, 10, [&](uint64_t seed) {
    env::sim::SimOptions sim;
    sim.network.short_transfer_probability = 0.5;
    set_up(seed, {}, sim);
    EXPECT_EQ(get("/none").status(), "404");
    EXPECT_EQ(get("/none").body, "nothing\n");
    const std::string body(300'000, 'x');
    EXPECT_EQ(get("/echo", {}, &body, "POST").body, body);
    EXPECT_EQ(get("/count", {{"content-length", "300000"}}, &body, "PUT").body, "300000");
    const Reply& large = get("/large");
    EXPECT_EQ(large.body.size(), 1'000'000u);
    EXPECT_EQ(large.fields.at("content-length"), "1000000");
    EXPECT_EQ(large.body.substr(999'990), std::string(10, 'j'));
    const Reply& head = get("/large", {}, nullptr, "HEAD");
    EXPECT_EQ(head.fields.at("content-length"), "1000000");
    EXPECT_EQ(head.body, "");
    EXPECT_EQ(server_->counts().requests_http2, 6u);
    EXPECT_EQ(seen_.running, 0);
    TearDown();
  });
}

TEST_F(Http2Test, StreamsRunBesideEachOther) {
  set_up(1);
  const int32_t slow = client_->submit("GET", "/slow");
  const std::string body(100'000, 'y');
  std::vector<int32_t> ids;
  for (int i = 0; i < 50; ++i) ids.push_back(client_->submit("POST", "/echo", {}, &body));
  ASSERT_TRUE(run_until([&] {
    for (int32_t id : ids) {
      if (!client_->reply(id).is_closed) return false;
    }
    return true;
  }));
  EXPECT_FALSE(client_->reply(slow).is_closed);
  for (int32_t id : ids) EXPECT_EQ(client_->reply(id).body, body);
  ASSERT_TRUE(run_until([&] { return client_->reply(slow).is_closed; }));
  EXPECT_EQ(client_->reply(slow).body, "at last");
}

TEST_F(Http2Test, AnswersThatFillTheOutputAllArrive) {
  set_up(1);
  // Nothing that the client has to say would wake the server up again.
  const nghttp2_settings_entry window = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20};
  nghttp2_submit_settings(client_->session(), NGHTTP2_FLAG_NONE, &window, 1);
  nghttp2_session_set_local_window_size(client_->session(), NGHTTP2_FLAG_NONE, 0, 1 << 28);
  client_->acknowledges = false;
  std::vector<int32_t> ids;
  for (int i = 0; i < 100; ++i) ids.push_back(client_->submit("GET", "/thirty"));
  const auto are_closed = [&] {
    return std::all_of(ids.begin(), ids.end(), [&](int32_t id) { return client_->reply(id).is_closed; });
  };
  EXPECT_TRUE(world_->run(machine_->reactor(), client_->run_until(are_closed), 5 * kSecond));
  for (int32_t id : ids) EXPECT_EQ(client_->reply(id).body.size(), 30'000u);
}

TEST_F(Http2Test, FieldsAndTrailersGoBothWays) {  // RFC 9113 §8.1, §8.2, §8.3
  set_up(1);
  const Reply& fields = get("/fields", {{"x", "1"}, {"cookie", "a=b"}, {"cookie", "c=d"}});
  EXPECT_EQ(fields.body, "h|x=1|cookie=a=b; c=d|host=h");
  EXPECT_EQ(fields.fields.at("x-mixed-case"), "v");
  EXPECT_FALSE(fields.fields.contains("connection"));
  EXPECT_TRUE(fields.fields.contains("date"));
  const std::string body = "hello";
  const int32_t id = client_->submit("POST", "/echo", {}, &body, {{"sum", "5"}});
  ASSERT_TRUE(run_until([&] { return client_->reply(id).is_closed; }));
  EXPECT_EQ(client_->reply(id).body, "hello");
  EXPECT_EQ(client_->reply(id).trailers.at("echo-sum"), "5");
}

TEST_F(Http2Test, SaysContinueToThoseWhoWait) {
  set_up(1);
  const std::string body = "hello";
  client_->holds_bodies = true;
  const int32_t id = client_->submit("PUT", "/count", {{"expect", "100-continue"}}, &body);
  ASSERT_TRUE(run_until([&] { return client_->reply(id).has_continue; }));
  EXPECT_FALSE(client_->reply(id).is_closed);
  client_->holds_bodies = false;
  nghttp2_session_resume_data(client_->session(), id);
  ASSERT_TRUE(run_until([&] { return client_->reply(id).is_closed; }));
  EXPECT_EQ(client_->reply(id).body, "5");
}

TEST_F(Http2Test, AClientThatDoesNotReadHoldsItsHandlerUp) {
  set_up(1);
  client_->acknowledges = false;
  const int32_t id = client_->submit("GET", "/large");
  ASSERT_TRUE(run_until([&] { return client_->reply(id).body.size() >= 65'535; }));
  world_->run_for(10 * kSecond);
  EXPECT_LE(seen_.sent_bytes, 65'535u + 100'000u);
  // Another stream of the connection has no window either, but one without content has its answer.
  EXPECT_EQ(seen_.running, 1);
  client_->acknowledges = true;
  client_->consume(id, 65'535);
  ASSERT_TRUE(run_until([&] { return client_->reply(id).is_closed; }));
  EXPECT_EQ(client_->reply(id).body.size(), 1'000'000u);
}

TEST_F(Http2Test, AHandlerThatDoesNotReadHoldsItsClientUp) {
  ServerOptions options;
  options.http2.stream_window_bytes = 100'000;
  set_up(1, options);
  const std::string body(1'000'000, 'x');
  const int32_t id = client_->submit("POST", "/never", {}, &body);
  world_->run_on(machine_->reactor(), [] {});
  env::TaskScope scope(machine_->reactor());
  const auto pump = [](TestClient& client) -> Task<void> { (void)co_await client.run_until([] { return false; }); };
  world_->run_on(machine_->reactor(), [&] { scope.spawn(pump(*client_)); });
  world_->run_for(5 * kSecond);
  EXPECT_LE(server_->counts().bytes_received, 110'000u);
  EXPECT_GE(server_->counts().bytes_received, 100'000u);
  EXPECT_FALSE(client_->reply(id).is_closed);
}

TEST_F(Http2Test, TimesOutWhoIsSilent) {
  ServerOptions options;
  options.body_timeout_ms = 2000;
  options.write_timeout_ms = 3000;
  set_up(1, options);
  // A body that does not come.
  const std::string none;
  nghttp2_submit_ping(client_->session(), NGHTTP2_FLAG_NONE, nullptr);
  client_->acknowledges = false;
  const int32_t unread = client_->submit("GET", "/large");
  ASSERT_TRUE(run_until([&] { return client_->reply(unread).is_closed; }));
  EXPECT_EQ(client_->reply(unread).error, uint32_t{NGHTTP2_CANCEL});
  EXPECT_EQ(seen_.running, 0);
  EXPECT_EQ(server_->counts().timeouts, 1u);
}

TEST_F(Http2Test, ABrokenOffAnswerIsNoticed) {
  set_up(1);
  const Reply& reply = get("/broken");
  EXPECT_FALSE(reply.has_ended);
  EXPECT_EQ(reply.error, uint32_t{NGHTTP2_INTERNAL_ERROR});
}

TEST_F(Http2Test, ACancelledRequestReachesItsHandler) {
  set_up(1);
  const std::string body(10, 'x');
  const int32_t id = client_->submit("POST", "/echo", {{"content-length", "20"}}, &body);  // RFC 9113 §8.1.1
  ASSERT_TRUE(run_until([&] { return client_->reply(id).is_closed; }));
  EXPECT_EQ(client_->reply(id).error, uint32_t{NGHTTP2_PROTOCOL_ERROR});
  EXPECT_EQ(seen_.failed_reads, 1);
  EXPECT_EQ(seen_.running, 0);
}

TEST_F(Http2Test, BadRequestsAreAnsweredByTheirStreamAlone) {
  set_up(1);
  EXPECT_EQ(get("/%zz").status(), "400");
  EXPECT_EQ(get("nowhere").error, uint32_t{NGHTTP2_PROTOCOL_ERROR});
  EXPECT_EQ(get("/x", {{"host", "other"}}).status(), "400");
  EXPECT_EQ(get("/x", {{"expect", "magic"}}).status(), "417");
  EXPECT_EQ(get("/x", {{"big", std::string(40'000, 'b')}}).status(), "431");
  EXPECT_EQ(get("/x", {{"connection", "close"}}).error, uint32_t{NGHTTP2_PROTOCOL_ERROR});  // §8.2.2
  EXPECT_EQ(get("/x", {{"transfer-encoding", "chunked"}}).error, uint32_t{NGHTTP2_PROTOCOL_ERROR});
  EXPECT_EQ(get("/none").status(), "404");
}

TEST_F(Http2Test, AnAnswerThatComesEarlyIsSeen) {
  set_up(1);
  const std::string some(200'000, 'x');  // read over
  EXPECT_EQ(get("/none", {}, &some, "PUT").error, uint32_t{NGHTTP2_NO_ERROR});
  const std::string much(2'000'000, 'x');  // cut off
  for (const TestClient::Lines& lines : {TestClient::Lines{}, TestClient::Lines{{"content-length", "2000000"}}}) {
    const Reply& reply = get("/none", lines, &much, "PUT");
    EXPECT_EQ(reply.status(), "404");
    EXPECT_TRUE(reply.has_ended);
    EXPECT_EQ(reply.error, uint32_t{NGHTTP2_NO_ERROR});
  }
  EXPECT_LE(server_->counts().bytes_received, 1'500'000u);
  EXPECT_EQ(server_->counts().timeouts, 0u);
}

TEST_F(Http2Test, BodiesHaveALimit) {
  ServerOptions options;
  options.limits.body_bytes_max = 1000;
  set_up(1, options);
  const std::string body(2000, 'x');
  EXPECT_EQ(get("/count", {{"content-length", "2000"}}, &body, "PUT").status(), "413");
  EXPECT_EQ(seen_.ended, 0);
  EXPECT_EQ(get("/count", {}, &body, "PUT").status(), "413");
  EXPECT_EQ(seen_.failed_reads, 1);
}

// CVE-2023-44487: streams that are opened and cancelled at once.
TEST_F(Http2Test, RapidResetIsStopped) {
  ServerOptions options;
  options.http2.streams_max = 10;
  options.http2.control_burst = 100;
  set_up(1, options);
  for (int i = 0; i < 300; ++i) {
    const int32_t id = client_->submit("GET", "/never");
    if (!world_->run(machine_->reactor(), client_->flush(), kSecond)) break;
    client_->reset(id);
    if (!world_->run(machine_->reactor(), client_->flush(), kSecond)) break;
  }
  (void)run_until([&] { return client_->has_goaway; });
  EXPECT_TRUE(client_->has_goaway);
  EXPECT_EQ(client_->goaway_error, uint32_t{NGHTTP2_ENHANCE_YOUR_CALM});
  EXPECT_LE(seen_.running + seen_.ended, 10);
}

TEST_F(Http2Test, FloodsOfControlFramesAreStopped) {
  const std::string ping = frame(NGHTTP2_PING, 0, 0, "12345678");
  const std::string settings = frame(NGHTTP2_SETTINGS, 0, 0, "");
  const std::string priority = frame(NGHTTP2_PRIORITY, 0, 1, std::string("\0\0\0\3\1", 5));
  for (const std::string& flood : {ping, settings, priority}) {
    set_up(1);
    std::string many;
    for (int i = 0; i < 2000; ++i) many += flood;
    (void)send_raw(many);
    (void)run_until([&] { return client_->has_goaway; });
    world_->run_for(5 * kSecond);
    EXPECT_EQ(server_->connection_count(), 0u) << static_cast<int>(flood[3]);
    TearDown();
  }
}

TEST_F(Http2Test, ContinuationsAreBounded) {  // CVE-2024-28182
  set_up(1);
  EXPECT_EQ(get("/none").status(), "404");
  std::string many = frame(NGHTTP2_HEADERS, 0, 101, "\x82\x86\x84");
  for (int i = 0; i < 1000; ++i) many += frame(NGHTTP2_CONTINUATION, 0, 101, std::string("\x40\1a\1b", 5));
  (void)send_raw(many);
  world_->run_for(5 * kSecond);
  EXPECT_EQ(server_->connection_count(), 0u);
}

TEST_F(Http2Test, StopSaysGoawayAndWaitsForAnswers) {
  set_up(1);
  const int32_t id = client_->submit("GET", "/slow");
  world_->run(machine_->reactor(), client_->flush());
  world_->run_for(kSecond);
  env::TaskScope scope(machine_->reactor());
  const auto pump = [](TestClient& client) -> Task<void> { (void)co_await client.run_until([] { return false; }); };
  world_->run_on(machine_->reactor(), [&] { scope.spawn(pump(*client_)); });
  world_->run(node_->reactor(), server_->stop());
  EXPECT_TRUE(client_->has_goaway);
  EXPECT_EQ(client_->goaway_error, uint32_t{NGHTTP2_NO_ERROR});
  EXPECT_EQ(client_->reply(id).body, "at last");
  EXPECT_EQ(server_->connection_count(), 0u);
}

TEST_F(Http2Test, TheGraceOfAStopHasAnEnd) {
  ServerOptions options;
  options.stop_grace_ms = 3000;
  set_up(1, options);
  const std::string five = "12345";
  (void)client_->submit("POST", "/echo", {{"content-length", "5"}}, &five);
  (void)client_->submit("GET", "/large");
  client_->acknowledges = false;
  world_->run(machine_->reactor(), client_->flush());
  world_->run_for(kSecond);
  world_->run(node_->reactor(), server_->stop());
  EXPECT_EQ(server_->connection_count(), 0u);
  EXPECT_EQ(seen_.running, 0);
}

TEST_F(Http2Test, IdleConnectionsEnd) {
  ServerOptions options;
  options.idle_timeout_ms = 2000;
  set_up(1, options);
  EXPECT_EQ(get("/none").status(), "404");
  world_->run_for(5 * kSecond);
  EXPECT_EQ(server_->connection_count(), 0u);
}

TEST_F(Http2Test, ABadPrefaceIsNoHttp2) {
  set_up(1);
  for (std::string bytes : {std::string("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"), std::string("PRI / HTTP/1.1\r\n\r\n")}) {
    connect();
    std::string got(1000, '\0');
    const auto talk = [](env::Stream& stream, std::string sends, std::string& into) -> Task<size_t> {
      (void)co_await stream.write(sends);
      co_return (co_await stream.read(into)).count;
    };
    const size_t count = world_->run(machine_->reactor(), talk(client_->stream(), bytes, got), 60 * kSecond);
    EXPECT_EQ(got.substr(0, 9), "HTTP/1.1 ") << count;
  }
}

}  // namespace
}  // namespace keelson::net::http
