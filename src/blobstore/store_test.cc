// The store on a healthy simulated machine: large payloads, ranges, room, damage. What crashes do is in tests/sim.
#include "blobstore/store.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "base/logging.h"
#include "engine/blob/blob_engine.h"
#include "env/sim/sim.h"

namespace keelson::blobstore {
namespace {

class StoreHarness {
 public:
  // 0: rounds are asked for.
  explicit StoreHarness(unsigned background_percent = 0, uint64_t volume_bytes_max = 8 << 20)
      : world(1), node(world.add_node(2)) {
    set_log_sink([](LogLevel, std::string_view, std::string_view, LogFields) {});
    shard::RuntimeOptions options;
    options.folder = "data";
    shard::ServiceOptions& service = options.services.emplace_back();
    service.name = "blob";
    service.shard_count = 2;
    service.durability = log::Durability::kAlways;
    service.replay_sink = &unheard;
    service.make_engine = [](shard::ShardId) { return std::make_unique<blob::BlobEngine>(); };
    runtime = std::make_unique<shard::Runtime>(node.env(), std::move(options));
    EXPECT_TRUE(world.run(node.reactor(0), runtime->start()).ok());
    StoreOptions wishes;
    wishes.folder = "data/blob";
    wishes.volume.volume_bytes_max = volume_bytes_max;
    wishes.background_percent = background_percent;
    wishes.compact_every_ms = 100;
    wishes.scrub_every_ms = 0;
    store = std::make_unique<Store>(node.env(), *runtime, runtime->router(), wishes);
    EXPECT_TRUE(world.run(node.reactor(0), store->start()).ok());
    Answer made;
    const blob::CreateBucket create{"b", "me", "", false, {}};
    EXPECT_EQ(world.run(here(), store->change_bucket(here(), create, made)), LogErrc::kOk);
    bucket = made.buckets.at(0)->id;
  }
  ~StoreHarness() { set_log_sink(nullptr); }

