// The simulated disk: against a plain model while it runs, and what it keeps and loses at crashes.
#include "env/sim/sim_disk.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "env/disk.h"
#include "env/sim/gtest_seeds.h"
#include "env/sim/sim.h"

namespace keelson::env::sim {
namespace {

struct Fixture {
  World world;
  Node& node;
  explicit Fixture(uint64_t seed, SimOptions options = {}) : world(seed, options), node(world.add_node()) {
    EXPECT_TRUE(disk().make_folder("/d").ok());
  }
  Disk& disk() { return node.env().disk(); }
  std::unique_ptr<File> create(const std::string& path) {
    Result<std::unique_ptr<File>> file = disk().open(path, OpenMode::kCreate);
    EXPECT_TRUE(file.ok()) << file.error().message();
    return std::move(*file);
  }
  Status sync(File& file) { return world.run(node.reactor(), file.sync(node.reactor())); }
  Status sync_folder(const std::string& folder) {
    return world.run(node.reactor(), disk().sync_folder(folder, node.reactor()));
  }
  void power_cycle() {
    node.crash();
    node.restart();
  }
  std::string content(const std::string& path) {
    Result<std::string> bytes = node.disk().content(path);
    return bytes.ok() ? *bytes : "<none>";
  }
};

TEST(SimDisk, BehavesAsAPlainModelWhileItRuns) {
  Fixture f(1);
  std::map<std::string, std::string> model;
  std::map<std::string, std::unique_ptr<File>> files;
  Random& random = f.world.random();
  const std::vector<std::string> names{"/d/a", "/d/b", "/d/c"};
  for (int i = 0; i < 3000; ++i) {
    const std::string& name = names[random.next() % names.size()];
    const uint64_t where = random.next() % 20'000;
    switch (random.next() % 8) {
      case 0:
        if (!model.contains(name)) {
          files[name] = f.create(name);
          model[name] = "";
        } else {
          EXPECT_EQ(f.disk().open(name, OpenMode::kCreate).error().code(), DiskErrc::kExists);
        }
        break;
      case 1:
      case 2:
      case 3:
        if (model.contains(name)) {
          const std::string bytes(random.next() % 9000, static_cast<char>('a' + random.next() % 26));
          ASSERT_TRUE(files[name]->write_at(where, bytes).ok());
          if (model[name].size() < where + bytes.size() && !bytes.empty()) model[name].resize(where + bytes.size());
          model[name].replace(bytes.empty() ? 0 : where, bytes.size(), bytes);
        }
        break;
      case 4:
        if (model.contains(name)) {
          ASSERT_TRUE(files[name]->truncate(where).ok());
          model[name].resize(where);
        }
        break;
      case 5:
        if (model.contains(name)) {
          ASSERT_TRUE(files[name]->preallocate(where).ok());
          if (model[name].size() < where) model[name].resize(where);
        }
        break;
      case 6: {
        const std::string& to = names[random.next() % names.size()];
        if (model.contains(name) && name != to) {
          ASSERT_TRUE(f.disk().rename(name, to).ok());
          model[to] = model[name];
          model.erase(name);
          files[to] = std::move(files[name]);
        }
        break;
      }
      default:
        if (random.next() % 10 == 0 && model.contains(name)) {
          ASSERT_TRUE(f.disk().remove(name).ok());
          model.erase(name);
        }
        if (random.next() % 10 == 0) {
          f.node.disk().sync_all();
          files.clear();
          f.power_cycle();
          for (const auto& [path, bytes] : model) files[path] = std::move(*f.disk().open(path, OpenMode::kReadWrite));
        }
    }
    std::vector<std::string> listed;
    for (const auto& [path, bytes] : model) {
      listed.push_back(path.substr(3));
      ASSERT_EQ(f.content(path), bytes);
    }
    ASSERT_EQ(*f.disk().list("/d"), listed);
  }
}

TEST(SimDisk, WhatWasSyncedIsThereAfterACrash) {
  for_each_seed(1, 100, [](uint64_t seed) {
    Fixture f(seed);
    auto file = f.create("/d/f");
    ASSERT_TRUE(file->write_at(0, "synced").ok());
    ASSERT_TRUE(f.sync(*file).ok());
    ASSERT_TRUE(f.sync_folder("/d").ok());
    ASSERT_TRUE(file->write_at(0, "SYNCED and more").ok());
    f.power_cycle();
    const std::string kept = f.content("/d/f");
    ASSERT_TRUE(kept == "synced" || kept == "SYNCED and more" || kept == std::string("synced") + std::string(9, '\0'))
        << testing::PrintToString(kept);
  });
}

// Each thing that a disk may do to unsynced work happens for some seed.
TEST(SimDisk, UnsyncedWorkIsKeptLostAndTorn) {
  std::set<std::string> outcomes;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    Fixture f(seed);
    auto file = f.create("/d/f");
    const std::string block(4 * kSectorBytes, 'n');
    ASSERT_TRUE(file->write_at(0, std::string(block.size(), 'o')).ok());
    ASSERT_TRUE(f.sync(*file).ok());
    ASSERT_TRUE(f.sync_folder("/d").ok());
    ASSERT_TRUE(file->write_at(0, block).ok());
    f.power_cycle();
    const std::string kept = f.content("/d/f");
    ASSERT_EQ(kept.size(), block.size());
    const auto fresh = static_cast<size_t>(std::count(kept.begin(), kept.end(), 'n'));
    ASSERT_EQ(fresh % kSectorBytes, 0U) << "a sector is written whole";
    outcomes.insert(fresh == 0 ? "lost" : fresh == block.size() ? "kept" : kept.front() == 'n' ? "prefix" : "torn");
  }
  EXPECT_EQ(outcomes, (std::set<std::string>{"kept", "lost", "prefix", "torn"}));
}

TEST(SimDisk, NamesNeedTheirFolderSynced) {
  std::set<std::string> created;
  std::set<std::string> renamed;
  std::set<std::string> removed;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    Fixture f(seed);
    f.node.disk().put("/d/target", "old");
    f.node.disk().put("/d/victim", "victim");
    auto file = f.create("/d/new");
    ASSERT_TRUE(file->write_at(0, "new").ok());
    ASSERT_TRUE(f.sync(*file).ok());
    auto other = f.create("/d/aside");
    ASSERT_TRUE(other->write_at(0, "fresh").ok());
    ASSERT_TRUE(f.sync(*other).ok());
    ASSERT_TRUE(f.disk().rename("/d/aside", "/d/target").ok());
    ASSERT_TRUE(f.disk().remove("/d/victim").ok());
    ASSERT_EQ(f.content("/d/target"), "fresh");
    f.power_cycle();
    created.insert(f.content("/d/new"));
    renamed.insert(f.content("/d/target"));
    removed.insert(f.content("/d/victim"));
  }
  EXPECT_EQ(created, (std::set<std::string>{"<none>", "new"}));
  EXPECT_EQ(renamed, (std::set<std::string>{"fresh", "old"}));
  EXPECT_EQ(removed, (std::set<std::string>{"<none>", "victim"}));
}

