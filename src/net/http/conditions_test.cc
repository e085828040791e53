#include "net/http/conditions.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "net/http/message.h"

namespace keelson::net::http {
namespace {

TEST(HttpDate, IsReadInAllThreeForms) {  // RFC 9110 §5.6.7
  for (std::string_view text :
       {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"}) {
    EXPECT_EQ(parse_http_date(text), 784'111'777) << text;
  }
  for (std::string_view bad : {"", "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37",
                               "Sun, 06 Nov 1994 24:00:00 GMT", "Sun, 30 Feb 1994 08:49:37 GMT",
                               "sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT ", "1994-11-06"}) {
    EXPECT_EQ(parse_http_date(bad), std::nullopt) << bad;
  }
  std::mt19937_64 random(1);
  for (int i = 0; i < 10'000; ++i) {
    const auto seconds = static_cast<int64_t>(random() % 200'000'000'000);  // to the year 8307
    EXPECT_EQ(parse_http_date(format_http_date(seconds * 1000)), seconds);
  }
}

TEST(EntityTags, AreComparedAsTheRfcSays) {  // RFC 9110 §8.8.3.2
  struct Row {
    std::string_view list, tag;
    bool strong, weak;
  };
  const Row rows[] = {
      {"W/\"1\"", "W/\"1\"", false, true},
      {"W/\"1\"", "W/\"2\"", false, false},
      {"W/\"1\"", "\"1\"", false, true},
      {"\"1\"", "\"1\"", true, true},
      {"\"a\", \"1\"", "\"1\"", true, true},
      {"\"a,\",\t\"1\"", "\"1\"", true, true},
      {"*", "\"1\"", true, true},
      {"*", "", false, false},
      {"1", "\"1\"", false, false},
      {"\"1", "\"1\"", false, false},
      {"", "\"1\"", false, false},
      {", ,\"1\"", "\"1\"", true, true},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(etag_list_matches(row.list, row.tag, true), row.strong) << row.list;
    EXPECT_EQ(etag_list_matches(row.list, row.tag, false), row.weak) << row.list;
  }
}

TEST(Preconditions, AreCheckedInTheirOrder) {  // RFC 9110 §13.2.2
  const std::string before = format_http_date(999'000), then = format_http_date(1'000'000),
                    after = format_http_date(1'001'000);
  const Validators target{.etag = "\"x\"", .modified_s = 1000};
  struct Row {
    std::string_view method;
    std::vector<Field> fields;
    Precondition outcome;
  };
  const Row rows[] = {
      {"GET", {}, Precondition::kHolds},
      {"GET", {{"If-Match", "\"x\""}}, Precondition::kHolds},
      {"GET", {{"If-Match", "\"y\""}}, Precondition::kFailed},
      {"GET", {{"If-Match", "\"y\""}, {"If-Match", "\"x\""}}, Precondition::kHolds},
      {"PUT", {{"If-Match", "W/\"x\""}}, Precondition::kFailed},
      {"GET", {{"If-Match", "\"x\""}, {"If-Unmodified-Since", before}}, Precondition::kHolds},
      {"GET", {{"If-Unmodified-Since", before}}, Precondition::kFailed},
      {"GET", {{"If-Unmodified-Since", then}}, Precondition::kHolds},
      {"GET", {{"If-Unmodified-Since", "nonsense"}}, Precondition::kHolds},
      {"GET", {{"If-None-Match", "W/\"x\""}}, Precondition::kNotModified},
      {"HEAD", {{"If-None-Match", "*"}}, Precondition::kNotModified},
      {"PUT", {{"If-None-Match", "*"}}, Precondition::kFailed},
      {"GET", {{"If-None-Match", "\"y\""}, {"If-Modified-Since", after}}, Precondition::kHolds},
      {"GET", {{"If-Modified-Since", then}}, Precondition::kNotModified},
      {"GET", {{"If-Modified-Since", before}}, Precondition::kHolds},
      {"PUT", {{"If-Modified-Since", then}}, Precondition::kHolds},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(check_preconditions(row.method, Fields(row.fields), target), row.outcome)
        << row.method << " " << (row.fields.empty() ? "" : row.fields[0].name);
  }
  const std::vector<Field> any = {{"If-None-Match", "*"}};
  EXPECT_EQ(check_preconditions("PUT", Fields(any), {}), Precondition::kHolds);
  const std::vector<Field> some = {{"If-Match", "*"}};
  EXPECT_EQ(check_preconditions("PUT", Fields(some), {}), Precondition::kFailed);
}

TEST(Ranges, AreReadAsTheRfcSays) {  // RFC 9110 §14.1.2
  const auto read = [](std::string_view value, uint64_t size) {
    std::vector<ByteRange> ranges;
    switch (parse_range(value, size, 3, ranges)) {
      case RangeOutcome::kWhole:
        return std::string("whole");
      case RangeOutcome::kUnsatisfiable:
        return std::string("416");
      case RangeOutcome::kSome:
        break;
    }
    std::string text;
    for (const ByteRange& range : ranges) {
      text += (text.empty() ? "" : ",") + std::to_string(range.first) + "-" + std::to_string(range.last);
    }
    return text;
  };
  EXPECT_EQ(read("bytes=0-499", 10'000), "0-499");
  EXPECT_EQ(read("bytes=9500-", 10'000), "9500-9999");
  EXPECT_EQ(read("bytes=-500", 10'000), "9500-9999");
  EXPECT_EQ(read("bytes=-20000", 10'000), "0-9999");
  EXPECT_EQ(read("bytes=0-0, -1", 10'000), "0-0,9999-9999");
  EXPECT_EQ(read("Bytes=1-2,20000-", 10'000), "1-2");
  EXPECT_EQ(read("bytes=9999-10000", 10'000), "9999-9999");
  EXPECT_EQ(read("bytes=10000-", 10'000), "416");
  EXPECT_EQ(read("bytes=-0", 10'000), "416");
  EXPECT_EQ(read("bytes=0-", 0), "416");
  EXPECT_EQ(read("bytes=99999999999999999999-", 10'000), "416");
  EXPECT_EQ(read("bytes=5-18446744073709551616", 10'000), "5-9999");
  EXPECT_EQ(read("bytes=-5", 0), "whole");
  EXPECT_EQ(read("bytes=-0", 0), "416");
  for (std::string_view ignored :
       {"", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-4", "lines=1-2", "bytes=1-2,x", "bytes=0-1,2-3,4-5,6-7",
        "bytes= 1 - 2", "bytes= -1", "bytes= 0-0, -1"}) {
    EXPECT_EQ(read(ignored, 10'000), "whole") << ignored;
  }
}

TEST(Ranges, IfRangeNeedsAStrongMatch) {  // RFC 9110 §13.1.5
  const std::string then = format_http_date(1'000'000), after = format_http_date(1'001'000);
  const Validators target{.etag = "\"x\"", .modified_s = 1000};
  const auto applies = [&](std::string_view value) {
    const std::vector<Field> lines = {{"If-Range", value}};
    return range_applies(Fields(lines), target);
  };
  EXPECT_TRUE(range_applies(Fields(), target));
  EXPECT_TRUE(applies("\"x\""));
  EXPECT_FALSE(applies("W/\"x\""));
  EXPECT_FALSE(applies("\"y\""));
  EXPECT_TRUE(applies(then));
  EXPECT_FALSE(applies(after));
  EXPECT_FALSE(applies("nonsense"));
}

// What S3's clients rely on: tags without quotes, weak ones in If-Match, dates to the second.
TEST(Preconditions, LenientTagsAreComparedAsS3Does) {
  const std::string then = format_http_date(1'000'500), before = format_http_date(999'000);
  const Validators target{.etag = "\"abc\"", .modified_s = 1000};
  using enum Precondition;
  const auto check = [&](PreconditionFields fields) {
    return check_preconditions(fields, true, target, TagRules::kLenient);
  };
  EXPECT_EQ(check({}), kHolds);
  for (std::string_view match : {"\"abc\"", "\"x\", W/\"abc\"", "*", "abc", "x,abc", " abc "}) {
    EXPECT_EQ(check({.if_match = match}), kHolds) << match;
    EXPECT_EQ(check({.if_none_match = match}), kNotModified) << match;
  }
  for (std::string_view other : {"\"x\"", "", "ab", "\"abc", "abcd,"}) {
    EXPECT_EQ(check({.if_match = other}), kFailed) << other;
    EXPECT_EQ(check({.if_none_match = other}), kHolds) << other;
  }
  EXPECT_EQ(check({.if_modified_since = then}), kNotModified);
  EXPECT_EQ(check({.if_modified_since = before}), kHolds);
  EXPECT_EQ(check({.if_unmodified_since = then}), kHolds);
  EXPECT_EQ(check({.if_unmodified_since = before}), kFailed);
  EXPECT_EQ(check({.if_match = "\"abc\"", .if_unmodified_since = before}), kHolds);
  EXPECT_EQ(check({.if_none_match = "\"x\"", .if_modified_since = then}), kHolds);
  EXPECT_EQ(check({.if_modified_since = "rubbish"}), kHolds);
  EXPECT_EQ(check_preconditions({.if_none_match = "abc"}, false, target, TagRules::kLenient), kFailed);
  for (std::string_view good : {std::string_view("\"abc\""), std::string_view("abc"), std::string_view(then)}) {
    EXPECT_TRUE(range_applies(good, target, TagRules::kLenient)) << good;
  }
  for (std::string_view other : {std::string_view("\"x\""), std::string_view("W/\"abc\""), std::string_view(before),
                                 std::string_view("rubbish"), std::string_view()}) {
    EXPECT_FALSE(range_applies(other, target, TagRules::kLenient)) << other;
  }
}

}  // namespace
}  // namespace keelson::net::http
