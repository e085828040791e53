// Inventories: the configuration, when it is due, and what a report says; gzip; access keys' life.
#include "protocol/s3/inventory.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <array>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/base64.h"
#include "protocol/s3/gzip.h"
#include "protocol/s3/keys.h"
#include "protocol/s3/lifecycle.h"

namespace keelson::s3 {
namespace {

std::string xml_of(std::string_view destination, std::string_view rest) {
  return "<InventoryConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Id>report1</Id><IsEnabled>true"
         "</IsEnabled><Destination><S3BucketDestination>" +
         std::string(destination) + "</S3BucketDestination></Destination>" + std::string(rest) +
         "</InventoryConfiguration>";
}
constexpr std::string_view kCsv = "<Format>CSV</Format><Bucket>arn:aws:s3:::reports</Bucket><Prefix>in</Prefix>";
constexpr std::string_view kDailyAll =
    "<Schedule><Frequency>Daily</Frequency></Schedule><IncludedObjectVersions>All</IncludedObjectVersions>";

InventoryConfiguration parsed(std::string_view rest) {
  const auto configuration = InventoryConfiguration::parse(xml_of(kCsv, rest));
  EXPECT_TRUE(configuration) << (configuration ? "" : configuration.error().text());
  return configuration.value_or(InventoryConfiguration());
}

TEST(InventoryConfiguration, ReadsBackWhatWasPut) {
  const InventoryConfiguration made =
      parsed(std::string(kDailyAll) +
             "<Filter><Prefix>a&lt;</Prefix></Filter><OptionalFields><Field>ETag</Field><Field>Size</Field>"
             "<Field>ETag</Field></OptionalFields>");
  EXPECT_EQ(made.id, "report1");
  EXPECT_EQ(made.destination_bucket, "reports");
  EXPECT_EQ(made.filter_prefix, "a<");
  EXPECT_TRUE(made.all_versions);
  EXPECT_FALSE(made.is_weekly);
  EXPECT_EQ(made.fields, (std::vector{InventoryField::kSize, InventoryField::kETag}));
  EXPECT_FALSE(made.needs_meta());
  const auto again = InventoryConfiguration::parse(made.document());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->document(), made.document());
}

TEST(InventoryConfiguration, MayAskForEncryption) {
  for (const bool is_encrypted : {false, true}) {
    const std::string asked = is_encrypted ? "<Encryption><SSE-S3/></Encryption>" : "<Encryption/>";
    const auto made = InventoryConfiguration::parse(xml_of(std::string(kCsv) + asked, kDailyAll));
    ASSERT_TRUE(made);
    EXPECT_EQ(made->is_encrypted, is_encrypted);
    EXPECT_EQ(InventoryConfiguration::parse(made->document())->is_encrypted, is_encrypted);
  }
}

TEST(InventoryConfiguration, RefusesWhatItCannotDo) {
  const auto code = [](std::string_view destination, std::string_view rest) {
    const auto made = InventoryConfiguration::parse(xml_of(destination, rest));
    return made ? std::string("taken") : std::string(made.error().spec().code);
  };
  EXPECT_EQ(code(kCsv, kDailyAll), "taken");
  EXPECT_EQ(code(kCsv, "<Schedule><Frequency>Daily</Frequency></Schedule>"), "MalformedXML");
  EXPECT_EQ(code(kCsv, std::string(kDailyAll) + "<Other/>"), "MalformedXML");
  EXPECT_EQ(code("<Format>ORC</Format><Bucket>arn:aws:s3:::reports</Bucket>", kDailyAll), "NotImplemented");
  EXPECT_EQ(code("<Format>Parquet</Format><Bucket>arn:aws:s3:::reports</Bucket>", kDailyAll), "NotImplemented");
  EXPECT_EQ(code("<Format>XLS</Format><Bucket>arn:aws:s3:::reports</Bucket>", kDailyAll), "MalformedXML");
  EXPECT_EQ(code(std::string(kCsv) + "<Encryption><SSE-KMS><KeyId>k</KeyId></SSE-KMS></Encryption>", kDailyAll),
            "NotImplemented");
  EXPECT_EQ(code(std::string(kCsv) + "<Encryption><Rot13/></Encryption>", kDailyAll), "MalformedXML");
  EXPECT_EQ(code("<Format>CSV</Format><Bucket>reports</Bucket>", kDailyAll), "InvalidS3DestinationBucket");
  EXPECT_EQ(code(std::string(kCsv) + "<AccountId>123456789012</AccountId>", kDailyAll), "InvalidArgument");
  EXPECT_EQ(code(kCsv, std::string(kDailyAll) + "<OptionalFields><Field>Colour</Field></OptionalFields>"),
            "NotImplemented");
  EXPECT_FALSE(is_inventory_id(""));
  EXPECT_FALSE(is_inventory_id("a/b"));
  EXPECT_FALSE(is_inventory_id(std::string(65, 'a')));
  EXPECT_TRUE(is_inventory_id("a.B-1_"));
}

TEST(InventorySchedule, RunsOnceInADayOrAWeek) {
  const int64_t thursday_ms = 1'795'679'556'167;  // 2026-11-26T07:52:36.167Z, a Thursday
  const int64_t midnight_ms = thursday_ms / kDayMs * kDayMs;
  EXPECT_EQ(inventory_slot_ms(false, thursday_ms, kDayMs), midnight_ms);
  const int64_t sunday_ms = midnight_ms - 4 * kDayMs;
  EXPECT_EQ(inventory_slot_ms(true, thursday_ms, kDayMs), sunday_ms);
  EXPECT_EQ(inventory_slot_ms(true, sunday_ms, kDayMs), sunday_ms);
  EXPECT_EQ(inventory_slot_ms(true, sunday_ms - 1, kDayMs), sunday_ms - 7 * kDayMs);
  EXPECT_EQ(inventory_slot_ms(false, 12'345, 2000), 12'000);

  InventoryConfiguration daily = parsed(kDailyAll);
  EXPECT_TRUE(is_inventory_due(daily, std::nullopt, thursday_ms, kDayMs));
  EXPECT_FALSE(is_inventory_due(daily, midnight_ms, thursday_ms, kDayMs));
  EXPECT_FALSE(is_inventory_due(daily, midnight_ms, midnight_ms + kDayMs - 1, kDayMs));
  EXPECT_TRUE(is_inventory_due(daily, midnight_ms, midnight_ms + kDayMs, kDayMs));
  // A clock that was set back brings no second run.
  EXPECT_FALSE(is_inventory_due(daily, midnight_ms, midnight_ms - kDayMs, kDayMs));
  daily.is_enabled = false;
  EXPECT_FALSE(is_inventory_due(daily, std::nullopt, thursday_ms, kDayMs));
}

blob::ObjectInfo object() {
  blob::ObjectInfo object;
  object.key = "a b/\"\n,\xc3\xbc+";
  object.version = 1;
  object.is_null = true;
  object.is_latest = true;
  object.modified_ms = 1'607'720'230'000;  // 2020-12-11T20:57:10Z
  object.meta.payload.size_bytes = 12;
  object.meta.etag.part_count = 2;
  object.meta.checksums = {{blob::ChecksumAlgorithm::kCrc32c, false, "abcd"}};
  return object;
}

TEST(InventoryReport, HasARowForEachObject) {
  InventoryConfiguration plain = parsed(
      "<Schedule><Frequency>Weekly</Frequency></Schedule><IncludedObjectVersions>Current</IncludedObjectVersions>");
  std::string out;
  append_inventory_row(out, plain, "ships", object());
  EXPECT_EQ(out, "\"ships\",\"a%20b/%22%0A%2C%C3%BC%2B\"\n");
  EXPECT_EQ(inventory_schema(plain), "Bucket, Key");

  InventoryConfiguration all = parsed(kDailyAll);
  for (size_t i = 0; i < kInventoryFieldCount; ++i) all.fields.push_back(static_cast<InventoryField>(i));
  EXPECT_TRUE(all.needs_meta());
  EXPECT_EQ(inventory_schema(all),
            "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass, "
            "IsMultipartUploaded, ReplicationStatus, EncryptionStatus, ObjectLockRetainUntilDate, ObjectLockMode, "
            "ObjectLockLegalHoldStatus, IntelligentTieringAccessTier, BucketKeyStatus, ChecksumAlgorithm, "
            "ObjectAccessControlList, ObjectOwner");
  out.clear();
  append_inventory_row(out, all, "ships", object());
  const std::string front =
      "\"ships\",\"a%20b/%22%0A%2C%C3%BC%2B\",\"null\",\"true\",\"false\",\"12\",\"2020-12-11T20:57:10.000Z\","
      "\"00000000000000000000000000000000-2\",\"STANDARD\",\"true\",\"\",\"NOT-SSE\",\"\",\"\",\"Off\",\"\","
      "\"DISABLED\",\"CRC32C\",\"";
  ASSERT_TRUE(out.starts_with(front)) << out;
  const auto acl = from_base64(out.substr(front.size(), out.find('"', front.size()) - front.size()));
  ASSERT_TRUE(acl);
  const auto json = nlohmann::json::parse(*acl, nullptr, false);
  EXPECT_EQ(json["version"], "2022-11-10");
  EXPECT_EQ(json["grants"][0]["permission"], "FULL_CONTROL");

  // A delete marker has a time and an owner, and nothing else.
  blob::ObjectInfo marker = object();
  marker.is_delete_marker = true;
  out.clear();
  append_inventory_row(out, all, "ships", marker);
  EXPECT_NE(out.find("\"true\",\"true\",\"\",\"2020-12-11T20:57:10.000Z\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\","
                     "\"\",\"\",\"\",\""),
            std::string::npos)
      << out;
}

TEST(InventoryReport, LiesWhereS3PutsIt) {
  InventoryConfiguration configuration = parsed(kDailyAll);
  const int64_t started_ms = 1'478'467'920'123;  // 2016-11-06T21:32:00.123Z
  const InventoryPlace place = inventory_place(configuration, "ships", started_ms);
  EXPECT_EQ(place.data_key("u"), "in/ships/report1/data/u.csv.gz");
  EXPECT_EQ(place.manifest_key(), "in/ships/report1/2016-11-06T21-32Z/manifest.json");
  EXPECT_EQ(place.checksum_key(), "in/ships/report1/2016-11-06T21-32Z/manifest.checksum");
  EXPECT_EQ(place.symlink_key(), "in/ships/report1/hive/dt=2016-11-06-21-32/symlink.txt");
  configuration.destination_prefix = "";
  EXPECT_EQ(inventory_place(configuration, "ships", 0).root, "ships/report1/");
  configuration.destination_prefix = "in/";
  EXPECT_EQ(inventory_place(configuration, "ships", 0).root, "in/ships/report1/");

  const std::string uuid = inventory_uuid(7, "report1", 86'400'000, 0);
  EXPECT_EQ(uuid, inventory_uuid(7, "report1", 86'400'000, 0));
  EXPECT_NE(uuid, inventory_uuid(7, "report1", 86'400'000, 1));
  EXPECT_NE(uuid, inventory_uuid(8, "report1", 86'400'000, 0));
  ASSERT_EQ(uuid.size(), 36U);
  EXPECT_EQ(uuid[14], '8');

  const std::vector<InventoryFile> files = {{"k1", 5, "aa"}, {"k2", 6, "bb"}};
  const auto json = nlohmann::json::parse(inventory_manifest(configuration, "ships", started_ms, files));
  EXPECT_EQ(json["sourceBucket"], "ships");
  EXPECT_EQ(json["destinationBucket"], "arn:aws:s3:::reports");
  EXPECT_EQ(json["creationTimestamp"], "1478467920123");
  EXPECT_EQ(json["fileFormat"], "CSV");
  EXPECT_EQ(json["files"][1]["MD5checksum"], "bb");
  EXPECT_EQ(json["files"][1]["size"], 6);
  EXPECT_EQ(inventory_symlinks(configuration, files), "s3://reports/k1\ns3://reports/k2");
}

std::string unpacked(const std::string& packed) {
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
  std::string copy = packed;
  stream.next_in = reinterpret_cast<Bytef*>(copy.data());
  stream.avail_in = static_cast<uInt>(copy.size());
  std::string out;
  std::array<char, 4096> piece;
  int done = Z_OK;
  while (done == Z_OK) {
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = piece.size();
    done = inflate(&stream, Z_NO_FLUSH);
    out.append(piece.data(), piece.size() - stream.avail_out);
  }
  EXPECT_EQ(done, Z_STREAM_END);
  inflateEnd(&stream);
  return out;
}

TEST(Gzip, GivesBackWhatWasWritten) {
  std::string whole, packed;
  GzipWriter gzip;
  for (int i = 0; i < 20'000; ++i) {
    const std::string line = "\"ships\",\"" + std::to_string(i * 7919) + "\"\n";
    whole += line;
    gzip.write(line, packed);
  }
  gzip.write("", packed);
  gzip.finish(packed);
  EXPECT_LT(packed.size(), whole.size() / 2);
  EXPECT_EQ(unpacked(packed), whole);
  std::string nothing;
  GzipWriter().finish(nothing);
  EXPECT_EQ(unpacked(nothing), "");
}

TEST(AccessKeys, ChangeAndExpire) {
  auto key = make_access_key("KEYONE", "secretsecret", "ann", "readonly");
  ASSERT_TRUE(key);
  key->created_ms = 5;
  const auto changed = change_access_key(*key, {.policy = "writeonly", .is_enabled = {}, .expires_ms = 1000});
  ASSERT_TRUE(changed);
  EXPECT_TRUE(changed->may_sign(999));
  EXPECT_FALSE(changed->may_sign(1000));
  const auto loaded = load_access_key("s3-key/KEYONE", changed->document());
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->policy, "writeonly");
  EXPECT_EQ(loaded->expires_ms, 1000);
  EXPECT_EQ(loaded->created_ms, 5);
  EXPECT_EQ(loaded->secret, "secretsecret");
  const auto off = change_access_key(*loaded, {.policy = {}, .is_enabled = false, .expires_ms = 0});
  ASSERT_TRUE(off);
  EXPECT_FALSE(off->may_sign(0));
  EXPECT_FALSE(change_access_key(*key, {.policy = "{", .is_enabled = {}, .expires_ms = {}}));
}

}  // namespace
}  // namespace keelson::s3
