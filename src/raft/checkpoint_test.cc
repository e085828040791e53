// Checkpoint files that are read piece by piece, and those that came from another node.
#include "raft/checkpoint.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "env/sim/sim.h"
#include "log/checkpoint_file.h"
#include "raft/arrival.h"

namespace keelson::raft {
namespace {

class CheckpointTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(disk().make_folder("checkpoints").ok()); }
  env::Disk& disk() { return node.env().disk(); }
  std::string write(const std::vector<std::string>& pieces) {
    auto writer =
        log::CheckpointWriter::create(disk(), node.reactor(), "checkpoints", {.engine = "e", .shard = 1, .index = 5});
    EXPECT_TRUE(writer.ok());
    for (const std::string& piece : pieces) EXPECT_TRUE(world.run(node.reactor(), (*writer)->append(piece)).ok());
    EXPECT_TRUE(world.run(node.reactor(), (*writer)->finish()).ok());
    return "checkpoints/" + log::checkpoint_name(1, 5);
  }
  void put(const std::string& path) { node.disk().put(path, "x"); }

  env::sim::World world{1};
  env::sim::Node& node = world.add_node(1);
};

TEST_F(CheckpointTest, IsReadPieceByPiece) {
  std::vector<std::string> pieces;
  // Several slices of the reactor's time.
  for (int i = 0; i < 40; ++i) pieces.push_back(std::string(50'000, static_cast<char>('a' + i % 26)));
  const std::string path = write(pieces);
  std::vector<std::string> seen;
  const Status all = world.run(node.reactor(), read_checkpoint(disk(), node.reactor(), path,
                                                               [&](size_t number, std::string_view piece) -> Status {
                                                                 EXPECT_EQ(number, seen.size());
                                                                 seen.emplace_back(piece);
                                                                 return {};
                                                               }));
  EXPECT_TRUE(all.ok());
  EXPECT_EQ(seen, pieces);
  // Until a look fails.
  size_t looks = 0;
  const Status some = world.run(
      node.reactor(), read_checkpoint(disk(), node.reactor(), path, [&](size_t number, std::string_view) -> Status {
        ++looks;
        if (number < 3) return {};
        return fail(log::LogErrc::kDamaged, "no more");
      }));
  EXPECT_EQ(some.error().message(), "no more");
  EXPECT_EQ(looks, 4U);
  ASSERT_TRUE(node.disk().flip_bit(path, 1'500'000).ok());
  const Status damaged = world.run(
      node.reactor(), read_checkpoint(disk(), node.reactor(), path, [](size_t, std::string_view) { return Status(); }));
  EXPECT_EQ(damaged.error().code(), log::LogErrc::kDamaged);
}

TEST_F(CheckpointTest, InstallingLeavesWhatCame) {
  const std::string path = write({"prelude of there", "one", "two"});
  ASSERT_TRUE(disk().rename(path, "arrived").ok());
  std::vector<std::string> loaded;
  const Status installed = world.run(
      node.reactor(),
      install_checkpoint(disk(), node.reactor(),
                         {.from = "arrived", .folder = "checkpoints", .log_id = 9, .prelude = "prelude of here"},
                         [&](std::string_view piece) -> Status {
                           loaded.emplace_back(piece);
                           return {};
                         },
                         {}));
  ASSERT_TRUE(installed.ok());
  EXPECT_EQ(loaded, (std::vector<std::string>{"one", "two"}));
  EXPECT_TRUE(disk().exists("arrived"));  // whoever owns it removes it
  node.crash();
  node.restart();
  std::vector<std::string> seen;
  ASSERT_TRUE(world
                  .run(node.reactor(), read_checkpoint(disk(), node.reactor(), path,
                                                       [&](size_t, std::string_view piece) -> Status {
                                                         seen.emplace_back(piece);
                                                         return {};
                                                       }))
                  .ok());
  EXPECT_EQ(seen, (std::vector<std::string>{"prelude of here", "one", "two"}));
}

TEST_F(CheckpointTest, WhatCameIsRemovedUnlessSomebodyTookIt) {
  for (const char* path : {"c", "a", "b"}) put(path);
  {
    std::optional<Arrival> first(std::in_place, disk(), "c",
                                 std::vector<SideFile>{{"a", "a", 1, 0}, {"not sent", "", 1, 1}, {"b", "b", 1, 0}});
    Arrival arrival(std::move(*first));
    first.reset();
    EXPECT_TRUE(disk().exists("c"));
    ASSERT_TRUE(disk().rename("b", "taken").ok());
    arrival.release(2);
    put("b");  // somebody else's
  }
  EXPECT_FALSE(disk().exists("c"));
  EXPECT_FALSE(disk().exists("a"));
  EXPECT_TRUE(disk().exists("b"));
  EXPECT_TRUE(disk().exists("taken"));
}

}  // namespace
}  // namespace keelson::raft
