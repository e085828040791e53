// Pages of several shards merged are the pages of one that holds everything.
#include "blobstore/list_merge.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "engine/blob/test_support.h"

namespace keelson::blobstore {
namespace {

using blob::ListObjects;
using blob::ListPage;
using blob::TestEngine;

using Seen = std::vector<std::tuple<std::string, bool, bool>>;

Seen entries_of(const ListPage& page) {
  Seen seen;
  for (const blob::ObjectInfo& entry : page.entries) {
    seen.emplace_back(entry.key, entry.is_latest, entry.is_delete_marker);
  }
  return seen;
}

class ManyShards {
 public:
  explicit ManyShards(uint64_t seed) : random_(seed), one_(std::make_unique<TestEngine>()) {
    for (int i = 0; i < 5; ++i) shards_.push_back(std::make_unique<TestEngine>());
    for_all([](TestEngine& engine) { engine.make_bucket("b"); });
    for_all(
        [](TestEngine& engine) { engine.apply(blob::ConfigureBucket{1, blob::Versioning::kEnabled, false, {}, {}}); });
    for (int i = 0; i < 600; ++i) {
      std::string key = std::to_string(random_() % 30) + "/" + std::to_string(random_() % 10);
      if (random_() % 3 == 0) key += "/" + std::to_string(random_() % 3);
      TestEngine& shard = *shards_[blob::shard_of_object(1, key, static_cast<uint16_t>(shards_.size()))];
      for (TestEngine* engine : {one_.get(), &shard}) {
        i % 4 == 0 ? engine->apply(blob::DeleteObject{.bucket = 1, .key = key}) : engine->put(1, key, "x");
      }
    }
  }

  void check() {
    ListObjects what{.bucket = 1};
    what.with_versions = random_() % 2 == 0;
    if (random_() % 2 == 0) what.delimiter = "/";
    if (random_() % 2 == 0) what.prefix = std::to_string(random_() % 30) + "/";
    what.count_max = 1 + static_cast<uint32_t>(random_() % 40);
    ListObjects of_one = what;
    for (int pages = 0; pages < 1000; ++pages) {
      const ListPage merged = merge(what);
      const ListPage whole = one_->list(of_one);
      ASSERT_EQ(entries_of(merged), entries_of(whole));
      ASSERT_EQ(merged.prefixes, whole.prefixes);
      ASSERT_EQ(merged.is_truncated, whole.is_truncated);
      if (!merged.is_truncated) return;
      ASSERT_EQ(merged.next_after, whole.next_after);
      what.after = merged.next_after;
      what.after_version = merged.next_after_version;
      of_one.after = whole.next_after;
      of_one.after_version = whole.next_after_version;
    }
  }

 private:
  void for_all(const auto& what) {
    what(*one_);
    for (const auto& shard : shards_) what(*shard);
  }
  ListPage merge(const ListObjects& what) {
    ListMerger merger(what, shards_.size());
    while (!merger.step()) {
      for (size_t shard : merger.wanted()) merger.give(shard, shards_[shard]->list(merger.request(shard)));
    }
    return merger.take();
  }

  std::mt19937_64 random_;
  std::unique_ptr<TestEngine> one_;
  std::vector<std::unique_ptr<TestEngine>> shards_;
};

TEST(ListMerger, GivesWhatOneShardWould) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    ManyShards shards(seed);
    for (int i = 0; i < 20; ++i) {
      ASSERT_NO_FATAL_FAILURE(shards.check()) << "seed " << seed;
    }
  }
}

// Many delete markers before what there is to see: a shard stops after some, and is asked to go on.
TEST(ListMerger, GoesOnBehindDeletedKeys) {
  for (const bool is_deep : {false, true}) {
    std::vector<std::unique_ptr<TestEngine>> shards;
    for (int i = 0; i < 3; ++i) {
      shards.push_back(std::make_unique<TestEngine>());
      shards.back()->make_bucket("b");
      shards.back()->apply(blob::ConfigureBucket{1, blob::Versioning::kEnabled, false, {}, {}});
    }
    const auto shard_of = [&](const std::string& key) -> TestEngine& {
      return *shards[blob::shard_of_object(1, key, static_cast<uint16_t>(shards.size()))];
    };
    const auto put = [&](const std::string& key, bool is_deleted) {
      shard_of(key).put(1, key, "x");
      if (is_deleted) shard_of(key).apply(blob::DeleteObject{.bucket = 1, .key = key});
    };
    for (int i = 10'000; i < 15'000; ++i) put((is_deep ? "a/" : "a") + std::to_string(i), true);
    // Common prefixes that were given, then deleted keys within the next one, then one that makes it be seen.
    put("a/9", false);
    put("b/1", false);
    for (int i = 10'000; i < 13'000; ++i) put("c/" + std::to_string(i), true);
    put("c/9", false);
    put("d", false);
    ListObjects what{.bucket = 1, .delimiter = "/"};
    for (const uint32_t count : {1000U, 1U}) {
      what.count_max = count;
      what.after.clear();
      std::vector<std::string> names;
      size_t rounds = 0;
      while (true) {
        ListMerger merger(what, shards.size());
        while (!merger.step()) {
          for (size_t shard : merger.wanted()) merger.give(shard, shards[shard]->list(merger.request(shard)));
          ++rounds;
        }
        const ListPage page = merger.take();
        names.insert(names.end(), page.prefixes.begin(), page.prefixes.end());
        for (const blob::ObjectInfo& entry : page.entries) names.push_back(entry.key);
        if (!page.is_truncated) break;
        what.after = page.next_after;
      }
      EXPECT_EQ(names, (std::vector<std::string>{"a/", "b/", "c/", "d"}));
      EXPECT_GT(rounds, 10U) << "one walk is not long";
    }
  }
}

}  // namespace
}  // namespace keelson::blobstore
