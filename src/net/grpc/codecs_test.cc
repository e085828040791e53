// Frames, time-outs and messages of statuses, by grpc's PROTOCOL-HTTP2.md.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "net/grpc/frames.h"
#include "net/grpc/status.h"
#include "net/grpc/timeout.h"

namespace keelson::net::grpc {
namespace {

std::string framed(std::string_view message) {
  std::string bytes(kPrefixBytes, '\0');
  put_prefix(bytes.data(), message.size());
  return bytes.append(message);
}

TEST(GrpcFrames, CutAnywhereTheMessagesAreTheSame) {
  const std::vector<std::string> messages = {"", "a", std::string(300, 'b'), "", "cd", std::string(70'000, 'e')};
  std::string all;
  for (const std::string& message : messages) all += framed(message);
  for (size_t piece_bytes :
       {size_t{1}, size_t{2}, size_t{3}, size_t{5}, size_t{7}, size_t{64}, size_t{301}, all.size()}) {
    FrameReader reader(100'000);
    std::vector<std::string> seen;
    for (size_t at = 0; at < all.size(); at += piece_bytes) {
      const std::string piece = all.substr(at, piece_bytes);
      reader.feed(piece);
      std::string_view message;
      while (reader.next(message) == FrameReader::Outcome::kMessage) seen.emplace_back(message);
    }
    EXPECT_EQ(seen, messages) << piece_bytes;
    EXPECT_TRUE(reader.is_between());
  }
}

TEST(GrpcFrames, NeitherLargerThanTheLimitNorCompressed) {
  std::string_view message;
  FrameReader large(9);
  const std::string ten = framed("0123456789");
  large.feed(ten);
  EXPECT_EQ(large.next(message), FrameReader::Outcome::kTooLarge);
  EXPECT_EQ(large.length(), 10U);
  FrameReader early(9);  // told by the prefix alone
  early.feed(std::string_view(ten).substr(0, 3));
  EXPECT_EQ(early.next(message), FrameReader::Outcome::kMore);
  EXPECT_FALSE(early.is_between());
  early.feed(std::string_view(ten).substr(3, 2));
  EXPECT_EQ(early.next(message), FrameReader::Outcome::kTooLarge);
  FrameReader compressed(9);
  std::string zipped = framed("1");
  zipped[0] = 1;
  compressed.feed(zipped);
  EXPECT_EQ(compressed.next(message), FrameReader::Outcome::kCompressed);
}

TEST(GrpcTimeout, DigitsAndAUnit) {
  EXPECT_EQ(parse_timeout_ns("1n"), 1);
  EXPECT_EQ(parse_timeout_ns("2u"), 2'000);
  EXPECT_EQ(parse_timeout_ns("100m"), 100'000'000);
  EXPECT_EQ(parse_timeout_ns("5S"), 5'000'000'000);
  EXPECT_EQ(parse_timeout_ns("3M"), 180'000'000'000);
  EXPECT_EQ(parse_timeout_ns("2H"), 7'200'000'000'000);
  EXPECT_EQ(parse_timeout_ns("99999999H"), INT64_MAX / 2);
  for (const char* bad : {"", "S", "5", "5s", "-5S", "5.5S", "123456789S", " 5S", "5 S"}) {
    EXPECT_FALSE(parse_timeout_ns(bad)) << bad;
  }
}

TEST(GrpcStatus, MessagesArePercentEncoded) {
  EXPECT_EQ(encode_message("etcdserver: key is not provided"), "etcdserver: key is not provided");
  EXPECT_EQ(encode_message("100%\r\n\xc3\xa4"), "100%25%0D%0A%C3%A4");
  EXPECT_EQ(encode_message(std::string(100'000, 'a')).size(), kMessageFieldBytesMax - 2);
  const std::string cut = encode_message(std::string(100'000, '\n'));
  EXPECT_EQ(cut.size(), kMessageFieldBytesMax);
  EXPECT_TRUE(cut.ends_with("%0A"));
  EXPECT_EQ(encode_binary(""), "");
  EXPECT_EQ(encode_binary("\xff\xfe"), "//4");
  EXPECT_EQ(encode_binary("any"), "YW55");
  EXPECT_EQ(code_name(Code::kUnauthenticated), "Unauthenticated");
  EXPECT_EQ(code_name(Code::kOutOfRange), "OutOfRange");
}

}  // namespace
}  // namespace keelson::net::grpc
