// Derived signing keys that are kept: the same as those derived anew, and gone when their access key is.
#include "protocol/s3/signing_keys.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "protocol/s3/signature_v4.h"

namespace keelson::s3 {
namespace {

std::shared_ptr<const AccessKey> key_of(std::string id, std::string secret) {
  AccessKey key;
  key.id = std::move(id);
  key.secret = std::move(secret);
  return std::make_shared<const AccessKey>(std::move(key));
}

TEST(SigningKeys, AreThoseOfTheirKeyDayAndSecret) {
  SigningKeys keys;
  const auto one = key_of("one", "secret-one");
  const auto two = key_of("two", "secret-two");
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(keys.find(one, "20261126", "us-east-1"), signing_key_v4("secret-one", "20261126", "us-east-1"));
    EXPECT_EQ(keys.find(one, "20261127", "us-east-1"), signing_key_v4("secret-one", "20261127", "us-east-1"));
    EXPECT_EQ(keys.find(two, "20261126", "us-east-1"), signing_key_v4("secret-two", "20261126", "us-east-1"));
    EXPECT_EQ(keys.size(), 3U);
  }
}

TEST(SigningKeys, AChangedAccessKeyIsDerivedAnew) {
  SigningKeys keys;
  (void)keys.find(key_of("id", "the old secret"), "20261126", "us-east-1");
  // The same id in a new ring.
  const auto changed = key_of("id", "the new secret");
  EXPECT_EQ(keys.find(changed, "20261126", "us-east-1"), signing_key_v4("the new secret", "20261126", "us-east-1"));
  EXPECT_EQ(keys.size(), 1U);
}

TEST(SigningKeys, AreBounded) {
  SigningKeys keys;
  for (size_t i = 0; i < 3 * SigningKeys::kCountMax; ++i) {
    (void)keys.find(key_of("key" + std::to_string(i), "a secret"), "20261126", "us-east-1");
    ASSERT_LE(keys.size(), SigningKeys::kCountMax);
  }
}

}  // namespace
}  // namespace keelson::s3
