// Random commands against a plain model: versions in vectors, listings by brute force; checkpoints taken meanwhile.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "engine/blob/test_support.h"

namespace keelson::blob {
namespace {

struct ModelVersion {
  Version version = 0;
  bool is_null = false;
  bool is_marker = false;
  std::string bytes;
};

// One bucket: of each key its versions, newest first.
struct Model {
  Versioning versioning = Versioning::kOff;
  std::map<std::string, std::vector<ModelVersion>> keys;

  void put(const std::string& key, ModelVersion version) {
    auto& versions = keys[key];
    version.is_null = versioning != Versioning::kEnabled;
    if (version.is_null) std::erase_if(versions, [](const ModelVersion& v) { return v.is_null; });
    versions.insert(versions.begin(), std::move(version));
  }
  void remove(const std::string& key, Version marker_version) {
    if (versioning != Versioning::kOff) return put(key, {marker_version, false, true, {}});
    std::erase_if(keys[key], [](const ModelVersion& v) { return v.is_null; });
    if (keys[key].empty()) keys.erase(key);
  }
  void remove_version(const std::string& key, Version version) {
    std::erase_if(keys[key], [&](const ModelVersion& v) { return v.version == version; });
    if (keys[key].empty()) keys.erase(key);
  }
};

struct Item {
  std::string name;
  Version version = 0;  // 0: a common prefix
  bool is_latest = false;
  auto operator<=>(const Item&) const = default;
};

// By name, versions from new to old.
bool is_before(const Item& a, const Item& b) { return a.name != b.name ? a.name < b.name : a.version > b.version; }

std::vector<Item> list_model(const Model& model, const ListObjects& what) {
  std::vector<Item> items;
  std::set<std::string> prefixes;
  for (const auto& [key, versions] : model.keys) {
    if (!key.starts_with(what.prefix)) continue;
    for (size_t i = 0; i < versions.size(); ++i) {
      if (!what.with_versions && (i != 0 || versions[i].is_marker)) continue;
      const size_t cut = what.delimiter.empty() ? std::string::npos : key.find(what.delimiter, what.prefix.size());
      if (cut != std::string::npos) {
        const std::string common = key.substr(0, cut + what.delimiter.size());
        if (common > what.after && prefixes.insert(common).second) items.push_back({common, 0, false});
        continue;
      }
      const bool is_behind = key > what.after || (what.with_versions && key == what.after && what.after_version != 0 &&
                                                  versions[i].version < what.after_version);
      if (is_behind) items.push_back({key, versions[i].version, i == 0});
    }
  }
  std::ranges::sort(items, is_before);
  return items;
}

std::vector<Item> items_of(const ListPage& page) {
  std::vector<Item> items;
  for (const ObjectInfo& entry : page.entries) items.push_back({entry.key, entry.version, entry.is_latest});
  for (const std::string& prefix : page.prefixes) items.push_back({prefix, 0, false});
  std::ranges::sort(items, is_before);
  return items;
}

class RandomRun {
 public:
  explicit RandomRun(uint64_t seed) : random_(seed) {
    for (int i = 0; i < 2; ++i) buckets_[engine_.make_bucket("bucket-" + std::to_string(i))] = {};
  }

  void run() {
    for (int i = 0; i < 1500; ++i) {
      step();
      if (testing::Test::HasFatalFailure()) return;
      if (i % 20 == 0) check_list();
      if (i % 300 == 299) check_checkpoint();
    }
  }

 private:
  uint64_t pick(uint64_t count) { return random_() % count; }
  std::string pick_key() {
    static constexpr const char* kParts[] = {"a", "b", "/", "//", "a/", "\xff", ".", "zz"};
    std::string key;
    for (uint64_t n = 1 + pick(4); n > 0; --n) key += kParts[pick(8)];
    if (pick(10) == 0) key += '\0';
    return key;
  }
  auto& pick_bucket() { return *std::next(buckets_.begin(), static_cast<ptrdiff_t>(pick(buckets_.size()))); }

  void step() {
    auto& [id, model] = pick_bucket();
    const std::string key = pick_key();
    engine_.now_ms += static_cast<int64_t>(pick(3));
    switch (pick(12)) {
      case 0:
        if (pick(10) == 0) {
          model.versioning = pick(2) == 0 ? Versioning::kEnabled : Versioning::kSuspended;
          ASSERT_TRUE(engine_.apply(ConfigureBucket{id, model.versioning, false, {}, {}}).ok());
        }
        break;
      case 1:
      case 2: {
        const Answer gone = engine_.apply(DeleteObject{.bucket = id, .key = key});
        ASSERT_TRUE(gone.ok());
        model.remove(key, gone.object.version);
        break;
      }
      case 3: {
        const auto found = model.keys.find(key);
        if (found == model.keys.end()) break;
        const Version version = found->second[pick(found->second.size())].version;
        ASSERT_EQ(engine_.apply(DeleteObject{.bucket = id, .key = key, .version = version}).object.version, version);
        model.remove_version(key, version);
        break;
      }
      case 4:
        upload(id, model, key);
        break;
      case 5:
        check_head(id, model, key);
        break;
      default:
        put(id, model, key);
    }
  }

