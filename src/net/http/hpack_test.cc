// The examples of RFC 7541, Appendix C, what must be refused, and libnghttp2's own coder as the oracle.
#include "net/http/hpack.h"

#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "net/http/hpack_huffman.h"

namespace keelson::net::http {
namespace {

using Lines = std::vector<std::pair<std::string, std::string>>;

std::string from_hex(std::string_view text) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string bytes;
  int high = -1;
  for (char c : text) {
    if (c == ' ') continue;
    if (high < 0) {
      high = digit(c);
    } else {
      bytes.push_back(static_cast<char>(high << 4 | digit(c)));
      high = -1;
    }
  }
  return bytes;
}

// The lines, or one that says "bad".
Lines decode(HpackDecoder& decoder, std::string_view block) {
  Lines lines;
  HpackDecoder::Line line;
  for (bool is_first = true;; is_first = false) {
    const HpackDecoder::Outcome outcome = decoder.next(block, is_first, line);
    if (outcome == HpackDecoder::Outcome::kEnd) return lines;
    if (outcome == HpackDecoder::Outcome::kBad) return {{"bad", ""}};
    lines.emplace_back(line.name, line.value);
  }
}

std::string text_of(const Lines& lines) {
  std::string text;
  for (const auto& [name, value] : lines) text.append(name).append(": ").append(value).append("\n");
  return text;
}

std::string decode_hex(HpackDecoder& decoder, std::string_view hex) { return text_of(decode(decoder, from_hex(hex))); }

TEST(Hpack, LiteralsAndIndexes) {  // C.2
  HpackDecoder decoder;
  EXPECT_EQ(decode_hex(decoder, "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572"),
            "custom-key: custom-header\n");
  EXPECT_EQ(decode_hex(decoder, "040c 2f73 616d 706c 652f 7061 7468"), ":path: /sample/path\n");
  EXPECT_EQ(decode_hex(decoder, "1008 7061 7373 776f 7264 0673 6563 7265 74"), "password: secret\n");
  EXPECT_EQ(decode_hex(decoder, "82"), ":method: GET\n");
}

TEST(Hpack, Requests) {  // C.3 and, with Huffman codes, C.4
  const std::string first = ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\n";
  const std::string third =
      ":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\ncustom-key: custom-value\n";
  HpackDecoder plain;
  EXPECT_EQ(decode_hex(plain, "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d"), first);
  EXPECT_EQ(decode_hex(plain, "8286 84be 5808 6e6f 2d63 6163 6865"), first + "cache-control: no-cache\n");
  EXPECT_EQ(decode_hex(plain, "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65"), third);
  HpackDecoder coded;
  EXPECT_EQ(decode_hex(coded, "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff"), first);
  EXPECT_EQ(decode_hex(coded, "8286 84be 5886 a8eb 1064 9cbf"), first + "cache-control: no-cache\n");
  EXPECT_EQ(decode_hex(coded, "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf"), third);
}

TEST(Hpack, ResponsesThatEvict) {  // C.6: a table of 256 bytes
  HpackDecoder decoder;
  EXPECT_EQ(decode_hex(decoder,
                       "3fe101 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff"
                       "6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3"),
            ":status: 302\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\n"
            "location: https://www.example.com\n");
  EXPECT_EQ(decode_hex(decoder, "4883 640e ffc1 c0bf"),
            ":status: 307\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\n"
            "location: https://www.example.com\n");
  EXPECT_EQ(decode_hex(decoder,
                       "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d"
                       "d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106"
                       "3d50 07"),
            ":status: 200\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:22 GMT\n"
            "location: https://www.example.com\ncontent-encoding: gzip\n"
            "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1\n");
}

TEST(Hpack, WhatIsRefused) {
  for (const std::string_view bad : {
           "80",              // §6.1: index 0
           "be",              // §2.3.3: beyond the tables
           "ff",              // §5.1: an integer that is cut off
           "ffffffffff7f",    // one that is too large
           "40",              // a literal without a name
           "4003 6162",       // a text that is cut off
           "4001 61",         // no value
           "3fe21f",          // §4.2: a table of more than 4,096 bytes
           "82 20",           // §4.2: a change of size that is not at the beginning
           "0481 ff",         // §5.2: padding of 8 bits
           "0483 ffff fc",    // padding that is longer
           "0481 00",         // padding of zeros
           "0484 ffff ffff",  // the symbol that ends a string
       }) {
    HpackDecoder decoder;
    EXPECT_EQ(decode_hex(decoder, bad), "bad: \n") << bad;
  }
  HpackDecoder decoder;
  EXPECT_EQ(decode_hex(decoder, "20 3fe11f 82"), ":method: GET\n");  // two changes of size, as §4.2 allows
}

TEST(Hpack, ALineLargerThanTheTableEmptiesIt) {  // §4.4
  HpackDecoder decoder;
  EXPECT_EQ(decode_hex(decoder, "3f0f 4001 6101 62"), "a: b\n");  // 46 bytes: room for "a: b"
  EXPECT_EQ(decode_hex(decoder, "be"), "a: b\n");
  EXPECT_EQ(decode_hex(decoder, "7e 10 30313233343536373839303132333435"), "a: 0123456789012345\n");
  EXPECT_EQ(decode_hex(decoder, "be"), "bad: \n");
}

// A random line: few different names and values, so that tables are of use; now and then a long or an odd one.
std::pair<std::string, std::string> random_line(std::mt19937_64& random) {
  const auto below = [&](uint64_t count) { return static_cast<size_t>(random() % count); };
  constexpr std::array<std::string_view, 8> kNames = {
      "content-type", "x-a", "date", "server", "etag", "set-cookie", "x-rather-long-name-of-a-field", "cache-control"};
  std::string name(kNames[below(kNames.size())]);
  std::string value = "v" + std::to_string(below(20));
  if (below(8) == 0) {
    value.clear();
    for (size_t i = below(200); i > 0; --i) value.push_back(static_cast<char>(below(95) + 32));
  }
  if (below(50) == 0) value = std::string(below(6000), 'l');
  if (below(8) == 0) {
    value.clear();
    for (size_t i = below(40); i > 0; --i) value.push_back(static_cast<char>(below(256)));
  }
  if (below(10) == 0) name += std::to_string(below(1000));
  return {std::move(name), std::move(value)};
}

Lines random_lines(std::mt19937_64& random) {
  Lines lines;
  for (size_t i = random() % 12; i > 0; --i) lines.push_back(random_line(random));
  return lines;
}

TEST(Hpack, ReadsWhatTheOracleWrites) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    std::mt19937_64 random(seed);
    nghttp2_hd_deflater* oracle = nullptr;
    ASSERT_EQ(nghttp2_hd_deflate_new(&oracle, 4096), 0);
    HpackDecoder decoder;
    for (int block = 0; block < 200; ++block) {
      if (random() % 20 == 0) nghttp2_hd_deflate_change_table_size(oracle, random() % 4097);
      const Lines lines = random_lines(random);
      std::vector<nghttp2_nv> given;
      for (const auto& [name, value] : lines) {
        given.push_back({reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
                         reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(), 0});
      }
      std::string bytes(nghttp2_hd_deflate_bound(oracle, given.data(), given.size()), '\0');
      const ssize_t size = nghttp2_hd_deflate_hd(oracle, reinterpret_cast<uint8_t*>(bytes.data()), bytes.size(),
                                                 given.data(), given.size());
      ASSERT_GE(size, 0);
      ASSERT_EQ(text_of(decode(decoder, std::string_view(bytes).substr(0, static_cast<size_t>(size)))), text_of(lines))
          << seed << " " << block;
    }
    nghttp2_hd_deflate_del(oracle);
  }
}

