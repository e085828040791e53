// Digests, URIs, XML, dates, names, copied ranges.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "protocol/s3/checksum.h"
#include "protocol/s3/dates.h"
#include "protocol/s3/digest.h"
#include "protocol/s3/names.h"
#include "protocol/s3/tags.h"
#include "protocol/s3/uri.h"
#include "protocol/s3/xml.h"
#include "protocol/s3/xml_writer.h"

namespace keelson::s3 {
namespace {

TEST(Digest, KnownVectors) {
  EXPECT_EQ(to_hex(digest_of(DigestKind::kMd5, "")), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(to_hex(digest_of(DigestKind::kSha1, "abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(to_hex(digest_of(DigestKind::kSha256, "")), kEmptySha256);
  // RFC 4231, test case 2; RFC 2202, test case 2.
  EXPECT_EQ(to_hex(hmac_sha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(to_hex(hmac_sha1("Jefe", "what do ya want for nothing?")), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
}

TEST(Digest, HexIsInPairs) {
  EXPECT_EQ(from_hex("00fF"), std::string("\0\xff", 2));
  EXPECT_FALSE(from_hex("0"));
  EXPECT_FALSE(from_hex("0g"));
}

TEST(Uri, EncodesAndDecodes) {
  EXPECT_EQ(uri_encoded("a b/c~d.e_f-g%", Slash::kKeep), "a%20b/c~d.e_f-g%25");
  EXPECT_EQ(uri_encoded("a/b"), "a%2Fb");
  EXPECT_EQ(uri_encoded("\xc3\xbc+"), "%C3%BC%2B");
  EXPECT_EQ(uri_decoded("a%20b+%2f"), "a b+/");
  EXPECT_EQ(form_decoded("a%20b+%2f"), "a b /");
  EXPECT_FALSE(uri_decoded("%"));
  EXPECT_FALSE(uri_decoded("%2"));
  EXPECT_FALSE(uri_decoded("%zz"));
  EXPECT_EQ(list_encoded("a b+c/d"), "a+b%2Bc/d");
}

TEST(Uri, Queries) {
  const auto query = Query::parse("acl&prefix=a%2Fb&&empty=&x=1=2");
  ASSERT_TRUE(query);
  EXPECT_TRUE(query->has("acl"));
  EXPECT_EQ(query->value("prefix"), "a/b");
  EXPECT_EQ(query->value("x"), "1=2");
  EXPECT_EQ(query->find("nothing"), nullptr);
  EXPECT_FALSE(Query::parse("a=%x"));
  EXPECT_FALSE(Query::parse("a&b&c", 2));
}

TEST(Xml, ReadsWhatClientsSend) {
  const auto root = parse_xml(
      "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- hello --><Delete "
      "xmlns=\"http://s3.amazonaws.com/doc/"
      "2006-03-01/\">\n<Quiet>true</Quiet><Object a='1&lt;2'><Key>a&amp;b&#10;&#x41;&#1;<![CDATA[<x>]]></Key></Object>"
      "<Object/></Delete>\n");
  ASSERT_TRUE(root);
  EXPECT_EQ(root->name, "Delete");
  EXPECT_EQ(root->child_text("Quiet"), "true");
  EXPECT_EQ(root->count("Object"), 2U);
  EXPECT_EQ(root->child("Object")->child_text("Key"), "a&b\nA\x01<x>");
  EXPECT_EQ(root->child("Object")->attribute("a"), "1<2");
}

TEST(Xml, NamespacePrefixes) {
  const auto root = parse_xml("<a:R xmlns:a='x'><a:K xsi:type='Group'>1</a:K></a:R>");
  ASSERT_TRUE(root);
  EXPECT_EQ(root->name, "R");
  EXPECT_EQ(root->child("K")->attribute("type"), "Group");
}

TEST(Xml, RefusesWhatIsWrongOrDangerous) {
  std::string deep;
  for (int i = 0; i < 20; ++i) deep += "<a>";
  for (int i = 0; i < 20; ++i) deep += "</a>";
  const std::vector<std::string> bad = {
      "",
      "text",
      "<a>",
      "<a></b>",
      "<a></a><b/>",
      "<a><b></a></b>",
      "<a",
      "<a x>",
      "<a x=1/>",
      "<a x='1' x='2'/>",
      "<a x='<'/>",
      "<a>&unknown;</a>",
      "<a>&#0;</a>",
      "<a>&#xd800;</a>",
      "<a>&#99999999999;</a>",
      "<a>&amp</a>",
      "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
      "<!DOCTYPE lolz [<!ENTITY lol 'lol'><!ENTITY lol2 '&lol;&lol;'>]><lolz>&lol2;</lolz>",
      "<?xml-stylesheet href='x'?><a/>",
      "<a><?php ?></a>",
      "<a><!-- -- --></a>",
      "<a><![CDATA[</a>",
      "<?xml version='1.0' encoding='UTF-16'?><a/>",
      std::string("<a>\x01</a>"),
      std::string("<a>\0</a>", 8),
      deep,
  };
  for (const std::string& one : bad) EXPECT_FALSE(parse_xml(one)) << one;
  EXPECT_FALSE(parse_xml("<a><b/><b/><b/></a>", XmlLimits{.elements_max = 3}));
  EXPECT_FALSE(parse_xml("<a>0123456789</a>", XmlLimits{.bytes_max = 10}));
}

TEST(Xml, WriterEscapesSoThatTheReaderReadsTheSame) {
  std::string any;
  for (int c = 1; c < 128; ++c) any += static_cast<char>(c);
  XmlWriter xml;
  xml.open_root("Root");
  xml.element("Key", any);
  xml.close("Root");
  const auto root = parse_xml(xml.take());
  ASSERT_TRUE(root);
  EXPECT_EQ(root->child_text("Key"), any);
}

TEST(Dates, AllForms) {
  constexpr int64_t kMs = 784'111'777'000;  // RFC 9110's example
  EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), kMs);
  EXPECT_EQ(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT"), kMs);
  EXPECT_EQ(parse_http_date("Sun Nov  6 08:49:37 1994"), kMs);
  EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 10:49:37 +0200"), kMs);
  EXPECT_EQ(format_http_date(kMs + 999), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(format_iso8601(kMs + 7), "1994-11-06T08:49:37.007Z");
  EXPECT_EQ(parse_iso8601("1994-11-06T08:49:37.007Z"), kMs + 7);
  EXPECT_EQ(parse_iso8601("1994-11-06T10:49:37+02:00"), kMs);
  EXPECT_EQ(parse_iso8601("1994-11-06T08:49:37.123456789Z"), kMs + 123);
  EXPECT_EQ(parse_iso8601("1970-01-02"), 86'400'000);
  EXPECT_EQ(format_amz_date(kMs), "19941106T084937Z");
  EXPECT_EQ(parse_amz_date("19941106T084937Z"), kMs);
  EXPECT_EQ(format_day(kMs), "19941106");
  EXPECT_EQ(parse_amz_date("20240229T000000Z"), 1'709'164'800'000);
  for (const std::string_view bad : {"", "20230229T000000Z", "20130524T240000Z", "20130524000000Z", "2013-05-24"}) {
    EXPECT_FALSE(parse_amz_date(bad)) << bad;
  }
  for (const std::string_view bad :
       {"", "Sun, 06 Nov 1994", "Sun, 06 Nov 1994 25:49:37 GMT", "Sun, 6 Nov 1994 08:49:37 GMT", "x"}) {
    EXPECT_FALSE(parse_http_date(bad)) << bad;
  }
}

TEST(Names, Buckets) {
  for (const std::string_view good : {"abc", "my-bucket", "my.bucket.1", "123", "a-b"}) {
    EXPECT_TRUE(is_bucket_name(good)) << good;
  }
  const std::string longest(63, 'a');
  EXPECT_TRUE(is_bucket_name(longest));
  EXPECT_FALSE(is_bucket_name(longest + "a"));
  for (const std::string_view bad : {"", "ab", "Abc", "a_b", "-ab", "ab-", ".ab", "a..b", "192.168.5.4", "xn--abc",
                                     "abc-s3alias", "abc--ol-s3", "a/b", "a b"}) {
    EXPECT_FALSE(is_bucket_name(bad)) << bad;
  }
}

TEST(Names, PlacesOfRequests) {
  const std::vector<std::string> domains = {"s3.example.com", "localhost"};
  const auto place = [&](std::string_view host, std::string_view path) -> std::string {
    const auto found = place_of_request(host, path, domains);
    if (!found) return std::string(found.error().spec().code);
    return found->bucket + "|" + found->key + (found->is_virtual_host ? "|v" : "");
  };
  EXPECT_EQ(place("127.0.0.1:9000", "/"), "|");
  EXPECT_EQ(place("127.0.0.1:9000", "/bucket"), "bucket|");
  EXPECT_EQ(place("127.0.0.1:9000", "/bucket/"), "bucket|");
  EXPECT_EQ(place("127.0.0.1:9000", "/bucket/a/../b//c"), "bucket|a/../b//c");
  EXPECT_EQ(place("x", "/bucket//lead"), "bucket|/lead");
  EXPECT_EQ(place("x", "/bucket/a%2Fb%25%20+%00"), std::string("bucket|a/b% +") + '\0');
  EXPECT_EQ(place("Bucket.S3.example.com:80", "/a/b"), "bucket|a/b|v");
  EXPECT_EQ(place("my.bucket.localhost", "/"), "my.bucket||v");
  EXPECT_EQ(place("s3.example.com", "/bucket/k"), "bucket|k");
  EXPECT_EQ(place("xs3.example.com", "/bucket/k"), "bucket|k");
  EXPECT_EQ(place("[::1]:9000", "/bucket/k"), "bucket|k");
  EXPECT_EQ(place("x", "bucket"), "InvalidURI");
  EXPECT_EQ(place("x", "/bucket/%zz"), "InvalidURI");
  EXPECT_EQ(place("x", "/Bucket/k"), "InvalidBucketName");
  EXPECT_EQ(place("x", "//k"), "InvalidBucketName");
  EXPECT_EQ(place("x", "/bucket/" + std::string(1024, 'k')), "bucket|" + std::string(1024, 'k'));
  EXPECT_EQ(place("x", "/bucket/" + std::string(1025, 'k')), "KeyTooLongError");
}

TEST(Names, CopySources) {
  const auto source = [](std::string_view text) -> std::string {
    const auto found = parse_copy_source(text);
    return found ? found->bucket + "|" + found->key + "|" + found->version_id : "error";
  };
  EXPECT_EQ(source("bucket/key"), "bucket|key|");
  EXPECT_EQ(source("/bucket/a%20b/c%3F?versionId=abc"), "bucket|a b/c?|abc");
  EXPECT_EQ(source("bucket%2Fkey"), "bucket|key|");
  EXPECT_EQ(source("bucket/a+b"), "bucket|a+b|");
  EXPECT_EQ(source("bucket"), "error");
  EXPECT_EQ(source("bucket/"), "error");
  EXPECT_EQ(source("/"), "error");
}

TEST(Names, CopyRanges) {
  const auto range = [](std::string_view text) -> std::string {
    const auto found = parse_copy_range(text, 100);
    return found ? std::to_string(found->first) + "+" + std::to_string(found->size()) : "error";
  };
  EXPECT_EQ(range("bytes=0-99"), "0+100");
  EXPECT_EQ(range("bytes=7-7"), "7+1");
  for (const std::string_view bad : {"bytes=0-100", "bytes=-10", "bytes=10-", "bytes=5-4", "bytes=0-1,3-4", "bytes=",
                                     "", "-", "bytes=100-100", "0-1", "bytes=0-18446744073709551616", "bytes=0 - 1"}) {
    EXPECT_EQ(range(bad), "error") << bad;
  }
}

// Check values that the algorithms' authors publish, in one piece and in pieces.
TEST(Checksums, OfNothingAndOfDigits) {
  struct Case {
    ChecksumAlgorithm algorithm;
    std::string_view of_nothing, of_digits;  // in hex, of "" and of "123456789"
  };
  constexpr Case kCases[] = {
      {ChecksumAlgorithm::kCrc32, "00000000", "cbf43926"},
      {ChecksumAlgorithm::kCrc32c, "00000000", "e3069283"},
      {ChecksumAlgorithm::kCrc64Nvme, "0000000000000000", "ae8b14860a799888"},
      {ChecksumAlgorithm::kMd5, "d41d8cd98f00b204e9800998ecf8427e", "25f9e794323b453885f5181f1b624d0b"},
      {ChecksumAlgorithm::kSha1, "da39a3ee5e6b4b0d3255bfef95601890afd80709",
       "f7c3bc1d808e04732adf679965ccc34ca7ae3441"},
      {ChecksumAlgorithm::kXxHash64, "ef46db3751d8e999", "8cb841db40e6ae83"},
      {ChecksumAlgorithm::kXxHash3, "2d06800538d394c2", ""},
      {ChecksumAlgorithm::kXxHash128, "99aa06d3014798d86001c324468d497f", ""},
  };
  for (const Case& one : kCases) {
    SCOPED_TRACE(checksum_name(one.algorithm));
    EXPECT_EQ(parse_checksum_algorithm(checksum_name(one.algorithm)), one.algorithm);
    EXPECT_EQ(to_hex(Checksummer(one.algorithm).finish()), one.of_nothing);
    const std::string long_text(1000, 'x');
    Checksummer whole(one.algorithm);
    whole.update(long_text);
    Checksummer pieces(one.algorithm);
    for (size_t at = 0; at < long_text.size(); at += 7) pieces.update(std::string_view(long_text).substr(at, 7));
    const std::string sum = whole.finish();
    EXPECT_EQ(sum.size(), checksum_bytes(one.algorithm));
    EXPECT_EQ(sum, pieces.finish());
    if (one.of_digits.empty()) continue;
    Checksummer digits(one.algorithm);
    digits.update("123456789");
    EXPECT_EQ(to_hex(digits.finish()), one.of_digits);
  }
  EXPECT_FALSE(full_object_checksum(ChecksumAlgorithm::kXxHash64, {}));
  EXPECT_FALSE(full_object_checksum(ChecksumAlgorithm::kSha512, {}));
}

TEST(Tags, AreLimitedInCharacters) {
  const auto is_good = [](const std::string& key, const std::string& value) {
    return parse_tagging_document(
               "<Tagging><TagSet><Tag><Key>" + key + "</Key><Value>" + value + "</Value></Tag></TagSet></Tagging>",
               kObjectTagsMax)
        .has_value();
  };
  std::string key;
  for (size_t i = 0; i < kTagKeyCharactersMax; ++i) key += "\xe4\xb8\x96";
  EXPECT_TRUE(is_good(key, std::string(kTagValueCharactersMax, 'v')));
  EXPECT_FALSE(is_good(key + "k", "v"));
  EXPECT_FALSE(is_good("k", std::string(kTagValueCharactersMax + 1, 'v')));
  EXPECT_FALSE(is_good("", "v"));
}

}  // namespace
}  // namespace keelson::s3
