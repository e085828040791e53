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

}  // namespace
}  // namespace keelson::blobstore
