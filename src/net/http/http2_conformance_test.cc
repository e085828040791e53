// RFC 9113 clause by clause: frames that a client may send and must not, byte by byte, and what the server says.
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "env/sim/sim.h"
#include "net/http/http2_connection.h"
#include "net/http/http2_frames.h"
#include "net/http/server.h"

namespace keelson::net::http {
namespace {

using env::sim::kSecond;
using env::sim::World;

std::string frame(FrameType type, uint8_t flags, uint32_t stream, std::string_view payload = {}) {
  Buffer bytes;
  append_frame_head(bytes, payload.size(), type, flags, stream);
  bytes.append(payload);
  return std::string(bytes.view());
}
std::string big32(uint32_t value) {
  Buffer bytes;
  append_big32(bytes, value);
  return std::string(bytes.view());
}
std::string setting(uint16_t id, uint32_t value) {
  Buffer bytes;
  append_setting(bytes, static_cast<SettingId>(id), value);
  return std::string(bytes.view());
}
std::string line(std::string_view name, std::string_view value) {  // a literal that is not indexed
  std::string bytes(1, '\0');
  bytes.append(1, static_cast<char>(name.size())).append(name);
  return bytes.append(1, static_cast<char>(value.size())).append(value);
}

constexpr uint8_t kEnds = kFlagEndStream | kFlagEndHeaders;
const std::string kSettings = frame(FrameType::kSettings, 0, 0);
const std::string kGet = "\x82\x86\x84\x01\x01h";   // GET http / with :authority h
const std::string kPost = "\x83\x86\x84\x01\x01h";  // POST
std::string get(uint32_t stream, std::string_view more = {}) {
  return frame(FrameType::kHeaders, kEnds, stream, kGet + std::string(more));
}
std::string post(uint32_t stream, std::string_view more = {}) {
  return frame(FrameType::kHeaders, kFlagEndHeaders, stream, kPost + std::string(more));
}
std::string data(uint32_t stream, std::string_view bytes, bool ends = true) {
  return frame(FrameType::kData, ends ? kFlagEndStream : 0, stream, bytes);
}

// "200 on 1" for each answer, "1: 5" for a stream that was reset with error 5, "goaway 1", "closed".
std::string summary(std::string_view bytes) {
  std::string text;
  const auto add = [&](const std::string& what) { text += (text.empty() ? "" : ", ") + what; };
  while (bytes.size() >= kFrameHeadBytes) {
    const FrameHead head = get_frame_head(bytes.data());
    if (bytes.size() < kFrameHeadBytes + head.length) return text + " cut off";
    const std::string_view payload = bytes.substr(kFrameHeadBytes, head.length);
    if (head.type == FrameType::kHeaders && payload.front() == '\x88') add("200 on " + std::to_string(head.stream));
    if (head.type == FrameType::kHeaders && payload.front() != '\x88') add("other on " + std::to_string(head.stream));
    if (head.type == FrameType::kRstStream)
      add(std::to_string(head.stream) + ": " + std::to_string(get_big32(payload.data())));
    if (head.type == FrameType::kGoaway) add("goaway " + std::to_string(get_big32(payload.data() + 4)));
    if (head.type == FrameType::kPing) add("pong");
    bytes.remove_prefix(kFrameHeadBytes + head.length);
  }
  return text;
}

Task<void> answer(Exchange& exchange) {
  Result<std::string> body = co_await exchange.read_all(1 << 20);
  if (!body.ok()) co_return;
  (void)co_await exchange.respond(200, "text/plain", "ok");
}

Task<void> talk(env::Env& env, env::Address to, std::string bytes, std::string& got) {
  auto stream = co_await env.network().connect(env.reactor(0), to);
  if (!stream.ok()) co_return;
  (void)co_await (*stream)->write(bytes);
  std::string into(4096, '\0');
  while (true) {
    const env::IoOutcome some = co_await (*stream)->read(into);
    if (!some.ok()) break;
    got.append(into, 0, some.count);
  }
}

std::string said_to(const std::string& bytes) {
  World world(1);
  env::sim::Node& node = world.add_node();
  env::sim::Node& client = world.add_node();
  ServerOptions options;
  options.idle_timeout_ms = 2000;
  options.body_timeout_ms = 1000;
  options.http2.streams_max = 3;
  Server server(node.env().network(), node.reactor(), options, answer);
  world.run_on(node.reactor(), [&] { EXPECT_TRUE(server.listen(node.address(0), nullptr).ok()); });
  std::string got;
  world.run(client.reactor(),
            talk(client.env(), server.addresses().front(), std::string(Http2Connection::kPreface) + bytes, got),
            60 * kSecond);
  world.run(node.reactor(), server.stop());
  EXPECT_EQ(server.connection_count(), 0u);
  return summary(got);
}

struct Case {
  const char* clause;
  std::string bytes;  // behind the preface
  const char* said;
};

void expect_all(const std::vector<Case>& cases) {
  for (const Case& one : cases) EXPECT_EQ(said_to(one.bytes), one.said) << one.clause;
}

TEST(Http2Conformance, Connections) {
  const std::string ping = frame(FrameType::kPing, 0, 0, "12345678");
  expect_all({
      {"3.4: a request", kSettings + get(1), "200 on 1"},
      {"3.4: SETTINGS come first", get(1), "goaway 1"},
      {"3.4: and are no acknowledgement", frame(FrameType::kSettings, kFlagAck, 0) + get(1), "goaway 1"},
      {"4.1: unknown frames are ignored", kSettings + frame(FrameType{0x77}, 0xff, 1, "x") + get(1), "200 on 1"},
      {"4.1: unknown flags are ignored", kSettings + frame(FrameType::kPing, 0xfe, 0, "12345678"), "pong"},
      {"4.2: a frame larger than we take", kSettings + data(1, std::string(16'385, 'x')), "goaway 6"},
      {"4.3: a bad header block", kSettings + frame(FrameType::kHeaders, kEnds, 1, "\x80"), "goaway 9"},
      {"4.3: also of a stream that is refused or closed",
       kSettings + get(1) + frame(FrameType::kHeaders, kEnds, 1, "\x80"), "200 on 1, goaway 9"},
      {"6.5: SETTINGS on a stream", kSettings + frame(FrameType::kSettings, 0, 1), "goaway 1"},
      {"6.5: SETTINGS of a wrong length", kSettings + frame(FrameType::kSettings, 0, 0, "12345"), "goaway 6"},
      {"6.5: an acknowledgement with content", kSettings + frame(FrameType::kSettings, kFlagAck, 0, "123456"),
       "goaway 6"},
      {"6.5.2: ENABLE_PUSH", kSettings + frame(FrameType::kSettings, 0, 0, setting(2, 2)), "goaway 1"},
      {"6.5.2: INITIAL_WINDOW_SIZE", kSettings + frame(FrameType::kSettings, 0, 0, setting(4, 0x80000000)), "goaway 3"},
      {"6.5.2: MAX_FRAME_SIZE", kSettings + frame(FrameType::kSettings, 0, 0, setting(5, 16'383)), "goaway 1"},
      {"6.5.2: MAX_FRAME_SIZE", kSettings + frame(FrameType::kSettings, 0, 0, setting(5, 1 << 24)), "goaway 1"},
      {"6.5.2: unknown ones are ignored", frame(FrameType::kSettings, 0, 0, setting(0xff, 7)) + get(1), "200 on 1"},
      {"6.7: PING", kSettings + ping, "pong"},
      {"6.7: an acknowledged PING is not answered", kSettings + frame(FrameType::kPing, kFlagAck, 0, "12345678"), ""},
      {"6.7: PING on a stream", kSettings + frame(FrameType::kPing, 0, 1, "12345678"), "goaway 1"},
      {"6.7: PING of a wrong length", kSettings + frame(FrameType::kPing, 0, 0, "1234567"), "goaway 6"},
      {"6.8: GOAWAY on a stream", kSettings + frame(FrameType::kGoaway, 0, 1, std::string(8, '\0')), "goaway 1"},
      {"6.8: GOAWAY of a client", kSettings + frame(FrameType::kGoaway, 0, 0, std::string(8, '\0')) + ping, "pong"},
      {"8.4: a client cannot push", kSettings + frame(FrameType::kPushPromise, kFlagEndHeaders, 1, kGet), "goaway 1"},
  });
}

TEST(Http2Conformance, Streams) {
  const std::string zero(4, '\0');
  expect_all({
      {"5.1: DATA on an idle stream", kSettings + data(1, "x"), "goaway 1"},
      {"5.1: RST_STREAM on an idle stream", kSettings + frame(FrameType::kRstStream, 0, 1, zero), "goaway 1"},
      {"5.1: WINDOW_UPDATE on an idle stream", kSettings + frame(FrameType::kWindowUpdate, 0, 1, big32(1)), "goaway 1"},
      {"5.1: CONTINUATION on an idle stream", kSettings + frame(FrameType::kContinuation, kFlagEndHeaders, 1, kGet),
       "goaway 1"},
      {"5.1: DATA behind END_STREAM", kSettings + post(1) + data(1, "x") + data(1, "y"), "1: 5"},
      {"5.1: DATA on a closed stream", kSettings + get(1) + data(1, "y"), "200 on 1, goaway 5"},
      {"5.1: HEADERS on a closed stream", kSettings + get(1) + get(1), "200 on 1, goaway 5"},
      {"5.1: DATA behind RST_STREAM", kSettings + post(1) + frame(FrameType::kRstStream, 0, 1, big32(8)) + data(1, "x"),
       "goaway 5"},
      {"5.1: WINDOW_UPDATE and RST_STREAM on a closed stream",
       kSettings + get(1) + frame(FrameType::kWindowUpdate, 0, 1, big32(1)) +
           frame(FrameType::kRstStream, 0, 1, big32(8)) + get(3),
       "200 on 1, 200 on 3"},
      {"5.1.1: even numbers are the server's", kSettings + get(2), "goaway 1"},
      {"5.1.1: numbers grow", kSettings + get(5) + get(3), "200 on 5, goaway 1"},
      {"5.1.2: more streams than are allowed", kSettings + post(1) + post(3) + post(5) + post(7) + data(1, "x"),
       "7: 7, 200 on 1, 5: 8, 3: 8"},
      {"5.1.2: what was under way on a refused stream is no fault",
       kSettings + post(1) + post(3) + post(5) + post(7) + data(7, "x") + data(1, "x"), "7: 7, 200 on 1, 5: 8, 3: 8"},
      {"5.3: PRIORITY", kSettings + frame(FrameType::kPriority, 0, 1, std::string(5, '\1')) + get(1), "200 on 1"},
      {"6.3: PRIORITY on no stream", kSettings + frame(FrameType::kPriority, 0, 0, std::string(5, '\1')), "goaway 1"},
      {"6.3: PRIORITY of a wrong length", kSettings + frame(FrameType::kPriority, 0, 1, zero), "goaway 6"},
      {"6.4: RST_STREAM on no stream", kSettings + frame(FrameType::kRstStream, 0, 0, zero), "goaway 1"},
      {"6.4: RST_STREAM of a wrong length", kSettings + post(1) + frame(FrameType::kRstStream, 0, 1, "123"),
       "goaway 6"},
      {"6.9: WINDOW_UPDATE of a wrong length", kSettings + frame(FrameType::kWindowUpdate, 0, 0, "123"), "goaway 6"},
      {"6.9: WINDOW_UPDATE of nothing", kSettings + frame(FrameType::kWindowUpdate, 0, 0, zero), "goaway 1"},
      {"6.9: the same on a stream", kSettings + post(1) + frame(FrameType::kWindowUpdate, 0, 1, zero), "1: 1"},
      {"6.9.1: a window that is too large", kSettings + frame(FrameType::kWindowUpdate, 0, 0, big32(INT32_MAX)),
       "goaway 3"},
      {"6.9.1: the same of a stream", kSettings + post(1) + frame(FrameType::kWindowUpdate, 0, 1, big32(INT32_MAX)),
       "1: 3"},
      {"6.9.2: SETTINGS that make a window too large",
       kSettings + post(1) + frame(FrameType::kWindowUpdate, 0, 1, big32(1)) +
           frame(FrameType::kSettings, 0, 0, setting(4, INT32_MAX)),
       "goaway 3"},
  });
}

TEST(Http2Conformance, HeadersAndData) {
  const std::string padded("\2x\0\0", 4);
  const std::string priority("\0\0\0\0\1", 5);
  expect_all({
      {"6.1: DATA on no stream", kSettings + data(0, "x"), "goaway 1"},
      {"6.1: padding", kSettings + post(1) + frame(FrameType::kData, kFlagPadded | kFlagEndStream, 1, padded),
       "200 on 1"},
      {"6.1: more padding than frame", kSettings + post(1) + frame(FrameType::kData, kFlagPadded, 1, "\5x"),
       "goaway 1"},
      {"6.2: HEADERS on no stream", kSettings + frame(FrameType::kHeaders, kEnds, 0, kGet), "goaway 1"},
      {"6.2: padding and priority",
       kSettings + frame(FrameType::kHeaders, kEnds | kFlagPadded | kFlagPriority, 1,
                         std::string("\1") + priority + kGet + std::string(1, '\0')),
       "200 on 1"},
      {"6.2: more padding than frame", kSettings + frame(FrameType::kHeaders, kEnds | kFlagPadded, 1, "\7" + kGet),
       "goaway 1"},
      {"6.10: CONTINUATION",
       kSettings + frame(FrameType::kHeaders, kFlagEndStream, 1, kGet.substr(0, 2)) +
           frame(FrameType::kContinuation, 0, 1, kGet.substr(2, 2)) +
           frame(FrameType::kContinuation, kFlagEndHeaders, 1, kGet.substr(4)),
       "200 on 1"},
      {"6.10: another frame in between",
       kSettings + frame(FrameType::kHeaders, kFlagEndStream, 1, kGet) + frame(FrameType::kPing, 0, 0, "12345678"),
       "goaway 1"},
      {"6.10: of another stream",
       kSettings + frame(FrameType::kHeaders, kFlagEndStream, 1, kGet) +
           frame(FrameType::kContinuation, kFlagEndHeaders, 3, kGet),
       "goaway 1"},
      {"8.1: trailers",
       kSettings + post(1) + data(1, "x", false) + frame(FrameType::kHeaders, kEnds, 1, line("sum", "1")), "200 on 1"},
      {"8.1: trailers that do not end the stream",
       kSettings + post(1) + frame(FrameType::kHeaders, kFlagEndHeaders, 1, line("sum", "1")), "1: 1"},
      {"8.1: a pseudo-header field in trailers",
       kSettings + post(1) + frame(FrameType::kHeaders, kEnds, 1, line(":path", "/")), "1: 1"},
      {"8.1.1: Content-Length", kSettings + post(1, line("content-length", "2")) + data(1, "xy"), "200 on 1"},
      {"8.1.1: less", kSettings + post(1, line("content-length", "2")) + data(1, "x"), "1: 1"},
      {"8.1.1: more", kSettings + post(1, line("content-length", "2")) + data(1, "xyz", false), "1: 1"},
      {"8.1.1: none of it", kSettings + get(1, line("content-length", "2")), "1: 1"},
      {"8.1.1: two of them", kSettings + post(1, line("content-length", "2") + line("content-length", "2")), "1: 1"},
      {"8.1.1: no number", kSettings + post(1, line("content-length", "x")), "1: 1"},
  });
}

TEST(Http2Conformance, Fields) {
  expect_all({
      {"8.2.1: upper case", kSettings + get(1, line("X-a", "1")), "1: 1"},
      {"8.2.1: a blank in a name", kSettings + get(1, line("x a", "1")), "1: 1"},
      {"8.2.1: no name", kSettings + get(1, line("", "1")), "1: 1"},
      {"8.2.1: a line end in a value", kSettings + get(1, line("x", "1\r\nhost: b")), "1: 1"},
      {"8.2.1: NUL in a value", kSettings + get(1, line("x", std::string(1, '\0'))), "1: 1"},
      {"8.2.1: a blank around a value", kSettings + get(1, line("x", " 1")), "1: 1"},
      {"8.2.2: connection", kSettings + get(1, line("connection", "close")), "1: 1"},
      {"8.2.2: keep-alive", kSettings + get(1, line("keep-alive", "1")), "1: 1"},
      {"8.2.2: proxy-connection", kSettings + get(1, line("proxy-connection", "x")), "1: 1"},
      {"8.2.2: transfer-encoding", kSettings + post(1, line("transfer-encoding", "chunked")), "1: 1"},
      {"8.2.2: upgrade", kSettings + get(1, line("upgrade", "x")), "1: 1"},
      {"8.2.2: TE", kSettings + get(1, line("te", "trailers")), "200 on 1"},
      {"8.2.2: another TE", kSettings + get(1, line("te", "gzip")), "1: 1"},
      {"8.3: an unknown pseudo-header field", kSettings + get(1, line(":x", "1")), "1: 1"},
      {"8.3: of an answer", kSettings + get(1, line(":status", "200")), "1: 1"},
      {"8.3: behind another field", kSettings + frame(FrameType::kHeaders, kEnds, 1, line("x", "1") + kGet), "1: 1"},
      {"8.3.1: twice", kSettings + get(1, line(":path", "/")), "1: 1"},
      {"8.3.1: no method", kSettings + frame(FrameType::kHeaders, kEnds, 1, "\x86\x84"), "1: 1"},
      {"8.3.1: no scheme", kSettings + frame(FrameType::kHeaders, kEnds, 1, "\x82\x84"), "1: 1"},
      {"8.3.1: no path", kSettings + frame(FrameType::kHeaders, kEnds, 1, "\x82\x86"), "1: 1"},
      {"8.3.1: an empty path", kSettings + frame(FrameType::kHeaders, kEnds, 1, "\x82\x86" + line(":path", "")),
       "1: 1"},
      {"8.3.1: no absolute path", kSettings + frame(FrameType::kHeaders, kEnds, 1, "\x82\x86" + line(":path", "x")),
       "1: 1"},
      {"8.5: CONNECT with a path",
       kSettings + frame(FrameType::kHeaders, kEnds, 1, line(":method", "CONNECT") + "\x84"), "1: 1"},
      {"10.5.1: a CONTINUATION flood",
       kSettings + frame(FrameType::kHeaders, kFlagEndStream, 1, kGet) +
           [] {
             std::string many;
             for (int i = 0; i < 100; ++i) many += frame(FrameType::kContinuation, 0, 1);
             return many;
           }(),
       "goaway 11"},
  });
}

TEST(Http2Conformance, AClientThatSendsMoreThanItsWindowIsStopped) {  // 6.9.1
  std::string bytes = kSettings + frame(FrameType::kSettings, kFlagAck, 0) + post(1);
  for (int i = 0; i < 20; ++i) bytes += data(1, std::string(16'000, 'x'), false);
  // The handler reads and so opens the window; a frame of the window's own size beyond it must come at once.
  World world(1);
  env::sim::Node& node = world.add_node();
  env::sim::Node& client = world.add_node();
  ServerOptions options;
  options.http2.stream_window_bytes = 65'535;
  options.stop_grace_ms = 1000;
  Server server(node.env().network(), node.reactor(), options,
                [](Exchange& exchange) -> Task<void> { co_await env::sleep_for(exchange.reactor(), 3600 * kSecond); });
  world.run_on(node.reactor(), [&] { EXPECT_TRUE(server.listen(node.address(0), nullptr).ok()); });
  env::TaskScope scope(client.reactor());
  std::string got;
  world.run_on(client.reactor(), [&] {
    scope.spawn(talk(client.env(), server.addresses().front(), std::string(Http2Connection::kPreface) + bytes, got));
  });
  world.run_for(5 * kSecond);
  EXPECT_EQ(summary(got), "1: 3");
}

}  // namespace
}  // namespace keelson::net::http
