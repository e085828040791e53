// Files that go along with a checkpoint: what is sent, what is taken, and what stays as it was.
#include "shard/shard_group_files.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/coding.h"
#include "env/sim/sim.h"
#include "log/checkpoint_file.h"
#include "shard/fake_log.h"
#include "shard/shard.h"

namespace keelson::shard {
namespace {

// Its pieces are names and sizes of its files.
class FilesEngine final : public engine::Engine {
 public:
  explicit FilesEngine(std::string folder) : folder_(std::move(folder)) {}
  void apply(const engine::ApplyContext&, const engine::Command&, engine::ReplySink&) override {}
  void query(const engine::ApplyContext&, const engine::Command&, engine::ReplySink&) override {}
  std::unique_ptr<engine::CheckpointSource> begin_checkpoint() override { return nullptr; }
  Status load_checkpoint(std::string_view) override { return {}; }
  void reset() override {}
  std::string files_folder() const override { return folder_; }
  Result<std::vector<engine::OwnFile>> files_of(std::string_view piece) const override {
    std::vector<engine::OwnFile> files;
    std::string_view name;
    uint64_t bytes = 0;
    while (!piece.empty()) {
      if (!read_string(piece, name) || !read_varint(piece, bytes)) return fail(log::LogErrc::kDamaged, "no names");
      files.push_back({std::string(name), bytes});
    }
    return files;
  }
  uint64_t file_bytes(std::string_view name) const override {
    const auto found = has.find(std::string(name));
    return found == has.end() ? 0 : found->second;
  }
  void hold_files() override { ++holds; }
  void release_files() override { --holds; }

  std::map<std::string, uint64_t> has;
  int holds = 0;

 private:
  const std::string folder_;
};

class GroupFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(disk().make_folder("checkpoints").ok());
    ASSERT_TRUE(disk().make_folder("in").ok());
  }
  env::Disk& disk() { return node.env().disk(); }

  std::string checkpoint(ShardId of, uint64_t index, const std::vector<engine::OwnFile>& refers_to,
                         bool is_good = true) {
    Buffer piece;
    for (const engine::OwnFile& file : refers_to) {
      append_string(piece, file.name);
      append_varint(piece, file.bytes);
    }
    if (!is_good) piece.append("x");
    auto writer = log::CheckpointWriter::create(disk(), node.reactor(), "checkpoints",
                                                {.engine = "files", .shard = of, .index = index});
    EXPECT_TRUE(writer.ok());
    for (std::string_view one : {std::string_view("prelude"), std::string_view("slots"), piece.view()}) {
      EXPECT_TRUE(world.run(node.reactor(), (*writer)->append(one)).ok());
    }
    EXPECT_TRUE(world.run(node.reactor(), (*writer)->finish()).ok());
    return "checkpoints/" + log::checkpoint_name(of, index);
  }
  // A checkpoint that came, with these files; without content: not sent, as it is here already.
  raft::Arrival arrival(const std::vector<engine::OwnFile>& refers_to, std::vector<raft::SideFile> beside) {
    EXPECT_TRUE(disk().rename(checkpoint(9, 100, refers_to), "in/arrived").ok());
    for (raft::SideFile& one : beside) {
      if (one.path.empty()) continue;
      node.disk().put("in/" + one.name, one.path);
      one.path = "in/" + one.name;
    }
    return {disk(), "in/arrived", std::move(beside)};
  }
  Status examine(const raft::Arrival& of) { return world.run(node.reactor(), files.examine(of)); }
  Status place(raft::Arrival& of) { return world.run(node.reactor(), files.place(of)); }
  std::string content(const std::string& path) {
    auto got = node.disk().content(path);
    return got.ok() ? *got : "none";
  }

  env::sim::World world{1};
  env::sim::Node& node = world.add_node(1);
  Journal journal;
  FakeLog log{node.reactor(), journal, {}};
  LogClock clock{node.env().clock()};
  Shard shard{3, std::make_unique<FilesEngine>("own"), log, clock};
  FilesEngine& engine = static_cast<FilesEngine&>(shard.engine());
  GroupFiles files{disk(), node.reactor(), shard, "checkpoints", {}};
};

TEST_F(GroupFilesTest, SendsWhatIsThere) {
  ASSERT_TRUE(disk().make_folder("own").ok());
  node.disk().put("own/a", "12345");
  node.disk().put("own/b", "12345");
  node.disk().put("own/short", "1");
  node.disk().put("own/other", "1");
  const std::string path = checkpoint(3, 7, {{"a", 5}, {"b", 3}, {"gone", 5}, {"short", 2}, {"empty", 0}});
  auto found = world.run(node.reactor(), files.collect(path));
  ASSERT_TRUE(found.ok());
  ASSERT_EQ(found->size(), 2U);
  EXPECT_EQ((*found)[0].path, "own/a");
  EXPECT_EQ((*found)[1].name, "b");
  EXPECT_EQ((*found)[1].bytes, 3U);
  EXPECT_FALSE(world.run(node.reactor(), files.collect("checkpoints/none")).ok());
  EXPECT_FALSE(world.run(node.reactor(), files.collect(checkpoint(3, 8, {{"a", 1}}, false))).ok());
}

