// Policies that `keelson blob keys` makes for one bucket and prefix, against what the server decides by them.
#include "cli/blob_keys.h"

#include <gtest/gtest.h>

#include "protocol/s3/policy.h"

namespace keelson::cli {
namespace {

using s3::Decision;
using s3::Policy;

bool allows(const std::string& json, std::string_view action, std::string_view resource, std::string prefix = {}) {
  const auto policy = Policy::parse(json, Policy::Kind::kUser, {});
  EXPECT_TRUE(policy) << json;
  if (!policy) return false;
  s3::PolicyRequest request;
  request.user = "ann";
  request.action = action;
  request.resource = resource;
  if (!prefix.empty()) request.context.emplace_back("s3:prefix", prefix);
  return policy->decide(request) == Decision::kAllow;
}

TEST(BucketPolicy, HoldsInItsBucketAndPrefix) {
  const std::string both = make_bucket_policy("readwrite", "ships", "in/").value();
  for (const char* action : {"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:GetObjectVersion",
                             "s3:AbortMultipartUpload", "s3:PutObjectTagging"}) {
    EXPECT_TRUE(allows(both, action, "arn:aws:s3:::ships/in/a")) << action;
    EXPECT_FALSE(allows(both, action, "arn:aws:s3:::ships/out/a")) << action;
    EXPECT_FALSE(allows(both, action, "arn:aws:s3:::boats/in/a")) << action;
  }
  EXPECT_TRUE(allows(both, "s3:ListBucket", "arn:aws:s3:::ships", "in/"));
  EXPECT_FALSE(allows(both, "s3:ListBucket", "arn:aws:s3:::ships", "out/"));
  EXPECT_FALSE(allows(both, "s3:ListBucket", "arn:aws:s3:::ships"));
  EXPECT_FALSE(allows(both, "s3:PutBucketPolicy", "arn:aws:s3:::ships"));
  EXPECT_FALSE(allows(both, "s3:DeleteBucket", "arn:aws:s3:::ships"));
}

TEST(BucketPolicy, ReadsOrWrites) {
  const std::string reads = make_bucket_policy("readonly", "ships", "").value();
  EXPECT_TRUE(allows(reads, "s3:GetObject", "arn:aws:s3:::ships/a"));
  EXPECT_TRUE(allows(reads, "s3:ListBucket", "arn:aws:s3:::ships"));
  EXPECT_FALSE(allows(reads, "s3:PutObject", "arn:aws:s3:::ships/a"));
  const std::string writes = make_bucket_policy("writeonly", "ships", "").value();
  EXPECT_TRUE(allows(writes, "s3:PutObject", "arn:aws:s3:::ships/a"));
  EXPECT_FALSE(allows(writes, "s3:GetObject", "arn:aws:s3:::ships/a"));
  EXPECT_FALSE(allows(writes, "s3:PutObjectAcl", "arn:aws:s3:::ships/a"));
  EXPECT_FALSE(allows(writes, "s3:DeleteObject", "arn:aws:s3:::ships/a"));
  EXPECT_FALSE(make_bucket_policy("everything", "ships", ""));
}

}  // namespace
}  // namespace keelson::cli