std::string read_by_oracle(nghttp2_hd_inflater* oracle, std::string_view block) {
  Lines lines;
  const auto* at = reinterpret_cast<const uint8_t*>(block.data());
  const auto* const end = at + block.size();
  while (true) {
    nghttp2_nv line;
    int flags = 0;
    const ssize_t taken = nghttp2_hd_inflate_hd2(oracle, &line, &flags, at, static_cast<size_t>(end - at), 1);
    if (taken < 0) return "bad";
    at += taken;
    if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
      lines.emplace_back(std::string(reinterpret_cast<char*>(line.name), line.namelen),
                         std::string(reinterpret_cast<char*>(line.value), line.valuelen));
    }
    if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) break;
    if ((flags & NGHTTP2_HD_INFLATE_EMIT) == 0 && at == end) break;
  }
  nghttp2_hd_inflate_end_headers(oracle);
  return text_of(lines);
}

TEST(Hpack, WritesWhatTheOracleReads) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    std::mt19937_64 random(seed);
    nghttp2_hd_inflater* oracle = nullptr;
    ASSERT_EQ(nghttp2_hd_inflate_new(&oracle), 0);
    HpackEncoder encoder;
    HpackDecoder decoder;
    for (int block = 0; block < 200; ++block) {
      for (uint64_t changes = random() % 20 == 0 ? random() % 3 + 1 : 0; changes > 0; --changes) {
        const size_t limit = random() % 5000;
        encoder.set_limit(limit);
        ASSERT_EQ(nghttp2_hd_inflate_change_table_size(oracle, limit), 0);
      }
      const Lines lines = random_lines(random);
      const auto status = static_cast<uint16_t>(200 + random() % 10);
      Buffer bytes;
      encoder.begin(bytes);
      encoder.add_status(status, bytes);
      for (const auto& [name, value] : lines) encoder.add(name, value, bytes);
      const std::string expected = ":status: " + std::to_string(status) + "\n" + text_of(lines);
      ASSERT_EQ(read_by_oracle(oracle, bytes.view()), expected) << seed << " " << block;
      ASSERT_EQ(text_of(decode(decoder, bytes.view())), expected) << seed << " " << block;
    }
    nghttp2_hd_inflate_del(oracle);
  }
}

TEST(Hpack, WhatAnswersHaveInCommonIsOneByteEach) {
  HpackEncoder encoder;
  std::vector<size_t> sizes;
  for (int i = 0; i < 4; ++i) {
    Buffer bytes;
    encoder.begin(bytes);
    encoder.add_status(200, bytes);
    encoder.add("content-type", "text/plain", bytes);
    encoder.add("server", "keelson", bytes);
    encoder.add("set-cookie", "a=b", bytes);
    sizes.push_back(bytes.size());
  }
  EXPECT_GT(sizes[1], sizes[2]);           // seen once is not enough
  EXPECT_EQ(sizes[2], 1u + 1u + 1u + 6u);  // a cookie never goes into a table (§7.1.3)
  EXPECT_EQ(sizes[3], sizes[2]);
}

}  // namespace
}  // namespace keelson::net::http
