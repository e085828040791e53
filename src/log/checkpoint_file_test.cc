#include "log/checkpoint_file.h"

#include <gtest/gtest.h>

#include "env/sim/gtest_seeds.h"
#include "env/sim/sim.h"
#include "log/inspect.h"

namespace keelson::log {
namespace {

constexpr const char* kFolder = "data/checkpoints";

class CheckpointFileTest : public testing::Test {
 protected:
  CheckpointFileTest() : node_(world_.add_node()) { EXPECT_TRUE(disk().make_folder(kFolder).ok()); }

  env::Disk& disk() { return node_.env().disk(); }
  static CheckpointHeader header(ShardId shard, uint64_t index) {
    return {.engine = "kv", .engine_version = 3, .shard = shard, .index = index, .time_ms = -5, .log_id = 77};
  }
  Task<Status> write(CheckpointHeader what, std::vector<std::string> pieces, CheckpointWriterOptions options = {}) {
    auto writer = CheckpointWriter::create(disk(), node_.reactor(), kFolder, what, options);
    if (!writer.ok()) co_return forward_error(writer);
    for (const std::string& piece : pieces) {
      if (Status status = co_await (*writer)->append(piece); !status.ok()) co_return status;
    }
    co_return co_await (*writer)->finish();
  }
  Status write_now(ShardId shard, uint64_t index, const std::vector<std::string>& pieces) {
    return world_.run(node_.reactor(), write(header(shard, index), pieces));
  }
  Result<std::vector<std::string>> read(const std::string& path) {
    auto reader = CheckpointReader::open(disk(), path);
    if (!reader.ok()) return forward_error(reader);
    std::vector<std::string> pieces;
    while (true) {
      auto piece = (*reader)->next();
      if (!piece.ok()) return forward_error(piece);
      if (!*piece) return pieces;
      pieces.emplace_back(**piece);
    }
  }
  static std::string path_of(ShardId shard, uint64_t index) {
    return std::string(kFolder) + "/" + checkpoint_name(shard, index);
  }

