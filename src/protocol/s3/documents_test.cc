// The smaller documents, access keys, and the checksums of multipart objects.
#include "protocol/s3/documents.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "protocol/s3/checksum.h"
#include "protocol/s3/digest.h"
#include "protocol/s3/keys.h"

namespace keelson::s3 {
namespace {

template <class T>
std::string fault(const S3Result<T>& result) {
  return result ? "" : std::string(result.error().spec().code);
}

struct Row {
  std::string xml;
  std::string_view code;  // empty: good
};

TEST(Documents, CreateBucket) {
  EXPECT_EQ(parse_create_bucket("")->location, "");
  const std::string open = "<CreateBucketConfiguration>";
  const std::string close = "</CreateBucketConfiguration>";
  const auto full = parse_create_bucket(open +
                                        "<LocationConstraint>eu-west-1</LocationConstraint><Tags><Tag><Key>k"
                                        "</Key><Value>v</Value></Tag></Tags>" +
                                        close);
  EXPECT_EQ(full->location, "eu-west-1");
  EXPECT_EQ(full->tags, (Tags{{"k", "v"}}));
  for (const Row& row :
       std::vector<Row>{{open + close, ""},
                        {"<Create/>", "MalformedXML"},
                        {"no xml", "MalformedXML"},
                        {open + "<Tags><Tag/></Tags>" + close, "MalformedXML"},
                        {open + "<Bucket><Type>Directory</Type></Bucket>" + close, "NotImplemented"}}) {
    EXPECT_EQ(fault(parse_create_bucket(row.xml)), row.code) << row.xml;
  }
}

TEST(Documents, Versioning) {
  for (const auto versioning : {blob::Versioning::kEnabled, blob::Versioning::kSuspended}) {
    EXPECT_EQ(*parse_versioning(versioning_document(versioning)), versioning);
  }
  EXPECT_EQ(versioning_document(blob::Versioning::kOff).find("Status"), std::string::npos);
  const std::string open = "<VersioningConfiguration>";
  const std::string close = "</VersioningConfiguration>";
  for (const Row& row :
       std::vector<Row>{{open + "<Status>enabled</Status>" + close, "MalformedXML"},
                        {open + close, "IllegalVersioningConfigurationException"},
                        {open + "<Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>" + close, "NotImplemented"},
                        {open + "<Status>Enabled</Status><MfaDelete>Disabled</MfaDelete>" + close, ""},
                        {"<Versioning/>", "MalformedXML"}}) {
    EXPECT_EQ(fault(parse_versioning(row.xml)), row.code) << row.xml;
  }
}

TEST(Documents, Delete) {
  const auto document = parse_delete(
      "<Delete><Quiet>true</Quiet><Object><Key> a&#10;b </Key><VersionId>v</VersionId></Object><Object><Key>c</Key>"
      "<ETag>e</ETag></Object></Delete>");
  ASSERT_TRUE(document.has_value());
  EXPECT_TRUE(document->is_quiet);
  ASSERT_EQ(document->objects.size(), 2U);
  EXPECT_EQ(document->objects[0].key, " a\nb ") << "blanks belong to the key";
  EXPECT_EQ(document->objects[0].version_id, "v");
  EXPECT_FALSE(document->objects[0].etag);
  EXPECT_EQ(document->objects[1].etag, "e");
  std::string thousand;
  for (size_t i = 0; i < DeleteDocument::kObjectsMax; ++i) thousand += "<Object><Key>k</Key></Object>";
  for (const Row& row :
       std::vector<Row>{{"<Delete>" + thousand + "</Delete>", ""},
                        {"<Delete>" + thousand + "<Object><Key>k</Key></Object></Delete>", "MalformedXML"},
                        {"<Delete/>", "MalformedXML"},
                        {"<Delete><Object/></Delete>", "MalformedXML"},
                        {"<Delete><Object><Key></Key></Object></Delete>", "MalformedXML"},
                        {"<Delete><Quiet>maybe</Quiet><Object><Key>k</Key></Object></Delete>", "MalformedXML"},
                        {"<Remove/>", "MalformedXML"}}) {
    EXPECT_EQ(fault(parse_delete(row.xml)), row.code) << row.xml.substr(0, 80);
  }
}

TEST(Documents, Complete) {
  const std::string md5(32, 'a');
  const auto part = [&](std::string_view number, std::string_view etag, std::string_view more = "") {
    return "<Part><PartNumber>" + std::string(number) + "</PartNumber><ETag>" + std::string(etag) + "</ETag>" +
           std::string(more) + "</Part>";
  };
  const auto whole = [](const std::string& inside) {
    return "<CompleteMultipartUpload>" + inside + "</CompleteMultipartUpload>";
  };
  const auto document = parse_complete(
      whole(part("2", "&quot;" + md5 + "&quot;") + part("1", md5, "<ChecksumCRC32>AAAAAQ==</ChecksumCRC32>")));
  ASSERT_TRUE(document.has_value());
  EXPECT_EQ(document->parts[0].number, 2U) << "the order is looked at later";
  EXPECT_EQ(document->parts[0].etag.text(), md5);
  EXPECT_EQ(document->parts[1].checksum->value, std::string("\0\0\0\1", 4));
  for (const Row& row :
       std::vector<Row>{{whole(""), "MalformedXML"},
                        {"<Complete/>", "MalformedXML"},
                        {whole("<Piece/>"), "MalformedXML"},
                        {whole("<Part><PartNumber>1</PartNumber></Part>"), "MalformedXML"},
                        {whole(part("one", md5)), "MalformedXML"},
                        {whole(part("-1", md5)), "InvalidArgument"},
                        {whole(part("1", "no etag")), "InvalidPart"},
                        {whole(part("1", md5, "<ChecksumCRC32>AAAA</ChecksumCRC32>")), "InvalidArgument"},
                        {whole(part("1", md5, "<ChecksumSHA256>!</ChecksumSHA256>")), "InvalidArgument"}}) {
    EXPECT_EQ(fault(parse_complete(row.xml)), row.code) << row.xml;
  }
}

TEST(Documents, TheOthers) {
  PublicAccessBlock block{.blocks_acls = true, .restricts_policy = true};
  const auto back = PublicAccessBlock::parse(block.document());
  EXPECT_TRUE(back->blocks_acls && !back->ignores_acls && !back->blocks_policy && back->restricts_policy);
  EXPECT_EQ(fault(PublicAccessBlock::parse("<PublicAccessBlockConfiguration><BlockPublicAcls>yes</BlockPublicAcls>"
                                           "</PublicAccessBlockConfiguration>")),
            "MalformedXML");
  for (const char* word : {"BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"}) {
    EXPECT_EQ(*parse_ownership(ownership_document(word)), word);
  }
  EXPECT_EQ(fault(parse_ownership(ownership_document("Nobody"))), "MalformedXML");
  EXPECT_EQ(fault(parse_ownership("<OwnershipControls/>")), "MalformedXML");
  EXPECT_EQ(fault(parse_request_payment("<RequestPaymentConfiguration><Payer>BucketOwner</Payer>"
                                        "</RequestPaymentConfiguration>")),
            "");
  EXPECT_EQ(fault(parse_request_payment("<RequestPaymentConfiguration><Payer>Requester</Payer>"
                                        "</RequestPaymentConfiguration>")),
            "NotImplemented");
  EXPECT_EQ(fault(parse_request_payment("<RequestPaymentConfiguration/>")), "MalformedXML");
}

// Access keys.

TEST(Keys, NamesAndSecrets) {
  EXPECT_TRUE(is_access_key_id("AKI") && is_access_key_id(std::string(128, 'a')));
  for (const std::string& bad : {std::string("AK"), std::string(129, 'a'), std::string("A/B C"), std::string()}) {
    EXPECT_FALSE(is_access_key_id(bad)) << bad;
  }
  EXPECT_TRUE(is_secret("12345678") && is_secret("!~/+=abc"));
  for (const std::string& bad :
       {std::string("1234567"), std::string(129, 'a'), std::string("with blank"), std::string("b\x80y88888")}) {
    EXPECT_FALSE(is_secret(bad)) << bad;
  }
  EXPECT_TRUE(is_user_name("a") && is_user_name("a.b_c@d-e"));
  for (const std::string& bad : {std::string(), std::string(65, 'u'), std::string("u*"), std::string("u/v")}) {
    EXPECT_FALSE(is_user_name(bad)) << bad;
  }
}

TEST(Keys, AreMadeStoredAndLoaded) {
  const auto key = make_access_key("AKID", "secret \x7f" + std::string("x"), "user", "readonly");
  EXPECT_EQ(fault(key), "InvalidArgument");
  EXPECT_EQ(fault(make_access_key("A", "12345678", "user", "readonly")), "InvalidArgument");
  EXPECT_EQ(fault(make_access_key("AKID", "12345678", "root", "readonly")), "InvalidArgument");
  EXPECT_EQ(fault(make_access_key("AKID", "12345678", "user", "no policy")), "MalformedPolicy");
  const auto good = make_access_key("AKID", "12345678", "", "readonly");
  ASSERT_TRUE(good.has_value());
  EXPECT_EQ(good->user, "AKID") << "a key without a user is its own";
  const auto loaded = load_access_key("s3-key/AKID", good->document());
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(loaded->secret, "12345678");
  EXPECT_EQ(loaded->policy, "readonly");
  EXPECT_TRUE(loaded->is_enabled && !loaded->is_root && loaded->parsed_policy);
  EXPECT_FALSE(
      load_access_key("s3-key/AKID", R"({"secret":"12345678","policy":"readonly","enabled":false})")->is_enabled);
  for (const std::string_view bad : {"", "[]", "{", R"({"secret":8})"}) {
    EXPECT_FALSE(load_access_key("s3-key/AKID", bad).has_value()) << bad;
  }
  EXPECT_FALSE(load_access_key("other/AKID", good->document()).has_value());

  KeyRing ring;
  ring.put(*good);
  const auto held = ring.find("AKID");
  AccessKey other = *good;
  other.secret = "87654321";
  ring.put(other);
  EXPECT_EQ(held->secret, "12345678") << "who has one keeps it";
  EXPECT_EQ(ring.find("AKID")->secret, "87654321");
  EXPECT_EQ(ring.size(), 1U);
  ring.remove("AKID");
  ring.remove("AKID");
  EXPECT_EQ(ring.find("AKID"), nullptr);
}

// Checksums.

std::string checksum_of(ChecksumAlgorithm algorithm, std::string_view bytes) {
  Checksummer sum(algorithm);
  sum.update(bytes);
  return sum.finish();
}

// "123456789": the check values of the CRC catalogue, and FIPS 180's digests as sha1sum and sha256sum print them.
TEST(Checksums, KnownValues) {
  const struct {
    ChecksumAlgorithm algorithm;
    std::string_view name;
    std::string_view hex;
  } rows[] = {
      {ChecksumAlgorithm::kCrc32, "CRC32", "cbf43926"},
      {ChecksumAlgorithm::kCrc32c, "CRC32C", "e3069283"},
      {ChecksumAlgorithm::kCrc64Nvme, "CRC64NVME", "ae8b14860a799888"},
      {ChecksumAlgorithm::kSha1, "SHA1", "f7c3bc1d808e04732adf679965ccc34ca7ae3441"},
      {ChecksumAlgorithm::kSha256, "SHA256", "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(to_hex(checksum_of(row.algorithm, "123456789")), row.hex) << row.name;
    EXPECT_EQ(checksum_name(row.algorithm), row.name);
    EXPECT_EQ(parse_checksum_algorithm(row.name), row.algorithm);
    EXPECT_EQ(checksum_bytes(row.algorithm), row.hex.size() / 2);
    EXPECT_EQ(checksum_element(row.algorithm), "Checksum" + std::string(row.name));
  }
  EXPECT_EQ(parse_checksum_algorithm("crc32c"), ChecksumAlgorithm::kCrc32c);
  EXPECT_FALSE(parse_checksum_algorithm("CRC16"));
}

TEST(Checksums, OfPartsAreThoseOfTheWhole) {
  const std::string whole = "The quick brown fox jumps over the lazy dog, again and again.";
  for (const ChecksumAlgorithm algorithm : kChecksumAlgorithms) {
    for (const std::vector<size_t>& cuts : {std::vector<size_t>{}, {10}, {0, 1, 30}, {5, 5, 60}}) {
      std::vector<std::string> values;
      std::vector<PartChecksum> parts;
      std::string joined;
      size_t begin = 0;
      for (size_t i = 0; i <= cuts.size(); ++i) {
        const size_t end = i == cuts.size() ? whole.size() : cuts[i];
        values.push_back(checksum_of(algorithm, std::string_view(whole).substr(begin, end - begin)));
        joined += values.back();
        parts.push_back({{}, end - begin});
        begin = end;
      }
      for (size_t i = 0; i < parts.size(); ++i) parts[i].value = values[i];
      const auto full = full_object_checksum(algorithm, parts);
      ASSERT_EQ(full.has_value(), is_crc(algorithm));
      if (full) EXPECT_EQ(to_hex(*full), to_hex(checksum_of(algorithm, whole))) << checksum_name(algorithm);
      EXPECT_EQ(composite_checksum(algorithm, parts), checksum_of(algorithm, joined));
    }
  }
  const std::string short_value = "abc";
  const PartChecksum bad[] = {{short_value, 3}};
  EXPECT_FALSE(full_object_checksum(ChecksumAlgorithm::kCrc32, bad)) << "a value of a wrong size";
  EXPECT_EQ(checksum_text({ChecksumAlgorithm::kCrc32, true, std::string("\0\0\0\1", 4)}, 3), "AAAAAQ==-3");
  EXPECT_EQ(checksum_text({ChecksumAlgorithm::kCrc32, false, std::string("\0\0\0\1", 4)}, 3), "AAAAAQ==");
}

}  // namespace
}  // namespace keelson::s3
