// What requests say of encryption, what is stored of it, and master keys.
#include "protocol/s3/sse.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/base64.h"
#include "env/sim/sim.h"
#include "protocol/s3/digest.h"
#include "protocol/s3/documents.h"

namespace keelson::s3 {
namespace {

const std::string kKey = "0123456789abcdef0123456789ABCDEF";

struct Headers {
  std::vector<std::pair<std::string, std::string>> pairs;
  S3Result<std::optional<CustomerKey>> customer(KeyOf of = KeyOf::kObject) const {
    return read_customer_key({"GET", "/", "", views()}, of);
  }
  S3Result<bool> server() const { return wants_server_key({"GET", "/", "", views()}); }
  [[nodiscard]] const std::vector<HeaderView>& views() const {
    kept.assign(pairs.begin(), pairs.end());
    return kept;
  }
  mutable std::vector<HeaderView> kept;
};

Headers customer_headers(std::string algorithm, std::string key, std::string md5) {
  return {{{"X-Amz-Server-Side-Encryption-Customer-Algorithm", std::move(algorithm)},
           {"x-amz-server-side-encryption-customer-key", std::move(key)},
           {"x-amz-server-side-encryption-customer-key-MD5", std::move(md5)}},
          {}};
}

TEST(Sse, CustomerKeys) {
  const std::string md5 = to_base64(digest_of(DigestKind::kMd5, kKey));
  const Headers good = customer_headers("AES256", to_base64(kKey), md5);
  const auto read = good.customer();
  ASSERT_TRUE(read && *read);
  EXPECT_EQ((*read)->key.view(), kKey);
  EXPECT_EQ((*read)->md5, md5);
  EXPECT_TRUE(good.customer(KeyOf::kCopySource) && !*good.customer(KeyOf::kCopySource)) << "they are the object's";
  EXPECT_TRUE(Headers{}.customer() && !*Headers{}.customer());
  const std::string short_key = kKey.substr(1);
  const std::pair<Headers, ErrorCode> bad[] = {
      {customer_headers("AES128", to_base64(kKey), md5), ErrorCode::kInvalidEncryptionAlgorithmError},
      {customer_headers("AES256", to_base64(kKey), to_base64(std::string(16, 'x'))), ErrorCode::kInvalidArgument},
      {customer_headers("AES256", "no base64!", md5), ErrorCode::kInvalidArgument},
      {customer_headers("AES256", to_base64(short_key), to_base64(digest_of(DigestKind::kMd5, short_key))),
       ErrorCode::kInvalidArgument},
  };
  for (const auto& [headers, code] : bad) {
    const auto refused = headers.customer();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, code);
    for (const auto& [name, value] : refused.error().details)
      EXPECT_NE(value, to_base64(kKey)) << "the key is not told";
  }
  for (size_t missing = 0; missing < 3; ++missing) {
    Headers headers = good;
    headers.pairs.erase(headers.pairs.begin() + static_cast<ptrdiff_t>(missing));
    const auto refused = headers.customer();
    ASSERT_FALSE(refused) << missing;
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  }
}

TEST(Sse, ServerKeys) {
  const auto of = [](std::string value) { return Headers{{{"x-amz-server-side-encryption", std::move(value)}}, {}}; };
  EXPECT_TRUE(*of("AES256").server());
  EXPECT_FALSE(*Headers{}.server());
  EXPECT_EQ(of("aws:kms").server().error().code, ErrorCode::kNotImplemented);
  EXPECT_EQ(of("aws:kms:dsse").server().error().code, ErrorCode::kNotImplemented);
  EXPECT_EQ(of("aes256").server().error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(of("").server().error().code, ErrorCode::kInvalidArgument);
  Headers kms = of("AES256");
  kms.pairs.emplace_back("x-amz-server-side-encryption-aws-kms-key-id", "k");
  EXPECT_EQ(kms.server().error().code, ErrorCode::kInvalidArgument);
}

TEST(Sse, WhatIsStoredReadsBackOrNotAtAll) {
  for (const SseKind kind : {SseKind::kServer, SseKind::kCustomer}) {
    StoredKey stored{.kind = kind};
    stored.salt.fill(1);
    stored.wrapped.fill(2);
    if (kind == SseKind::kServer) stored.master.fill(3);
    const std::string text = stored.text();
    EXPECT_EQ(text.size(), kind == SseKind::kServer ? 74U : 66U);
    const auto read = StoredKey::parse(text);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->kind, kind);
    EXPECT_EQ(read->text(), text);
    for (size_t size = 0; size < text.size(); ++size) EXPECT_FALSE(StoredKey::parse(text.substr(0, size))) << size;
    EXPECT_FALSE(StoredKey::parse(text + "x"));
    EXPECT_FALSE(StoredKey::parse("\2" + text.substr(1))) << "another version";
  }
  EXPECT_FALSE(StoredKey::parse("AES256"));
}

TEST(Sse, EntityTagsOfCustomersAreNoMd5) {
  const std::array<unsigned char, 16> md5 = {1, 2, 3};
  EXPECT_EQ(etag_md5({}, md5), md5);
  Encryption encryption{SseKind::kServer, *blobstore::SecretKey::from(kKey), {}};
  EXPECT_EQ(etag_md5(encryption, md5), md5);
  encryption.kind = SseKind::kCustomer;
  const auto tag = etag_md5(encryption, md5);
  EXPECT_NE(tag, md5);
  EXPECT_EQ(etag_md5(encryption, md5), tag);
  encryption.key = *blobstore::SecretKey::from(std::string(32, 'x'));
  EXPECT_NE(etag_md5(encryption, md5), tag);
}

TEST(MasterKeys, LinesAndCommas) {
  const std::string one = to_base64(std::string(32, '1'));
  const std::string two = to_base64(std::string(32, '2'));
  const auto keys = MasterKeys::parse("# made in spring\n" + one + "\r\n\n  " + two + "  \n");
  ASSERT_TRUE(keys);
  EXPECT_EQ(keys->size(), 2U);
  EXPECT_EQ(keys->newest().key.view(), std::string(32, '2')) << "the last one wraps";
  const auto old = MasterKeys::parse(one);
  ASSERT_TRUE(old);
  ASSERT_NE(keys->find(old->newest().id), nullptr) << "ids hang on the key alone";
  EXPECT_EQ(keys->find(old->newest().id)->key.view(), std::string(32, '1'));
  EXPECT_EQ(old->find(keys->newest().id), nullptr);
  EXPECT_EQ(MasterKeys::parse(one + "," + two)->size(), 2U);
  for (const std::string& bad :
       {std::string(), std::string("\n#\n"), std::string("x"), to_base64("short"), one + two}) {
    EXPECT_FALSE(MasterKeys::parse(bad)) << bad;
  }
}

TEST(MasterKeys, AreMadeOnceForTheirOwnerAlone) {
  env::sim::World world(1);
  env::sim::Node& node = world.add_node(1);
  env::Disk& disk = node.env().disk();
  ASSERT_TRUE(disk.make_folder("data").ok());
  const auto load = [&] { return world.run(node.reactor(0), load_or_make_master_keys(disk, node.reactor(0), "data")); };
  const auto made = load();
  ASSERT_TRUE(made.ok());
  const auto again = load();
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(made->newest().id, again->newest().id);
  EXPECT_EQ(again->size(), 1U);
  EXPECT_FALSE(load_master_keys(disk, "data/none").ok());
}

TEST(BucketEncryption, Documents) {
  const auto parse = [](const std::string& rule) {
    return BucketEncryption::parse(
        "<ServerSideEncryptionConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">" + rule +
        "</ServerSideEncryptionConfiguration>");
  };
  const auto by_default = [](const std::string& inner) {
    return "<Rule><ApplyServerSideEncryptionByDefault>" + inner + "</ApplyServerSideEncryptionByDefault></Rule>";
  };
  const auto aes = parse(by_default("<SSEAlgorithm>AES256</SSEAlgorithm>"));
  ASSERT_TRUE(aes);
  EXPECT_TRUE(aes->encrypts && !aes->has_bucket_key && !aes->blocks_customer_keys);
  const auto back = BucketEncryption::parse(aes->document());
  ASSERT_TRUE(back);
  EXPECT_TRUE(back->encrypts);
  const auto blocking = parse(
      "<Rule><BucketKeyEnabled>true</BucketKeyEnabled><BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType>"
      "</BlockedEncryptionTypes></Rule>");
  ASSERT_TRUE(blocking);
  EXPECT_TRUE(!blocking->encrypts && blocking->has_bucket_key && blocking->blocks_customer_keys);
  const auto blocking_back = BucketEncryption::parse(blocking->document());
  ASSERT_TRUE(blocking_back);
  EXPECT_TRUE(!blocking_back->encrypts && blocking_back->has_bucket_key && blocking_back->blocks_customer_keys);
  EXPECT_EQ(parse(by_default("<SSEAlgorithm>aws:kms</SSEAlgorithm>")).error().code, ErrorCode::kNotImplemented);
  EXPECT_EQ(parse(by_default("<SSEAlgorithm>AES256</SSEAlgorithm><KMSMasterKeyID>k</KMSMasterKeyID>")).error().code,
            ErrorCode::kInvalidArgument);
  for (const std::string& bad : {std::string(), std::string("<Rule/>"), by_default(""), std::string("<Role/>"),
                                 by_default("<SSEAlgorithm>DES</SSEAlgorithm>")}) {
    const auto refused = parse(bad);
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.error().code, ErrorCode::kMalformedXML) << bad;
  }
}

}  // namespace
}  // namespace keelson::s3
