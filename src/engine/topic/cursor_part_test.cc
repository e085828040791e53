// Cursors against a plain model: a set of offsets that are done with for each partition.
#include "engine/topic/cursor_part.h"

#include <gtest/gtest.h>
#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "engine/topic/cursor_commands.h"
#include "engine/topic/offset_set.h"

namespace keelson::topic {
namespace {

template <class Body>
Answer change(Part& part, const Body& body) {
  Answer answer;
  part.apply({{1, 1, 1}, 0}, Body::kCode, encode(body), &answer);
  return answer;
}
template <class Body>
Answer ask(const Part& part, const Body& body) {
  Answer answer;
  part.query({}, Body::kCode, encode(body), answer);
  return answer;
}

std::string saved(const Part& part) {
  Buffer out;
  part.save(out);
  return std::string(out.view());
}

TEST(OffsetSet, EqualsASetOfOffsets) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    OffsetSet ours(3);
    std::set<int64_t> model = {0, 1, 2};
    for (int step = 0; step < 40; ++step) {
      const int64_t begin = random() % 60;
      const int64_t end = begin + random() % 6;
      ours.add(begin, end);
      for (int64_t offset = begin; offset < end; ++offset) model.insert(offset);
      int64_t floor = 0;
      while (model.contains(floor)) ++floor;
      ASSERT_EQ(ours.floor(), floor);
      ASSERT_EQ(ours.covered(), std::ranges::count_if(model, [&](int64_t offset) { return offset > floor; }));
      int64_t last = floor;
      for (const auto& [from, to] : ours.ranges()) {
        ASSERT_GT(from, last) << "a range touches what is before it";
        ASSERT_LT(from, to);
        last = to;
      }
      for (int64_t offset = 0; offset < 70; ++offset) {
        ASSERT_EQ(ours.contains(offset), model.contains(offset));
        int64_t missing = offset;
        while (model.contains(missing)) ++missing;
        ASSERT_EQ(ours.next_missing(offset), missing);
      }
      ASSERT_EQ(OffsetSet(ours.position()).position(), ours.position());
    }
  }
}

TEST(Cursors, AreMadeFoundAndDeleted) {
  const auto part = make_cursor_part();
  EXPECT_EQ(ask(*part, FindCursor{"s"}).error, TopicErrc::kUnknownCursor);
  const CursorPosition at{5, {{7, 9}}, {{6, 2}}};
  EXPECT_TRUE(change(*part, CreateCursor{"s", TopicId{{1}}, {at, {}}}).ok());
  EXPECT_EQ(change(*part, CreateCursor{"s", TopicId{{1}}, {}}).error, TopicErrc::kCursorExists);
  const Answer found = ask(*part, FindCursor{"s"});
  ASSERT_EQ(found.cursors.size(), 1U);
  EXPECT_EQ(found.cursors[0], (CursorInfo{"s", TopicId{{1}}, 0, {at, {}}}));
  EXPECT_TRUE(change(*part, DeleteCursor{"s"}).ok());
  EXPECT_EQ(change(*part, DeleteCursor{"s"}).error, TopicErrc::kUnknownCursor);
}

TEST(Cursors, AnAcknowledgementFromBeforeASeekIsVoid) {
  const auto part = make_cursor_part();
  ASSERT_TRUE(change(*part, CreateCursor{"s", {}, {{10, {}, {}}}}).ok());
  const Answer sought = change(*part, SeekCursor{"s", {{4, {}, {}}}});
  ASSERT_TRUE(sought.ok());
  EXPECT_EQ(sought.cursors.at(0).generation, 1U);
  EXPECT_EQ(change(*part, AdvanceCursor{"s", 0, {{0, {{4, 6}}, {}}}}).error, TopicErrc::kIllegalGeneration);
  EXPECT_EQ(ask(*part, FindCursor{"s"}).cursors.at(0).positions.at(0).floor, 4);
  EXPECT_TRUE(change(*part, AdvanceCursor{"s", 1, {{0, {{4, 6}}, {}}}}).ok());
  EXPECT_EQ(ask(*part, FindCursor{"s"}).cursors.at(0).positions.at(0).floor, 6);
}

TEST(Cursors, AttemptsGoWithTheirMessage) {
  const auto part = make_cursor_part();
  ASSERT_TRUE(change(*part, CreateCursor{"s", {}, {}}).ok());
  ASSERT_TRUE(change(*part, AdvanceCursor{"s", 0, {{1, {}, {{3, 1}, {4, 2}}}}}).ok());
  ASSERT_TRUE(change(*part, AdvanceCursor{"s", 0, {{1, {{3, 4}}, {{4, 3}, {3, 9}}}}}).ok());
  const CursorInfo info = ask(*part, FindCursor{"s"}).cursors.at(0);
  ASSERT_EQ(info.positions.size(), 2U);
  EXPECT_EQ(info.positions[1].attempts, (std::vector<FailedAttempts>{{4, 3}}));
}

