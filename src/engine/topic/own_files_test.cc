// Segments that go along with a checkpoint to another node (engine/engine.h, OwnFile).
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/coding.h"
#include "engine/topic/engine_test_support.h"
#include "engine/topic/segment_file.h"

namespace keelson::topic {
namespace {

std::string batch_of(const std::string& key, const std::string& value, int64_t time_ms) {
  BatchBuilder builder;
  builder.add(time_ms, key, value);
  return builder.finish();
}

class OwnFilesTest : public ::testing::Test {
 protected:
  void fill(TestEngine& to, const PartitionId& of, int count) {
    for (int i = 0; i < count; ++i) {
      to.now_ms += 10;
      ASSERT_TRUE(to.append(of, batch_of("k" + std::to_string(i % 3), std::string(1000, 'v'), to.now_ms)).ok());
      ASSERT_TRUE(to.engine->settle().ok());
    }
  }
  std::map<std::string, uint64_t> files_of(const TestEngine& of) {
    std::map<std::string, uint64_t> all;
    for (const std::string& piece : of.pieces) {
      const auto files = of.engine->files_of(piece);
      EXPECT_TRUE(files.ok()) << files.error().message();
      for (const engine::OwnFile& file : *files) EXPECT_TRUE(all.emplace(file.name, file.bytes).second);
    }
    return all;
  }
  // As a transfer does: the first bytes of each, as the checkpoint says.
  void send(TestEngine& from, TestEngine& to) {
    to.engine->reset();
    for (const auto& [name, bytes] : files_of(from)) {
      auto content = from.node.disk().content(from.engine->files_folder() + "/" + name);
      ASSERT_TRUE(content.ok());
      ASSERT_GE(content->size(), bytes);
      ASSERT_TRUE(to.disk().make_folder(to.engine->files_folder()).ok());
      to.node.disk().put(to.engine->files_folder() + "/" + name, content->substr(0, bytes));
    }
    to.pieces = from.pieces;
    to.log = from.log;
    to.log.resize(from.replay_from);
    to.replay_from = from.replay_from;
    to.now_ms = from.now_ms;
    to.load();
    to.engine->replaced();
  }
  engine::OwnFile file_named(std::string_view part) {
    for (const auto& [name, bytes] : files_of(engine)) {
      if (name.find(part) != std::string::npos) return {name, bytes};
    }
    ADD_FAILURE() << "no file has " << part << " in its name";
    return {};
  }

