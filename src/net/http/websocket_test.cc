#include "net/http/websocket.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "env/sim/sim.h"
#include "net/http/server.h"
#include "net/http/websocket_connection.h"

namespace keelson::net::http {
namespace {

using env::sim::kSecond;
using env::sim::World;
using Kind = WsDecoder::Event::Kind;

// A client's frame, masked.
std::string frame(int first_byte, std::string_view payload, bool is_masked = true) {
  Buffer plain;
  append_ws_frame(plain, WsOpcode::kText, payload);
  std::string bytes(plain.view());
  const size_t head = bytes.size() - payload.size();
  bytes[0] = static_cast<char>(first_byte);
  if (!is_masked) return bytes;
  bytes[1] = static_cast<char>(bytes[1] | 0x80);
  const std::string mask = "\x11\x22\x33\x44";
  for (size_t i = 0; i < payload.size(); ++i) bytes[head + i] = static_cast<char>(bytes[head + i] ^ mask[i % 4]);
  return bytes.insert(head, mask);
}
constexpr int kLast = 0x80;

struct Decoded {
  std::vector<std::string> events;
  WsClose code = WsClose::kNone;
};

// Everything that comes of the bytes, given in pieces.
Decoded decode(std::string_view bytes, size_t piece, size_t max = 100'000) {
  WsDecoder decoder(max);
  Buffer in;
  Decoded decoded;
  while (true) {
    const WsDecoder::Event event = decoder.next(in);
    const std::string payload(event.payload);
    switch (event.kind) {
      case Kind::kNothing:
        if (bytes.empty()) return decoded;
        in.append(bytes.substr(0, piece));
        bytes.remove_prefix(std::min(piece, bytes.size()));
        continue;
      case Kind::kMessage:
        decoded.events.push_back((event.is_text ? "text " : "binary ") + payload);
        continue;
      case Kind::kPing:
        decoded.events.push_back("ping " + payload);
        continue;
      case Kind::kPong:
        decoded.events.push_back("pong " + payload);
        continue;
      case Kind::kClose:
      case Kind::kFault:
        decoded.events.push_back((event.kind == Kind::kClose ? "close " : "fault ") + payload);
        decoded.code = event.code;
        return decoded;
    }
  }
}

TEST(WebSocketCodec, TheAcceptKeyIsTheOneOfTheRfc) {  // RFC 6455 §1.3
  EXPECT_EQ(websocket_accept_of("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(WebSocketCodec, TakesMessagesHoweverTheyAreCut) {
  const std::string bytes = frame(kLast | 1, "hello") + frame(2, "a") + frame(kLast | 9, "p") + frame(0, "b") +
                            frame(kLast | 0, "c") + frame(kLast | 10, "") + frame(kLast | 2, std::string(200, 'x')) +
                            frame(kLast | 2, std::string(70'000, 'y')) +
                            frame(kLast | 8,
                                  "\x03\xe8"
                                  "bye");
  const std::vector<std::string> expected = {"text hello",
                                             "ping p",
                                             "binary abc",
                                             "pong ",
                                             "binary " + std::string(200, 'x'),
                                             "binary " + std::string(70'000, 'y'),
                                             "close bye"};
  for (size_t piece : {size_t{1}, size_t{2}, size_t{7}, size_t{100}, SIZE_MAX}) {
    const Decoded decoded = decode(bytes, piece);
    EXPECT_EQ(decoded.events, expected);
    EXPECT_EQ(decoded.code, WsClose::kNormal);
  }
}

TEST(WebSocketCodec, FaultsHaveTheirCodes) {
  struct Row {
    std::string_view clause;
    std::string bytes;
    WsClose code;
  };
  const Row rows[] = {
      {"5.1 unmasked", frame(kLast | 1, "a", false), WsClose::kProtocolError},
      {"5.2 reserved bit", frame(kLast | 0x41, "a"), WsClose::kProtocolError},
      {"5.2 unknown opcode", frame(kLast | 3, "a"), WsClose::kProtocolError},
      {"5.2 unknown control", frame(kLast | 11, "a"), WsClose::kProtocolError},
      {"5.2 length not the shortest", std::string("\x81\xfe\0\5", 4) + "mask" + "hello", WsClose::kProtocolError},
      {"5.2 length not the shortest", std::string("\x81\xff\0\0\0\0\0\0\0\5", 10) + "mask" + "hello",
       WsClose::kProtocolError},
      {"5.2 length above 2^63", std::string("\x81\xff\x80\0\0\0\0\0\0\5", 10) + "mask", WsClose::kProtocolError},
      {"5.4 continuation of nothing", frame(kLast | 0, "a"), WsClose::kProtocolError},
      {"5.4 a message within one", frame(1, "a") + frame(kLast | 1, "b"), WsClose::kProtocolError},
      {"5.5 fragmented control", frame(9, "a"), WsClose::kProtocolError},
      {"5.5 long control", frame(kLast | 9, std::string(126, 'a')), WsClose::kProtocolError},
      {"5.5.1 half a code", frame(kLast | 8, "\x03"), WsClose::kProtocolError},
      {"7.4 a code that is never sent", frame(kLast | 8, "\x03\xed"), WsClose::kProtocolError},
      {"7.4 a code of nobody", frame(kLast | 8, std::string("\0\1", 2)), WsClose::kProtocolError},
      {"8.1 text", frame(kLast | 1, "\xff"), WsClose::kBadText},
      {"8.1 text cut off", frame(kLast | 1, "\xe2\x82"), WsClose::kBadText},
      {"8.1 text in fragments", frame(1, "\xe2\x82") + frame(kLast | 0, "x"), WsClose::kBadText},
      {"8.1 reason", frame(kLast | 8, "\x03\xe8\xff"), WsClose::kBadText},
      {"10.4 size", frame(kLast | 2, std::string(101, 'a')), WsClose::kTooLarge},
      {"10.4 size of all fragments", frame(2, std::string(60, 'a')) + frame(kLast | 0, std::string(60, 'a')),
       WsClose::kTooLarge},
  };
  for (const Row& row : rows) {
    const Decoded decoded = decode(row.bytes, SIZE_MAX, 100);
    ASSERT_EQ(decoded.events.size(), 1u) << row.clause;
    EXPECT_EQ(decoded.events[0], "fault ") << row.clause;
    EXPECT_EQ(decoded.code, row.code) << row.clause;
  }
  EXPECT_EQ(decode(frame(kLast | 8, ""), SIZE_MAX).code, WsClose::kNone);
  EXPECT_EQ(decode(frame(1, "\xe2\x82") + frame(kLast | 0, "\xac"), SIZE_MAX).events[0], "text \xe2\x82\xac");
}

// Every code point there is, against its definition.
TEST(Utf8Check, KnowsEveryCharacter) {
  for (uint32_t first = 0; first < 256; ++first) {
    for (uint32_t second = 0; second < 256; ++second) {
      for (uint32_t rest : {0x80u, 0xbfu, 0x7fu, 0xc0u}) {
        const std::string bytes = {static_cast<char>(first), static_cast<char>(second), static_cast<char>(rest),
                                   static_cast<char>(rest)};
        const bool tail = rest >= 0x80 && rest <= 0xbf;
        const bool second_tail = second >= 0x80 && second <= 0xbf;
        const auto is = [&](size_t count) {
          Utf8Check check;
          return check.feed(std::string_view(bytes).substr(0, count)) && check.is_at_end();
        };
        EXPECT_EQ(is(1), first < 0x80);
        const uint32_t two = (first & 0x1f) << 6 | (second & 0x3f);
        if (first >= 0xc0 && first < 0xe0) {
          EXPECT_EQ(is(2), second_tail && two >= 0x80);
        }
        const uint32_t three = (first & 0xf) << 12 | (second & 0x3f) << 6 | (rest & 0x3f);
        if (first >= 0xe0 && first < 0xf0) {
          EXPECT_EQ(is(3), second_tail && tail && three >= 0x800 && (three < 0xd800 || three > 0xdfff));
        }
        const uint32_t four = (first & 7) << 18 | (second & 0x3f) << 12 | (rest & 0x3f) << 6 | (rest & 0x3f);
        if (first >= 0xf0 && first < 0xf8) {
          EXPECT_EQ(is(4), second_tail && tail && four >= 0x10000 && four <= 0x10ffff);
        }
        if (first >= 0xf8) {
          EXPECT_FALSE(is(4));
        }
      }
    }
  }
}

Task<void> echo(Exchange& exchange, WebSocketOptions options, WsClose& ended) {
  std::unique_ptr<WebSocket> socket = co_await WebSocket::accept(exchange, options);
  if (socket == nullptr) co_return;
  while (std::optional<WebSocket::Message> message = co_await socket->receive()) {
    if (message->payload == "bye") co_await socket->close(WsClose::kNormal, "as you say");
    const bool is_sent =
        co_await (message->is_text ? socket->send_text(message->payload) : socket->send_binary(message->payload));
    (void)is_sent;
  }
  ended = socket->close_code();
}

class WebSocketTest : public testing::Test {
 protected:
  WebSocketTest() : world_(1), node_(world_.add_node()), machine_(world_.add_node()) {
    server_ = std::make_unique<Server>(node_.env().network(), node_.reactor(), ServerOptions{},
                                       [this](Exchange& exchange) { return echo(exchange, {}, ended_); });
    world_.run_on(node_.reactor(), [&] { ASSERT_TRUE(server_->listen(node_.address(0), nullptr).ok()); });
  }
  ~WebSocketTest() override {
    world_.run_on(node_.reactor(), [&] { server_.reset(); });
  }
  static Task<std::string> talk(env::Env& env, env::Address to, std::string sends) {
    auto stream = co_await env.network().connect(env.reactor(0), to);
    if (!stream.ok()) co_return "no connection";
    (void)co_await (*stream)->write(sends);
    std::string got;
    std::string into(1000, '\0');
    while (true) {
      const env::IoOutcome outcome = co_await (*stream)->read(into);
      if (!outcome.ok()) break;
      got.append(into, 0, outcome.count);
    }
    co_return got;
  }
  std::string raw(std::string sends) {
    return world_.run(machine_.reactor(), talk(machine_.env(), server_->addresses().front(), std::move(sends)),
                      600 * kSecond);
  }
  static std::string handshake(std::string_view more = "") {
    return "GET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" +
           std::string(more) + "\r\n";
  }
  // What follows the 101; the frames of the server.
  std::string frames(std::string sends) {
    const std::string got = raw(handshake() + sends);
    EXPECT_TRUE(got.starts_with("HTTP/1.1 101 Switching Protocols\r\n")) << got;
    EXPECT_NE(got.find("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), std::string::npos);
    return got.substr(got.find("\r\n\r\n") + 4);
  }

  World world_;
  env::sim::Node& node_;
  env::sim::Node& machine_;
  WsClose ended_ = WsClose::kInternal;
  std::unique_ptr<Server> server_;
};

TEST_F(WebSocketTest, TalksAndCloses) {
  EXPECT_EQ(frames(frame(kLast | 1, "hi") + frame(kLast | 9, "p") + frame(kLast | 8, "\x03\xe8")),
            "\x81\x02hi\x8a\x01p\x88\x02\x03\xe8");
  EXPECT_EQ(ended_, WsClose::kNormal);
  // The server closes first; what the client still says is not echoed.
  EXPECT_EQ(frames(frame(kLast | 1, "bye") + frame(kLast | 1, "more") + frame(kLast | 8, "\x03\xe8")),
            "\x88\x0c\x03\xe8"
            "as you say");
}

TEST_F(WebSocketTest, FaultsCloseIt) {
  EXPECT_EQ(frames(frame(kLast | 1, "\xff")), "\x88\x02\x03\xef");
  EXPECT_EQ(ended_, WsClose::kBadText);
  EXPECT_EQ(frames(frame(kLast | 1, "a", false)), "\x88\x02\x03\xea");
}

TEST_F(WebSocketTest, SilentClientsArePingedAndGivenUp) {
  const int64_t began = world_.now_ns();
  EXPECT_EQ(frames(""), std::string("\x89\0", 2));
  EXPECT_LT(world_.now_ns() - began, 70 * kSecond);
  EXPECT_GT(world_.now_ns() - began, 50 * kSecond);
  EXPECT_EQ(ended_, WsClose::kAbnormal);
}

TEST_F(WebSocketTest, BadHandshakesAreRefused) {
  const std::string good = handshake();
  const auto without = [&](std::string_view part, std::string_view instead = "") {
    std::string bytes = good;
    const size_t at = bytes.find(part);
    EXPECT_NE(at, std::string::npos) << part;
    return raw(bytes.replace(at, part.size(), instead).insert(bytes.size() - 2, "Connection: close\r\n")).substr(0, 12);
  };
  EXPECT_EQ(without("Upgrade: WebSocket\r\n"), "HTTP/1.1 400");
  EXPECT_EQ(without("keep-alive, Upgrade", "x"), "HTTP/1.1 400");
  EXPECT_EQ(without("dGhlIHNhbXBsZSBub25jZQ==", "short"), "HTTP/1.1 400");
  EXPECT_EQ(without("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZR=="), "HTTP/1.1 400");
  EXPECT_EQ(without("Version: 13", "Version: 8"), "HTTP/1.1 426");
  EXPECT_EQ(without("GET", "PUT"), "HTTP/1.1 400");
}

TEST_F(WebSocketTest, AStopIsSaid) {
  env::TaskScope scope(machine_.reactor());
  std::string got;
  const auto client = [](env::Env& env, env::Address to, std::string sends, std::string& into) -> Task<void> {
    into = co_await talk(env, to, std::move(sends));
  };
  world_.run_on(machine_.reactor(),
                [&] { scope.spawn(client(machine_.env(), server_->addresses().front(), handshake(), got)); });
  world_.run_for(kSecond);
  world_.run(node_.reactor(), server_->stop());
  world_.run_for(10 * kSecond);
  EXPECT_TRUE(got.ends_with("\x88\x02\x03\xe9")) << got;
  EXPECT_EQ(server_->connection_count(), 0u);
}

}  // namespace
}  // namespace keelson::net::http
