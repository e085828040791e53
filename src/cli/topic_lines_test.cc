#include "cli/topic_lines.h"

#include <gtest/gtest.h>

#include <string>

#include "engine/topic/batch_builder.h"

namespace keelson::cli {
namespace {

using topic::Record;
using topic::RecordHeader;
using Kind = StartPoint::Kind;

// The line of one record that has been through a batch.
std::string line_of(std::optional<std::string_view> key, std::optional<std::string_view> value,
                    std::vector<RecordHeader> headers = {}, bool is_base64 = false) {
  topic::BatchBuilder builder({.base_offset = 7});
  builder.add(1000, key, value, headers);
  const std::string batch = builder.finish();
  topic::RecordReader reader;
  Record record;
  EXPECT_EQ(reader.begin(batch), topic::BatchErrc::kOk);
  EXPECT_TRUE(reader.next(record));
  return message_line(3, record, is_base64);
}

TEST(MessageLine, ShowsText) {
  EXPECT_EQ(line_of("ship", "keelson", {{.key = "kind", .value = "a"}}),
            R"({"partition":3,"offset":7,"timestamp":1000,"key":"ship","value":"keelson","headers":{"kind":"a"}})");
  EXPECT_EQ(line_of({}, {}), R"({"partition":3,"offset":7,"timestamp":1000,"key":null,"value":null})");
}

TEST(MessageLine, ShowsBytesThatAreNoText) {
  EXPECT_EQ(line_of("k", std::string_view("\0\xff", 2)),
            R"({"partition":3,"offset":7,"timestamp":1000,"key":"k","value64":"AP8="})");
  EXPECT_EQ(line_of("k", "v", {{.key = "h", .value = "\xc0\x80"}, {.key = "g", .value = "a"}}),
            R"({"partition":3,"offset":7,"timestamp":1000,"key":"k","value":"v","headers64":{"h":"wIA=","g":"YQ=="}})");
  EXPECT_EQ(line_of("k", "v", {}, true), R"({"partition":3,"offset":7,"timestamp":1000,"key":"aw==","value":"dg=="})");
}

TEST(MessageLine, KeepsHeadersThatComeTwiceOrAreNull) {
  EXPECT_EQ(
      line_of({}, "v", {{.key = "h", .value = "1"}, {.key = "h", .value = "2"}, {.key = "n", .value = {}}}),
      R"({"partition":3,"offset":7,"timestamp":1000,"key":null,"value":"v","headers":{"h":["1","2"],"n":[null]}})");
}

TEST(MessageLine, IsReadAgain) {
  const std::string bytes("\0\xff\xf4\x90\x80\x80", 6);
  for (const bool is_base64 : {false, true}) {
    const std::string line = line_of(
        "ключ", bytes, {{.key = "h", .value = "1"}, {.key = "h", .value = {}}, {.key = "i", .value = ""}}, is_base64);
    const auto message = read_message_line(line, is_base64);
    ASSERT_TRUE(message.ok()) << line;
    EXPECT_EQ(message->key, "ключ");
    EXPECT_EQ(message->value, bytes);
    EXPECT_EQ(message->timestamp_ms, 1000);
    EXPECT_EQ(message->partition, 3);
    ASSERT_EQ(message->headers.size(), 3u);
    EXPECT_EQ(message->headers[0].second, "1");
    EXPECT_EQ(message->headers[1].second, std::nullopt);
    EXPECT_EQ(message->headers[2], (std::pair<std::string, std::optional<std::string>>("i", "")));
  }
}

TEST(ReadMessageLine, TakesJsonAsAValue) {
  EXPECT_EQ(read_message_line(R"({"value":{"b":1,"a":[true,null]}})", false)->value, R"({"b":1,"a":[true,null]})");
  EXPECT_EQ(read_message_line(R"({"value":12})", false)->value, "12");
  EXPECT_EQ(read_message_line(R"({"value":null,"key":"k"})", false)->value, std::nullopt);
}

TEST(ReadMessageLine, SaysWhatIsWrong) {
  for (const char* line : {"", "x", "[]", "7", R"({"values":1})", R"({"timestamp":"now"})",
                           R"({"timestamp":9223372036854775808})", R"({"partition":-1})", R"({"partition":4294967296})",
                           R"({"headers":[]})", R"({"value64":"*"})", R"({"key64":7})"}) {
    EXPECT_FALSE(read_message_line(line, false).ok()) << line;
  }
  EXPECT_FALSE(read_message_line(R"({"value":"*"})", true).ok());
}

// Reckoned with kafka-python's murmur2, a million and three partitions.
TEST(PartitionOfKey, IsThatOfKafkasClients) {
  const std::pair<std::string_view, int32_t> known[] = {{"", 645856},
                                                        {"a", 100772},
                                                        {"ab", 154486},
                                                        {"abc", 468670},
                                                        {"21", 547821},
                                                        {"foobar", 147095},
                                                        {"a-little-bit-long-string", 498629},
                                                        {"\xff\xfe\x80", 751293}};
  for (const auto& [key, partition] : known) EXPECT_EQ(partition_of_key(key, 1'000'003), partition) << key;
}

TEST(ParseStartPoint, KnowsEachKind) {
  const auto is = [](std::string_view text, Kind kind, int64_t number) {
    const auto point = parse_start_point(text, 1'000'000);
    return point && point->kind == kind && point->number == number;
  };
  EXPECT_TRUE(is("earliest", Kind::kEarliest, 0));
  EXPECT_TRUE(is("latest", Kind::kLatest, 0));
  EXPECT_TRUE(is("42", Kind::kOffset, 42));
  EXPECT_TRUE(is("@42", Kind::kTime, 42));
  EXPECT_TRUE(is("15m", Kind::kTime, 100'000));
  for (const char* text : {"1001s", "20000d", "9223372036854775807s"}) {
    EXPECT_TRUE(is(text, Kind::kTime, 0)) << text << " ago is before 1970";
  }
  for (const char* text : {"", "@", "@x", "soon", "-1", "1.5", "99999999999999999999"}) {
    EXPECT_FALSE(parse_start_point(text, 0)) << text;
  }
}

}  // namespace
}  // namespace keelson::cli