  TestEngine engine{no_cache()};
  const PartitionId at{engine.create(1, 2, {{"segment.bytes", "8000"}}), 0};
};

TEST_F(OwnFilesTest, AnotherNodeReadsTheSame) {
  fill(engine, at, 100);
  ASSERT_TRUE(engine.checkpoint());
  const auto files = files_of(engine);
  EXPECT_EQ(files.size(), 15U);
  // What has come since does not belong to it, also where it lies in one of its files.
  const auto before = engine.read_all(at, 0);
  fill(engine, at, 10);
  TestEngine other(no_cache(), 2);
  send(engine, other);
  EXPECT_TRUE(other.read_all(at, 0) == before) << other.why;
  for (int64_t offset = 0; offset < 100; offset += 9) {
    std::string bytes;
    Answer answer;
    EXPECT_EQ(other.read_once({.from = at, .offset = offset, .bytes_max = 1}, bytes, answer), offset + 1) << other.why;
  }
  // Indexes have been made again, and it goes on as the first one did.
  EXPECT_EQ(std::ranges::count_if(other.files(), [](const auto& name) { return name.ends_with(".index"); }), 14);
  for (size_t i = engine.replay_from; i < engine.log.size(); ++i) {
    NullAnswer unheard;
    const std::vector<std::string_view> args(engine.log[i].args.begin(), engine.log[i].args.end());
    other.engine->apply({i + 1, engine.log[i].time_ms, 0}, {engine.log[i].code, 0, args}, unheard);
    ASSERT_TRUE(other.engine->settle().ok());
  }
  EXPECT_TRUE(other.read_all(at, 0) == engine.read_all(at, 0)) << other.why;
  ASSERT_TRUE(other.engine->find_strays().ok());
  EXPECT_TRUE(other.engine->find_strays()->empty());
}

TEST_F(OwnFilesTest, AnIndexOfAnotherSizeIsNotBelieved) {
  fill(engine, at, 100);
  ASSERT_TRUE(engine.checkpoint());
  TestEngine other(no_cache(), 2);
  send(engine, other);
  const SegmentIndex wrong{{.offset = 0, .position = 700, .max_timestamp_before_ms = 0}};
  for (const auto& [name, bytes] : files_of(engine)) {
    const std::string index = name.substr(0, name.size() - 4) + ".index";
    other.node.disk().put(other.folder() + "/" + index, encode_index(wrong, bytes - 1));
  }
  EXPECT_TRUE(other.read_all(at, 0) == engine.read_all(at, 0)) << other.why;
}

TEST_F(OwnFilesTest, ReadsNothingButThePiece) {
  fill(engine, at, 20);
  ASSERT_TRUE(engine.checkpoint());
  // Of another node, which has none of the topics.
  TestEngine other(no_cache(), 2);
  for (const std::string& piece : engine.pieces) {
    const auto here = engine.engine->files_of(piece);
    const auto there = other.engine->files_of(piece);
    ASSERT_TRUE(here.ok() && there.ok());
    EXPECT_EQ(here->size(), there->size());
  }
  EXPECT_TRUE(other.files().empty());
  std::string cut = engine.pieces.back();
  cut.pop_back();
  EXPECT_FALSE(other.engine->files_of(cut).ok());
  std::string broken;
  append_u8(broken, 4);
  append_string(broken, "no partition");
  EXPECT_FALSE(other.engine->files_of(broken).ok());
}

TEST_F(OwnFilesTest, KnowsWhatItHas) {
  fill(engine, at, 20);
  ASSERT_TRUE(engine.checkpoint());
  const engine::OwnFile first = file_named("-0-00000000000000000000.0");
  EXPECT_EQ(engine.engine->file_bytes(first.name), first.bytes);
  EXPECT_EQ(engine.engine->file_bytes("../" + first.name), 0U);
  EXPECT_EQ(engine.engine->file_bytes(first.name.substr(0, first.name.size() - 4) + ".index"), 0U);
  EXPECT_EQ(engine.engine->file_bytes(file_name({at, 1, 0}, ".log")), 0U);
  EXPECT_EQ(engine.engine->file_bytes(file_name({at, 0, 1}, ".log")), 0U);
  // What is not written yet is not there.
  ASSERT_TRUE(engine.append(at, batch_of("k", "v", engine.now_ms)).ok());
  const engine::OwnFile last = file_named("-0-00000000000000000014.0");
  EXPECT_EQ(engine.engine->file_bytes(last.name), last.bytes);
  ASSERT_TRUE(engine.engine->settle().ok());
  EXPECT_GT(engine.engine->file_bytes(last.name), last.bytes);
  engine.engine->reset();
  EXPECT_EQ(engine.engine->file_bytes(first.name), 0U);
}

TEST_F(OwnFilesTest, NothingIsGivenAwayWhileFilesAreHeld) {
  fill(engine, at, 50);
  ASSERT_TRUE(engine.checkpoint());
  EXPECT_TRUE(engine.engine->are_strays_due());
  engine.engine->hold_files();
  engine.engine->hold_files();
  EXPECT_FALSE(engine.engine->are_strays_due());
  ASSERT_TRUE(engine.apply(TrimPartition{at, 20}).ok());
  ASSERT_TRUE(engine.apply(DeleteTopic{at.topic}).ok());
  EXPECT_TRUE(engine.engine->take_garbage().empty());
  engine.engine->release_files();
  EXPECT_TRUE(engine.engine->take_garbage().empty());
  engine.engine->release_files();
  EXPECT_EQ(engine.engine->take_garbage().size(), 16U);
  EXPECT_TRUE(engine.engine->are_strays_due());
}

TEST_F(OwnFilesTest, WhatAStateLeftIsAStrayOnceAnotherHasTakenItsPlace) {
  fill(engine, at, 50);
  ASSERT_TRUE(engine.engine->find_strays()->empty());
  const std::string path = engine.folder() + "/" + file_name({at, 0, 0}, ".log");
  ASSERT_TRUE(engine.disk().exists(path));
  EXPECT_FALSE(engine.engine->is_unused(path));
  // Until then a crash brings it back.
  engine.engine->reset();
  EXPECT_FALSE(engine.engine->are_strays_due());
  engine.engine->look_for_strays_again();
  EXPECT_FALSE(engine.engine->are_strays_due());
  EXPECT_FALSE(engine.engine->is_unused(path));
  engine.engine->replaced();
  EXPECT_TRUE(engine.engine->are_strays_due());
  EXPECT_TRUE(engine.engine->is_unused(path));
  EXPECT_EQ(engine.engine->find_strays()->size(), engine.files().size());
  EXPECT_FALSE(engine.engine->are_strays_due());
}

// A list of what may go, and then a state that needs one of them.
TEST_F(OwnFilesTest, AFileThatCameMeanwhileIsUsed) {
  fill(engine, at, 20);
  ASSERT_TRUE(engine.checkpoint());
  TestEngine other(no_cache(), 2);
  ASSERT_TRUE(other.disk().make_folder(other.folder()).ok());
  const std::string path = other.folder() + "/" + file_name({at, 0, 0}, ".log");
  other.node.disk().put(path, "what a crash left");
  const auto strays = other.engine->find_strays();
  ASSERT_EQ(strays->size(), 1U);
  EXPECT_TRUE(other.engine->is_unused(strays->front()));
  send(engine, other);
  EXPECT_FALSE(other.engine->is_unused(strays->front()));
  EXPECT_TRUE(other.read_all(at, 0) == engine.read_all(at, 0)) << other.why;
}

TEST_F(OwnFilesTest, NodesThatCompactForThemselvesUseNamesOfTheirOwn) {
  const auto compacted = [&](uint64_t seed) {
    TestEngine one(no_cache(), seed);
    const PartitionId of{
        one.create(2, 1, {{"cleanup.policy", "compact"}, {"segment.bytes", "14"}, {"min.cleanable.dirty.ratio", "0"}}),
        0};
    std::set<std::string> names;
    for (int round = 0; round < 3; ++round) {
      fill(one, of, 6);
      auto run = one.engine->next_compaction(one.now_ms, 1 << 20, seed);
      EXPECT_NE(run, nullptr);
      for (;;) {
        auto more = one.world.run(one.node.reactor(0), run->step(one.node.reactor(0)));
        EXPECT_TRUE(more.ok());
        if (!more.ok() || !*more) break;
      }
      for (const Compaction::Made& made : run->made()) {
        EXPECT_GE(made.generation, kCompactedGeneration);
        EXPECT_TRUE(names.insert(file_name({of, made.base_offset, made.generation}, ".log")).second);
      }
      one.engine->install(*run);
    }
    EXPECT_FALSE(names.empty());
    return names;
  };
  const auto first = compacted(11);
  for (const std::string& name : compacted(12)) EXPECT_FALSE(first.contains(name)) << name;
}

}  // namespace
}  // namespace keelson::topic
