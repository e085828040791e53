// What a peer may not do in the midst of a transfer.
#include "peer/file_receiver.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "env/sim/sim.h"

namespace keelson::peer {
namespace {

class FileReceiverTest : public ::testing::Test {
 protected:
  FileReceiverTest() {
    auto listener = network().listen(node.reactor(), node.address(80));
    EXPECT_TRUE(listener.ok());
    auto stream = world.run(node.reactor(), network().connect(node.reactor(), node.address(80)));
    EXPECT_TRUE(stream.ok());
    turn_end = std::make_unique<TurnEnd>(node.reactor());
    wire = std::make_unique<Wire>(*turn_end, std::move(*stream));
    EXPECT_TRUE(node.env().disk().make_folder("in").ok());
    receiver = std::make_unique<FileReceiver>(
        node.env().disk(), node.reactor(), *wire, "in", "p", [this](ArrivedFile file) { arrived = std::move(file); },
        [this](OfferedFiles files) { offered = std::move(files); });
  }
  env::Network& network() { return node.env().network(); }

  template <class Body>
  bool take(FrameType type, const Body& body) {
    Buffer out;
    body.append(out);
    bool is_good = false;
    world.run_on(node.reactor(), [&] { is_good = receiver->handle({type, 4, out.view()}); });
    return is_good;
  }
  bool begin(uint64_t size, uint64_t beside) {
    return take(FrameType::kFileBegin, FileBegin{.file = 1, .size_bytes = size, .message = "m", .beside = beside});
  }
  bool names(std::vector<FileNames::Name> all) {
    return take(FrameType::kFileNames, FileNames{.file = 1, .names = std::move(all)});
  }
  bool chunk(uint64_t offset, std::string_view bytes) {
    return take(FrameType::kFileChunk, FileChunk{.file = 1, .offset = offset, .bytes = bytes});
  }
  void here(const std::vector<uint64_t>& bytes) {
    world.run_on(node.reactor(), [&] { receiver->they_are_here(1, bytes); });
  }
  size_t left() { return node.env().disk().list("in")->size(); }

  env::sim::World world{1};
  env::sim::Node& node = world.add_node(1);
  std::unique_ptr<TurnEnd> turn_end;
  std::unique_ptr<Wire> wire;
  std::unique_ptr<FileReceiver> receiver;
  std::optional<ArrivedFile> arrived;
  std::optional<OfferedFiles> offered;
};

TEST_F(FileReceiverTest, TakesWhatFollowsTheRules) {
  EXPECT_TRUE(begin(3, 4));
  EXPECT_TRUE(chunk(0, "abc"));
  EXPECT_TRUE(names({{"x", 2}}));
  EXPECT_FALSE(offered);
  EXPECT_TRUE(names({{"y", 1}, {"z", 0}, {"w", 10}}));
  ASSERT_TRUE(offered);
  EXPECT_EQ(offered->files.size(), 4U);
  EXPECT_EQ(offered->group, 4);
  here({0, 1, 0, 7});
  EXPECT_TRUE(chunk(3, "d"));
  EXPECT_FALSE(arrived);
  EXPECT_TRUE(chunk(4, "e"));
  EXPECT_FALSE(chunk(5, "fghi"));
  EXPECT_TRUE(chunk(5, "fgh"));
  ASSERT_TRUE(world.run_until([&] { return arrived.has_value(); }));
  EXPECT_EQ(left(), 3U);
  EXPECT_EQ(*env::read_file(node.env().disk(), arrived->path, 10), "abc");
  EXPECT_EQ(*env::read_file(node.env().disk(), arrived->beside[0].path, 10), "de");
  EXPECT_EQ(arrived->beside[1].path, "");
  EXPECT_EQ(arrived->beside[2].path, "");
  EXPECT_EQ(*env::read_file(node.env().disk(), arrived->beside[3].path, 10), "fgh");
  EXPECT_EQ(arrived->beside[3].here, 7U);
}

TEST_F(FileReceiverTest, RefusesTooMuchAtTheStart) {
  EXPECT_FALSE(begin(UINT64_MAX, 0));
  EXPECT_FALSE(begin(1, kFilesBesideMax + 1));
  EXPECT_TRUE(begin(1, kFilesBesideMax));
  EXPECT_FALSE(begin(1, 0));  // a number is used once
}

TEST_F(FileReceiverTest, RefusesNamesThatWereNotToldOf) {
  ASSERT_TRUE(begin(1, 2));
  EXPECT_FALSE(names({{"too", 1}, {"early", 1}}));
  ASSERT_TRUE(chunk(0, "a"));
  EXPECT_FALSE(names({}));
  EXPECT_FALSE(names({{"a", 1}, {"b", 1}, {"c", 1}}));
  EXPECT_FALSE(names({{"", 1}}));
  EXPECT_FALSE(names({{std::string(kFileNameBytesMax + 1, 'n'), 1}}));
  EXPECT_FALSE(names({{"a", UINT64_MAX}}));
  EXPECT_TRUE(names({{"a", uint64_t{1} << 61}}));
  EXPECT_FALSE(names({{"b", uint64_t{1} << 61}}));  // more than there can be
}

TEST_F(FileReceiverTest, RefusesChunksThatAreNotNext) {
  ASSERT_TRUE(begin(2, 1));
  EXPECT_FALSE(chunk(1, "a"));
  EXPECT_FALSE(chunk(0, ""));
  EXPECT_FALSE(chunk(0, "abc"));
  ASSERT_TRUE(chunk(0, "ab"));
  EXPECT_FALSE(chunk(2, "c"));  // of what was not named
  ASSERT_TRUE(names({{"x", 2}}));
  EXPECT_FALSE(chunk(2, "c"));  // nor asked for
  here({0});
  EXPECT_FALSE(chunk(2, "cde"));
  EXPECT_TRUE(chunk(2, "c"));
  receiver.reset();
  EXPECT_EQ(left(), 0U);
}

TEST_F(FileReceiverTest, AnAbortLeavesNothing) {
  ASSERT_TRUE(begin(1, 2));
  ASSERT_TRUE(chunk(0, "a"));
  ASSERT_TRUE(names({{"x", 1}, {"y", 1}}));
  EXPECT_TRUE(take(FrameType::kFileAbort, FileNote{.file = 1}));
  here({0, 0});  // nobody asks any more
  EXPECT_TRUE(chunk(1, "b"));
  world.run_for(env::sim::kSecond);
  EXPECT_EQ(left(), 0U);
  EXPECT_FALSE(arrived);
}

TEST_F(FileReceiverTest, WithoutRoomNothingIsAskedFor) {
  ASSERT_TRUE(begin(1, 1));
  ASSERT_TRUE(chunk(0, "a"));
  ASSERT_TRUE(names({{"x", uint64_t{1} << 60}}));
  here({0});
  EXPECT_TRUE(chunk(1, "b"));
  world.run_for(env::sim::kSecond);
  EXPECT_EQ(left(), 0U);
}

}  // namespace
}  // namespace keelson::peer