Task<Status> replace_both(Fixture& f, const std::string& content) {
  co_return co_await replace_file(f.disk(), f.node.reactor(), "/d", "settings", content);
}

TEST(SimDisk, ReplaceFileGivesTheOldOrTheNewAtEveryCrash) {
  std::set<std::string> seen;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Fixture f(seed);
    f.node.disk().put("/d/settings", "old");
    TaskScope scope(f.node.reactor());
    bool is_done = false;
    f.world.run_on(f.node.reactor(), [&] {
      struct Keep {
        static Task<void> run(Fixture& fixture, bool& done) {
          EXPECT_TRUE((co_await replace_both(fixture, "new")).ok());
          done = true;
        }
      };
      scope.spawn(Keep::run(f, is_done));
    });
    for (uint64_t steps = seed % 40; steps > 0; --steps) f.world.step();
    const bool was_done = is_done;
    f.power_cycle();
    const std::string kept = f.content("/d/settings");
    ASSERT_TRUE(kept == "new" || (kept == "old" && !was_done)) << kept;
    seen.insert(kept);
    // What a crash left aside does not stop the next call.
    ASSERT_TRUE(f.world.run(f.node.reactor(), replace_both(f, "third")).ok());
    ASSERT_EQ(f.content("/d/settings"), "third");
  }
  EXPECT_EQ(seen.size(), 2U);
}

