#include "engine/kv/packed.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "engine/kv/keyspace_test_support.h"

namespace keelson::kv {
namespace {

std::string pack(const PackedElement& element) {
  std::string bytes(element.size(), '\0');
  EXPECT_EQ(element.write(bytes.data()), bytes.data() + bytes.size());
  return bytes;
}

void expect_round_trip(const std::string& text) {
  const std::string packed = pack(PackedElement(text));
  IntegerText scratch;
  const PackedItem item = read_packed(packed.data());
  EXPECT_EQ(item.text(scratch), text);
  EXPECT_EQ(item.size, packed.size());
  EXPECT_EQ(packed_size_at(packed.data()), packed.size());
  EXPECT_EQ(checked_packed_size(packed), packed.size());
  EXPECT_TRUE(packed_equals(packed.data(), PackedElement(text)));
  EXPECT_FALSE(packed_equals(packed.data(), PackedElement(text + "x")));
  for (size_t cut = 0; cut < std::min<size_t>(packed.size(), 300); ++cut) {
    EXPECT_EQ(checked_packed_size(std::string_view(packed).substr(0, cut)), std::nullopt);
  }
}

TEST(PackedTest, RoundTrips) {
  for (size_t length : {0, 1, 20, 21, 127, 128, 255, 4095, 4096, 70000}) expect_round_trip(std::string(length, 'a'));
  for (const char* text : {"0", "-0", "00", "63", "64", "-1", "+1", "9223372036854775807", "-9223372036854775808",
                           "9223372036854775808", " 1", "1.0"}) {
    expect_round_trip(text);
  }
  for (int bits = 0; bits < 63; ++bits) {
    const int64_t power = int64_t{1} << bits;
    for (int64_t value : {power - 1, power, power + 1, -power, -power - 1, -power + 1}) {
      expect_round_trip(std::to_string(value));
    }
  }
}

TEST(PackedTest, NumbersAreShort) {
  EXPECT_EQ(PackedElement("63").size(), 1U);
  EXPECT_EQ(PackedElement("-128").size(), 2U);
  EXPECT_EQ(PackedElement("32767").size(), 3U);
  EXPECT_EQ(PackedElement("8388607").size(), 4U);
  EXPECT_EQ(PackedElement("2147483648").size(), 7U);
}

TEST(PackedTest, ScoresAreExact) {
  const double most = std::numeric_limits<double>::max();
  for (double score : {0.0, 1.0, -1.0, 0.1, -2.5, 1e15, 9007199254740992.0, 9007199254740994.0, 1e300, most, -most,
                       std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()}) {
    const std::string packed = pack(PackedElement(score));
    EXPECT_EQ(read_packed(packed.data()).score(), score);
  }
  EXPECT_EQ(PackedElement(7.0).size(), 1U);
  EXPECT_EQ(PackedElement(7.5).size(), 9U);
}

TEST(PackedTest, BlobsAreChecked) {
  std::string blob("\0\0", 2);
  EXPECT_TRUE(is_packed_blob(blob));
  for (const char* text : {"alpha", "12345", "x"}) blob += pack(PackedElement(text));
  put_u16(blob.data(), 3);
  EXPECT_TRUE(is_packed_blob(blob));
  put_u16(blob.data(), 4);
  EXPECT_FALSE(is_packed_blob(blob));
  put_u16(blob.data(), 2);
  EXPECT_FALSE(is_packed_blob(blob));
  EXPECT_FALSE(is_packed_blob(""));
}

TEST(PackedTest, DamageIsFoundWithoutReadingBeyond) {
  TestRandom random(4);
  for (int i = 0; i < 20000; ++i) {
    std::string bytes(random.below(12), '\0');
    for (char& c : bytes) c = static_cast<char>(random.next());
    const auto size = checked_packed_size(bytes);
    if (size) {
      ASSERT_LE(*size, bytes.size());
      IntegerText scratch;
      ASSERT_EQ(read_packed(bytes.data()).size, *size);
      (void)read_packed(bytes.data()).text(scratch);
    }
  }
}

}  // namespace
}  // namespace keelson::kv
