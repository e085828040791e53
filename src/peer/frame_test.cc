#include "peer/frame.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace keelson::peer {
namespace {

constexpr size_t kBodyMax = 1 << 20;

TEST(Frame, ComesBackHoweverItIsCut) {
  Buffer out;
  std::mt19937_64 random(7);
  std::vector<std::string> bodies;
  for (int i = 0; i < 200; ++i) {
    bodies.emplace_back(random() % 300, static_cast<char>(random()));
    append_frame(out, static_cast<FrameType>(1 + i % 40), static_cast<uint16_t>(i * 331), bodies.back());
  }
  // Bytes come one by one: no frame before its last byte, then exactly that frame.
  const std::string all(out.view());
  size_t read = 0;
  int seen = 0;
  for (size_t have = 1; have <= all.size(); ++have) {
    std::string_view rest = std::string_view(all).substr(read, have - read);
    Frame frame;
    const FrameOutcome outcome = read_frame(rest, kBodyMax, frame);
    if (outcome == FrameOutcome::kMore) continue;
    ASSERT_EQ(outcome, FrameOutcome::kFrame);
    EXPECT_TRUE(rest.empty());
    EXPECT_EQ(frame.type, static_cast<FrameType>(1 + seen % 40));
    EXPECT_EQ(frame.group, static_cast<uint16_t>(seen * 331));
    EXPECT_EQ(frame.body, bodies[static_cast<size_t>(seen)]);
    read = have;
    ++seen;
  }
  EXPECT_EQ(seen, 200);
  EXPECT_EQ(read, all.size());
}

TEST(Frame, AnyFlippedBitIsNoticed) {
  Buffer out;
  append_frame(out, FrameType::kMessage, 5, "hello, other node");
  const std::string good(out.view());
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    std::string_view rest = bad;
    Frame frame;
    EXPECT_NE(read_frame(rest, kBodyMax, frame), FrameOutcome::kFrame) << "bit " << bit;
  }
}

TEST(Frame, LongBodyIsRefusedByItsHeader) {
  Buffer out;
  append_frame(out, FrameType::kMessage, 5, std::string(101, 'x'));
  std::string_view rest = out.view().substr(0, kFrameHeaderBytes);
  Frame frame;
  EXPECT_EQ(read_frame(rest, 100, frame), FrameOutcome::kTooLong);
  EXPECT_EQ(frame_bytes(rest, 100), 0U);
  EXPECT_EQ(frame_bytes(rest, 101), kFrameHeaderBytes + 101);
}

TEST(Frame, BodiesComeBackAndCutOnesDoNot) {
  const auto check = [](const auto& body, auto empty, auto is_equal) {
    Buffer out;
    body.append(out);
    ASSERT_TRUE(empty.read(out.view()));
    EXPECT_TRUE(is_equal(empty));
    // What a later version adds is passed over.
    out.append("more");
    EXPECT_TRUE(empty.read(out.view()));
  };
  check(FileBegin{.file = 3, .size_bytes = 1ULL << 40, .message = "snapshot"}, FileBegin{}, [](const FileBegin& got) {
    return got.file == 3 && got.size_bytes == 1ULL << 40 && got.message == "snapshot";
  });
  check(FileBegin{.file = 3, .size_bytes = 9, .message = "m", .beside = 1000}, FileBegin{},
        [](const FileBegin& got) { return got.file == 3 && got.message == "m" && got.beside == 1000; });
  check(FileNames{.file = 3, .names = {{"a", 5}, {"", 0}, {"b", 1ULL << 40}}}, FileNames{}, [](const FileNames& got) {
    return got.file == 3 && got.names.size() == 3 && got.names[0].name == "a" && got.names[2].size_bytes == 1ULL << 40;
  });
  check(FileWanted{.file = 3, .here = {0, 300, 1}}, FileWanted{},
        [](const FileWanted& got) { return got.file == 3 && got.here == std::vector<uint64_t>{0, 300, 1}; });
  check(FileNote{.file = 300, .number = 7}, FileNote{},
        [](const FileNote& got) { return got.file == 300 && got.number == 7; });
  check(Call{.call = 9, .method = 12, .request = "who"}, Call{},
        [](const Call& got) { return got.call == 9 && got.method == 12 && got.request == "who"; });
  check(Answer{.call = 9, .error = 5, .bytes = "no"}, Answer{},
        [](const Answer& got) { return got.call == 9 && got.error == 5 && got.bytes == "no"; });
  Buffer out;
  Call{.call = 900, .method = 12, .request = "who"}.append(out);
  for (size_t size = 0; size < out.size(); ++size) {
    Call call;
    EXPECT_FALSE(call.read(out.view().substr(0, size))) << size;
  }
}

// A transfer of one file is what it was before there were others: nodes of earlier versions read it.
TEST(Frame, AFileAloneIsToldAsEver) {
  Buffer alone;
  FileBegin{.file = 300, .size_bytes = 7, .message = "m"}.append(alone);
  EXPECT_EQ(alone.view(), "\xac\x02\x07\x01m");
  Buffer more;
  FileBegin{.file = 300, .size_bytes = 7, .message = "m", .beside = 2}.append(more);
  EXPECT_EQ(more.view(), "\xac\x02\x07\x01m\x02");
  FileBegin begin;
  begin.beside = 5;
  EXPECT_TRUE(begin.read(alone.view()));
  EXPECT_EQ(begin.beside, 0U);
}

}  // namespace
}  // namespace keelson::peer
