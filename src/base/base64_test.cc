#include "base/base64.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>

namespace keelson {
namespace {

using namespace std::string_view_literals;

TEST(Base64, IsThatOfRfc4648) {
  // Section 10.
  const std::pair<std::string_view, std::string_view> kVectors[] = {
      {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : kVectors) {
    EXPECT_EQ(to_base64(bytes), text);
    EXPECT_EQ(from_base64(text), bytes);
    const std::string_view digits = text.substr(0, text.find('='));
    EXPECT_EQ(to_base64_url(bytes), digits);
    EXPECT_EQ(from_base64_url(digits), bytes);
  }
  EXPECT_EQ(to_base64("\xff\xfe"), "//4=");
  EXPECT_EQ(to_base64_url("\xff\xfe"), "__4");
}

TEST(Base64, EveryLengthAndByteComesBack) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(from_base64(to_base64(bytes)), bytes);
    EXPECT_EQ(from_base64_url(to_base64_url(bytes)), bytes);
    bytes += static_cast<char>(i * 7);
  }
}

TEST(Base64, BytesHaveOneText) {
  for (const std::string_view bad : {"Zg"sv, "Zg="sv, "Zg==="sv, "Z==="sv, "===="sv, "=Zm9"sv, "Zg==Zg=="sv, "Zh=="sv,
                                     "Zm9="sv, " Zg=="sv, "Z g="sv, "Zm9v\n"sv, "Zm9-"sv, "Zm9\xff"sv}) {
    EXPECT_EQ(from_base64(bad), std::nullopt) << bad;
  }
  for (const std::string_view bad : {"Z"sv, "Zh"sv, "Zm9"sv, "Zg=="sv, "__5"sv, "Zm9/"sv, "Zm 9"sv}) {
    EXPECT_EQ(from_base64_url(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace keelson