TEST_F(GroupFilesTest, TakesWhatFits) {
  engine.has = {{"here", 6}, {"grows", 5}};
  ASSERT_TRUE(disk().make_folder("own").ok());
  node.disk().put("own/here", "123456");
  node.disk().put("own/grows", "12345??");
  EXPECT_EQ(files.bytes_here({{"here", "", 6, 0}, {"new", "", 3, 0}, {"grows", "", 9, 0}, {"here", "", 4, 0}}),
            (std::vector<uint64_t>{6, 0, 5, 4}));
  {
    raft::Arrival came = arrival({{"here", 6}, {"new", 3}, {"left out", 9}, {"grows", 9}},
                                 {{"here", "", 6, 6}, {"new", "abc", 3, 0}, {"grows", "6789", 9, 5}});
    ASSERT_TRUE(examine(came).ok());
    EXPECT_EQ(engine.holds, 1);
    ASSERT_TRUE(place(came).ok());
  }
  EXPECT_EQ(content("own/new"), "abc");
  EXPECT_EQ(content("own/here"), "123456");
  EXPECT_TRUE(disk().list("in")->empty());
  files.drop();
  files.drop();
  EXPECT_EQ(engine.holds, 0);
  EXPECT_EQ(content("own/grows"), "123456789");
  // For good.
  node.crash();
  EXPECT_EQ(content("own/new"), "abc");
  EXPECT_EQ(content("own/grows"), "123456789");
}

TEST_F(GroupFilesTest, RefusesWhatDoesNotFit) {
  const std::vector<engine::OwnFile> refers_to{{"a", 3}, {"b", 2}};
  EXPECT_FALSE(examine(arrival(refers_to, {{"c", "abc", 3, 0}})).ok());
  EXPECT_FALSE(examine(arrival(refers_to, {{"../a", "", 3, 3}})).ok());
  EXPECT_FALSE(examine(arrival(refers_to, {{"a", "ab", 2, 0}})).ok());
  EXPECT_FALSE(examine(arrival(refers_to, {{"a", "abc", 3, 0}, {"a", "abc", 3, 0}})).ok());
  EXPECT_FALSE(examine(arrival(refers_to, {{"a", "", 3, 3}})).ok());  // it is not here
  EXPECT_FALSE(examine(arrival(refers_to, {{"a", "", 3, 0}})).ok());
  EXPECT_FALSE(examine(arrival(refers_to, {{"a", "abc", 3, 3}})).ok());
  EXPECT_FALSE(examine(arrival(refers_to, {{"a", "abc", 3, 4}})).ok());
  EXPECT_EQ(engine.holds, 0);
  EXPECT_TRUE(disk().list("in")->empty());
  EXPECT_FALSE(disk().exists("own"));
  EXPECT_TRUE(examine(arrival(refers_to, {{"a", "abc", 3, 0}})).ok());
  EXPECT_EQ(engine.holds, 1);
}

TEST_F(GroupFilesTest, AnEngineWithoutFilesTakesNone) {
  Shard plain{3, std::make_unique<FilesEngine>(""), log, clock};
  GroupFiles none{disk(), node.reactor(), plain, "checkpoints", {}};
  EXPECT_FALSE(none.are_there());
  EXPECT_FALSE(world.run(node.reactor(), none.examine(arrival({}, {{"a", "abc", 3, 0}}))).ok());
  raft::Arrival came = arrival({}, {});
  EXPECT_TRUE(world.run(node.reactor(), none.examine(came)).ok());
  EXPECT_TRUE(world.run(node.reactor(), none.place(came)).ok());
}

TEST_F(GroupFilesTest, AsksForWhatItShouldHaveAndHasNot) {
  engine.has = {{"a", 3}};
  EXPECT_EQ(files.bytes_here({{"a", "", 3, 0}}), std::vector<uint64_t>{3});
  EXPECT_FALSE(examine(arrival({{"a", 3}}, {{"a", "", 3, 3}})).ok());
  EXPECT_EQ(files.bytes_here({{"a", "", 3, 0}}), std::vector<uint64_t>{0});
  raft::Arrival came = arrival({{"a", 3}}, {{"a", "abc", 3, 0}});
  ASSERT_TRUE(examine(came).ok());
  ASSERT_TRUE(place(came).ok());
  EXPECT_EQ(files.bytes_here({{"a", "", 3, 0}}), std::vector<uint64_t>{3});
}

// What a crash would go back to keeps all that it needs.
TEST_F(GroupFilesTest, NoFileGetsShorterThanItIsNeeded) {
  ASSERT_TRUE(disk().make_folder("own").ok());
  for (const char* name : {"a", "b", "c"}) node.disk().put("own/" + std::string(name), "12345");
  checkpoint(3, 7, {{"a", 4}, {"b", 3}});
  checkpoint(2, 9, {{"c", 5}});  // another shard's
  checkpoint(3, 6, {{"b", 2}}, false);
  raft::Arrival came =
      arrival({{"a", 3}, {"b", 3}, {"c", 3}}, {{"a", "123", 3, 0}, {"b", "123", 3, 0}, {"c", "123", 3, 0}});
  ASSERT_TRUE(examine(came).ok());
  ASSERT_TRUE(place(came).ok());
  EXPECT_EQ(content("own/a"), "12345");
  EXPECT_EQ(content("own/b"), "123");
  EXPECT_EQ(content("own/c"), "123");
}

TEST_F(GroupFilesTest, GoesOnAfterAnError) {
  raft::Arrival came = arrival({{"a", 1}, {"b", 1}}, {{"a", "a", 1, 0}, {"b", "b", 1, 0}});
  ASSERT_TRUE(examine(came).ok());
  node.disk().set_read_only(true);
  ASSERT_FALSE(place(came).ok());
  EXPECT_EQ(content("in/b"), "b");
  node.disk().set_read_only(false);
  ASSERT_TRUE(place(came).ok());
  EXPECT_EQ(content("own/b"), "b");
  // Again, as after an error behind it.
  ASSERT_TRUE(place(came).ok());
  EXPECT_EQ(content("own/a"), "a");
}

}  // namespace
}  // namespace keelson::shard
