#include "net/http/parser.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "net/http/body_decoder.h"
#include "net/http/scan.h"
#include "net/http/url.h"

namespace keelson::net::http {
namespace {

const Limits kLimits;

// Owns what the head's views point into.
struct Parsed {
  explicit Parsed(std::string_view text, const Limits& limits = kLimits) : bytes(text), lines(limits.fields_max) {
    outcome = parse_request_head(bytes, limits, lines, 0, head);
  }
  std::string bytes;
  std::vector<Field> lines;
  HeadOutcome outcome;
  RequestHead head;
};

std::string request(std::string_view line, std::string_view fields = "Host: h\r\n") {
  return std::string(line) + "\r\n" + std::string(fields) + "\r\n";
}

TEST(RequestHead, IsTakenApart) {
  const Parsed parsed(
      "GET /a%20b/c?x=1&y=%2B+z&flag HTTP/1.1\r\nHost: h:80\r\nX-A:  v w \t\r\nx-a:second\r\nEmpty:\r\nConnection: a, "
      "Close\r\n\r\nrest");
  ASSERT_FALSE(parsed.outcome.fault) << parsed.outcome.fault.why;
  EXPECT_EQ(parsed.outcome.size, parsed.bytes.size() - 4);
  EXPECT_EQ(parsed.head.method, "GET");
  EXPECT_EQ(parsed.head.target, "/a%20b/c?x=1&y=%2B+z&flag");
  EXPECT_EQ(parsed.head.path, "/a%20b/c");
  EXPECT_EQ(parsed.head.query, "x=1&y=%2B+z&flag");
  EXPECT_EQ(parsed.head.host, "h:80");
  EXPECT_EQ(parsed.head.fields.size(), 5u);
  EXPECT_EQ(parsed.head.fields.find("x-A"), "v w");
  EXPECT_EQ(parsed.head.fields.find("empty"), "");
  EXPECT_EQ(parsed.head.fields.find("none"), std::nullopt);
  EXPECT_EQ(parsed.head.fields.count("X-A"), 2u);
  EXPECT_FALSE(parsed.head.keeps_alive);
  EXPECT_EQ(parsed.head.framing.kind, Framing::Kind::kNone);
}

// However the bytes come, the parser says the same as of all of them at once, or finds the fault sooner.
TEST(RequestHead, IsTheSameHoweverTheBytesAreCut) {
  std::mt19937_64 random(3);
  const std::string good =
      "\r\nPOST /a?b=c HTTP/1.1\r\nHost: host.example\r\nContent-Length: 5\r\nUser-Agent: somebody with a long "
      "name/1.0\r\n\r\n";
  for (int round = 0; round < 5000; ++round) {
    std::string bytes = good;
    if (round > 0) {
      for (size_t count = 1 + random() % 2; count > 0; --count)
        bytes[random() % bytes.size()] = static_cast<char>(random() % 4 == 0 ? random() : " \t\r\n:A/,"[random() % 8]);
    }
    const Parsed whole(bytes);
    std::vector<Field> lines(kLimits.fields_max);
    size_t seen = 0;
    HeadOutcome outcome;
    RequestHead head;
    for (size_t size = 1; size <= bytes.size() && outcome.size == 0 && !outcome.fault; size += 1 + random() % 9) {
      outcome = parse_request_head(std::string_view(bytes).substr(0, size), kLimits, lines, seen, head);
      seen = size;
    }
    if (outcome.size == 0 && !outcome.fault) outcome = parse_request_head(bytes, kLimits, lines, seen, head);
    if (outcome.size != 0 || whole.outcome.size != 0) {
      ASSERT_EQ(outcome.size, whole.outcome.size) << bytes;
      EXPECT_EQ(std::string(head.target), std::string(whole.head.target));
      EXPECT_EQ(head.fields.size(), whole.head.fields.size());
      EXPECT_EQ(head.framing.length, whole.head.framing.length);
    }
    if (outcome.fault) {
      EXPECT_TRUE(whole.outcome.fault) << bytes;
    }
  }
}

TEST(RequestHead, FaultsAreFoundAtOnce) {
  for (std::string_view start :
       {" ", "G(T", "GET  /", "GET /\x01", "GET /a\xff", "GET / HTTQ", "GET / HTTP/2.0", "GET / HTTP/1.1x",
        "GET / HTTP/1.1\n", "GET / HTTP/1.1\r\n X", "GET / HTTP/1.1\r\nA : ", "GET / HTTP/1.1\r\nA: \x01",
        "\x16\x03\x01", "GET / HTTP/1.1\r\nHost\r\n", "GET / HTTP/1.1\r\nA: b\rc",
        "SSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSS"}) {
    EXPECT_TRUE(Parsed(start).outcome.fault) << start;
  }
}

TEST(RequestHead, HasLimits) {
  EXPECT_EQ(Parsed("GET /" + std::string(kLimits.first_line_bytes_max, 'a')).outcome.fault.status, 414);
  EXPECT_EQ(
      Parsed(request("GET /" + std::string(kLimits.first_line_bytes_max, 'a') + " HTTP/1.1")).outcome.fault.status,
      414);
  EXPECT_EQ(Parsed("GET / HTTP/1.1\r\nX: " + std::string(kLimits.head_bytes_max, 'a')).outcome.fault.status, 431);
  EXPECT_EQ(Parsed(request("GET / HTTP/1.1", "Host: h\r\nX: " + std::string(kLimits.head_bytes_max, 'a') + "\r\n"))
                .outcome.fault.status,
            431);
  std::string many = "Host: h\r\n";
  for (size_t i = 1; i < kLimits.fields_max; ++i) many += "A: b\r\n";
  EXPECT_FALSE(Parsed(request("GET / HTTP/1.1", many)).outcome.fault);
  EXPECT_EQ(Parsed(request("GET / HTTP/1.1", many + "A: b\r\n")).outcome.fault.status, 431);
  EXPECT_EQ(Parsed(request("PUT / HTTP/1.1", "Host: h\r\nContent-Length: 99999999\r\n")).outcome.fault.status, 413);
}

TEST(RequestHead, KeepsAliveByVersion) {
  EXPECT_TRUE(Parsed(request("GET / HTTP/1.1")).head.keeps_alive);
  EXPECT_FALSE(Parsed(request("GET / HTTP/1.0", "")).head.keeps_alive);
  EXPECT_TRUE(Parsed(request("GET / HTTP/1.0", "Connection: keep-alive\r\n")).head.keeps_alive);
}

struct ParsedResponse {
  explicit ParsedResponse(std::string_view text, std::string_view method = "GET")
      : bytes(text), lines(kLimits.fields_max) {
    outcome = parse_response_head(bytes, kLimits, lines, 0, method, head);
  }
  std::string bytes;
  std::vector<Field> lines;
  HeadOutcome outcome;
  ResponseHead head;
};

TEST(ResponseHead, SaysHowTheBodyEnds) {
  const auto framing = [](std::string_view bytes, std::string_view method = "GET") {
    const ParsedResponse parsed(bytes, method);
    EXPECT_EQ(parsed.outcome.size, bytes.size()) << bytes;
    return parsed.head.framing.kind;
  };
  EXPECT_EQ(framing("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), Framing::Kind::kLength);
  EXPECT_EQ(framing("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD"), Framing::Kind::kNone);
  EXPECT_EQ(framing("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), Framing::Kind::kChunked);
  EXPECT_EQ(framing("HTTP/1.1 200\r\n\r\n"), Framing::Kind::kUntilClose);
  EXPECT_EQ(framing("HTTP/1.1 200 \r\n\r\n"), Framing::Kind::kUntilClose);
  EXPECT_EQ(framing("HTTP/1.1 204 No Content\r\n\r\n"), Framing::Kind::kNone);
  EXPECT_EQ(framing("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"), Framing::Kind::kNone);
  EXPECT_EQ(framing("HTTP/1.1 100 Continue\r\n\r\n"), Framing::Kind::kNone);
  EXPECT_EQ(framing("HTTP/1.1 200 OK\r\n\r\n", "CONNECT"), Framing::Kind::kNone);
  for (std::string_view bad :
       {"HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 2000\r\n\r\n", "HTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 099 X\r\n\r\n",
        "HTTP/1.1 600 X\r\n\r\n", "HTTP/2.0 200 OK\r\n\r\n", "HTTP/1.1  200 OK\r\n\r\n", "HTTP/1.1 200 OK\nA: b\n\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 200 \x01\r\n\r\n"}) {
    EXPECT_TRUE(ParsedResponse(bad).outcome.fault) << bad;
  }
}

// Decodes all of `wire` given in pieces; the body, "!status" at a fault, what is left behind "|".
std::string decode(std::string_view wire, Framing framing, uint64_t max, size_t piece_bytes,
                   FieldList* trailers = nullptr) {
  BodyDecoder decoder(framing, max);
  std::string body;
  while (!decoder.is_done() && !wire.empty()) {
    const BodyDecoder::Piece piece = decoder.next(wire.substr(0, piece_bytes));
    if (piece.fault) return body + "!" + std::to_string(piece.fault.status);
    body.append(piece.data);
    wire.remove_prefix(piece.consumed);
  }
  if (trailers != nullptr) *trailers = decoder.trailers();
  return decoder.is_done() ? body + "|" + std::string(wire) : body;
}

TEST(BodyDecoder, TakesALengthAndLeavesTheRest) {
  EXPECT_EQ(decode("helloGET", {Framing::Kind::kLength, 5}, 100, 3), "hello|GET");
  EXPECT_EQ(decode("GET", {Framing::Kind::kLength, 0}, 100, 3), "|GET");
}

TEST(BodyDecoder, HandsOutTrailers) {
  FieldList trailers;
  EXPECT_EQ(decode("5\r\nhello\r\n0\r\nX-Sum: 1\r\nY: \r\n\r\nGET", {Framing::Kind::kChunked, 0}, 100, 7, &trailers),
            "hello|GET");
  EXPECT_EQ(trailers.find("x-sum"), "1");
  EXPECT_EQ(trailers.size(), 2u);
}

TEST(BodyDecoder, RefusesBadChunks) {
  const auto outcome = [](std::string_view bytes, uint64_t max = 100) {
    return decode(bytes, {Framing::Kind::kChunked, 0}, max, SIZE_MAX);
  };
  EXPECT_EQ(outcome("5\r\nhello\r\n0\r\n\r\n"), "hello|");
  EXPECT_EQ(outcome("5;a=b\r\nhello\r\n000\r\nT: x\r\n\r\n"), "hello|");
  EXPECT_EQ(outcome("5;a;b=\"q\\\"; \";c\r\nhello\r\n0;z\r\n\r\n"), "hello|");
  for (std::string_view bad :
       {"5\nhello\r\n", "g\r\n", " 5\r\n", "5 \r\n", "-5\r\n", "+5\r\n", "0x5\r\n", "\r\n", "ffffffffffffffff\r\n",
        "5;\r\n", "5;a b\r\n", "5;a=\r\n", "5;a=\"b\"c\r\n", "5;a=b\n", "5;a=\"\n", "5;\x01\r\n", "5\r\r\n", "5\rX"}) {
    EXPECT_EQ(outcome(bad), "!400") << bad;
  }
  EXPECT_EQ(outcome("5\r\nhelloX\r\n"), "hello!400");
  EXPECT_EQ(outcome("5\r\nhello\n0\r\n\r\n"), "hello!400");
  EXPECT_EQ(outcome("5;" + std::string(400, 'a')), "!400");
  EXPECT_EQ(outcome("5\r\nhello\r\n", 4), "!413");
  EXPECT_EQ(outcome("0\r\nContent-Length: 5\r\n\r\n"), "!400");
  EXPECT_EQ(outcome("0\r\nTransfer-Encoding: chunked\r\n\r\n"), "!400");
  EXPECT_EQ(outcome("0\r\nHost: x\r\n\r\n"), "!400");
  EXPECT_EQ(outcome("0\r\nX: a\r\n b\r\n\r\n"), "!400");
  EXPECT_EQ(outcome("0\r\nX : a\r\n\r\n"), "!400");
  EXPECT_EQ(outcome("0\r\nX: " + std::string(BodyDecoder::kTrailerBytesMax, 'a')), "!431");
}

// A body may not be a thousand times its size on the wire.
TEST(BodyDecoder, BoundsExtensions) {
  std::string wire;
  for (int i = 0; i < 1000; ++i) wire += "1;" + std::string(200, 'a') + "\r\nx\r\n";
  EXPECT_TRUE(decode(wire, {Framing::Kind::kChunked, 0}, 1 << 20, SIZE_MAX).ends_with("!400"));
  wire.clear();
  for (int i = 0; i < 1000; ++i)
    wire += "64;chunk-signature=" + std::string(64, 'a') + "\r\n" + std::string(100, 'x') + "\r\n";
  EXPECT_EQ(decode(wire, {Framing::Kind::kChunked, 0}, 1 << 20, SIZE_MAX).size(), 100'000u);
  wire.clear();
  for (int i = 0; i < 100'000; ++i) wire += "1\r\nx\r\n";
  EXPECT_EQ(decode(wire, {Framing::Kind::kChunked, 0}, 1 << 20, SIZE_MAX).size(), 100'000u);
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
    EXPECT_EQ(decode(wire, {Framing::Kind::kChunked, 0}, 1 << 20, 1 + random() % 50), body + "|NEXT");
  }
}

// The sixteen at a time agree with the table, at every length and place.
TEST(Scan, AgreesWithTheTable) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 20'000; ++round) {
    std::string text(random() % 70, 'a');
    for (size_t i = random() % 3; i > 0 && !text.empty(); --i)
      text[random() % text.size()] = static_cast<char>(random());
    const char* const begin = text.data();
    const char* const end = begin + text.size();
    for (const CharClass* set : {&kTokenChars, &kTargetChars, &kHostChars}) {
      const char* at = begin;
      while (at != end && set->has(*at)) ++at;
      ASSERT_EQ(set->skip(begin, end), at) << text;
    }
    const char* at = begin;
    while (at != end && (*at == '\t' || (static_cast<unsigned char>(*at) >= 0x20 && *at != 0x7f))) ++at;
    ASSERT_EQ(skip_field_value(begin, end), at) << text;
  }
}

TEST(Url, ReadsQueries) {
  const std::vector<Parameter> all = parse_query("a=1&b&&c=%20+x&d=%zz&=e&a=2");
  ASSERT_EQ(all.size(), 6u);
  EXPECT_EQ(all[0].value, "1");
  EXPECT_FALSE(all[1].has_value);
  EXPECT_EQ(all[2].value, "  x");
  EXPECT_EQ(all[3].value, "%zz");
  EXPECT_EQ(all[4].name, "");
  EXPECT_EQ(all[5].name, "a");
  EXPECT_EQ(percent_encode("a/b c+\xff", true), "a/b%20c%2B%FF");
  EXPECT_EQ(percent_encode("a/b", false), "a%2Fb");
}

TEST(Url, KnowsHosts) {
  for (std::string_view good : {"", "h", "a.b:80", "h:", "[::1]", "[::1]:80", "127.0.0.1:9000", "a_b", "%41"}) {
    EXPECT_TRUE(is_host(good)) << good;
  }
  for (std::string_view bad : {"a b", "u@h", "h/", "h:x", "h:80:80", ":80", "[::1", "::1", "[]", "[a]", "h:123456",
                               "a,b/", "%zz", "h?x", "[::1]x"}) {
    EXPECT_FALSE(is_host(bad)) << bad;
  }
}

TEST(Message, FormatsDates) {
  EXPECT_EQ(format_http_date(784'111'777'000), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(format_http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(format_http_date(951'782'400'999), "Tue, 29 Feb 2000 00:00:00 GMT");
  EXPECT_EQ(format_http_date(4'102'444'799'000), "Thu, 31 Dec 2099 23:59:59 GMT");
  EXPECT_EQ(format_http_date(-1), "Wed, 31 Dec 1969 23:59:59 GMT");
  EXPECT_EQ(reason_of(404), "Not Found");
  EXPECT_EQ(reason_of(507), "Insufficient Storage");
  EXPECT_EQ(reason_of(299), "Unknown");
}

TEST(FieldList, KeepsItsBytesWhereverItGrowsOrMoves) {
  FieldList list;
  for (int i = 0; i < 100; ++i) list.add("name" + std::to_string(i), std::string(static_cast<size_t>(i), 'v'));
  FieldList copy = list;
  FieldList moved = std::move(list);
  for (const FieldList* each : {&copy, &moved}) {
    for (int i = 0; i < 100; ++i)
      EXPECT_EQ(each->find("NAME" + std::to_string(i)), std::string(static_cast<size_t>(i), 'v'));
  }
}

}  // namespace
}  // namespace keelson::net::http
