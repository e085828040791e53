#include "protocol/resp/reply_parser.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "protocol/resp/writer.h"

namespace keelson::resp {
namespace {

struct Outcome {
  std::vector<Reply> replies;
  std::string error;
  bool operator==(const Outcome&) const = default;
};

// Feeds the bytes with no more than `piece` new ones at a time.
Outcome parse(std::string_view bytes, size_t piece = SIZE_MAX) {
  ReplyParser parser;
  Outcome outcome;
  std::string waiting;
  while (true) {
    waiting.erase(0, parser.feed(waiting));
    if (!parser.error().empty()) {
      outcome.error = parser.error();
      return outcome;
    }
    if (parser.has_reply()) {
      outcome.replies.push_back(parser.take());
      continue;
    }
    if (bytes.empty()) return outcome;
    const size_t size = std::min(piece, bytes.size());
    waiting += bytes.substr(0, size);
    bytes.remove_prefix(size);
  }
}

Reply text(ReplyType type, std::string value) { return {.type = type, .text = std::move(value)}; }
Reply integer(int64_t value) { return {.type = ReplyType::kInteger, .integer = value}; }
Reply aggregate(ReplyType type, std::vector<Reply> elements) { return {.type = type, .elements = std::move(elements)}; }

TEST(ReplyParser, ReadsEveryKind) {
  EXPECT_EQ(parse("+OK\r\n").replies, std::vector{text(ReplyType::kStatus, "OK")});
  EXPECT_EQ(parse("-ERR x\r\n").replies, std::vector{text(ReplyType::kError, "ERR x")});
  EXPECT_EQ(parse("!5\r\nERR x\r\n").replies, std::vector{text(ReplyType::kError, "ERR x")});
  EXPECT_EQ(parse(":-42\r\n").replies, std::vector{integer(-42)});
  EXPECT_EQ(parse("$5\r\na\r\nb\n\r\n").replies, std::vector{text(ReplyType::kBulk, "a\r\nb\n")});
  EXPECT_EQ(parse("$-1\r\n*-1\r\n_\r\n").replies, std::vector<Reply>(3));
  EXPECT_EQ(parse("=6\r\ntxt:hi\r\n").replies, std::vector{text(ReplyType::kVerbatim, "hi")});
  EXPECT_EQ(parse("(123456789012345678901234567890\r\n").replies,
            std::vector{text(ReplyType::kBigNumber, "123456789012345678901234567890")});
  EXPECT_EQ(parse("#t\r\n").replies[0].integer, 1);
  EXPECT_EQ(parse(",1.25\r\n").replies[0].real, 1.25);
  EXPECT_EQ(parse(",-inf\r\n").replies[0].real, -INFINITY);
  EXPECT_TRUE(std::isnan(parse(",nan\r\n").replies[0].real));
}

TEST(ReplyParser, ReadsNestedAggregates) {
  const Reply expected =
      aggregate(ReplyType::kArray,
                {integer(1), aggregate(ReplyType::kMap, {text(ReplyType::kBulk, "k"), aggregate(ReplyType::kSet, {})}),
                 Reply{}, aggregate(ReplyType::kPush, {text(ReplyType::kStatus, "x")})});
  EXPECT_EQ(parse("*4\r\n:1\r\n%1\r\n$1\r\nk\r\n~0\r\n_\r\n>1\r\n+x\r\n"), (Outcome{{expected}, ""}));
}

TEST(ReplyParser, DropsAttributes) {
  const Reply expected = aggregate(ReplyType::kArray, {integer(7), integer(8)});
  EXPECT_EQ(parse("|1\r\n+ttl\r\n*1\r\n:5\r\n*2\r\n:7\r\n|0\r\n|1\r\n+a\r\n+b\r\n:8\r\n"), (Outcome{{expected}, ""}));
}

TEST(ReplyParser, RefusesWhatIsWrong) {
  for (const std::string_view bytes :
       {"x\r\n", "\r\n", "+OK\n", ":1x\r\n", ":\r\n", "$-2\r\n", "$1\r\nab\r\n", "*-2\r\n", "%-1\r\n", "#x\r\n",
        "_x\r\n", ",abc\r\n", "=2\r\nhi\r\n", "$99999999999\r\n", "$?\r\n", "*?\r\n"}) {
    EXPECT_NE(parse(bytes).error, "") << bytes;
    EXPECT_TRUE(parse(bytes).replies.empty()) << bytes;
  }
}

TEST(ReplyParser, LimitsDepthAndLines) {
  std::string deep;
  for (size_t i = 0; i < kReplyDepthMax; ++i) deep += "*1\r\n";
  EXPECT_EQ(parse(deep + ":1\r\n").replies.size(), 1U);
  EXPECT_NE(parse(deep + "*1\r\n").error, "");
  EXPECT_NE(parse("+" + std::string(kReplyLineBytesMax, 'x')).error, "");
}

// Writes a random reply, and returns what reading it must give.
Reply write_random(std::mt19937_64& random, RespWriter& out, int depth) {
  const uint64_t kind = random() % (depth > 0 ? 10 : 7);
  const auto count = static_cast<size_t>(random() % 4);
  const std::string bytes(random() % 40, static_cast<char>(random()));
  switch (kind) {
    case 0:
      out.integer(static_cast<int64_t>(random()));
      break;
    case 1:
      out.bulk(bytes);
      return text(ReplyType::kBulk, bytes);
    case 2:
      out.null();
      return {};
    case 3:
      out.boolean(count == 1);
      return {.type = ReplyType::kBoolean, .integer = count == 1 ? 1 : 0};
    case 4:
      out.verbatim("txt", bytes);
      return text(ReplyType::kVerbatim, bytes);
    case 5:
      out.status("fine");
      return text(ReplyType::kStatus, "fine");
    case 6:
      out.error("ERR bad");
      return text(ReplyType::kError, "ERR bad");
    default: {
      Reply reply;
      reply.type = kind == 7 ? ReplyType::kArray : kind == 8 ? ReplyType::kMap : ReplyType::kSet;
      kind == 7 ? out.array(count) : kind == 8 ? out.map(count) : out.set(count);
      for (size_t i = 0; i < count * (kind == 8 ? 2 : 1); ++i) {
        reply.elements.push_back(write_random(random, out, depth - 1));
      }
      return reply;
    }
  }
  // The integer just written stands at the buffer's end.
  const std::string_view all = out.target().view();
  const size_t begin = all.rfind(':') + 1;
  return integer(std::stoll(std::string(all.substr(begin, all.size() - begin - 2))));
}

TEST(ReplyParser, ReadsWhatTheWriterWritesHoweverItIsCut) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 300; ++round) {
    Buffer buffer;
    RespWriter out(buffer, true);
    Outcome expected;
    for (int i = 0; i < 4; ++i) expected.replies.push_back(write_random(random, out, 4));
    for (const size_t piece : {SIZE_MAX, size_t{1}, size_t{2}, size_t{7}}) {
      ASSERT_EQ(parse(buffer.view(), piece), expected) << round;
    }
  }
}

}  // namespace
}  // namespace keelson::resp
