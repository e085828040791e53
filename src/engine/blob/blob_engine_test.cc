// S3's semantics, told as scenarios.
#include "engine/blob/blob_engine.h"

#include <gtest/gtest.h>

#include <string>

#include "engine/blob/test_support.h"

namespace keelson::blob {
namespace {

TEST(Buckets, AreMadeConfiguredAndRemoved) {
  TestEngine engine;
  Answer made = engine.apply(CreateBucket{"ships", "me", "eu", false, {{"acl", "private"}}});
  ASSERT_TRUE(made.ok());
  const BucketId id = made.buckets.at(0)->id;
  Answer again = engine.apply(CreateBucket{"ships", "you", {}, false, {}});
  EXPECT_EQ(again.error, BlobErrc::kBucketAlreadyExists);
  EXPECT_EQ(again.buckets.at(0)->owner, "me");
  EXPECT_EQ(engine.apply(CreateBucket{}).error, BlobErrc::kInvalid);

  EXPECT_TRUE(engine.apply(ConfigureBucket{id, Versioning::kEnabled, false, {{"cors", "c"}}, {"acl", "none"}}).ok());
  const Answer found = engine.query(FindBucket{"ships", 0});
  EXPECT_EQ(found.buckets.at(0)->versioning, Versioning::kEnabled);
  EXPECT_EQ(found.buckets.at(0)->documents, (std::map<std::string, std::string, std::less<>>{{"cors", "c"}}));
  EXPECT_EQ(engine.apply(ConfigureBucket{id, Versioning::kOff, false, {}, {}}).error, BlobErrc::kInvalid);
  EXPECT_EQ(engine.apply(ConfigureBucket{99, {}, false, {}, {}}).error, BlobErrc::kNoSuchBucket);

  engine.put(id, "a", "1");
  EXPECT_EQ(engine.apply(DeleteBucket{id}).error, BlobErrc::kBucketNotEmpty);
  const Answer gone = engine.apply(DeleteObject{.bucket = id, .key = "a"});
  EXPECT_TRUE(gone.object.is_delete_marker);
  EXPECT_EQ(engine.apply(DeleteBucket{id}).error, BlobErrc::kBucketNotEmpty) << "versions and markers count";
  for (const ObjectInfo& version : engine.list({.bucket = id, .with_versions = true}).entries) {
    engine.apply(DeleteObject{.bucket = id, .key = "a", .version = version.version});
  }
  engine.apply(CreateUpload{id, "b", "me", {}});
  EXPECT_TRUE(engine.apply(DeleteBucket{id}).ok());
  EXPECT_EQ(engine.query(FindBucket{"ships", 0}).error, BlobErrc::kNoSuchBucket);
  EXPECT_TRUE(engine.state().uploads.empty());
  EXPECT_NE(engine.make_bucket("ships"), id) << "a number is not used again";
}

// Written down and loaded again.
std::unique_ptr<BlobEngine> copy_of(BlobEngine& engine) {
  auto copy = std::make_unique<BlobEngine>();
  Buffer bytes;
  const auto source = engine.begin_checkpoint();
  while (!source->next(1 << 20, bytes)) {
  }
  EXPECT_TRUE(copy->load_checkpoint(bytes.view()).ok());
  return copy;
}

// Ids are found by number and mark; those of records without marks stay what they were.
TEST(Versions, IdsAreMarked) {
  TestEngine engine;
  const BucketId id = engine.make_bucket("b");
  engine.apply(ConfigureBucket{id, Versioning::kEnabled, false, {}, {}});
  const Version old = engine.put(id, "k", "1").object.version;
  EXPECT_EQ(mark_of(old), 0);
  const UploadId old_upload = engine.apply(CreateUpload{id, "k", "me", {}}).upload.id;
  engine.mark = make_mark(3, 1);
  const Version version = engine.put(id, "k", "2").object.version;
  EXPECT_EQ(version, marked(sequence_of(old) + 2, engine.mark));
  const Version marker = engine.apply(DeleteObject{.bucket = id, .key = "k"}).object.version;
  const UploadId upload = engine.apply(CreateUpload{id, "k", "me", {}}).upload.id;
  EXPECT_EQ(mark_of(upload), engine.mark);
  engine.replace(copy_of(engine.engine()));

  const auto listed = engine.list({.bucket = id, .with_versions = true}).entries;
  ASSERT_EQ(listed.size(), 3U);
  EXPECT_EQ(listed[0].version, marker);
  EXPECT_EQ(listed[1].version, version);
  EXPECT_EQ(listed[2].version, old);
  EXPECT_EQ(engine.list({.bucket = id, .after = "k", .after_version = marker, .with_versions = true}).entries.size(),
            2U);
  EXPECT_EQ(engine.query(HeadObject{id, "k", version, false}).object.version, version);
  EXPECT_EQ(engine.query(HeadObject{id, "k", old, false}).object.version, old);
  for (const Version other :
       {sequence_of(version), marked(sequence_of(version), make_mark(4, 1)), marked(sequence_of(old), engine.mark)}) {
    EXPECT_EQ(engine.query(HeadObject{id, "k", other, false}).error, BlobErrc::kNoSuchVersion);
    EXPECT_EQ(engine.apply(DeleteObject{.bucket = id, .key = "k", .version = other}).object.version, 0U);
  }
  const auto uploads = engine.query(ListUploads{.bucket = id, .after = "k", .after_upload = old_upload}).uploads;
  ASSERT_EQ(uploads.size(), 1U) << "in the order in which they were begun";
  EXPECT_EQ(uploads[0].id, upload);
  EXPECT_EQ(engine.apply(AbortUpload{id, "k", sequence_of(upload)}).error, BlobErrc::kNoSuchUpload);
  EXPECT_EQ(engine.query(ListParts{id, "k", marked(sequence_of(old_upload), engine.mark)}).error,
            BlobErrc::kNoSuchUpload);
  EXPECT_TRUE(engine.apply(AbortUpload{id, "k", upload}).ok());
  EXPECT_TRUE(engine.apply(AbortUpload{id, "k", old_upload}).ok());
}

TEST(Versions, AreKeptAsTheBucketSays) {
  TestEngine engine;
  const BucketId id = engine.make_bucket("b");
  const Version first = engine.put(id, "k", "1").object.version;
  const Answer second = engine.put(id, "k", "2");
  EXPECT_TRUE(second.object.is_null);
  EXPECT_GT(second.object.version, first);
  EXPECT_EQ(engine.list({.bucket = id, .with_versions = true}).entries.size(), 1U);

  engine.apply(ConfigureBucket{id, Versioning::kEnabled, false, {}, {}});
  const Version third = engine.put(id, "k", "3").object.version;
  const Version fourth = engine.put(id, "k", "4").object.version;
  EXPECT_EQ(engine.head(id, "k").object.version, fourth);
  EXPECT_EQ(engine.query(HeadObject{id, "k", third, false}).object.meta.payload.inline_bytes, "3");
  EXPECT_EQ(engine.query(HeadObject{id, "k", {}, true}).object.meta.payload.inline_bytes, "2");

  engine.apply(ConfigureBucket{id, Versioning::kSuspended, false, {}, {}});
  EXPECT_TRUE(engine.put(id, "k", "5").object.is_null);
  EXPECT_EQ(engine.list({.bucket = id, .with_versions = true}).entries.size(), 3U) << "5, 4, 3: 2 was the null version";

  const Answer marker = engine.apply(DeleteObject{.bucket = id, .key = "k"});
  EXPECT_TRUE(marker.object.is_delete_marker && marker.object.is_null);
  const Answer head = engine.head(id, "k");
  EXPECT_EQ(head.error, BlobErrc::kNoSuchKey);
  EXPECT_TRUE(head.object.is_delete_marker);
  EXPECT_EQ(engine.query(HeadObject{id, "k", {}, true}).error, BlobErrc::kIsDeleteMarker);
  EXPECT_TRUE(engine.list({.bucket = id}).entries.empty());
  engine.apply(DeleteObject{.bucket = id, .key = "k", .version = {}, .is_null_version = true});
  EXPECT_EQ(engine.head(id, "k").object.version, fourth) << "without the marker the older one is back";
  EXPECT_EQ(engine.query(HeadObject{id, "k", Version{999}, false}).error, BlobErrc::kNoSuchVersion);
  EXPECT_TRUE(engine.apply(DeleteObject{.bucket = id, .key = "k", .version = Version{999}}).ok());
  EXPECT_EQ(engine.apply(DeleteObject{.bucket = id, .key = "none", .version = Version{9}}).object.version, 0U);
}

// A record of the log as version 1 of the engine wrote it, replayed.
TEST(Replay, TakesRecordsOfVersion1) {
  TestEngine engine;
  const BucketId id = engine.make_bucket("b");
  ASSERT_EQ(id, 1U) << "as in the record";
  constexpr std::string_view kHex =
      "01036b6579fc39ac02abababababababababababababababab020140640780a094a58d1dc801020205083132333435363738"
      "8420787878787878787878787878787878787878787878787878787878787878787804270103612f6202086e6f2d73746f72"
      "65000f782d616d7a2d6d6574612d73686970076b65656c736f6e02016101310162000b5354414e444152445f49410361636c"
      "0641455332353603010264000301640101046162636409010000010000";
  std::string record;
  for (size_t i = 0; i < kHex.size(); i += 2) {
    record += static_cast<char>(std::stoi(std::string(kHex.substr(i, 2)), nullptr, 16));
  }
  const std::string_view body = record;
  Answer answer;
  OneAnswer sink(answer);
  engine::Command command;
  command.code = static_cast<uint16_t>(Code::kPutObject);
  command.args = {&body, 1};
  engine.engine().apply({100, engine.now_ms, 0}, command, sink);
  ASSERT_TRUE(answer.ok());
  const Answer head = engine.head(id, "key");
  ASSERT_TRUE(head.ok());
  const Payload& payload = head.object.meta.payload;
  EXPECT_EQ(payload, (Payload{300, {}, {{1, 64, 100}, {7, 1'000'000'000'000, 200}}, {}}));
  EXPECT_EQ(head.object.meta.parts.size(), 4U);
  EXPECT_EQ(engine.state().live_bytes, (std::map<uint32_t, uint64_t>{{1, 120}, {7, 220}}));
}

// An upload whose parts are encoded each in its own way, compacted, and completed.
TEST(Uploads, KeepWhatTheirPartsAreEncodedWith) {
  TestEngine engine;
  const BucketId id = engine.make_bucket("b");
  const UploadId upload = engine.apply(CreateUpload{id, "k", "me", {}}).upload.id;
  const auto put_part = [&](uint32_t number, Payload payload) {
    return engine.apply(PutPart{id, "k", upload, number, {}, {}, std::move(payload)}).error;
  };
  const Segment sealed{.size_bytes = 100, .packed_bytes = 100, .is_sealed = true, .salt = {1, 2, 3}};
  EXPECT_EQ(put_part(1, {50, {}, {{1, 64, 50}}, {}}), BlobErrc::kOk);
  EXPECT_EQ(put_part(2, {100, {}, {{1, 1000, 116}}, {sealed}}), BlobErrc::kOk);
  EXPECT_EQ(put_part(3, {}), BlobErrc::kOk);
  EXPECT_EQ(put_part(4, {7, {}, {{1, 2000, 7}}, {}}), BlobErrc::kOk);
  EXPECT_EQ(put_part(5, {200, {}, {{1, 3000, 232}}, {sealed, sealed}}), BlobErrc::kInvalid)
      << "a writer has one segment";
  engine.apply(MoveExtents{{{id, "k", 0, upload, 2, {{1, 1000, 116}}, {{{2, 64, 116}}}}}});
  const CompleteUpload complete{id, "k", upload, {{1, {}}, {2, {}}, {3, {}}, {4, {}}}, 0, {}, {}, {}};
  const Answer done = engine.apply(complete);
  ASSERT_TRUE(done.ok());
  engine.apply(MoveExtents{{{id, "k", done.object.version, 0, 0, {{1, 64, 50}}, {{{2, 500, 20}, {3, 64, 30}}}}}});
  const Payload payload = engine.head(id, "k").object.meta.payload;
  EXPECT_EQ(payload.size_bytes, 157U);
  EXPECT_EQ(payload.extents, (std::vector<Extent>{{2, 500, 20}, {3, 64, 30}, {2, 64, 116}, {1, 2000, 7}}));
  EXPECT_EQ(
      payload.segments,
      (std::vector<Segment>{{.size_bytes = 50, .packed_bytes = 50}, sealed, {.size_bytes = 7, .packed_bytes = 7}}));
}

TEST(Conditions, HoldAtTheMomentOfTheWrite) {
  TestEngine engine;
  const BucketId id = engine.make_bucket("b");
  PutObject put{
      .bucket = id, .key = "k", .meta = {}, .condition = {.if_absent = true, .if_match = {}, .if_version = {}}};
  const Answer first = engine.apply(put);
  EXPECT_TRUE(first.ok());
  EXPECT_EQ(engine.apply(put).error, BlobErrc::kPreconditionFailed);
  put.condition = {};
  put.condition.if_match = ETag{};
  EXPECT_TRUE(engine.apply(put).ok());
  put.condition.if_match->part_count = 1;
  EXPECT_EQ(engine.apply(put).error, BlobErrc::kPreconditionFailed);
  put.key = "absent";
  EXPECT_EQ(engine.apply(put).error, BlobErrc::kNoSuchKey);
  DeleteObject remove{.bucket = id, .key = "k"};
  remove.condition.if_version = first.object.version;
  EXPECT_EQ(engine.apply(remove).error, BlobErrc::kPreconditionFailed) << "it was replaced";
  remove.condition.if_version = engine.head(id, "k").object.version;
  EXPECT_TRUE(engine.apply(remove).ok());
  EXPECT_EQ(engine.apply(remove).error, BlobErrc::kPreconditionFailed);
}

TEST(Locks, KeepVersions) {
  TestEngine engine;
  const BucketId plain = engine.make_bucket("plain");
  PutObject put{.bucket = plain, .key = "k", .meta = {}, .condition = {}};
  put.meta.retention = {RetentionMode::kGovernance, engine.now_ms + 1000};
  EXPECT_EQ(engine.apply(put).error, BlobErrc::kObjectLockNotEnabled);
  const BucketId id = engine.apply(CreateBucket{"locked", {}, {}, true, {}}).buckets.at(0)->id;
  EXPECT_EQ(engine.apply(ConfigureBucket{id, Versioning::kSuspended, false, {}, {}}).error, BlobErrc::kInvalid);
  put.bucket = id;
  const Version version = engine.apply(put).object.version;
  DeleteObject remove{.bucket = id, .key = "k", .version = version};
  EXPECT_EQ(engine.apply(remove).error, BlobErrc::kObjectLocked);
  EXPECT_TRUE(engine.apply(DeleteObject{.bucket = id, .key = "k"}).object.is_delete_marker) << "a marker hides it";

  ChangeObject change{.bucket = id, .key = "k", .version = version};
  change.retention = Retention{};
  EXPECT_EQ(engine.apply(change).error, BlobErrc::kObjectLocked);
  change.bypasses_governance = true;
  EXPECT_TRUE(engine.apply(change).ok());
  change.retention = Retention{RetentionMode::kCompliance, engine.now_ms + 1000};
  EXPECT_TRUE(engine.apply(change).ok());
  change.retention->until_ms -= 1;
  EXPECT_EQ(engine.apply(change).error, BlobErrc::kObjectLocked) << "compliance is never shortened";
  change.retention->until_ms += 2;
  EXPECT_TRUE(engine.apply(change).ok());
  remove.bypasses_governance = true;
  EXPECT_EQ(engine.apply(remove).error, BlobErrc::kObjectLocked);
  engine.now_ms += 2000;
  change.retention.reset();
  change.has_legal_hold = true;
  EXPECT_TRUE(engine.apply(change).ok());
  EXPECT_EQ(engine.apply(remove).error, BlobErrc::kObjectLocked);
  change.has_legal_hold = false;
  EXPECT_TRUE(engine.apply(change).ok());
  EXPECT_TRUE(engine.apply(remove).ok());
}

TEST(Uploads, JoinPartsWithoutCopying) {
  TestEngine engine;
  const BucketId id = engine.make_bucket("b");
  ObjectMeta meta;
  meta.headers = {{"content-type", "text/plain"}};
  const UploadId upload = engine.apply(CreateUpload{id, "k", "me", meta}).upload.id;
  const auto part = [&](uint32_t number, uint64_t size, uint32_t volume) {
    PutPart body{
        .bucket = id, .key = "k", .upload = upload, .number = number, .etag = {}, .checksum = {}, .payload = {}};
    body.etag.md5.fill(static_cast<unsigned char>(volume));
    body.payload = {size, {}, {{volume, 64, size}}};
    return body;
  };
  EXPECT_TRUE(engine.apply(part(2, 100, 1)).ok());
  EXPECT_TRUE(engine.apply(part(1, 50, 2)).ok());
  const Answer replaced = engine.apply(part(2, 60, 3));
  EXPECT_EQ(replaced.dead, (std::vector<Extent>{{1, 64, 100}}));
  EXPECT_TRUE(engine.apply(part(7, 10, 4)).ok());
  EXPECT_EQ(engine.query(ListParts{id, "k", upload, 1, 1}).parts.at(0).info.number, 2U);
  EXPECT_TRUE(engine.query(ListParts{id, "k", upload, 1, 1}).is_truncated);

  CompleteUpload complete{.bucket = id, .key = "k", .upload = upload};
  EXPECT_EQ(engine.apply(complete).error, BlobErrc::kInvalidPart);
  complete.parts = {{2, part(2, 60, 3).etag}, {1, part(1, 50, 2).etag}};
  EXPECT_EQ(engine.apply(complete).error, BlobErrc::kInvalidPartOrder);
  std::swap(complete.parts[0], complete.parts[1]);
  complete.parts[0].etag.md5.fill(99);
  EXPECT_EQ(engine.apply(complete).error, BlobErrc::kInvalidPart);
  complete.parts[0].etag = part(1, 50, 2).etag;
  complete.part_bytes_min = 51;
  EXPECT_EQ(engine.apply(complete).error, BlobErrc::kEntityTooSmall);
  complete.part_bytes_min = 50;
  complete.etag.part_count = 2;
  const Answer done = engine.apply(complete);
  ASSERT_TRUE(done.ok());
  EXPECT_EQ(done.dead, (std::vector<Extent>{{4, 64, 10}})) << "the part that was not named";
  const ObjectInfo object = engine.head(id, "k").object;
  EXPECT_EQ(object.meta.payload.size_bytes, 110U);
  EXPECT_EQ(object.meta.payload.extents, (std::vector<Extent>{{2, 64, 50}, {3, 64, 60}}));
  EXPECT_EQ(object.meta.parts, (std::vector<PartInfo>{{1, 50, {}}, {2, 60, {}}}));
  EXPECT_EQ(object.meta.headers, meta.headers);
  EXPECT_EQ(engine.apply(complete).error, BlobErrc::kNoSuchUpload);
  EXPECT_EQ(engine.apply(part(1, 1, 1)).error, BlobErrc::kNoSuchUpload);
  EXPECT_EQ(engine.state().live_bytes, (std::map<uint32_t, uint64_t>{{2, 70}, {3, 80}}));
}

TEST(Moves, ApplyOnlyToWhatIsStillThere) {
  TestEngine engine;
  const BucketId id = engine.make_bucket("b");
  PutObject put{.bucket = id, .key = "k", .meta = {}, .condition = {}};
  put.meta.payload = {200, {}, {{1, 64, 100}, {2, 64, 100}}};
  const Version version = engine.apply(put).object.version;
  MoveExtents move{{{.bucket = id,
                     .key = "k",
                     .version = version,
                     .upload = 0,
                     .part_number = 0,
                     .from = {{1, 64, 100}},
                     .to = {{{5, 64, 40}, {6, 64, 60}}}}}};
  EXPECT_EQ(engine.apply(move).count, 1U);
  EXPECT_EQ(engine.head(id, "k").object.meta.payload.extents,
            (std::vector<Extent>{{5, 64, 40}, {6, 64, 60}, {2, 64, 100}}));
  EXPECT_EQ(engine.apply(move).count, 0U) << "it has moved already";
  EXPECT_EQ(engine.state().live_bytes, (std::map<uint32_t, uint64_t>{{2, 120}, {5, 60}, {6, 80}}));
  EXPECT_EQ(engine.state().highest_volume, 6U);
}

TEST(BlobEngine, AnswersWhatIsMalformed) {
  TestEngine engine;
  Answer answer;
  OneAnswer sink(answer);
  const std::string_view args[] = {"\xff\xff"};
  engine.engine().apply({1, 0, 0}, {static_cast<uint16_t>(Code::kPutObject), 0, args}, sink);
  EXPECT_EQ(answer.error, BlobErrc::kInvalid);
  engine.engine().query({0, 0, 0}, {999, 0, args}, sink);
  EXPECT_EQ(answer.error, BlobErrc::kInvalid);
}

}  // namespace
}  // namespace keelson::blob