TEST(SimDisk, ASyncCoversWhatWasThereWhenItWasCalled) {
  SimOptions options;
  options.disk.lose_write_probability = 1;
  options.disk.lose_name_probability = 1;
  Fixture f(1, options);
  auto file = f.create("/d/f");
  ASSERT_TRUE(f.sync_folder("/d").ok());
  TaskScope scope(f.node.reactor());
  bool is_done = false;
  struct Keep {
    static Task<void> run(File& to_sync, Reactor& on, bool& done) {
      EXPECT_TRUE((co_await to_sync.sync(on)).ok());
      done = true;
    }
  };
  f.world.run_on(f.node.reactor(), [&] {
    EXPECT_TRUE(file->write_at(0, "a").ok());
    scope.spawn(Keep::run(*file, f.node.reactor(), is_done));
    EXPECT_TRUE(file->write_at(1, "b").ok());
  });
  f.world.run_until([&] { return is_done; });
  f.power_cycle();
  EXPECT_TRUE(f.content("/d/f") == "a" || f.content("/d/f") == std::string("a\0", 2));
}

TEST(SimDisk, AfterAFailedSyncTheWorkIsGoneThoughItCanBeRead) {
  SimOptions options;
  options.disk.lose_write_probability = 0;
  options.disk.tear_write_probability = 0;
  options.disk.lose_name_probability = 0;
  Fixture f(1, options);
  auto file = f.create("/d/f");
  ASSERT_TRUE(file->write_at(0, "x").ok());
  f.node.disk().fail_syncs(1, "/d/f");
  EXPECT_EQ(f.sync(*file).error().code(), DiskErrc::kIo);
  EXPECT_TRUE(f.sync(*file).ok());
  EXPECT_EQ(f.content("/d/f"), "x");
  f.power_cycle();
  EXPECT_EQ(f.content("/d/f"), "");
}

TEST(SimDisk, ColdReadsAreFetched) {
  SimOptions options;
  options.disk.cold_read_probability = 0.5;
  Fixture f(7, options);
  const std::unique_ptr<File> file = f.create("/d/a");
  ASSERT_TRUE(file->write_at(0, "0123456789").ok());
  int cold = 0;
  for (int i = 0; i < 100; ++i) {
    std::string bytes(4, '?');
    const Result<size_t> count = file->read_cached(3, bytes);
    ASSERT_TRUE(count.ok());
    ASSERT_TRUE(*count == 0 || bytes == "3456");
    if (*count == 0) ++cold;
  }
  EXPECT_GT(cold, 20);
  EXPECT_LT(cold, 80);
  const int64_t began_ns = f.world.now_ns();
  const Result<Fetched> fetched = f.world.run(f.node.reactor(), file->fetch(8, 100, f.node.reactor()));
  ASSERT_TRUE(fetched.ok());
  EXPECT_EQ(std::string_view(fetched->bytes.get(), fetched->count), "89");
  EXPECT_GE(f.world.now_ns() - began_ns, options.disk.sync_ns_min);
}

TEST(SimDisk, FullReadOnlyAndFailing) {
  Fixture f(1);
  auto file = f.create("/d/f");
  f.node.disk().set_capacity(100);
  EXPECT_TRUE(file->write_at(0, std::string(80, 'x')).ok());
  EXPECT_EQ(*f.disk().free_bytes("/d"), 20U);
  EXPECT_EQ(file->preallocate(101).error().code(), DiskErrc::kFull);
  EXPECT_EQ(file->write_at(50, std::string(51, 'y')).error().code(), DiskErrc::kFull);
  EXPECT_TRUE(file->write_at(50, std::string(30, 'y')).ok()) << "what is allocated can be written again";
  f.node.disk().set_capacity(SimDisk::kUnlimited);
  EXPECT_TRUE(file->preallocate(1'000'000).ok());
  f.node.disk().set_full(true);
  EXPECT_EQ(f.disk().open("/d/g", OpenMode::kCreate).error().code(), DiskErrc::kFull);
  f.node.disk().set_full(false);
  f.node.disk().set_read_only(true);
  EXPECT_EQ(f.disk().open("/d/g", OpenMode::kCreate).error().code(), DiskErrc::kReadOnly);
  EXPECT_EQ(f.disk().open("/d/f", OpenMode::kReadWrite).error().code(), DiskErrc::kReadOnly);
  EXPECT_EQ(file->write_at(0, "z").error().code(), DiskErrc::kReadOnly);
  EXPECT_TRUE(f.disk().open("/d/f", OpenMode::kRead).ok());
  f.node.disk().set_read_only(false);
  f.node.disk().fail_writes(1, "/d/f");
  EXPECT_EQ(file->write_at(0, "zz").error().code(), DiskErrc::kIo);
  EXPECT_TRUE(file->write_at(0, "zz").ok());
}

