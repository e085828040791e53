#include "protocol/resp/writer.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <string_view>

namespace keelson::resp {
namespace {

// What `write` writes under RESP2 or RESP3.
template <class Write>
std::string written(bool is_resp3, Write&& write) {
  Buffer buffer;
  RespWriter writer(buffer, is_resp3);
  write(writer);
  return std::string(buffer.view());
}

template <class Write>
void expect_words(Write&& write, std::string_view resp2, std::string_view resp3) {
  EXPECT_EQ(written(false, write), resp2);
  EXPECT_EQ(written(true, write), resp3);
}

TEST(RespWriter, WritesEveryWord) {
  expect_words([](RespWriter& out) { out.status("OK"); }, "+OK\r\n", "+OK\r\n");
  expect_words([](RespWriter& out) { out.status("PONG"); }, "+PONG\r\n", "+PONG\r\n");
  expect_words([](RespWriter& out) { out.error("ERR no"); }, "-ERR no\r\n", "-ERR no\r\n");
  expect_words([](RespWriter& out) { out.bulk(""); }, "$0\r\n\r\n", "$0\r\n\r\n");
  expect_words([](RespWriter& out) { out.bulk(std::string_view("a\0\r\n", 4)); },
               std::string_view("$4\r\na\0\r\n\r\n", 10), std::string_view("$4\r\na\0\r\n\r\n", 10));
  expect_words([](RespWriter& out) { out.null(); }, "$-1\r\n", "_\r\n");
  expect_words([](RespWriter& out) { out.null_array(); }, "*-1\r\n", "_\r\n");
  expect_words([](RespWriter& out) { out.array(3); }, "*3\r\n", "*3\r\n");
  expect_words([](RespWriter& out) { out.map(3); }, "*6\r\n", "%3\r\n");
  expect_words([](RespWriter& out) { out.set(3); }, "*3\r\n", "~3\r\n");
  expect_words([](RespWriter& out) { out.push(3); }, "*3\r\n", ">3\r\n");
  expect_words([](RespWriter& out) { out.boolean(true); }, ":1\r\n", "#t\r\n");
  expect_words([](RespWriter& out) { out.boolean(false); }, ":0\r\n", "#f\r\n");
  expect_words([](RespWriter& out) { out.verbatim("txt", "hi"); }, "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n");
}

TEST(RespWriter, WritesDoublesAsRedis7) {
  const auto both = [](double value, const std::string& text) {
    expect_words([value](RespWriter& out) { out.real(value); },
                 "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n", "," + text + "\r\n");
  };
  both(0, "0");
  both(-0.0, "-0");
  both(3, "3");
  both(-17, "-17");
  both(0.1, "0.10000000000000001");
  both(1e17, "1e+17");
  both(99999999999999984.0, "99999999999999984");
  both(1.5e300, "1.5000000000000001e+300");
  both(std::numeric_limits<double>::infinity(), "inf");
  both(-std::numeric_limits<double>::infinity(), "-inf");
}

TEST(RespWriter, WritesIntegersOfEveryLength) {
  const auto check = [](int64_t value) {
    EXPECT_EQ(written(false, [value](RespWriter& out) { out.integer(value); }), ":" + std::to_string(value) + "\r\n");
  };
  for (int64_t value = -1200; value <= 1200; ++value) check(value);
  for (int64_t power = 1; power <= INT64_MAX / 10; power *= 10) {
    for (const int64_t value : {power - 1, power, power + 1, -power}) check(value);
  }
  check(INT64_MAX);
  check(INT64_MIN);
  std::mt19937_64 random(1);
  for (int i = 0; i < 1000; ++i) check(static_cast<int64_t>(random() >> (random() % 64)));
}

TEST(RespWriter, WritesHeadsOfEveryLength) {
  for (size_t size = 0; size < 2000; ++size) {
    const std::string bytes(size, 'x');
    const std::string length = std::to_string(size);
    ASSERT_EQ(written(false, [&](RespWriter& out) { out.bulk(bytes); }), "$" + length + "\r\n" + bytes + "\r\n");
    ASSERT_EQ(written(false, [size](RespWriter& out) { out.array(size); }), "*" + length + "\r\n");
  }
}

TEST(RespWriter, KeepsLinesWhole) {
  expect_words([](RespWriter& out) { out.error("ERR unknown command 'a\r\nb'"); }, "-ERR unknown command 'a  b'\r\n",
               "-ERR unknown command 'a  b'\r\n");
  expect_words([](RespWriter& out) { out.status("a\nb"); }, "+a b\r\n", "+a b\r\n");
}

TEST(RespWriter, CountsErrors) {
  Buffer buffer;
  RespWriter writer(buffer);
  EXPECT_EQ(writer.error_count(), 0U);
  writer.error("WRONGTYPE Operation against a key");
  EXPECT_EQ(writer.last_error_code(), "WRONGTYPE");
  writer.error("OOM");
  EXPECT_EQ(writer.last_error_code(), "OOM");
  EXPECT_EQ(writer.error_count(), 2U);
}

TEST(RespWriter, AppendsAcrossGrowth) {
  Buffer buffer;
  RespWriter writer(buffer);
  std::string expected;
  for (int64_t i = 0; i < 5000; ++i) {
    writer.integer(i);
    writer.bulk(std::string(static_cast<size_t>(i % 70), 'b'));
    expected += ":" + std::to_string(i) + "\r\n$" + std::to_string(i % 70) + "\r\n" +
                std::string(static_cast<size_t>(i % 70), 'b') + "\r\n";
  }
  EXPECT_EQ(buffer.view(), expected);
}

}  // namespace
}  // namespace keelson::resp
