// Policies, ACLs, forms and their policies, the operations table.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "protocol/s3/acl.h"
#include "protocol/s3/form_data.h"
#include "protocol/s3/operations.h"
#include "protocol/s3/policy.h"
#include "protocol/s3/post_policy.h"

namespace keelson::s3 {
namespace {

Policy bucket_policy(std::string_view statement) {
  auto policy = Policy::parse(std::string("{\"Version\":\"2012-10-17\",\"Statement\":").append(statement) + "}",
                              Policy::Kind::kBucket, "box");
  EXPECT_TRUE(policy) << (policy ? "" : policy.error().message);
  return policy ? *policy : Policy();
}

Decision decide(const Policy& policy, std::string_view user, std::string_view action, std::string_view resource,
                std::vector<std::pair<std::string, std::string>> context = {}) {
  return policy.decide({user, action, resource, std::move(context)});
}

TEST(Policy, ReadsAreOpenWritesAreNot) {
  const Policy policy = bucket_policy(
      R"([{"Sid":"1","Effect":"Allow","Principal":"*","Action":["s3:GetObject"],"Resource":"arn:aws:s3:::box/*"}])");
  EXPECT_EQ(decide(policy, "", "s3:GetObject", "arn:aws:s3:::box/a/b"), Decision::kAllow);
  EXPECT_EQ(decide(policy, "", "s3:getobject", "arn:aws:s3:::box/a/b"), Decision::kAllow);
  EXPECT_EQ(decide(policy, "", "s3:PutObject", "arn:aws:s3:::box/a/b"), Decision::kNone);
  EXPECT_EQ(decide(policy, "", "s3:GetObject", "arn:aws:s3:::box"), Decision::kNone);
  EXPECT_TRUE(policy.is_public());
}

TEST(Policy, DenyWins) {
  const Policy policy = bucket_policy(
      R"([{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"s3:*","Resource":["arn:aws:s3:::box","arn:aws:s3:::box/*"]},
          {"Effect":"Deny","Principal":{"AWS":["arn:aws:iam::000000000000:user/eve"]},"NotAction":"s3:ListBucket",
           "Resource":"*"}])");
  EXPECT_EQ(decide(policy, "ann", "s3:PutObject", "arn:aws:s3:::box/a"), Decision::kAllow);
  EXPECT_EQ(decide(policy, "eve", "s3:PutObject", "arn:aws:s3:::box/a"), Decision::kDeny);
  EXPECT_EQ(decide(policy, "eve", "s3:ListBucket", "arn:aws:s3:::box"), Decision::kAllow);
}

TEST(Policy, Conditions) {
  const auto with = [](std::string_view condition) {
    return bucket_policy(R"({"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*","Condition":)" +
                         std::string(condition) + "}");
  };
  const auto decides = [](const Policy& policy, std::vector<std::pair<std::string, std::string>> context) {
    return decide(policy, "ann", "s3:GetObject", "arn:aws:s3:::box/a", std::move(context)) == Decision::kAllow;
  };
  const Policy ip = with(R"({"IpAddress":{"aws:SourceIp":["10.1.0.0/16","2001:db8::/32"]}})");
  EXPECT_TRUE(decides(ip, {{"aws:sourceip", "10.1.200.3"}}));
  EXPECT_FALSE(decides(ip, {{"aws:sourceip", "10.2.0.1"}}));
  EXPECT_TRUE(decides(ip, {{"aws:sourceip", "2001:db8:1::9"}}));
  EXPECT_FALSE(decides(ip, {{"aws:sourceip", "::1"}}));
  EXPECT_FALSE(decides(ip, {}));
  const Policy not_ip = with(R"({"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}})");
  EXPECT_FALSE(decides(not_ip, {{"aws:sourceip", "10.2.0.1"}}));
  EXPECT_TRUE(decides(not_ip, {{"aws:sourceip", "11.2.0.1"}}));
  const Policy like = with(R"({"StringLike":{"s3:prefix":["home/${aws:username}/*",""]}})");
  EXPECT_TRUE(decides(like, {{"s3:prefix", "home/ann/x"}}));
  EXPECT_FALSE(decides(like, {{"s3:prefix", "home/bob/x"}}));
  const Policy number = with(R"({"NumericLessThanEquals":{"s3:max-keys":"10"}})");
  EXPECT_TRUE(decides(number, {{"s3:max-keys", "10"}}));
  EXPECT_FALSE(decides(number, {{"s3:max-keys", "11"}}));
  const Policy date = with(R"({"DateLessThan":{"aws:CurrentTime":"2030-01-01T00:00:00Z"}})");
  EXPECT_TRUE(decides(date, {{"aws:currenttime", "2029-12-31T23:59:59.000Z"}}));
  EXPECT_FALSE(decides(date, {{"aws:currenttime", "2030-01-01T00:00:00.000Z"}}));
  const Policy secure = with(R"({"Bool":{"aws:SecureTransport":"true"}})");
  EXPECT_TRUE(decides(secure, {{"aws:securetransport", "true"}}));
  EXPECT_FALSE(decides(secure, {{"aws:securetransport", "false"}}));
  const Policy null = with(R"({"Null":{"s3:x-amz-acl":"true"}})");
  EXPECT_TRUE(decides(null, {}));
  EXPECT_FALSE(decides(null, {{"s3:x-amz-acl", "private"}}));
  const Policy maybe = with(R"({"StringEqualsIfExists":{"s3:x-amz-acl":"private"}})");
  EXPECT_TRUE(decides(maybe, {}));
  EXPECT_FALSE(decides(maybe, {{"s3:x-amz-acl", "public-read"}}));
  const Policy all = with(R"({"ForAllValues:StringEquals":{"s3:RequestObjectTagKeys":["a","b"]}})");
  EXPECT_TRUE(decides(all, {{"s3:requestobjecttagkeys", "a"}, {"s3:requestobjecttagkeys", "b"}}));
  EXPECT_FALSE(decides(all, {{"s3:requestobjecttagkeys", "a"}, {"s3:requestobjecttagkeys", "c"}}));
}

TEST(Policy, WhatCannotBeCheckedIsRefused) {
  const std::string_view bad[] = {
      R"([])",
      R"([{"Effect":"Maybe","Principal":"*","Action":"s3:*","Resource":"*"}])",
      R"([{"Effect":"Allow","Action":"s3:*","Resource":"*"}])",
      R"([{"Effect":"Allow","Principal":"*","Resource":"*"}])",
      R"([{"Effect":"Allow","Principal":"*","Action":"s3:*"}])",
      R"([{"Effect":"Allow","Principal":"*","Action":"s3:*","NotAction":"s3:GetObject","Resource":"*"}])",
      R"([{"Effect":"Allow","Principal":"*","Action":"ec2:*","Resource":"*"}])",
      R"([{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::other/*"}])",
      R"([{"Effect":"Allow","Principal":{"Service":"x"},"Action":"s3:*","Resource":"*"}])",
      R"([{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*","Condition":{"Magic":{"aws:SourceIp":"1"}}}])",
      R"([{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:Unknown":"true"}}}])",
      R"([{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"1.2.3"}}}])",
      R"([{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::box/${aws:magic}"}])",
      R"([{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*","Other":1}])",
  };
  for (const std::string_view statement : bad) {
    const auto policy =
        Policy::parse(std::string("{\"Statement\":").append(statement) + "}", Policy::Kind::kBucket, "box");
    ASSERT_FALSE(policy) << statement;
    EXPECT_EQ(policy.error().code, ErrorCode::kMalformedPolicy);
  }
  EXPECT_FALSE(Policy::parse("[1]", Policy::Kind::kBucket, "box"));
  EXPECT_FALSE(Policy::parse(std::string(100'000, '['), Policy::Kind::kBucket, "box"));
  for (const std::string_view name : {"readwrite", "readonly", "writeonly"}) {
    EXPECT_TRUE(Policy::parse(named_policy(name), Policy::Kind::kUser, "")) << name;
  }
}

TEST(Policy, Wildcards) {
  EXPECT_TRUE(wildcard_match("*", ""));
  EXPECT_TRUE(wildcard_match("a*c?e*", "abbbcdeff"));
  EXPECT_FALSE(wildcard_match("a*c?e", "abbbcdeff"));
  EXPECT_TRUE(wildcard_match("[a]", "[a]"));
  EXPECT_FALSE(wildcard_match(std::string(200, '*') + "b", std::string(2000, 'a')));
}

TEST(Acl, CannedAndBack) {
  for (const std::string_view name : {"private", "public-read", "public-read-write", "authenticated-read"}) {
    const auto acl = canned_acl(name);
    ASSERT_TRUE(acl) << name;
    EXPECT_EQ(Acl::load(acl->stored()), *acl);
    const auto read = parse_acl_document(acl->document());
    ASSERT_TRUE(read) << name;
    EXPECT_EQ(*read, *acl);
  }
  EXPECT_FALSE(canned_acl("nonsense"));
  const std::string grant = "uri=\"http://acs.amazonaws.com/groups/global/AllUsers\"";
  const std::vector<HeaderView> grants = {{"X-Amz-Grant-Read", grant}};
  const auto granted = acl_of_headers({"PUT", "/", "", grants});
  ASSERT_TRUE(granted && *granted);
  EXPECT_EQ(**granted, *canned_acl("public-read"));
  const std::vector<HeaderView> both = {{"X-Amz-Grant-Read", grant}, {"x-amz-acl", "private"}};
  EXPECT_FALSE(acl_of_headers({"PUT", "/", "", both}));
}

// What a form's bytes are read as, fed in pieces.
std::string read_form(std::string_view body, size_t piece) {
  FormDataParser form("XX");
  std::string seen;
  while (true) {
    const auto event = form.next();
    if (!event) return std::string(event.error().spec().code);
    switch (*event) {
      case FormDataParser::Event::kMore:
        if (body.empty()) return form.is_done() ? seen : "incomplete";
        form.feed(body.substr(0, piece));
        body.remove_prefix(std::min(piece, body.size()));
        break;
      case FormDataParser::Event::kFile:
        for (const auto& [name, value] : form.fields()) seen += name + "=" + value + ";";
        seen += form.file_name() + ":";
        break;
      case FormDataParser::Event::kFileData:
        seen += form.piece();
        break;
      case FormDataParser::Event::kFileEnd:
        seen += "|";
        break;
    }
  }
}

TEST(FormData, FieldsThenAFile) {
  const std::string_view body =
      "--XX\r\nContent-Disposition: form-data; name=\"Key\"\r\n\r\nuser/${filename}\r\n"
      "--XX\r\ncontent-disposition: form-data; name=acl\r\n\r\n\r\n"
      "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"C:\\\\dir\\\\a \\\"b\\\".txt\"\r\n"
      "Content-Type: text/plain\r\n\r\nline\r\n--X\r\n-XX\r\n--XX\r\n"
      "Content-Disposition: form-data; name=\"late\"\r\n\r\nignored\r\n--XX--\r\nepilogue";
  const std::string wanted = "key=user/${filename};acl=;a \"b\".txt:line\r\n--X\r\n-XX|";
  for (size_t piece = 1; piece <= body.size(); ++piece) EXPECT_EQ(read_form(body, piece), wanted) << piece;
}

TEST(FormData, WhatIsWrong) {
  EXPECT_EQ(read_form("--XX--", 100), "InvalidArgument");
  EXPECT_EQ(read_form("--XXjunk", 100), "MalformedPOSTRequest");
  EXPECT_EQ(read_form("--XX\r\nno colon\r\n\r\n", 100), "MalformedPOSTRequest");
  EXPECT_EQ(read_form("--XX\r\nX: y\r\n\r\n", 100), "MalformedPOSTRequest");
  EXPECT_EQ(read_form("--XX\r\n" + std::string(10'000, 'a'), 100), "MalformedPOSTRequest");
  EXPECT_EQ(read_form("--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n" + std::string(100'000, 'a'), 1000),
            "MaxPostPreDataLengthExceededError");
  EXPECT_EQ(form_data_boundary("multipart/form-data; boundary=abc"), "abc");
  EXPECT_EQ(form_data_boundary("Multipart/Form-Data; charset=x; boundary=\"a b\""), "a b");
  EXPECT_FALSE(form_data_boundary("multipart/form-data"));
  EXPECT_FALSE(form_data_boundary("text/plain; boundary=abc"));
  EXPECT_FALSE(form_data_boundary("multipart/form-data; boundary=" + std::string(71, 'a')));
}

TEST(PostPolicy, RulesHoldOrNot) {
  const auto policy = PostPolicy::parse(
      R"({"expiration":"2030-01-01T12:00:00.000Z","conditions":[{"bucket":"box"},["starts-with","$key","user/"],
          {"acl":"private"},["eq","$x-amz-meta-a","1"],["starts-with","$Content-Type",""],
          ["content-length-range",1,10]]})");
  ASSERT_TRUE(policy);
  EXPECT_EQ(policy->content_bytes_min, 1U);
  EXPECT_EQ(policy->content_bytes_max, 10U);
  using Fields = std::vector<std::pair<std::string, std::string>>;
  const Fields good = {{"bucket", "box"},     {"key", "user/a"}, {"acl", "private"},  {"x-amz-meta-a", "1"},
                       {"content-type", "x"}, {"policy", "p"},   {"x-ignore-me", ""}, {"signature", "s"}};
  const int64_t now_ms = 1'700'000'000'000;
  EXPECT_TRUE(policy->check(good, now_ms));
  EXPECT_FALSE(policy->check(good, 1'900'000'000'000));
  const auto changed = [&](std::string_view name, std::string_view value) {
    Fields fields = good;
    for (auto& field : fields) {
      if (field.first == name) field.second = value;
    }
    return policy->check(fields, now_ms).has_value();
  };
  EXPECT_FALSE(changed("bucket", "other"));
  EXPECT_FALSE(changed("key", "root/a"));
  EXPECT_FALSE(changed("acl", "public-read"));
  EXPECT_TRUE(changed("content-type", "anything"));
  Fields extra = good;
  extra.emplace_back("x-amz-meta-b", "2");
  const auto refused = policy->check(extra, now_ms);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("Extra input fields: x-amz-meta-b"), std::string::npos);
  for (const std::string_view bad : {"", "{}", "[]", R"({"expiration":"x","conditions":[]})",
                                     R"({"expiration":"2030-01-01T12:00:00Z","conditions":[["eq","key","a"]]})",
                                     R"({"expiration":"2030-01-01T12:00:00Z","conditions":[["less","$key","a"]]})",
                                     R"({"expiration":"2030-01-01T12:00:00Z","conditions":[1]})"}) {
    EXPECT_FALSE(PostPolicy::parse(bad)) << bad;
  }
}

std::string operation_of(std::string_view method, Level level, std::string_view query,
                         std::vector<HeaderView> headers = {}) {
  const auto found = find_operation(method, level, *Query::parse(query), {method, "/", query, headers});
  return found ? std::string((*found)->name) : std::string(found.error().spec().code);
}

TEST(Operations, RequestsFindTheirRow) {
  using enum Level;
  EXPECT_EQ(operation_of("GET", kService, ""), "ListBuckets");
  EXPECT_EQ(operation_of("GET", kService, "x-id=ListBuckets"), "ListBuckets");
  EXPECT_EQ(operation_of("GET", kBucket, ""), "ListObjects");
  EXPECT_EQ(operation_of("GET", kBucket, "list-type=2&prefix=policy"), "ListObjectsV2");
  EXPECT_EQ(operation_of("GET", kBucket, "list-type=1"), "ListObjects");
  EXPECT_EQ(operation_of("GET", kBucket, "policy"), "GetBucketPolicy");
  EXPECT_EQ(operation_of("GET", kBucket, "policyStatus"), "GetBucketPolicyStatus");
  EXPECT_EQ(operation_of("GET", kBucket, "inventory&id=1"), "GetBucketInventoryConfiguration");
  EXPECT_EQ(operation_of("POST", kBucket, "delete"), "DeleteObjects");
  EXPECT_EQ(operation_of("POST", kBucket, ""), "PostObject");
  EXPECT_EQ(operation_of("PUT", kBucket, ""), "CreateBucket");
  EXPECT_EQ(operation_of("PUT", kBucket, "policyStatus"), "MethodNotAllowed");
  EXPECT_EQ(operation_of("DELETE", kBucket, "versioning"), "MethodNotAllowed");
  EXPECT_EQ(operation_of("PUT", kObject, ""), "PutObject");
  EXPECT_EQ(operation_of("PUT", kObject, "x-id=PutObject"), "PutObject");
  EXPECT_EQ(operation_of("PUT", kObject, "", {{"X-Amz-Copy-Source", "a/b"}}), "CopyObject");
  EXPECT_EQ(operation_of("PUT", kObject, "partNumber=1&uploadId=x"), "UploadPart");
  EXPECT_EQ(operation_of("PUT", kObject, "partNumber=1&uploadId=x", {{"x-amz-copy-source", "a/b"}}), "UploadPartCopy");
  EXPECT_EQ(operation_of("GET", kObject, "partNumber=1"), "GetObject");
  EXPECT_EQ(operation_of("GET", kObject, "uploadId=x"), "ListParts");
  EXPECT_EQ(operation_of("DELETE", kObject, "versionId=x"), "DeleteObject");
  EXPECT_EQ(operation_of("PATCH", kObject, ""), "MethodNotAllowed");
  EXPECT_EQ(operation_of("POST", kObject, ""), "MethodNotAllowed");
}

TEST(Operations, TheTableIsWhole) {
  for (const OperationSpec& spec : operation_table()) {
    EXPECT_EQ(&operation_spec(spec.operation), &spec);
    EXPECT_EQ(spec.is_supported, !spec.permission.empty()) << spec.name;
    // Each row can be reached.
    std::string query;
    for (const char c : spec.parameters) query += c;
    std::vector<HeaderView> headers;
    if (!spec.header.empty()) headers.emplace_back(spec.header, "x");
    EXPECT_EQ(operation_of(spec.method, spec.level, query, headers), spec.name);
  }
}

}  // namespace
}  // namespace keelson::s3
