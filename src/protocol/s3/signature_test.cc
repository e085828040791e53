// Signatures against the examples that Amazon publishes ("Signature calculations for the Authorization header",
// "Authenticating requests: using query parameters", "Signing and authenticating REST requests"), and what must be
// refused.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "protocol/s3/aws_chunked.h"
#include "protocol/s3/dates.h"
#include "protocol/s3/signature_v2.h"
#include "protocol/s3/signature_v4.h"

namespace keelson::s3 {
namespace {

constexpr std::string_view kKeyId = "AKIAIOSFODNN7EXAMPLE";
constexpr std::string_view kSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
constexpr std::string_view kHost = "examplebucket.s3.amazonaws.com";
constexpr std::string_view kDate = "20130524T000000Z";

struct Request {
  std::string_view method = "GET";
  std::string_view path = "/";
  std::string_view query;
  std::vector<HeaderView> headers;
  std::string authorization;

  [[nodiscard]] RequestView view() const { return {method, path, query, headers}; }
};

int64_t date_ms() { return *parse_amz_date(kDate); }

Request signed_request(std::string_view method, std::string_view path, std::string_view query,
                       std::vector<HeaderView> headers, std::string_view names, std::string_view signature) {
  Request request{method, path, query, std::move(headers), {}};
  request.authorization = std::string("AWS4-HMAC-SHA256 Credential=")
                              .append(kKeyId)
                              .append("/20130524/us-east-1/s3/aws4_request,SignedHeaders=")
                              .append(names)
                              .append(",Signature=")
                              .append(signature);
  request.headers.emplace_back("Authorization", request.authorization);
  return request;
}

S3Result<ChunkSeed> verify(const RequestView& request, int64_t now_ms, std::string_view secret = kSecret,
                           std::string_view region = "us-east-1") {
  const auto credentials = parse_v4(request);
  if (!credentials) return std::unexpected(credentials.error());
  return verify_v4(request, *credentials, secret, region, now_ms);
}

Request get_with_range() {
  return signed_request(
      "GET", "/test.txt", "",
      {{"Host", kHost}, {"Range", "bytes=0-9"}, {"x-amz-content-sha256", kEmptySha256}, {"x-amz-date", kDate}},
      "host;range;x-amz-content-sha256;x-amz-date", "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST(SignatureV4, AmazonsExampleOfGet) {
  const Request request = get_with_range();
  const auto credentials = parse_v4(request.view());
  ASSERT_TRUE(credentials);
  EXPECT_EQ(credentials->access_key_id, kKeyId);
  EXPECT_EQ(credentials->payload, PayloadKind::kHashed);
  EXPECT_TRUE(verify(request.view(), date_ms()));
}

TEST(SignatureV4, AmazonsExampleOfPut) {
  const Request request =
      signed_request("PUT", "/test%24file.text", "",
                     {{"Host", kHost},
                      {"Date", "Fri, 24 May 2013 00:00:00 GMT"},
                      {"x-amz-date", kDate},
                      {"x-amz-storage-class", "REDUCED_REDUNDANCY"},
                      {"x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"}},
                     "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
                     "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
  EXPECT_TRUE(verify(request.view(), date_ms()));
  // The same key, sent without encoding what need not be.
  Request plain = request;
  plain.path = "/test$file.text";
  EXPECT_TRUE(verify(plain.view(), date_ms()));
}

TEST(SignatureV4, AmazonsExamplesOfBuckets) {
  const std::vector<HeaderView> headers = {
      {"Host", kHost}, {"x-amz-date", kDate}, {"x-amz-content-sha256", kEmptySha256}};
  EXPECT_TRUE(verify(signed_request("GET", "/", "lifecycle", headers, "host;x-amz-content-sha256;x-amz-date",
                                    "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")
                         .view(),
                     date_ms()));
  EXPECT_TRUE(verify(signed_request("GET", "/", "max-keys=2&prefix=J", headers, "host;x-amz-content-sha256;x-amz-date",
                                    "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")
                         .view(),
                     date_ms()));
  // In another order: the canonical query is sorted.
  EXPECT_TRUE(verify(signed_request("GET", "/", "prefix=J&max-keys=2", headers, "host;x-amz-content-sha256;x-amz-date",
                                    "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")
                         .view(),
                     date_ms()));
}

TEST(SignatureV4, EveryChangeIsNoticed) {
  const Request good = get_with_range();
  const auto error_of = [&](const Request& request, int64_t now_ms, std::string_view secret = kSecret) {
    auto verified = verify(request.view(), now_ms, secret);
    return verified ? "none" : verified.error().spec().code;
  };
  EXPECT_EQ(error_of(good, date_ms()), "none");
  EXPECT_EQ(error_of(good, date_ms(), "another"), "SignatureDoesNotMatch");
  Request changed = good;
  changed.method = "PUT";
  EXPECT_EQ(error_of(changed, date_ms()), "SignatureDoesNotMatch");
  changed = good;
  changed.path = "/test.tx";
  EXPECT_EQ(error_of(changed, date_ms()), "SignatureDoesNotMatch");
  changed = good;
  changed.query = "versionId=1";
  EXPECT_EQ(error_of(changed, date_ms()), "SignatureDoesNotMatch");
  changed = good;
  changed.headers[1].second = "bytes=0-10";
  EXPECT_EQ(error_of(changed, date_ms()), "SignatureDoesNotMatch");
  changed = good;
  changed.headers.emplace_back("x-amz-acl", "public-read");
  EXPECT_EQ(error_of(changed, date_ms()), "AccessDenied");
  EXPECT_EQ(error_of(good, date_ms() + 15 * 60'000), "none");
  EXPECT_EQ(error_of(good, date_ms() + 15 * 60'000 + 1), "RequestTimeTooSkewed");
  EXPECT_EQ(error_of(good, date_ms() - 15 * 60'000 - 1), "RequestTimeTooSkewed");
}

TEST(SignatureV4, MismatchTellsWhatWasSigned) {
  const auto verified = verify(get_with_range().view(), date_ms(), "another");
  ASSERT_FALSE(verified);
  std::string names;
  for (const auto& [name, value] : verified.error().details) names += name + " ";
  EXPECT_EQ(names,
            "AWSAccessKeyId StringToSign SignatureProvided StringToSignBytes CanonicalRequest CanonicalRequestBytes ");
  EXPECT_EQ(verified.error().details[1].second,
            "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n"
            "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972");
}

TEST(SignatureV4, OtherRegion) {
  const auto verified = verify(get_with_range().view(), date_ms(), kSecret, "eu-central-1");
  ASSERT_FALSE(verified);
  EXPECT_EQ(verified.error().code, ErrorCode::kAuthorizationHeaderMalformed);
  EXPECT_EQ(verified.error().details.back(), (std::pair<std::string, std::string>("Region", "eu-central-1")));
}

TEST(SignatureV4, MalformedHeaders) {
  for (const std::string_view authorization :
       {"AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=a/20130524/us-east-1/s3,SignedHeaders=host,Signature=00",
        "AWS4-HMAC-SHA256 Credential=a/20130524/us-east-1/ec2/aws4_request,SignedHeaders=host,Signature=00",
        "AWS4-HMAC-SHA256 Credential=a/2013/us-east-1/s3/aws4_request,SignedHeaders=host,Signature=00",
        "AWS4-HMAC-SHA256 Credential=a/20130524/us-east-1/s3/aws4_request,SignedHeaders=host,Signature=xyz",
        "AWS4-HMAC-SHA256 Credential=a/20130524/us-east-1/s3/aws4_request,Signature=00"}) {
    const Request request{
        "GET",
        "/",
        "",
        {{"Host", kHost}, {"Authorization", authorization}, {"x-amz-date", kDate}, {"x-amz-content-sha256", "x"}},
        {}};
    const auto parsed = parse_v4(request.view());
    ASSERT_FALSE(parsed) << authorization;
    EXPECT_EQ(parsed.error().code, ErrorCode::kAuthorizationHeaderMalformed) << authorization;
  }
}

constexpr std::string_view kPresigned =
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
    "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
    "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";

TEST(SignatureV4, AmazonsExampleOfPresigned) {
  const Request request{"GET", "/test.txt", kPresigned, {{"Host", kHost}}, {}};
  ASSERT_TRUE(is_v4_presigned(request.view()));
  EXPECT_TRUE(verify(request.view(), date_ms()));
  EXPECT_TRUE(verify(request.view(), date_ms() + 86'400'000));
  const auto expired = verify(request.view(), date_ms() + 86'400'001);
  ASSERT_FALSE(expired);
  EXPECT_EQ(expired.error().code, ErrorCode::kAccessDenied);
  EXPECT_EQ(expired.error().text(), "Request has expired");
  EXPECT_FALSE(verify(request.view(), date_ms() - 16 * 60'000));
}

TEST(SignatureV4, PresignedForMoreThanAWeek) {
  std::string query(kPresigned);
  query.replace(query.find("86400"), 5, "604801");
  const Request request{"GET", "/test.txt", query, {{"Host", kHost}}, {}};
  const auto parsed = parse_v4(request.view());
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code, ErrorCode::kAuthorizationQueryParametersError);
}

// ---- Bodies in chunks.

Request streaming(bool has_trailer) {
  if (!has_trailer) {
    return signed_request("PUT", "/examplebucket/chunkObject.txt", "",
                          {{"Host", "s3.amazonaws.com"},
                           {"x-amz-date", kDate},
                           {"x-amz-storage-class", "REDUCED_REDUNDANCY"},
                           {"x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"},
                           {"Content-Encoding", "aws-chunked"},
                           {"x-amz-decoded-content-length", "66560"},
                           {"Content-Length", "66824"}},
                          "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-"
                          "length;x-amz-storage-class",
                          "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9");
  }
  return signed_request("PUT", "/examplebucket/chunkObject.txt", "",
                        {{"Host", "s3.amazonaws.com"},
                         {"x-amz-date", kDate},
                         {"x-amz-storage-class", "REDUCED_REDUNDANCY"},
                         {"x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"},
                         {"Content-Encoding", "aws-chunked"},
                         {"x-amz-decoded-content-length", "66560"},
                         {"x-amz-trailer", "x-amz-checksum-crc32c"}},
                        "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-"
                        "storage-class;x-amz-trailer",
                        "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e");
}

std::string chunks(std::string_view first, std::string_view second, std::string_view last, std::string_view tail) {
  std::string body = "10000;chunk-signature=" + std::string(first) + "\r\n" + std::string(65'536, 'a') + "\r\n";
  body += "400;chunk-signature=" + std::string(second) + "\r\n" + std::string(1024, 'a') + "\r\n";
  return body + "0;chunk-signature=" + std::string(last) + "\r\n" + std::string(tail) + "\r\n";
}

const std::string& plain_body() {
  static const std::string kBody = chunks("ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
                                          "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
                                          "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9", "");
  return kBody;
}
std::string trailer_body(std::string_view end_of_checksum) {
  return chunks("b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
                "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
                "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
                "x-amz-checksum-crc32c:sOO8/Q==" + std::string(end_of_checksum) +
                    "x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n");
}

// What comes out, fed in pieces of this size; or the error's code.
std::string decode(AwsChunkedDecoder::Options options, std::string_view body, size_t piece) {
  AwsChunkedDecoder decoder(std::move(options));
  std::string decoded;
  while (!body.empty()) {
    std::string_view in = body.substr(0, piece);
    body.remove_prefix(in.size());
    while (true) {
      std::string_view out;
      const auto taken = decoder.next(in, out);
      if (!taken) return std::string(taken.error().spec().code);
      if (out.empty()) break;
      decoded += out;
    }
  }
  return decoder.is_done() ? decoded : "incomplete";
}

TEST(AwsChunked, AmazonsExampleWithoutTrailer) {
  auto seed = verify(streaming(false).view(), date_ms());
  ASSERT_TRUE(seed);
  for (const size_t piece : {1UL, 7UL, 1000UL, 100'000UL}) {
    EXPECT_EQ(decode({*seed, false, 66'560}, plain_body(), piece), std::string(66'560, 'a')) << piece;
  }
}

TEST(AwsChunked, AmazonsExampleWithTrailer) {
  auto seed = verify(streaming(true).view(), date_ms());
  ASSERT_TRUE(seed);
  for (const std::string_view end : {"\r\n", "\n", "\n\r\n"}) {
    const std::string body = trailer_body(end);
    for (const size_t piece : {1UL, 1000UL, 100'000UL}) {
      EXPECT_EQ(decode({*seed, true, 66'560}, body, piece), std::string(66'560, 'a')) << piece;
    }
  }
  std::string changed = trailer_body("\r\n");
  changed.replace(changed.find("sOO8"), 4, "sOO9");
  EXPECT_EQ(decode({*seed, true, 66'560}, changed, 100), "SignatureDoesNotMatch");
}

TEST(AwsChunked, ChangedLeftOutAndMovedChunks) {
  const auto seed = verify(streaming(false).view(), date_ms());
  ASSERT_TRUE(seed);
  std::string changed = plain_body();
  changed[1000] = 'b';
  EXPECT_EQ(decode({*seed, false, 66'560}, changed, 10'000), "SignatureDoesNotMatch");
  const size_t second = plain_body().find("400;chunk");
  const std::string without_first = plain_body().substr(second);
  EXPECT_EQ(decode({*seed, false, 1024}, without_first, 10'000), "SignatureDoesNotMatch");
  EXPECT_EQ(decode({*seed, false, 66'560}, plain_body().substr(0, second), 10'000), "incomplete");
  EXPECT_EQ(decode({*seed, false, 66'561}, plain_body(), 10'000), "IncompleteBody");
  EXPECT_EQ(decode({*seed, false, 66'559}, plain_body(), 10'000), "IncompleteBody");
  EXPECT_EQ(decode({*seed, false, 66'560}, plain_body() + "x", 100'000), "IncompleteBody");
}

TEST(AwsChunked, UnsignedWithTrailer) {
  const std::string_view body = "5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n";
  for (size_t piece = 1; piece < body.size(); ++piece) {
    EXPECT_EQ(decode({std::nullopt, true, 11}, body, piece), "hello world");
  }
  EXPECT_EQ(decode({std::nullopt, true, 11}, "zz\r\nhello\r\n", 100), "IncompleteBody");
  EXPECT_EQ(decode({std::nullopt, true, 11}, "5\nhello\r\n", 100), "IncompleteBody");
  EXPECT_EQ(decode({std::nullopt, true, 11}, "5\r\nhelloX\r\n", 100), "IncompleteBody");
  EXPECT_EQ(decode({std::nullopt, true, 11}, "ffffffffffffffff\r\n", 100), "IncompleteBody");
  EXPECT_EQ(decode({std::nullopt, true, 11}, std::string(5000, '0'), 100), "IncompleteBody");
}

// ---- Version 2.

S3Result<> verify_old(const Request& request, std::string_view bucket, int64_t now_ms) {
  const auto credentials = parse_v2(request.view());
  if (!credentials) return std::unexpected(credentials.error());
  return verify_v2(request.view(), *credentials, bucket, kSecret, now_ms);
}

TEST(SignatureV2, AmazonsExamples) {
  const auto check = [](std::string_view method, std::string_view path, std::string_view query, std::string_view date,
                        std::string_view type, std::string_view signature) {
    Request request{method, path, query, {{"Host", "johnsmith.s3.amazonaws.com"}, {"Date", date}}, {}};
    if (!type.empty()) request.headers.emplace_back("Content-Type", type);
    request.authorization = std::string("AWS ").append(kKeyId).append(":").append(signature);
    request.headers.emplace_back("Authorization", request.authorization);
    ASSERT_TRUE(is_v2_header(request.view()));
    const auto verified = verify_old(request, "johnsmith", *parse_http_date(date));
    EXPECT_TRUE(verified) << path << (verified ? "" : verified.error().details[1].second);
  };
  check("GET", "/photos/puppy.jpg", "", "Tue, 27 Mar 2007 19:36:42 +0000", "", "bWq2s1WEIj+Ydj0vQ697zp+IXMU=");
  check("PUT", "/photos/puppy.jpg", "", "Tue, 27 Mar 2007 21:15:45 +0000", "image/jpeg",
        "MyyxeRY7whkBe+bq8fHCL/2kKUg=");
  check("GET", "/", "prefix=photos&max-keys=50&marker=puppy", "Tue, 27 Mar 2007 19:42:41 +0000", "",
        "htDYFYduRNen8P9ZfE/s9SuKy0U=");
  check("GET", "/", "acl", "Tue, 27 Mar 2007 19:44:46 +0000", "", "c2WLPFtWHVgbEmeEG93a4cG37dM=");
}

TEST(SignatureV2, AmazonsExampleOfPresigned) {
  const Request request{
      "GET",
      "/photos/puppy.jpg",
      "AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620",
      {{"Host", "johnsmith.s3.amazonaws.com"}},
      {}};
  ASSERT_TRUE(is_v2_presigned(request.view()));
  EXPECT_TRUE(verify_old(request, "johnsmith", 1'175'139'620'000));
  const auto expired = verify_old(request, "johnsmith", 1'175'139'620'001);
  ASSERT_FALSE(expired);
  EXPECT_EQ(expired.error().code, ErrorCode::kAccessDenied);
}

}  // namespace
}  // namespace keelson::s3
