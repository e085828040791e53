#include "net/http/parser.h"

#include <gtest/gtest.h>

#include <random>

namespace keelson::net::http {
namespace {

const Limits kLimits;

struct Parsed {
  Fault fault;
  RequestHead head;
  Framing framing;
};

Parsed parse(std::string_view bytes) {
  Parsed parsed;
  parsed.fault = parse_request_head(bytes, kLimits, parsed.head, parsed.framing);
  return parsed;
}

std::string request(std::string_view line, std::string_view fields = "Host: h\r\n") {
  return std::string(line) + "\r\n" + std::string(fields) + "\r\n";
}

TEST(RequestHead, IsTakenApart) {
  const Parsed parsed = parse(
      "GET /a%20b/c?x=1&y=%2B+z&flag HTTP/1.1\r\nHost: h\r\nX-A:  v w \t\r\nx-a:second\r\nConnection: a, "
      "Close\r\n\r\n");
  ASSERT_FALSE(parsed.fault) << parsed.fault.why;
  EXPECT_EQ(parsed.head.method, "GET");
  EXPECT_EQ(parsed.head.path, "/a b/c");
  EXPECT_EQ(parsed.head.parameter("x"), "1");
  EXPECT_EQ(parsed.head.parameter("y"), "+ z");
  EXPECT_EQ(parsed.head.parameter("flag"), "");
  EXPECT_EQ(parsed.head.parameter("none"), std::nullopt);
  EXPECT_EQ(*parsed.head.fields.find("x-A"), "v w");
  EXPECT_EQ(parsed.head.fields.count("X-A"), 2u);
  EXPECT_FALSE(parsed.head.keeps_alive());
  EXPECT_EQ(parsed.framing.kind, Framing::Kind::kNone);
}

TEST(RequestHead, KeepsAliveByVersion) {
  EXPECT_TRUE(parse(request("GET / HTTP/1.1")).head.keeps_alive());
  EXPECT_FALSE(parse(request("GET / HTTP/1.0", "")).head.keeps_alive());
  EXPECT_TRUE(parse(request("GET / HTTP/1.0", "Connection: keep-alive\r\n")).head.keeps_alive());
}

TEST(RequestHead, TargetsHaveTheFormsOfTheRfc) {
  EXPECT_EQ(parse(request("GET http://host:80/p?q HTTP/1.1")).head.target, "/p?q");
  EXPECT_EQ(parse(request("GET http://host HTTP/1.1")).head.path, "/");
  EXPECT_EQ(parse(request("OPTIONS * HTTP/1.1")).fault.status, 0);
  for (std::string_view bad :
       {"GET * HTTP/1.1", "GET a HTTP/1.1", "GET http:///x HTTP/1.1", "GET /%zz HTTP/1.1", "GET /%00 HTTP/1.1",
        "GET /a#b HTTP/1.1", "GET /a b HTTP/1.1", "GET  / HTTP/1.1", "GET /\x01 HTTP/1.1", "GET /\xff HTTP/1.1"}) {
    EXPECT_EQ(parse(request(bad)).fault.status, 400) << bad;
  }
}

TEST(RequestHead, RefusesWhatTwoParsersCouldReadInTwoWays) {
  const auto status = [](std::string_view fields) {
    return parse(request("POST / HTTP/1.1", "Host: h\r\n" + std::string(fields))).fault.status;
  };
  EXPECT_EQ(status("Content-Length: 5\r\n"), 0);
  EXPECT_EQ(status("Transfer-Encoding: chunked\r\n"), 0);
  EXPECT_EQ(status("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400);
  EXPECT_EQ(status("Content-Length: 5\r\nContent-Length: 5\r\n"), 400);
  EXPECT_EQ(status("Content-Length: 5, 5\r\n"), 400);
  EXPECT_EQ(status("Content-Length: +5\r\n"), 400);
  EXPECT_EQ(status("Content-Length: -5\r\n"), 400);
  EXPECT_EQ(status("Content-Length: 0x5\r\n"), 400);
  EXPECT_EQ(status("Content-Length: \r\n"), 400);
  EXPECT_EQ(status("Content-Length: 99999999999999999999\r\n"), 400);
  EXPECT_EQ(status("Content-Length: 99999999\r\n"), 413);
  EXPECT_EQ(status("Transfer-Encoding: gzip, chunked\r\n"), 501);
  EXPECT_EQ(status("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 501);
  EXPECT_EQ(status("Transfer-Encoding: xchunked\r\n"), 501);
  EXPECT_EQ(status("X : a\r\n"), 400);
  EXPECT_EQ(status("X\r\n"), 400);
  EXPECT_EQ(status(": a\r\n"), 400);
  EXPECT_EQ(status("X: a\r\n b\r\n"), 400);
  EXPECT_EQ(status("X: a\rb\r\n"), 400);
  EXPECT_EQ(status("X: a\nY: b\r\n"), 400);
  EXPECT_EQ(status(std::string_view("X: a\0b\r\n", 8)), 400);
  EXPECT_EQ(status("X: a\x7f\r\n"), 400);
  EXPECT_EQ(status("Host: other\r\n"), 400);
  EXPECT_EQ(parse(request("GET / HTTP/1.1", "")).fault.status, 400);
  EXPECT_EQ(parse(request("GET / HTTP/1.0", "Transfer-Encoding: chunked\r\n")).fault.status, 400);
  EXPECT_EQ(parse(request("GET / HTTP/2.0")).fault.status, 505);
  EXPECT_EQ(parse(request("GET / HTTP/1.10")).fault.status, 400);
  EXPECT_EQ(parse(request("GET / http/1.1")).fault.status, 400);
  EXPECT_EQ(parse(request("G(T / HTTP/1.1")).fault.status, 400);
  EXPECT_EQ(parse(request("GET /")).fault.status, 400);
}

TEST(HeadFinder, FindsTheEndWhereverTheBytesAreCut) {
  const std::string bytes = request("GET / HTTP/1.1") + "rest";
  HeadFinder whole(kLimits);
  EXPECT_EQ(whole.find(bytes), bytes.size() - 4);
  HeadFinder finder(kLimits);
  for (size_t size = 0; size < bytes.size() - 4; ++size)
    ASSERT_FALSE(finder.find(std::string_view(bytes).substr(0, size)));
  EXPECT_EQ(finder.find(bytes), bytes.size() - 4);
}

TEST(HeadFinder, HasLimits) {
  HeadFinder line(kLimits);
  EXPECT_FALSE(line.find("GET /" + std::string(kLimits.first_line_bytes_max, 'a')));
  EXPECT_EQ(line.fault().status, 414);
  HeadFinder head(kLimits);
  EXPECT_FALSE(head.find("GET / HTTP/1.1\r\nX: " + std::string(kLimits.head_bytes_max, 'a')));
  EXPECT_EQ(head.fault().status, 431);
  HeadFinder bare(kLimits);
  EXPECT_FALSE(bare.find("GET / HTTP/1.1\nHost: h\n\n"));
  EXPECT_EQ(bare.fault().status, 400);
  std::string many;
  for (size_t i = 0; i <= kLimits.fields_max; ++i) many += "A: b\r\n";
  EXPECT_EQ(parse(request("GET / HTTP/1.1", many)).fault.status, 431);
}

TEST(ResponseHead, SaysHowTheBodyEnds) {
  const auto framing = [](std::string_view bytes, bool is_head = false) {
    ResponseHead head;
    Framing result;
    EXPECT_FALSE(parse_response_head(bytes, kLimits, is_head, head, result));
    return result.kind;
  };
  EXPECT_EQ(framing("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), Framing::Kind::kLength);
  EXPECT_EQ(framing("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true), Framing::Kind::kNone);
  EXPECT_EQ(framing("HTTP/1.1 200\r\n\r\n"), Framing::Kind::kUntilClose);
  EXPECT_EQ(framing("HTTP/1.1 204 No Content\r\n\r\n"), Framing::Kind::kNone);
  EXPECT_EQ(framing("HTTP/1.1 100 Continue\r\n\r\n"), Framing::Kind::kNone);
  ResponseHead head;
  Framing result;
  for (std::string_view bad :
       {"HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 2000\r\n\r\n", "HTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 099 X\r\n\r\n"}) {
    EXPECT_TRUE(parse_response_head(bad, kLimits, false, head, result)) << bad;
  }
}

TEST(BodyDecoder, TakesALengthAndLeavesTheRest) {
  BodyDecoder decoder({Framing::Kind::kLength, 5}, 100);
  Buffer in, out;
  in.append("helloGET");
  EXPECT_FALSE(decoder.decode(in, out));
  EXPECT_TRUE(decoder.is_done());
  EXPECT_EQ(out.view(), "hello");
  EXPECT_EQ(in.view(), "GET");
}

TEST(BodyDecoder, RefusesBadChunks) {
  const auto status = [](std::string_view bytes, uint64_t max = 100) {
    BodyDecoder decoder({Framing::Kind::kChunked, 0}, max);
    Buffer in, out;
    in.append(bytes);
    return decoder.decode(in, out).status;
  };
  EXPECT_EQ(status("5\r\nhello\r\n0\r\n\r\n"), 0);
  EXPECT_EQ(status("5;a=b\r\nhello\r\n0\r\nT: x\r\n\r\n"), 0);
  EXPECT_EQ(status("5\nhello\r\n"), 400);
  EXPECT_EQ(status("5\r\nhelloX\r\n"), 400);
  EXPECT_EQ(status("g\r\n"), 400);
  EXPECT_EQ(status(" 5\r\n"), 400);
  EXPECT_EQ(status("-5\r\n"), 400);
  EXPECT_EQ(status("0x5\r\n"), 400);
  EXPECT_EQ(status("\r\n"), 400);
  EXPECT_EQ(status("ffffffffffffffff\r\n"), 400);
  EXPECT_EQ(status("5;" + std::string(400, 'a')), 400);
  EXPECT_EQ(status("5\r\nhello\r\n", 4), 413);
}

// Any way of cutting a chunked body into chunks and reads gives the body back, and what follows stays.
TEST(BodyDecoder, RoundTripsInAnyPieces) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 300; ++round) {
    std::string body;
    std::string wire;
    for (size_t chunks = random() % 6; chunks > 0; --chunks) {
      std::string chunk(1 + random() % 300, '\0');
      for (char& c : chunk) c = static_cast<char>(random());
      char size[16];
      std::snprintf(size, sizeof(size), random() % 2 == 0 ? "%zx" : "%zX", chunk.size());
      wire += std::string(size) + "\r\n" + chunk + "\r\n";
      body += chunk;
    }
    wire += "0\r\n\r\nNEXT";
    BodyDecoder decoder({Framing::Kind::kChunked, 0}, 1 << 20);
    Buffer in, out;
    size_t fed = 0;
    while (!decoder.is_done()) {
      ASSERT_LT(fed, wire.size());
      const size_t piece = std::min<size_t>(1 + random() % 50, wire.size() - fed);
      in.append(std::string_view(wire).substr(fed, piece));
      fed += piece;
      ASSERT_FALSE(decoder.decode(in, out));
    }
    EXPECT_EQ(out.view(), body);
    EXPECT_EQ(std::string(in.view()) + wire.substr(fed), "NEXT");
  }
}

// Changed bytes never crash the parser, and what it accepts is unambiguous.
TEST(RequestHead, SurvivesMutations) {
  std::mt19937_64 random(5);
  const std::string good = "POST /a?b=c HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nConnection: close\r\n\r\n";
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = good;
    for (size_t count = 1 + random() % 3; count > 0; --count)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    HeadFinder finder(kLimits);
    const std::optional<size_t> size = finder.find(bytes);
    if (!size) continue;
    const Parsed parsed = parse(std::string_view(bytes).substr(0, *size));
    if (parsed.fault) continue;
    EXPECT_LE(parsed.head.fields.count("Content-Length") + parsed.head.fields.count("Transfer-Encoding"), 1u);
    EXPECT_EQ(parsed.head.path.find('\0'), std::string::npos);
  }
}

}  // namespace
}  // namespace keelson::net::http