  env::sim::World world_{1};
  env::sim::Node& node_;
};

TEST_F(CheckpointFileTest, PiecesComeBackAsTheyWere) {
  const std::vector<std::string> pieces = {"a", std::string(1'000'000, 'b'), std::string(3, '\0'), "end"};
  ASSERT_TRUE(write_now(7, 0x1234, pieces).ok());
  const std::string path = path_of(7, 0x1234);
  EXPECT_EQ(path, "data/checkpoints/0007-0000000000001234.ckp");
  auto reader = CheckpointReader::open(disk(), path);
  ASSERT_TRUE(reader.ok()) << reader.error().message();
  const CheckpointHeader& read_header = (*reader)->header();
  EXPECT_EQ(read_header.engine, "kv");
  EXPECT_EQ(read_header.engine_version, 3U);
  EXPECT_EQ(read_header.shard, 7);
  EXPECT_EQ(read_header.index, 0x1234U);
  EXPECT_EQ(read_header.time_ms, -5);
  EXPECT_EQ(read_header.log_id, 77U);
  const auto read_pieces = read(path);
  ASSERT_TRUE(read_pieces.ok()) << read_pieces.error().message();
  EXPECT_EQ(*read_pieces, pieces);
}

TEST_F(CheckpointFileTest, EmptyStateIsACheckpointToo) {
  ASSERT_TRUE(write_now(0, 1, {}).ok());
  EXPECT_EQ(read(path_of(0, 1))->size(), 0U);
}

TEST_F(CheckpointFileTest, EveryFlippedBitAndEveryCutIsFound) {
  const std::vector<std::string> pieces = {"first piece", "second", "third"};
  ASSERT_TRUE(write_now(1, 2, pieces).ok());
  const std::string path = path_of(1, 2);
  const std::string content = *node_.disk().content(path);
  for (size_t bit = 0; bit < content.size() * 8; ++bit) {
    ASSERT_TRUE(node_.disk().flip_bit(path, bit / 8, bit % 8).ok());
    const auto result = read(path);
    ASSERT_FALSE(result.ok()) << "bit " << bit;
    EXPECT_EQ(result.error().code(), LogErrc::kDamaged);
    EXPECT_NE(result.error().message().find(path), std::string::npos);
    EXPECT_NE(result.error().message().find("offset "), std::string::npos) << result.error().message();
    ASSERT_TRUE(node_.disk().flip_bit(path, bit / 8, bit % 8).ok());
  }
  for (size_t size = 0; size < content.size(); ++size) {
    node_.disk().put(path, std::string_view(content).substr(0, size));
    EXPECT_FALSE(read(path).ok()) << "cut at " << size;
  }
  node_.disk().put(path, content + "x");
  EXPECT_FALSE(read(path).ok());
  node_.disk().put(path, content);
  EXPECT_TRUE(read(path).ok());
}

TEST_F(CheckpointFileTest, BlocksThatChangedPlacesAreFound) {
  ASSERT_TRUE(write_now(1, 2, {"aaaa", "bbbb"}).ok());
  const std::string path = path_of(1, 2);
  std::string content = *node_.disk().content(path);
  const std::string first = content.substr(64, 12);
  const std::string second = content.substr(76, 12);
  content.replace(64, 24, second + first);
  node_.disk().put(path, content);
  EXPECT_FALSE(read(path).ok());
}

TEST_F(CheckpointFileTest, ListIsByShardNewestFirst) {
  for (const auto& [shard, index] : std::vector<std::pair<ShardId, uint64_t>>{{1, 5}, {0, 900}, {1, 40}, {1, 6}}) {
    ASSERT_TRUE(write_now(shard, index, {"x"}).ok());
  }
  node_.disk().put(std::string(kFolder) + "/notes.txt", "not ours");
  node_.disk().put(std::string(kFolder) + "/0001-00000000000000FF.ckp", "not our spelling");
  auto files = list_checkpoints(disk(), kFolder);
  ASSERT_TRUE(files.ok());
  ASSERT_EQ(files->size(), 4U);
  const std::vector<std::pair<ShardId, uint64_t>> expected = {{0, 900}, {1, 40}, {1, 6}, {1, 5}};
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ((*files)[i].shard, expected[i].first);
    EXPECT_EQ((*files)[i].index, expected[i].second);
  }
  ASSERT_TRUE(remove_older_checkpoints(disk(), kFolder, 1, 40).ok());
  files = list_checkpoints(disk(), kFolder);
  ASSERT_EQ(files->size(), 2U);
  EXPECT_EQ((*files)[1].index, 40U);
}

TEST_F(CheckpointFileTest, AnUnfinishedOneLeavesNothing) {
  {
    auto writer = CheckpointWriter::create(disk(), node_.reactor(), kFolder, header(1, 2));
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE(world_.run(node_.reactor(), (*writer)->append("x")).ok());
    EXPECT_EQ(list_checkpoints(disk(), kFolder)->size(), 0U);
    EXPECT_EQ(disk().list(kFolder)->size(), 1U);
  }
  EXPECT_EQ(disk().list(kFolder)->size(), 0U);
  node_.disk().put(std::string(kFolder) + "/" + checkpoint_name(1, 2) + ".tmp", "left by a crash");
  ASSERT_TRUE(remove_unfinished_checkpoints(disk(), kFolder).ok());
  EXPECT_EQ(disk().list(kFolder)->size(), 0U);
}

TEST_F(CheckpointFileTest, AFullDiskIsAnErrorAndLeavesNothing) {
  node_.disk().set_capacity(50'000);
  const Status status = write_now(1, 2, {std::string(100'000, 'x')});
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code(), env::DiskErrc::kFull);
  EXPECT_EQ(disk().list(kFolder)->size(), 0U);
}

TEST_F(CheckpointFileTest, AFailedSyncIsNoCheckpoint) {
  node_.disk().fail_syncs(1);
  EXPECT_FALSE(write_now(1, 2, {"x"}).ok());
  EXPECT_EQ(list_checkpoints(disk(), kFolder)->size(), 0U);
}

TEST_F(CheckpointFileTest, InspectionReadsEachToItsEnd) {
  ASSERT_TRUE(write_now(1, 2, {"good"}).ok());
  ASSERT_TRUE(write_now(2, 2, {"bad one"}).ok());
  ASSERT_TRUE(node_.disk().flip_bit(path_of(2, 2), 74).ok());
  std::vector<std::string> lines;
  const auto report = inspect_checkpoints(disk(), kFolder, [&](std::string_view line) { lines.emplace_back(line); });
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->checkpoints, 2U);
  EXPECT_EQ(report->problems, 1U);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_TRUE(lines[0].ends_with("status=ok")) << lines[0];
  EXPECT_NE(lines[1].find("status=damaged"), std::string::npos) << lines[1];
}

// Whenever the power goes, a shard has its old checkpoint or the new one, whole.
TEST(CheckpointFileSim, OldOrNewAfterEveryCrash) {
  env::sim::for_each_seed(1, 200, [](uint64_t seed) {
    env::sim::World world(seed);
    env::sim::Node& node = world.add_node();
    ASSERT_TRUE(node.env().disk().make_folder(kFolder).ok());
    const auto write = [](env::sim::Node& on, uint64_t index, bool& is_done) -> Task<void> {
      auto writer = CheckpointWriter::create(on.env().disk(), on.reactor(), kFolder, {.engine = "m", .index = index},
                                             {.sync_every_bytes = 64, .faults = {}});
      EXPECT_TRUE(writer.ok());
      for (int i = 0; i < 5; ++i) EXPECT_TRUE((co_await (*writer)->append(std::string(50, 'x'))).ok());
      EXPECT_TRUE((co_await (*writer)->finish()).ok());
      EXPECT_TRUE(remove_older_checkpoints(on.env().disk(), kFolder, 0, index).ok());
      is_done = true;
    };
    bool first_done = false;
    world.run(node.reactor(), write(node, 1, first_done));
    env::TaskScope scope(node.reactor());
    bool second_done = false;
    world.run_on(node.reactor(), [&] { scope.spawn(write(node, 2, second_done)); });
    const uint64_t steps = world.random().next() % 40;
    for (uint64_t i = 0; i < steps && world.step(); ++i) {
    }
    node.crash();
    node.restart();
    auto files = list_checkpoints(node.env().disk(), kFolder);
    ASSERT_TRUE(files.ok());
    ASSERT_FALSE(files->empty());
    if (second_done) {
      EXPECT_EQ((*files)[0].index, 2U);
    }
    for (const CheckpointFile& file : *files) {
      auto reader = CheckpointReader::open(node.env().disk(), file.path);
      ASSERT_TRUE(reader.ok()) << reader.error().message();
      size_t pieces = 0;
      while (true) {
        auto piece = (*reader)->next();
        ASSERT_TRUE(piece.ok()) << piece.error().message();
        if (!*piece) break;
        ++pieces;
      }
      EXPECT_EQ(pieces, 5U);
    }
  });
}

}  // namespace
}  // namespace keelson::log