TEST(Cursors, WhatBreaksALimitChangesNothing) {
  const auto part = make_cursor_part();
  ASSERT_TRUE(change(*part, CreateCursor{"s", {}, {}}).ok());
  const std::string before = saved(*part);
  AdvanceCursor many{"s", 0, {{0, {}, {}}}};
  for (int64_t i = 0; i <= static_cast<int64_t>(kCursorRangesMax); ++i)
    many.parts[0].done.push_back({2 * i + 1, 2 * i + 2});
  EXPECT_EQ(change(*part, many).error, TopicErrc::kInvalid);
  EXPECT_EQ(change(*part, AdvanceCursor{"s", 0, {{-1, {{0, 1}}, {}}}}).error, TopicErrc::kInvalid);
  EXPECT_EQ(change(*part, AdvanceCursor{"s", 0, {{0, {{3, 1}}, {}}}}).error, TopicErrc::kInvalid);
  EXPECT_EQ(change(*part, SeekCursor{"s", {{-4, {}, {}}}}).error, TopicErrc::kInvalid);
  EXPECT_EQ(change(*part, CreateCursor{"", {}, {}}).error, TopicErrc::kInvalid);
  Answer answer;
  part->apply({}, Code::kAdvanceCursor, "nonsense", &answer);
  EXPECT_EQ(answer.error, TopicErrc::kInvalid);
  EXPECT_EQ(saved(*part), before);
}

TEST(Cursors, AreListedInOrder) {
  const auto part = make_cursor_part();
  for (const char* name : {"a/3", "b/1", "a/1", "a/2"}) ASSERT_TRUE(change(*part, CreateCursor{name, {}, {}}).ok());
  Answer first = ask(*part, ListCursors{"a/", "", 2});
  ASSERT_EQ(first.cursors.size(), 2U);
  EXPECT_TRUE(first.is_truncated);
  EXPECT_EQ(first.cursors[1].name, "a/2");
  Answer second = ask(*part, ListCursors{"a/", "a/2", 2});
  ASSERT_EQ(second.cursors.size(), 1U);
  EXPECT_FALSE(second.is_truncated);
}

// A cursor as the tests see it.
struct Model {
  uint64_t generation = 0;
  std::map<int32_t, std::set<int64_t>> done;
};

constexpr int64_t kOffsets = 40;

std::vector<CursorPosition> random_positions(std::mt19937& random, Model& model) {
  std::vector<CursorPosition> positions(random() % 4);
  model.done.clear();
  for (size_t i = 0; i < positions.size(); ++i) {
    std::set<int64_t>& done = model.done[static_cast<int32_t>(i)];
    positions[i].floor = random() % 10;
    const int64_t begin = random() % kOffsets;
    positions[i].done.push_back({begin, begin + 2});
    for (int64_t offset = 0; offset < positions[i].floor; ++offset) done.insert(offset);
    done.insert({begin, begin + 1});
  }
  return positions;
}

void compare(const CursorInfo& info, Model& model) {
  ASSERT_EQ(info.generation, model.generation);
  for (int32_t partition = 0; partition < 4; ++partition) {
    const auto at = static_cast<size_t>(partition);
    const OffsetSet ours(at < info.positions.size() ? info.positions[at] : CursorPosition{});
    for (int64_t offset = 0; offset < kOffsets + 10; ++offset) {
      ASSERT_EQ(ours.contains(offset), model.done[partition].contains(offset)) << partition << ":" << offset;
    }
  }
}

TEST(Cursors, EqualAModelAndTheirCheckpoint) {
  std::mt19937 random(11);
  auto part = make_cursor_part();
  std::map<std::string, Model> models;
  for (int step = 0; step < 4000; ++step) {
    const std::string name = "c" + std::to_string(random() % 3);
    const bool is_there = models.contains(name);
    const unsigned kind = random() % 20;
    if (kind == 0) {
      EXPECT_EQ(change(*part, DeleteCursor{name}).ok(), is_there);
      models.erase(name);
    } else if (!is_there) {
      Model model;
      EXPECT_TRUE(change(*part, CreateCursor{name, {}, random_positions(random, model)}).ok());
      models[name] = model;
    } else if (kind == 1) {
      EXPECT_TRUE(change(*part, SeekCursor{name, random_positions(random, models[name])}).ok());
      ++models[name].generation;
    } else if (kind == 2) {
      const std::string bytes = saved(*part);
      part = make_cursor_part();
      ASSERT_TRUE(part->load(bytes).ok());
      ASSERT_EQ(saved(*part), bytes);
    } else {
      const auto partition = static_cast<int32_t>(random() % 4);
      const int64_t begin = random() % kOffsets;
      const int64_t end = begin + random() % 4;
      EXPECT_TRUE(change(*part, AdvanceCursor{name, models[name].generation, {{partition, {{begin, end}}, {}}}}).ok());
      for (int64_t offset = begin; offset < end; ++offset) models[name].done[partition].insert(offset);
    }
    const Answer found = ask(*part, FindCursor{name});
    ASSERT_EQ(found.ok(), models.contains(name));
    if (found.ok()) compare(found.cursors[0], models[name]);
  }
}

TEST(Cursors, ADamagedCheckpointIsRefused) {
  const auto part = make_cursor_part();
  ASSERT_TRUE(change(*part, CreateCursor{"s", {}, {{5, {{7, 9}}, {}}}}).ok());
  const std::string bytes = saved(*part);
  for (size_t i = 0; i < bytes.size(); ++i) {
    EXPECT_FALSE(make_cursor_part()->load(std::string_view(bytes).substr(0, i)).ok() && i != 0) << i;
  }
}

}  // namespace
}  // namespace keelson::topic