  void put(BucketId id, Model& model, const std::string& key) {
    PutObject body{.bucket = id, .key = key, .meta = {}, .condition = {}};
    const std::string bytes = std::to_string(random_());
    if (pick(2) == 0) {
      body.meta.payload = {bytes.size(), bytes, {}};
    } else {
      body.meta.payload = {100, {}, {{1 + static_cast<uint32_t>(pick(5)), random_() % 1000, 100}}};
      body.meta.headers = {{"x-amz-meta-b", bytes}};
    }
    const auto latest = model.keys.find(key);
    const bool is_there = latest != model.keys.end() && !latest->second[0].is_marker;
    body.condition.if_absent = pick(4) == 0;
    const Answer answer = engine_.apply(body);
    ASSERT_EQ(answer.ok(), !(body.condition.if_absent && is_there));
    if (answer.ok()) model.put(key, {answer.object.version, false, false, bytes});
  }

  void upload(BucketId id, Model& model, const std::string& key) {
    const Answer made = engine_.apply(CreateUpload{id, key, "me", {}});
    ASSERT_TRUE(made.ok());
    CompleteUpload complete{.bucket = id, .key = key, .upload = made.upload.id};
    for (uint32_t number = 1; number <= 1 + pick(3); ++number) {
      PutPart part{.bucket = id,
                   .key = key,
                   .upload = made.upload.id,
                   .number = number,
                   .etag = {},
                   .checksum = {},
                   .payload = {}};
      part.payload = {10, {}, {{6 + number, 64, 10}}};
      ASSERT_TRUE(engine_.apply(part).ok());
      complete.parts.push_back({number, {}});
    }
    if (pick(4) == 0) return;  // left under way
    const Answer done = pick(3) == 0 ? engine_.apply(AbortUpload{id, key, made.upload.id}) : engine_.apply(complete);
    ASSERT_TRUE(done.ok());
    if (done.object.version != 0) model.put(key, {done.object.version, false, false, {}});
  }

  void check_head(BucketId id, const Model& model, const std::string& key) {
    const Answer head = engine_.head(id, key);
    const auto found = model.keys.find(key);
    const bool is_there = found != model.keys.end() && !found->second[0].is_marker;
    ASSERT_EQ(head.ok(), is_there);
    if (!is_there) return;
    const ModelVersion& version = found->second[0];
    EXPECT_EQ(head.object.version, version.version);
    EXPECT_EQ(head.object.is_null, version.is_null);
    const ObjectMeta& meta = head.object.meta;
    if (!meta.payload.inline_bytes.empty()) {
      EXPECT_EQ(meta.payload.inline_bytes, version.bytes);
    }
    if (!meta.headers.empty()) {
      EXPECT_EQ(meta.headers[0].second, version.bytes);
    }
  }

  // All pages of a listing are the model's.
  void check_list() {
    const auto& [id, model] = pick_bucket();
    ListObjects what{.bucket = id};
    what.with_versions = pick(2) == 0;
    if (pick(2) == 0) what.prefix = pick_key();
    if (pick(2) == 0) what.delimiter = pick(3) == 0 ? "a" : "/";
    if (pick(3) == 0) what.after = pick_key();
    if (pick(3) == 0 && what.with_versions) what.after_version = pick(2000);
    const std::vector<Item> expected = list_model(model, what);
    std::vector<Item> seen;
    what.count_max = 1 + static_cast<uint32_t>(pick(7));
    for (int pages = 0; pages < 2000; ++pages) {
      const ListPage page = engine_.list(what);
      const std::vector<Item> items = items_of(page);
      ASSERT_LE(items.size(), what.count_max);
      seen.insert(seen.end(), items.begin(), items.end());
      if (!page.is_truncated) break;
      ASSERT_EQ(items.size(), what.count_max);
      what.after = page.next_after;
      what.after_version = page.next_after_version;
    }
    ASSERT_EQ(seen.size(), expected.size());
    for (size_t i = 0; i < seen.size(); ++i) {
      EXPECT_EQ(seen[i].name, expected[i].name);
      EXPECT_EQ(seen[i].version, expected[i].version);
      EXPECT_EQ(seen[i].is_latest, expected[i].is_latest) << seen[i].name;
    }
  }

  void check_checkpoint() {
    const uint64_t before = digest(engine_.state());
    auto source = engine_.engine().begin_checkpoint();
    std::vector<std::string> pieces;
    bool is_last = false;
    while (!is_last) {
      Buffer piece;
      is_last = source->next(1 + pick(5000), piece);
      pieces.emplace_back(piece.view());
      for (int i = 0; i < 5; ++i) step();
    }
    source.reset();
    auto loaded = std::make_unique<BlobEngine>();
    for (const std::string& piece : pieces) {
      const Status status = loaded->load_checkpoint(piece);
      ASSERT_TRUE(status.ok()) << status.error().message();
    }
    EXPECT_EQ(digest(loaded->state()), before) << "the state at the beginning, whatever came meanwhile";
    // And one with nothing in between, to go on with.
    source = engine_.engine().begin_checkpoint();
    loaded->reset();
    for (is_last = false; !is_last;) {
      Buffer piece;
      is_last = source->next(3000, piece);
      ASSERT_TRUE(loaded->load_checkpoint(piece.view()).ok());
    }
    source.reset();
    ASSERT_EQ(digest(loaded->state()), digest(engine_.state()));
    engine_.replace(std::move(loaded));
  }

  std::mt19937_64 random_;
  TestEngine engine_;
  std::map<BucketId, Model> buckets_;
};

TEST(BlobEngine, DoesAsThePlainModel) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomRun(seed).run();
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace keelson::blob
