// Server access logs: the line, the configuration, the names, and what policies and ACLs say of their delivery.
#include "protocol/s3/access_log_line.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <string_view>

#include "protocol/s3/acl.h"
#include "protocol/s3/bucket_logging.h"
#include "protocol/s3/own_object.h"
#include "protocol/s3/policy.h"

namespace keelson::s3 {
namespace {

constexpr std::string_view kOwner = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be";
constexpr int64_t kTimeMs = 1'549'411'238'000;  // 2019-02-06T00:00:38Z

std::string line_of(const AccessLogEntry& entry) {
  std::string out;
  append_access_log_line(out, entry);
  return out;
}

// The examples of "Amazon S3 server access log format".
AccessLogEntry example() {
  AccessLogEntry entry;
  entry.bucket_owner = kOwner;
  entry.bucket = "amzn-s3-demo-bucket1";
  entry.time_ms = kTimeMs;
  entry.remote_address = "192.0.2.3";
  entry.requester = kOwner;
  entry.method = "GET";
  entry.http_version = "HTTP/1.1";
  entry.status = 200;
  entry.user_agent = "S3Console/0.4";
  entry.signature_version = "SigV4";
  entry.cipher = "ECDHE-RSA-AES128-GCM-SHA256";
  entry.authentication = "AuthHeader";
  entry.host = "amzn-s3-demo-bucket1.s3.us-west-1.amazonaws.com";
  entry.tls_version = "TLSV1.2";
  entry.source_region = "us-east-1";
  return entry;
}

std::string begin_of(std::string_view request_id) {
  return std::string(kOwner) + " amzn-s3-demo-bucket1 [06/Feb/2019:00:00:38 +0000] 192.0.2.3 " + std::string(kOwner) +
         " " + std::string(request_id) + " ";
}
const std::string kEnd =
    " SigV4 ECDHE-RSA-AES128-GCM-SHA256 AuthHeader amzn-s3-demo-bucket1.s3.us-west-1.amazonaws.com TLSV1.2 ";

TEST(AccessLogLine, IsWhatTheDocumentationShows) {
  AccessLogEntry versioning = example();
  versioning.request_id = "3E57427F3EXAMPLE";
  versioning.operation = "REST.GET.VERSIONING";
  versioning.target = "/amzn-s3-demo-bucket1?versioning";
  versioning.bytes_sent = 113;
  versioning.total_ms = 7;
  versioning.host_id = "s9lzHYrFp76ZVxRcpX9+5cjAnEH2ROuNkd2BHfIa6UkFVdtjf5mKR3/eTPFvsiP/XV/VLi31234=";
  versioning.access_point = "arn:aws:s3:us-west-1:123456789012:accesspoint/example-AP";
  versioning.acl_required = true;
  EXPECT_EQ(line_of(versioning),
            begin_of("3E57427F3EXAMPLE") +
                "REST.GET.VERSIONING - \"GET /amzn-s3-demo-bucket1?versioning HTTP/1.1\" 200 - 113 - 7 - \"-\" "
                "\"S3Console/0.4\" - s9lzHYrFp76ZVxRcpX9+5cjAnEH2ROuNkd2BHfIa6UkFVdtjf5mKR3/eTPFvsiP/XV/VLi31234=" +
                kEnd + "arn:aws:s3:us-west-1:123456789012:accesspoint/example-AP Yes us-east-1\n");

  AccessLogEntry policy = example();
  policy.request_id = "A1206F460EXAMPLE";
  policy.operation = "REST.GET.BUCKETPOLICY";
  policy.target = "/amzn-s3-demo-bucket1?policy";
  policy.status = 404;
  policy.error_code = "NoSuchBucketPolicy";
  policy.bytes_sent = 297;
  policy.total_ms = 38;
  policy.host_id = "BNaBsXZQQDbssi6xMBdBU2sLt+Yf5kZDmeBUP35sFoKa3sLLeMC78iwEIWxs99CRUrbS4n11234=";
  EXPECT_EQ(line_of(policy),
            begin_of("A1206F460EXAMPLE") +
                "REST.GET.BUCKETPOLICY - \"GET /amzn-s3-demo-bucket1?policy HTTP/1.1\" 404 NoSuchBucketPolicy 297 - 38 "
                "- \"-\" \"S3Console/0.4\" - "
                "BNaBsXZQQDbssi6xMBdBU2sLt+Yf5kZDmeBUP35sFoKa3sLLeMC78iwEIWxs99CRUrbS4n11234=" +
                kEnd + "- - us-east-1\n");

  AccessLogEntry put = example();
  put.request_id = "DD6CC733AEXAMPLE";
  put.operation = "REST.PUT.OBJECT";
  put.key = "s3-dg.pdf";
  put.method = "PUT";
  put.target = "/amzn-s3-demo-bucket1/s3-dg.pdf";
  put.object_bytes = 4'406'583;
  put.total_ms = 41'754;
  put.turn_around_ms = 28;
  put.host_id = "10S62Zv81kBW7BB6SX4XJ48o6kpcl6LPwEoizZQQxJd5qDSCTLX0TgS37kYUBKQW3+bPdrg1234=";
  EXPECT_EQ(line_of(put),
            begin_of("DD6CC733AEXAMPLE") +
                "REST.PUT.OBJECT s3-dg.pdf \"PUT /amzn-s3-demo-bucket1/s3-dg.pdf HTTP/1.1\" 200 - - 4406583 41754 28 "
                "\"-\" \"S3Console/0.4\" - "
                "10S62Zv81kBW7BB6SX4XJ48o6kpcl6LPwEoizZQQxJd5qDSCTLX0TgS37kYUBKQW3+bPdrg1234=" +
                kEnd + "- - us-east-1\n");
}

TEST(AccessLogLine, OfAPartOfARequestHasBareDashes) {
  AccessLogEntry entry = example();
  entry.request_id = "D630F8F6B949DA00";
  entry.operation = "BATCH.DELETE.OBJECT";
  entry.key = "fork-0004/";
  entry.method = {};
  entry.status = 204;
  entry.host_id = "WVzx2GM3UeoXx11TVb";
  EXPECT_EQ(line_of(entry), begin_of("D630F8F6B949DA00") +
                                "BATCH.DELETE.OBJECT fork-0004/ - 204 - - - - - - - - WVzx2GM3UeoXx11TVb" + kEnd +
                                "- - us-east-1\n");
}

// What a client chooses can neither end a line nor shift its fields.
TEST(AccessLogLine, HoldsWhateverAClientSends) {
  AccessLogEntry entry = example();
  entry.request_id = "1";
  entry.operation = "REST.GET.OBJECT";
  entry.key = "a b\n\"\xc3\xbc";
  entry.target = "/x\"y\\z\x01";
  entry.referer = "http://a/\"\r\nb";
  entry.user_agent = "agent \xff";
  entry.version_id = "v 1\"";
  entry.host = "h ost";
  const std::string line = line_of(entry);
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
  EXPECT_EQ(std::count(line.begin(), line.end(), '"'), 6);
  EXPECT_NE(line.find(" a%20b%0A%22%C3%BC "), std::string::npos) << line;
  EXPECT_NE(line.find("\"GET /x\\x22y\\x5Cz\\x01 HTTP/1.1\""), std::string::npos) << line;
  EXPECT_NE(line.find("\"http://a/\\x22\\x0D\\x0Ab\" \"agent \\xFF\" v\\x201\\x22 "), std::string::npos) << line;
  // Outside of quotes and brackets there are as many fields as ever.
  size_t blanks = 0;
  bool is_quoted = false;
  for (const char c : line) {
    if (c == '"' || c == '[' || c == ']') is_quoted = !is_quoted;
    if (c == ' ' && !is_quoted) ++blanks;
  }
  EXPECT_EQ(blanks, 26U);
}

TEST(AccessLogOperations, EachOperationHasAName) {
  std::set<std::string> names;
  for (const OperationSpec& spec : operation_table()) {
    const std::string name = access_log_operation(spec.operation);
    EXPECT_TRUE(name.starts_with("REST.")) << spec.name;
    EXPECT_EQ(name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._"), std::string::npos) << name;
    names.insert(name);
  }
  for (const char* name : {"REST.GET.OBJECT",
                           "REST.HEAD.OBJECT",
                           "REST.PUT.OBJECT",
                           "REST.DELETE.OBJECT",
                           "REST.COPY.OBJECT",
                           "REST.GET.BUCKET",
                           "REST.GET.BUCKETVERSIONS",
                           "REST.HEAD.BUCKET",
                           "REST.PUT.BUCKET",
                           "REST.DELETE.BUCKET",
                           "REST.GET.LOCATION",
                           "REST.GET.VERSIONING",
                           "REST.GET.ACL",
                           "REST.PUT.ACL",
                           "REST.GET.CORS",
                           "REST.GET.LIFECYCLE",
                           "REST.GET.TAGGING",
                           "REST.GET.OBJECT_TAGGING",
                           "REST.PUT.OBJECT_TAGGING",
                           "REST.GET.LOGGING_STATUS",
                           "REST.PUT.LOGGING_STATUS",
                           "REST.GET.INVENTORY",
                           "REST.GET.UPLOADS",
                           "REST.POST.UPLOADS",
                           "REST.PUT.PART",
                           "REST.COPY.PART",
                           "REST.POST.UPLOAD",
                           "REST.DELETE.UPLOAD",
                           "REST.GET.UPLOAD",
                           "REST.POST.MULTI_OBJECT_DELETE",
                           "REST.GET.ENCRYPTION",
                           "REST.GET.WEBSITE",
                           "REST.GET.INTELLIGENT_TIERING",
                           "REST.GET.PUBLIC_ACCESS_BLOCK",
                           "REST.GET.POLICY_STATUS"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
}

std::string logging_xml(std::string_view inner) {
  return "<BucketLoggingStatus xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">" + std::string(inner) +
         "</BucketLoggingStatus>";
}

TEST(BucketLogging, ReadsBackWhatWasPut) {
  using KeyFormat = BucketLogging::KeyFormat;
  struct Row {
    const char* format;
    KeyFormat read;
  };
  const Row rows[] = {
      {"", KeyFormat::kUnsaid},
      {"<TargetObjectKeyFormat><SimplePrefix/></TargetObjectKeyFormat>", KeyFormat::kSimple},
      {"<TargetObjectKeyFormat><PartitionedPrefix><PartitionDateSource>EventTime</PartitionDateSource>"
       "</PartitionedPrefix></TargetObjectKeyFormat>",
       KeyFormat::kPartitionedEvent},
      {"<TargetObjectKeyFormat><PartitionedPrefix><PartitionDateSource>DeliveryTime</PartitionDateSource>"
       "</PartitionedPrefix></TargetObjectKeyFormat>",
       KeyFormat::kPartitionedDelivery},
  };
  for (const Row& row : rows) {
    const std::string xml = logging_xml(
        std::string("<LoggingEnabled><TargetBucket>logs</TargetBucket><TargetPrefix>a&amp;b/</TargetPrefix>") +
        row.format + "</LoggingEnabled>");
    const auto logging = BucketLogging::parse(xml);
    ASSERT_TRUE(logging) << row.format;
    EXPECT_EQ(logging->target_bucket, "logs");
    EXPECT_EQ(logging->target_prefix, "a&b/");
    EXPECT_EQ(logging->key_format, row.read);
    const auto again = BucketLogging::parse(logging->document());
    ASSERT_TRUE(again);
    EXPECT_EQ(again->document(), logging->document());
  }
  const auto off = BucketLogging::parse(logging_xml(""));
  ASSERT_TRUE(off);
  EXPECT_FALSE(off->is_on());
}

TEST(BucketLogging, RefusesWhatItCannotDo) {
  const auto code = [](std::string_view inner) {
    const auto logging = BucketLogging::parse(logging_xml(inner));
    return logging ? std::string("taken") : std::string(logging.error().spec().code);
  };
  EXPECT_EQ(code("<LoggingEnabled><TargetBucket>b</TargetBucket></LoggingEnabled>"), "MalformedXML");
  EXPECT_EQ(code("<LoggingEnabled><TargetPrefix>b</TargetPrefix></LoggingEnabled>"), "MalformedXML");
  EXPECT_EQ(code("<Other/>"), "MalformedXML");
  EXPECT_EQ(code("<LoggingEnabled><TargetBucket>b</TargetBucket><TargetPrefix/><TargetGrants><Grant/></TargetGrants>"
                 "</LoggingEnabled>"),
            "NotImplemented");
  EXPECT_EQ(code("<LoggingEnabled><TargetBucket>b</TargetBucket><TargetPrefix>" + std::string(801, 'x') +
                 "</TargetPrefix></LoggingEnabled>"),
            "InvalidArgument");
}

TEST(BucketLogging, NamesLogObjects) {
  BucketLogging logging;
  logging.target_bucket = "logs";
  logging.target_prefix = "p/";
  using KeyFormat = BucketLogging::KeyFormat;
  const auto key = [&](KeyFormat format) {
    logging.key_format = format;
    return log_object_key(logging, "ships", "us-east-1", kTimeMs, "0123456789ABCDEF");
  };
  EXPECT_EQ(key(KeyFormat::kUnsaid), "p/2019-02-06-00-00-38-0123456789ABCDEF");
  EXPECT_EQ(key(KeyFormat::kSimple), "p/2019-02-06-00-00-38-0123456789ABCDEF");
  EXPECT_EQ(key(KeyFormat::kPartitionedDelivery),
            "p/000000000000/us-east-1/ships/2019/02/06/2019-02-06-00-00-38-0123456789ABCDEF");
  EXPECT_EQ(key(KeyFormat::kPartitionedEvent),
            "p/000000000000/us-east-1/ships/2019/02/06/2019-02-06-00-00-00-0123456789ABCDEF");
}

std::shared_ptr<const BucketView> target(std::string policy, std::string acl, std::string ownership = {}) {
  auto bucket = std::make_shared<blob::Bucket>();
  bucket->id = 7;
  bucket->name = "logs";
  if (!policy.empty()) bucket->documents.emplace(kPolicyDocument, std::move(policy));
  if (!acl.empty()) bucket->documents.emplace(kAclDocument, std::move(acl));
  if (!ownership.empty()) bucket->documents.emplace(kOwnershipDocument, std::move(ownership));
  return std::make_shared<const BucketView>(std::move(bucket));
}

// The policy that Amazon's guide shows for log delivery.
constexpr std::string_view kGuidePolicy =
    R"({"Version":"2012-10-17","Statement":[{"Sid":"S3ServerAccessLogsPolicy","Effect":"Allow",)"
    R"("Principal":{"Service":"logging.s3.amazonaws.com"},"Action":["s3:PutObject"],"Resource":"arn:aws:s3:::logs/p/*",)"
    R"("Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:s3:::ships"},)"
    R"("StringEquals":{"aws:SourceAccount":"000000000000"}}}]})";

TEST(Delivery, FollowsTheTargetsPolicyAndAcl) {
  const auto decide = [](const BucketView& view, std::string_view key, std::string_view source) {
    return decide_delivery(view, kLoggingService, key, source);
  };
  const auto guide = target(std::string(kGuidePolicy), "");
  EXPECT_EQ(decide(*guide, "p/x", "ships"), Decision::kAllow);
  EXPECT_EQ(decide(*guide, "p/x", "boats"), Decision::kNone);
  EXPECT_EQ(decide(*guide, "q/x", "ships"), Decision::kNone);
  EXPECT_EQ(decide_delivery(*guide, kInventoryService, "p/x", "ships"), Decision::kNone);
  const auto deny = target(R"({"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*"}})", "");
  EXPECT_EQ(decide(*deny, "p/x", "ships"), Decision::kDeny);
  const std::string acl = canned_acl("log-delivery-write")->stored();
  EXPECT_EQ(decide(*target("", acl), "p/x", "ships"), Decision::kAllow);
  EXPECT_EQ(decide(*target("", acl, "BucketOwnerEnforced"), "p/x", "ships"), Decision::kNone);
  EXPECT_EQ(decide(*target("", ""), "p/x", "ships"), Decision::kNone);
  EXPECT_EQ(decide(*target("{", ""), "p/x", "ships"), Decision::kDeny);
}

TEST(Delivery, IsNoUsersRight) {
  const auto policy = Policy::parse(kGuidePolicy, Policy::Kind::kBucket, "logs");
  ASSERT_TRUE(policy) << policy.error().text();
  const std::vector<std::pair<std::string, std::string>> context = {{"aws:sourcearn", "arn:aws:s3:::ships"},
                                                                    {"aws:sourceaccount", "000000000000"}};
  for (const char* user : {"", "ann", "logging.s3.amazonaws.com"}) {
    EXPECT_EQ(policy->decide({user, "s3:PutObject", "arn:aws:s3:::logs/p/x", context}), Decision::kNone) << user;
  }
  EXPECT_FALSE(policy->is_public());
  EXPECT_FALSE(Policy::parse(R"({"Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},)"
                             R"("Action":"s3:PutObject","Resource":"arn:aws:s3:::logs/*"}})",
                             Policy::Kind::kBucket, "logs"));
}

TEST(Acl, LogDeliveryReadsBack) {
  const auto acl = canned_acl("log-delivery-write");
  ASSERT_TRUE(acl);
  EXPECT_EQ(Acl::load(acl->stored()), *acl);
  EXPECT_EQ(*parse_acl_document(acl->document()), *acl);
  EXPECT_EQ(Acl::load("12").log_delivery, 0);
}

}  // namespace
}  // namespace keelson::s3
