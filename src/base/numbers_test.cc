#include "base/numbers.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>
#include <string_view>

namespace keelson {
namespace {

TEST(ParseInt64, IsAsStrictAsRedis) {
  for (const char* good :
       {"0", "7", "-1", "10", "9223372036854775807", "-9223372036854775808", "1000000000000000000"}) {
    const auto value = parse_int64(good);
    ASSERT_TRUE(value.has_value()) << good;
    EXPECT_EQ(*value, std::strtoll(good, nullptr, 10)) << good;
  }
  for (const char* bad : {"", "-", "+1", " 1", "1 ", "01", "-0", "-01", "00", "1a", "0x1", "9223372036854775808",
                          "-9223372036854775809", "99999999999999999999", "1.0", "--1"}) {
    EXPECT_FALSE(parse_int64(bad).has_value()) << bad;
  }
  EXPECT_FALSE(parse_int64(std::string_view("1\0", 2)).has_value());
}

TEST(ParseInt64, ReadsBackWhatWasPrinted) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 20'000; ++i) {
    const auto value = static_cast<int64_t>(random()) >> (random() % 64);
    ASSERT_EQ(parse_int64(format_int64(value)), value);
    ASSERT_EQ(format_int64(value).view(), std::to_string(value));
    const auto positive = static_cast<uint64_t>(value);
    ASSERT_EQ(parse_uint64(format_uint64(positive)), positive);
  }
  EXPECT_FALSE(parse_uint64("-1").has_value());
  EXPECT_FALSE(parse_uint64("").has_value());
  EXPECT_FALSE(parse_uint64("18446744073709551616").has_value());
}

TEST(ParseDouble, TakesWhatRedisTakes) {
  struct Case {
    const char* text;
    double value;
  };
  for (const Case& c : {Case{"1", 1},
                        {"-1.5", -1.5},
                        {"+2", 2},
                        {".5", 0.5},
                        {"5.", 5},
                        {"1e3", 1000},
                        {"1E-2", 0.01},
                        {"0x10", 16},
                        {"0x1p3", 8},
                        {"-0", -0.0},
                        {"4.9e-324", 4.9e-324}}) {
    const auto value = parse_double(c.text);
    ASSERT_TRUE(value.has_value()) << c.text;
    EXPECT_EQ(*value, c.value) << c.text;
  }
  for (const char* infinite : {"inf", "+inf", "-inf", "Infinity", "-INFINITY", "iNf"}) {
    const auto value = parse_double(infinite);
    ASSERT_TRUE(value.has_value() && std::isinf(*value)) << infinite;
    EXPECT_EQ(*value < 0, infinite[0] == '-');
  }
  for (const char* bad : {"", " 1", "1 ", "abc", "nan", "-nan", "NaN", "nan(1)", "1e400", "-1e400", "1e-400", "1.2.3",
                          "1,5", "e5", "--1", "+-1", "0x", "infinit"}) {
    EXPECT_FALSE(parse_double(bad).has_value()) << bad;
  }
  EXPECT_FALSE(parse_double(std::string_view("1\0", 2)).has_value());
  EXPECT_EQ(parse_double("0." + std::string(500, '0') + "1e501"), 1.0);
}

TEST(FormatDouble, IsPrintfsSeventeenDigits) {
  EXPECT_EQ(format_double(0.1).view(), "0.10000000000000001");
  EXPECT_EQ(format_double(3).view(), "3");
  EXPECT_EQ(format_double(-0.0).view(), "-0");
  EXPECT_EQ(format_double(1e17).view(), "1e+17");
  EXPECT_EQ(format_double(std::numeric_limits<double>::infinity()).view(), "inf");
  EXPECT_EQ(format_double(-std::numeric_limits<double>::infinity()).view(), "-inf");
  EXPECT_EQ(format_double_shortest(0.1).view(), "0.1");
  std::mt19937_64 random(2);
  for (int i = 0; i < 50'000; ++i) {
    // Any bits at all, and short decimals and whole numbers, which take other ways.
    double value = std::bit_cast<double>(random());
    if (i % 3 == 1) value = static_cast<double>(static_cast<int64_t>(random()) >> (random() % 64));
    if (i % 3 == 2) value = static_cast<double>(random() % 100'000) / 1000;
    if (!std::isfinite(value)) continue;
    char expected[64];
    std::snprintf(expected, sizeof(expected), "%.17g", value);
    ASSERT_EQ(format_double(value).view(), expected);
    ASSERT_EQ(parse_double(format_double(value)), value);
    ASSERT_EQ(parse_double(format_double_shortest(value)), value);
  }
}

TEST(LongDouble, PrintsAsIncrbyfloatDoes) {
  EXPECT_EQ(format_long_double(3.0L), "3");
  EXPECT_EQ(format_long_double(10.6L), "10.6");
  EXPECT_EQ(format_long_double(-0.0L), "0");
  EXPECT_EQ(format_long_double(5200.0L), "5200");
  EXPECT_EQ(format_long_double(*parse_long_double("5.0e3")), "5000");
  EXPECT_EQ(format_long_double(*parse_long_double("10.50") + *parse_long_double("0.1")), "10.6");
  EXPECT_EQ(format_long_double(std::numeric_limits<long double>::max()).size(), 4933U);
  EXPECT_FALSE(parse_long_double("").has_value());
  EXPECT_FALSE(parse_long_double(" 1").has_value());
  EXPECT_FALSE(parse_long_double("nan").has_value());
  EXPECT_FALSE(parse_long_double("1e5000").has_value());
  EXPECT_FALSE(parse_long_double(std::string(256, '1')).has_value());
}

}  // namespace
}  // namespace keelson
