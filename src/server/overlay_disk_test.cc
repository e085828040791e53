#include "server/overlay_disk.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "env/sim/sim.h"

namespace keelson::server {
namespace {

using env::OpenMode;

class OverlayDiskTest : public testing::Test {
 protected:
  OverlayDiskTest() : world_(3), machine_(world_.add_node(1)), below_(machine_.env().disk()), disk_(below_) {
    EXPECT_TRUE(below_.make_folder("d").ok());
  }
  static void put(env::Disk& disk, const std::string& path, std::string_view content) {
    auto file = disk.open(path, OpenMode::kCreate);
    ASSERT_TRUE(file.ok()) << file.error().message();
    ASSERT_TRUE((*file)->write_at(0, content).ok());
  }
  static std::string get(env::Disk& disk, const std::string& path) {
    auto text = env::read_file(disk, path, 1 << 20);
    return text.ok() ? *text : "error: " + text.error().message();
  }

  env::sim::World world_;
  env::sim::Node& machine_;
  env::Disk& below_;
  OverlayDisk disk_;
};

TEST_F(OverlayDiskTest, WhatIsWrittenIsSeenAboveAlone) {
  put(below_, "d/a", "hello");
  put(disk_, "d/b", "new");
  auto file = disk_.open("d/a", OpenMode::kReadWrite);
  auto reader = disk_.open("d/a", OpenMode::kRead);
  ASSERT_TRUE(file.ok() && reader.ok());
  EXPECT_TRUE((*file)->write_at(1, "u").ok());
  std::string seen(5, '\0');
  EXPECT_EQ(*(*reader)->read_at(0, seen), 5U);
  EXPECT_EQ(seen, "hullo") << "who has it open already sees it too";
  EXPECT_EQ((*reader)->write_at(0, "x").error().code(), env::DiskErrc::kReadOnly);
  EXPECT_EQ(get(disk_, "d/a"), "hullo");
  EXPECT_EQ(get(below_, "d/a"), "hello");
  EXPECT_FALSE(below_.exists("d/b"));
  EXPECT_EQ(*disk_.list("d"), (std::vector<std::string>{"a", "b"}));
}

TEST_F(OverlayDiskTest, NamesChangeAboveAlone) {
  put(below_, "d/a", "1");
  put(below_, "d/b", "2");
  ASSERT_TRUE(disk_.rename("d/a", "d/b").ok());
  EXPECT_EQ(get(disk_, "d/b"), "1");
  EXPECT_FALSE(disk_.exists("d/a"));
  EXPECT_EQ(disk_.open("d/a", OpenMode::kRead).error().code(), env::DiskErrc::kNotFound);
  ASSERT_TRUE(disk_.remove("d/b").ok());
  EXPECT_TRUE(disk_.list("d")->empty());
  EXPECT_EQ(disk_.remove("d/b").error().code(), env::DiskErrc::kNotFound);
  put(disk_, "d/b", "3");
  EXPECT_EQ(disk_.open("d/b", OpenMode::kCreate).error().code(), env::DiskErrc::kExists);
  EXPECT_EQ(disk_.info("d/b")->size_bytes, 1U);
  ASSERT_TRUE(disk_.make_folder("d/e/f").ok());
  EXPECT_TRUE(disk_.list("d/e/f")->empty());
  EXPECT_EQ(*disk_.list("d"), (std::vector<std::string>{"b", "e"}));
  EXPECT_EQ(get(below_, "d/a"), "1");
  EXPECT_EQ(get(below_, "d/b"), "2");
  EXPECT_FALSE(below_.exists("d/e"));
}

// Against a plain string, over the borders of pages.
TEST_F(OverlayDiskTest, ReadsAndWritesLikeAFile) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 20; ++round) {
    std::string wanted(random() % 20'000, '\0');
    for (char& c : wanted) c = static_cast<char>(random());
    const std::string path = "d/f" + std::to_string(round);
    put(below_, path, wanted);
    const std::string before = wanted;
    auto file = *disk_.open(path, OpenMode::kReadWrite);
    for (int step = 0; step < 60; ++step) {
      const uint64_t at = random() % 22'000;
      switch (random() % 4) {
        case 0: {
          const std::string bytes(random() % 6'000, static_cast<char>('a' + step % 26));
          ASSERT_TRUE(file->write_at(at, bytes).ok());
          if (!bytes.empty() && wanted.size() < at + bytes.size()) wanted.resize(at + bytes.size());
          if (!bytes.empty()) wanted.replace(at, bytes.size(), bytes);
          break;
        }
        case 1:
          if (step % 5 != 0) break;
          ASSERT_TRUE(file->truncate(at).ok());
          wanted.resize(at);
          break;
        case 2:
          if (step % 5 != 0) break;
          ASSERT_TRUE(file->preallocate(at).ok());
          if (wanted.size() < at) wanted.resize(at);
          break;
        default: {
          std::string into(random() % 9'000, 'x');
          const auto count = file->read_at(at, into);
          ASSERT_TRUE(count.ok());
          const std::string expected = at < wanted.size() ? wanted.substr(at, into.size()) : "";
          ASSERT_EQ(into.substr(0, *count), expected);
        }
      }
      ASSERT_EQ(*file->size(), wanted.size());
    }
    EXPECT_EQ(get(disk_, path), wanted);
    EXPECT_EQ(get(below_, path), before);
  }
}

}  // namespace
}  // namespace keelson::server
