#include "raft/journal.h"

#include <gtest/gtest.h>

#include "raft/group.h"

namespace keelson::raft {
namespace {

std::string hex(std::string_view text) {
  std::string bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    if (text[i] == ' ') ++i;
    bytes.push_back(static_cast<char>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

// Bytes as version 1 wrote them: they must read the same for ever.
const std::string kBorn = hex("01 07 03 01 01 03 01 02 03 00 00 00 00 01 00 01");
const std::string kTwoEntries = hex("01 0c 02 03 01 02 02 02 00 00 00 02 00 03 61 62 63 00");
const std::string kReplaces = hex("01 08 03 01 03 00 01 78 00");
const std::string kPrelude = hex("01 ac 02 02 02 01 02 01 03 00 00 00 02 01 ad 02 07 0c");

TEST(Journal, ReadsTheBytesOfVersion1) {
  Replay replay;
  EXPECT_TRUE(replay.is_new());
  ASSERT_TRUE(replay.on_record(1, kBorn).ok());
  EXPECT_FALSE(replay.is_new());
  EXPECT_EQ(replay.life(), 3u);
  EXPECT_EQ(replay.base().index, 1u);
  EXPECT_EQ(replay.base().members.voters, (std::vector<NodeId>{1, 2, 3}));
  ASSERT_TRUE(replay.on_record(2, kTwoEntries).ok());
  ASSERT_EQ(replay.entries().size(), 2u);
  EXPECT_EQ(replay.entries()[1].data, "abc");
  EXPECT_EQ(replay.hard_state().vote, 3u);
  ASSERT_TRUE(replay.on_record(3, kReplaces).ok());
  ASSERT_EQ(replay.entries().size(), 2u);
  EXPECT_EQ(replay.entries()[1].data, "x");
  EXPECT_EQ(replay.entries()[1].term, 3u);
  EXPECT_EQ(replay.hard_state().term, 3u);
  ASSERT_EQ(replay.places().size(), 2u);
  EXPECT_EQ(replay.places()[1].position, 3u);
  EXPECT_EQ(replay.last_position(), 3u);
}

TEST(Journal, WritesTheBytesOfVersion1) {
  Prelude base;
  base.index = base.term = 1;
  base.members.voters = {1, 2, 3};
  Buffer out;
  JournalWrite write;
  write.life = 3;
  write.base = &base;
  write.hard_state = KrHardState{1, 0, 1};
  append_journal(write, out);
  EXPECT_EQ(out.view(), kBorn);
  const KrEntry entries[] = {{2, 2, 0, {}, {}}, {3, 2, 0, to_raft("abc"), {}}};
  JournalWrite second;
  second.hard_state = KrHardState{2, 3, 1};
  second.entries = entries;
  second.entries_count = 2;
  out.clear();
  append_journal(second, out);
  EXPECT_EQ(out.view(), kTwoEntries);
}

TEST(Journal, PreludeKeepsItsBytes) {
  const auto prelude = decode_prelude(kPrelude);
  ASSERT_TRUE(prelude.ok());
  EXPECT_EQ(prelude->index, 300u);
  EXPECT_EQ(prelude->members.learners, (std::vector<NodeId>{3}));
  EXPECT_EQ(prelude->hard_state.commit, 301u);
  EXPECT_EQ(prelude->life, 7u);
  EXPECT_EQ(prelude->position, 12u);
  EXPECT_EQ(encode_prelude(*prelude), kPrelude);
}

TEST(Journal, GoesOnBehindACheckpoint) {
  auto prelude = decode_prelude(kPrelude);
  ASSERT_TRUE(prelude.ok());
  Replay replay(std::move(*prelude));
  EXPECT_EQ(replay.first_position(), 12u);
  // A record from before the checkpoint was taken: its hard state is older, its first entries are covered.
  const KrEntry entries[] = {
      {299, 2, 0, to_raft("a"), {}}, {300, 2, 0, to_raft("b"), {}}, {301, 2, 0, to_raft("c"), {}}};
  JournalWrite write;
  write.hard_state = KrHardState{1, 2, 298};
  write.entries = entries;
  write.entries_count = 3;
  Buffer out;
  append_journal(write, out);
  ASSERT_TRUE(replay.on_record(12, out.view()).ok());
  ASSERT_EQ(replay.entries().size(), 1u);
  EXPECT_EQ(replay.entries()[0].index, 301u);
  EXPECT_EQ(replay.hard_state().term, 2u);
  EXPECT_EQ(replay.hard_state().vote, 1u);
  EXPECT_EQ(replay.hard_state().commit, 301u);
}

TEST(Journal, RefusesWhatDoesNotFollow) {
  const auto first = [](std::string_view bytes) {
    Replay replay;
    return replay.on_record(1, bytes).ok();
  };
  EXPECT_FALSE(first(""));
  EXPECT_FALSE(first(hex("00 07")));
  EXPECT_FALSE(first(hex("02 00"))) << "a newer version";
  EXPECT_FALSE(first(hex("01 10"))) << "a part that is not known";
  EXPECT_FALSE(first(kBorn + "x"));
  for (size_t size = 0; size < kBorn.size(); ++size) EXPECT_FALSE(first(kBorn.substr(0, size)));
  for (size_t size = 0; size < kPrelude.size(); ++size) EXPECT_FALSE(decode_prelude(kPrelude.substr(0, size)).ok());
  Replay replay;
  ASSERT_TRUE(replay.on_record(1, kBorn).ok());
  EXPECT_FALSE(replay.on_record(3, kTwoEntries).ok()) << "a record is missing";
  EXPECT_FALSE(replay.on_record(2, kReplaces).ok()) << "an entry is missing";
}

TEST(Journal, NeverCommitsBeyondItsEntries) {
  Replay replay;
  ASSERT_TRUE(replay.on_record(1, kBorn).ok());
  JournalWrite write;
  write.hard_state = KrHardState{1, 1, 50};
  Buffer out;
  append_journal(write, out);
  ASSERT_TRUE(replay.on_record(2, out.view()).ok());
  EXPECT_EQ(replay.hard_state().commit, 1u);
}

}  // namespace
}  // namespace keelson::raft