TEST(SimDisk, TellsKindsSizesAndTimes) {
  Fixture f(1);
  const auto file = f.create("/d/a");
  EXPECT_EQ(f.disk().info("/d")->kind, FileKind::kFolder);
  EXPECT_EQ(f.disk().info("/d/b").error().code(), DiskErrc::kNotFound);
  const int64_t made_ms = f.disk().info("/d/a")->modified_ms;
  f.world.run_for(3 * kSecond);
  EXPECT_EQ(f.disk().info("/d/a")->modified_ms, made_ms);
  EXPECT_TRUE(file->write_at(0, "abc").ok());
  EXPECT_EQ(f.disk().info("/d/a")->kind, FileKind::kFile);
  EXPECT_EQ(f.disk().info("/d/a")->size_bytes, 3U);
  EXPECT_EQ(f.disk().info("/d/a")->modified_ms, made_ms + 3000);
}

TEST(SimDisk, DamageAndCopies) {
  Fixture f(1);
  f.node.disk().put("/d/f", "abc");
  EXPECT_TRUE(f.node.disk().flip_bit("/d/f", 1, 0).ok());
  EXPECT_EQ(f.content("/d/f"), "acc");
  EXPECT_FALSE(f.node.disk().flip_bit("/d/f", 3, 0).ok());
  EXPECT_FALSE(f.node.disk().flip_bit("/d/g", 0, 0).ok());
  EXPECT_TRUE(f.node.disk().cut("/d/f", 1).ok());
  f.power_cycle();
  EXPECT_EQ(f.content("/d/f"), "a");
  Node& other = f.world.add_node();
  other.disk().copy_from(f.node.disk());
  EXPECT_EQ(*other.disk().content("/d/f"), "a");
  EXPECT_TRUE(other.env().disk().exists("/d"));
}

TEST(SimDisk, LocksAreHeldByOneAndFreedByACrash) {
  Fixture f(1);
  Result<std::unique_ptr<FileLock>> lock = f.disk().lock("/d/lock");
  ASSERT_TRUE(lock.ok());
  EXPECT_EQ(f.disk().lock("/d/lock").error().code(), DiskErrc::kLocked);
  lock->reset();
  lock = f.disk().lock("/d/lock");
  ASSERT_TRUE(lock.ok());
  f.power_cycle();
  EXPECT_TRUE(f.disk().lock("/d/lock").ok());
}

TEST(SimDisk, PlantedBugsLoseWhatWasSynced) {
  SimOptions options;
  options.disk.lose_write_probability = 1;
  options.disk.lose_name_probability = 1;
  options.disk.ignore_file_syncs = true;
  Fixture f(1, options);
  auto file = f.create("/d/f");
  ASSERT_TRUE(file->write_at(0, "x").ok());
  ASSERT_TRUE(f.sync(*file).ok());
  ASSERT_TRUE(f.sync_folder("/d").ok());
  f.power_cycle();
  EXPECT_NE(f.content("/d/f"), "x");
  EXPECT_NE(f.content("/d/f"), "<none>");
  f.world.options().disk.ignore_folder_syncs = true;
  (void)f.create("/d/g");
  ASSERT_TRUE(f.sync_folder("/d").ok());
  f.power_cycle();
  EXPECT_EQ(f.content("/d/g"), "<none>");
}

}  // namespace
}  // namespace keelson::env::sim