  env::Reactor& here() { return node.reactor(0); }
  Task<Result<Payload>> write(BlobWriter& writer, std::string bytes, size_t piece) {
    std::string_view rest = bytes;
    while (!rest.empty()) {
      Status status = co_await writer.append(rest.substr(0, piece));
      if (!status.ok()) co_return forward_error(status);
      rest.remove_prefix(std::min(piece, rest.size()));
    }
    co_return co_await writer.finish();
  }
  Payload put(const std::string& key, const std::string& bytes, WriterOptions options = {}) {
    const auto writer = store->new_writer(here(), bucket, key, options);
    Result<Payload> payload = world.run(here(), write(*writer, bytes, 100'000));
    EXPECT_TRUE(payload.ok());
    blob::PutObject body{.bucket = bucket, .key = key};
    body.meta.payload = *payload;
    Answer answer;
    EXPECT_EQ(world.run(here(), store->apply(here(), body, answer)), LogErrc::kOk);
    EXPECT_TRUE(answer.ok());
    return *payload;
  }
  // False: the disk is full.
  bool try_put(const std::string& key, const std::string& bytes) {
    const auto writer = store->new_writer(here(), bucket, key);
    Result<Payload> payload = world.run(here(), write(*writer, bytes, 100'000));
    if (!payload.ok()) {
      EXPECT_EQ(payload.error().code(), env::DiskErrc::kFull) << payload.error().message();
      return false;
    }
    blob::PutObject body{.bucket = bucket, .key = key};
    body.meta.payload = *payload;
    Answer answer;
    EXPECT_EQ(world.run(here(), store->apply(here(), body, answer)), LogErrc::kOk);
    return true;
  }
  Opened open(const std::string& key) {
    return world.run(here(), store->open_object(here(), {.bucket = bucket, .key = key}));
  }
  Task<Result<std::string>> read(BlobReader& reader) {
    std::string all;
    while (true) {
      Result<std::string_view> piece = co_await reader.next();
      if (!piece.ok()) co_return forward_error(piece);
      if (piece->empty()) co_return all;
      EXPECT_LE(piece->size(), kPieceBytesMax);
      all += *piece;
    }
  }
  Result<std::string> get(const std::string& key) {
    const Opened opened = open(key);
    EXPECT_TRUE(opened.reader != nullptr);
    return world.run(here(), read(*opened.reader));
  }
  void remove(const std::string& key) {
    Answer answer;
    const blob::DeleteObject body{.bucket = bucket, .key = key};
    EXPECT_EQ(world.run(here(), store->apply(here(), body, answer)), LogErrc::kOk);
  }
  int64_t disk_bytes() { return store->stats(0).disk_bytes.value() + store->stats(1).disk_bytes.value(); }
  [[nodiscard]] std::string path_of(const std::string& key, const blob::Extent& extent) const {
    return "data/blob/" + std::to_string(blob::shard_of_object(bucket, key, 2)) + "/" + volume_file(extent.volume);
  }
  static std::string volume_file(uint32_t number) { return "0000000" + std::to_string(number) + ".vol"; }

  env::sim::World world;
  env::sim::Node& node;
  blob::NullAnswer unheard;
  std::unique_ptr<shard::Runtime> runtime;
  std::unique_ptr<Store> store;
  BucketId bucket = 0;
};

std::string text_of(size_t size) {
  std::string text;
  for (size_t i = 0; text.size() < size; ++i) text += std::to_string(i) + " ";
  text.resize(size);
  return text;
}

TEST(Store, KeepsPayloadsOfAnySize) {
  StoreHarness h;
  for (const size_t size : {0UL, 1UL, blob::kInlineBytesMax, blob::kInlineBytesMax + 1, 65'536UL, 65'537UL, 262'144UL,
                            262'145UL, 20'000'000UL}) {
    const std::string bytes = text_of(size);
    const Payload payload = h.put("key", bytes);
    EXPECT_EQ(payload.size_bytes, size);
    EXPECT_EQ(payload.extents.empty(), size <= blob::kInlineBytesMax);
    const Result<std::string> read = h.get("key");
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(*read, bytes) << size;
  }
}

TEST(Store, GivesRanges) {
  StoreHarness h;
  const std::string bytes = text_of(1'000'000);
  h.put("key", bytes);
  const Opened opened = h.open("key");
  for (const auto& [from, length] : {std::pair<size_t, size_t>{0, 1},
                                     {65'535, 2},
                                     {65'536, 65'536},
                                     {999'999, 1},
                                     {10, 700'000},
                                     {5, 0},
                                     {1'000'000, 0},
                                     {131'000, 600'000}}) {
    opened.reader->seek(from, length);
    const Result<std::string> read = h.world.run(h.here(), h.read(*opened.reader));
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(*read, bytes.substr(from, length)) << from;
  }
}

TEST(Store, ReadsWhatIsNotInThePageCache) {
  StoreHarness h;
  // Over a volume's size, so that its extents lie in two.
  for (const size_t size : {5'000UL, 65'536UL, 65'537UL, 1'000'000UL, 12'000'000UL}) {
    const std::string text = text_of(size);
    h.put("cold", text);
    for (const double probability : {1.0, 0.5}) {
      env::sim::DiskFaults faults;
      faults.cold_read_probability = probability;
      h.node.disk().set_faults(faults);
      const uint64_t before = h.store->stats(0).cold_reads.value();
      const Result<std::string> got = h.get("cold");
      ASSERT_TRUE(got.ok()) << got.error().message();
      EXPECT_TRUE(*got == text) << size;
      const uint64_t cold = h.store->stats(0).cold_reads.value() - before;
      const uint64_t pieces = (size + kPieceBytesMax - 1) / kPieceBytesMax;
      if (probability == 1.0) {
        EXPECT_GE(cold, pieces);
        EXPECT_LE(cold, pieces + 1);
      }
    }
    h.node.disk().set_faults({});
  }
}

TEST(Store, ColdReadsTellOfDamageAndOfMissingVolumes) {
  StoreHarness h;
  const std::string text = text_of(300'000);
  const Payload payload = h.put("k", text);
  const std::string path = h.path_of("k", payload.extents.at(0));
  env::sim::DiskFaults faults;
  faults.cold_read_probability = 1;
  h.node.disk().set_faults(faults);
  ASSERT_TRUE(h.node.disk().flip_bit(path, payload.extents[0].offset_bytes + 100).ok());
  Result<std::string> got = h.get("k");
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().code(), LogErrc::kDamaged);
  ASSERT_TRUE(h.node.disk().flip_bit(path, payload.extents[0].offset_bytes + 100).ok());
  EXPECT_TRUE(h.get("k").ok());
  ASSERT_TRUE(h.node.disk().cut(path, payload.extents[0].offset_bytes + 200'000).ok());
  got = h.get("k");
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().code(), LogErrc::kDamaged);
  EXPECT_NE(got.error().message().find("ends before"), std::string::npos) << got.error().message();
  faults.read_error_probability = 1;
  h.node.disk().set_faults(faults);
  got = h.get("k");
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.error().code(), env::DiskErrc::kIo);
}

TEST(Store, LargePayloadsLieInFewExtentsBesideOthers) {
  StoreHarness h;
  const std::string bytes = text_of(6'000'000);
  // Two writers of one key's shard, taking turns.
  const auto one = h.store->new_writer(h.here(), h.bucket, "key");
  const auto two = h.store->new_writer(h.here(), h.bucket, "key", {.size_expected = bytes.size(), .is_part = true});
  for (size_t at = 0; at < bytes.size(); at += 262'144) {
    EXPECT_TRUE(h.world.run(h.here(), one->append(std::string_view(bytes).substr(at, 262'144))).ok());
    EXPECT_TRUE(h.world.run(h.here(), two->append(std::string_view(bytes).substr(at, 262'144))).ok());
  }
  const Result<Payload> first = h.world.run(h.here(), one->finish());
  const Result<Payload> second = h.world.run(h.here(), two->finish());
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_LE(first->extents.size(), 20U);
  EXPECT_EQ(second->extents.size(), 1U) << "its size was known";
  for (const Payload& payload : {*first, *second}) {
    const Opened opened = h.world.run(h.here(), h.store->open_payload(h.here(), h.bucket, "key", payload));
    const Result<std::string> read = h.world.run(h.here(), h.read(*opened.reader));
    EXPECT_TRUE(read.ok() && *read == bytes);
  }
}

TEST(Store, TellsFileAndOffsetOfDamage) {
  StoreHarness h;
  const Payload payload = h.put("key", text_of(200'000));
  const std::string path = h.path_of("key", payload.extents.at(0));
  const uint64_t offset = payload.extents[0].offset_bytes + 65'556;
  ASSERT_TRUE(h.node.disk().flip_bit(path, offset + 1000, 3).ok());
  const Result<std::string> read = h.get("key");
  ASSERT_FALSE(read.ok());
  EXPECT_NE(read.error().message().find(path + " at offset " + std::to_string(offset)), std::string::npos)
      << read.error().message();
  const auto report = h.world.run(h.here(), h.store->scrub_now());
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->damaged, 1U);
  ASSERT_EQ(report->findings.size(), 1U);
  EXPECT_EQ(report->findings[0].key, "key");
  EXPECT_EQ(report->findings[0].bucket, h.bucket);
  EXPECT_EQ(report->findings[0].part_number, 0U);
  EXPECT_NE(report->findings[0].what.find(path + " at offset " + std::to_string(offset)), std::string::npos)
      << report->findings[0].what;
  // Compaction leaves it where it is.
  h.put("key2", text_of(1000));
  ASSERT_TRUE(h.world.run(h.here(), h.store->compact_now()).ok());
  EXPECT_FALSE(h.get("key").ok());
  EXPECT_TRUE(h.get("key2").ok());
}

TEST(Store, TakesDeadSpaceBackUnlessHeldOrRead) {
  StoreHarness h;
  const std::string bytes = text_of(1'000'000);
  h.put("gone", bytes);
  h.put("stays", "x" + bytes);
  {
    const auto dropped = h.store->new_writer(h.here(), h.bucket, "never");
    EXPECT_TRUE(h.world.run(h.here(), dropped->append(bytes)).ok());
  }
  Opened slow = h.open("gone");
  h.remove("gone");
  h.store->hold_volumes();
  ASSERT_TRUE(h.world.run(h.here(), h.store->compact_now()).ok());
  EXPECT_GT(h.disk_bytes(), 2'000'000) << "a backup is copying";
  h.store->release_volumes();
  ASSERT_TRUE(h.world.run(h.here(), h.store->compact_now()).ok());
  const Result<std::string> read = h.world.run(h.here(), h.read(*slow.reader));
  EXPECT_TRUE(read.ok() && *read == bytes) << "a reader keeps what it reads";
  h.world.run_on(h.here(), [&] { slow.reader.reset(); });
  ASSERT_TRUE(h.world.run(h.here(), h.store->compact_now()).ok());
  EXPECT_LT(h.disk_bytes(), 1'100'000);
  const Result<std::string> kept = h.get("stays");
  EXPECT_TRUE(kept.ok() && *kept == "x" + bytes);
  h.remove("stays");
  ASSERT_TRUE(h.world.run(h.here(), h.store->compact_now()).ok());
  EXPECT_EQ(h.disk_bytes(), 0);
}

// Also on a reactor that nobody else sends batches to: all shards are its own.
TEST(Store, RecordsHaveTheTimeOfNow) {
  StoreHarness h;
  for (int i = 0; i < 3; ++i) {
    h.world.run_for(3600'000'000'000);
    const int64_t before_ms = h.node.env().clock().wall_ms();
    h.put("key", text_of(10));
    Answer found;
    const blob::HeadObject head{h.bucket, "key", {}, false};
    EXPECT_EQ(h.world.run(h.here(), h.store->query(h.here(), head, found)), LogErrc::kOk);
    EXPECT_GE(found.object.modified_ms, before_ms);
    EXPECT_LE(found.object.modified_ms, h.node.env().clock().wall_ms());
  }
}

TEST(Store, RefusesWithoutRoomAndGoesOn) {
  StoreHarness h;
  h.put("before", text_of(1000));
  h.node.disk().set_capacity(100 << 20);
  const auto writer = h.store->new_writer(h.here(), h.bucket, "key");
  Result<Payload> payload = h.world.run(h.here(), h.write(*writer, text_of(90'000'000), 1 << 20));
  ASSERT_FALSE(payload.ok());
  EXPECT_EQ(payload.error().code(), env::DiskErrc::kFull) << payload.error().message();
  h.node.disk().set_capacity(env::sim::SimDisk::kUnlimited);
  h.put("after", text_of(1000));
  EXPECT_EQ(*h.get("before"), text_of(1000));
  EXPECT_EQ(*h.get("after"), text_of(1000));
}

// Half-filled volumes that nobody seals, and no room to copy what lives: rounds must cope with both.
TEST(Store, DeletingMakesRoomOnAFullDisk) {
  StoreHarness h(100);
  // 40 MiB besides what is there and what is kept for the log.
  constexpr uint64_t kLarge = uint64_t{1} << 30;
  h.node.disk().set_capacity(kLarge);
  const Result<uint64_t> room = h.node.env().disk().free_bytes("data");
  ASSERT_TRUE(room.ok());
  h.node.disk().set_capacity(kLarge - *room + VolumeOptions().free_bytes_min + (uint64_t{40} << 20));
  const std::string bytes = text_of(1'000'000);
  int count = 0;
  while (h.try_put("key" + std::to_string(count), bytes)) ASSERT_LT(++count, 1000);
  ASSERT_GT(count, 8);
  for (int i = 0; i < count; ++i) {
    if (i % 4 != 0) h.remove("key" + std::to_string(i));
  }
  bool is_taken = false;
  for (int i = 0; i < 100 && !is_taken; ++i) {
    h.world.run_for(100'000'000);
    is_taken = h.try_put("again", bytes);
  }
  EXPECT_TRUE(is_taken);
  for (int i = 0; i < count; i += 4) {
    const Result<std::string> read = h.get("key" + std::to_string(i));
    EXPECT_TRUE(read.ok() && *read == bytes) << i;
    h.remove("key" + std::to_string(i));
  }
  h.remove("again");
  h.world.run_for(10'000'000'000);
  // Crumbs stay until their volume is sealed.
  EXPECT_LT(h.disk_bytes(), 2 * (1 << 20) + 1024);
  h.world.run(h.here(), h.store->stop());
}

// Sealed and compressed payloads, small and large: rounds move them without a key, and they come back with it.
TEST(Store, EncodedPayloadsAreMovedAsTheyAre) {
  StoreHarness h;
  WriterOptions options;
  options.key = *SecretKey::from(std::string(kKeyBytes, 'k'));
  options.compress = true;
  const std::string bytes = text_of(1'000'000);
  for (const size_t size : {0UL, 100UL, 112UL, 113UL, 5'000UL, 1'000'000UL}) {
    const std::string key = "sealed" + std::to_string(size);
    const Payload payload = h.put(key, bytes.substr(0, size), options);
    EXPECT_EQ(payload.size_bytes, size);
    EXPECT_EQ(payload.segments.size(), size == 0 ? 0U : 1U);
    EXPECT_EQ(payload.extents.empty(), size <= 112) << "with its tag it is inline";
  }
  h.put("gone", "x" + bytes);
  h.remove("gone");
  ASSERT_TRUE(h.world.run(h.here(), h.store->compact_now()).ok());
  EXPECT_LT(h.disk_bytes(), 600'000) << "it was moved, and it is compressed";
  for (const size_t size : {0UL, 100UL, 112UL, 113UL, 5'000UL, 1'000'000UL}) {
    const Opened opened = h.open("sealed" + std::to_string(size));
    EXPECT_EQ(h.world.run(h.here(), h.read(*opened.reader)).ok(), size == 0) << "without its key";
    opened.reader->use_key(*options.key);
    const Result<std::string> read = h.world.run(h.here(), h.read(*opened.reader));
    ASSERT_TRUE(read.ok()) << read.error().message();
    EXPECT_TRUE(*read == bytes.substr(0, size)) << size;
  }
  const auto report = h.world.run(h.here(), h.store->scrub_now());
  EXPECT_TRUE(report.ok() && report->damaged == 0);
}

// A volume whose live bytes do not fit in what is left of the disk is emptied in steps, from its end.
TEST(Store, AFullDiskIsWonBackInSteps) {
  StoreHarness h(100, 256 << 20);
  constexpr uint64_t kLarge = uint64_t{1} << 30;
  h.node.disk().set_capacity(kLarge);
  const Result<uint64_t> room = h.node.env().disk().free_bytes("data");
  ASSERT_TRUE(room.ok());
  // Two volumes of about 100 MiB each, of which 70% stay; compaction finds 32 MiB of room.
  h.node.disk().set_capacity(kLarge - *room + VolumeOptions().free_bytes_min + (uint64_t{200} << 20));
  const std::string small = text_of(300'000);
  std::map<std::string, std::string> kept;
  for (int i = 0;; ++i) {
    // Some lie in pieces, some are longer than a step.
    const std::string bytes = i % 7 == 0 ? text_of(9'000'000) : small;
    const std::string key = "key" + std::to_string(i);
    if (!h.try_put(key, bytes)) break;
    kept[key] = bytes;
  }
  ASSERT_GT(h.disk_bytes(), 180 << 20);
  int i = 0;
  for (auto at = kept.begin(); at != kept.end();) {
    if (++i % 3 != 0) {
      ++at;
      continue;
    }
    h.remove(at->first);
    at = kept.erase(at);
  }
  ASSERT_FALSE(h.try_put("again", text_of(5'000'000))) << "nothing is free yet";
  // A third was removed, some 60 MiB; of it at least 40 can be used.
  int again = 0;
  for (int turn = 0; turn < 300 && again < 8; ++turn) {
    h.world.run_for(100'000'000);
    const std::string key = "again" + std::to_string(again);
    if (!h.try_put(key, text_of(5'000'000))) continue;
    kept[key] = text_of(5'000'000);
    ++again;
  }
  EXPECT_EQ(again, 8);
  for (const auto& [key, bytes] : kept) {
    const Result<std::string> read = h.get(key);
    EXPECT_TRUE(read.ok() && *read == bytes) << key;
  }
  const auto report = h.world.run(h.here(), h.store->scrub_now());
  EXPECT_TRUE(report.ok() && report->damaged == 0);
  h.world.run(h.here(), h.store->stop());
}

}  // namespace
}  // namespace keelson::blobstore
