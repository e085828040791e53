// For tests: a topic engine on a simulated disk, spoken to with bodies, whose commands are kept as a log that can be
// replayed behind a checkpoint, as a restart does.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/topic/batch_builder.h"
#include "engine/topic/producer_state.h"
#include "engine/topic/segment_file.h"
#include "engine/topic/topic_engine.h"
#include "env/sim/sim.h"

namespace keelson::topic {

class OneAnswer final : public AnswerSink {
 public:
  explicit OneAnswer(Answer& answer) : answer_(answer) {}
  Answer* answer() override { return &answer_; }

 private:
  Answer& answer_;
};

// Everything goes to segments at once and is read from there.
inline TopicEngineOptions no_cache() {
  TopicEngineOptions options;
  options.cache_bytes = 0;
  options.partition_settle_bytes = 1;
  options.settle_bytes = 1;
  return options;
}

inline TopicId topic_id(uint8_t number) {
  TopicId id;
  id.bytes[0] = 0xab;
  id.bytes[15] = number;
  return id;
}

struct Kept {
  uint16_t code = 0;
  int64_t time_ms = 0;
  std::vector<std::string> args;
};

class TestEngine {
 public:
  explicit TestEngine(TopicEngineOptions options = {}, uint64_t seed = 1, env::sim::SimOptions sim = {})
      : world(seed, std::move(sim)), node(world.add_node(1)), options_(std::move(options)) {
    if (options_.folder.empty()) options_.folder = "data/topic/0";
    make();
  }

  template <class Body>
  Answer apply(const Body& body, std::string_view payload = {}) {
    const Encoded encoded(body, payload);
    Kept& kept = log.emplace_back();
    kept.code = encoded.command().code;
    kept.time_ms = now_ms;
    for (std::string_view arg : encoded.command().args) kept.args.emplace_back(arg);
    Answer answer;
    OneAnswer sink(answer);
    engine->apply({log.size(), now_ms, 0}, encoded.command(), sink);
    return answer;
  }
  template <class Body>
  Answer query(const Body& body) {
    Answer answer;
    OneAnswer sink(answer);
    const Encoded encoded(body);
    engine->query({0, now_ms, 0}, encoded.command(), sink);
    return answer;
  }

  TopicId create(uint8_t number, int32_t partitions = 1, Pairs configs = {}) {
    const Answer answer = apply(CreateTopic{.id = topic_id(number),
                                            .name = "topic-" + std::to_string(number),
                                            .partition_count = partitions,
                                            .configs = std::move(configs)});
    EXPECT_EQ(answer.error, TopicErrc::kOk) << answer.reason;
    return topic_id(number);
  }
  Answer append(const PartitionId& to, std::string_view batches, bool is_from_client = true) {
    return apply(Append{.to = to, .is_from_client = is_from_client}, batches);
  }

  // One answer to a reader, brought from files if need be; the result is where to go on, or -1 for an error, in `why`.
  int64_t read_once(const Read& what, std::string& bytes, Answer& answer) {
    answer = query(what);
    if (!answer.ok()) {
      why = std::string(errc_text(answer.error)) + " " + answer.reason;
      return -1;
    }
    for (const Slice& slice : answer.read.slices) bytes.append(slice.bytes);
    if (!answer.read.span) return answer.read.next_offset;
    auto read = world.run(node.reactor(0), read_span(*answer.read.span, node.reactor(0)));
    if (!read.ok()) {
      why = read.error().message();
      return -1;
    }
    bytes.append(read->batches.bytes);
    return read->next_offset;
  }
  // Everything from there on that readers may see. None: an error, in `why`.
  std::optional<std::string> read_all(const PartitionId& from, int64_t offset, bool is_committed_only = false,
                                      uint32_t bytes_max = 1 << 20) {
    std::string all;
    for (;;) {
      Answer answer;
      const int64_t next = read_once({from, offset, bytes_max, is_committed_only}, all, answer);
      if (next < 0) return {};
      if (next == offset) return all;
      offset = next;
    }
  }

  FoundOffset find(const PartitionId& in, int64_t time_ms, bool is_committed_only = false) {
    FindOffset what{.in = in, .time_ms = time_ms, .is_committed_only = is_committed_only};
    for (;;) {
      Answer answer = query(what);
      EXPECT_TRUE(answer.ok()) << answer.reason;
      if (!answer.found.within) return answer.found;
      auto found =
          world.run(node.reactor(0), find_time(*answer.found.within, answer.found.timestamp_ms, node.reactor(0)));
      EXPECT_TRUE(found.ok()) << (found.ok() ? "" : found.error().message());
      if (!found.ok() || found->offset >= 0) return found.ok() ? *found : FoundOffset{};
      what.from_offset = answer.found.within->offset_after;
    }
  }

  // Takes a checkpoint, with records in its midst if `between` is given; false if it failed.
  template <class Between>
  bool checkpoint(const Between& between, size_t piece_bytes = 4096) {
    const size_t covers = log.size();
    std::vector<std::string> made;
    auto source = engine->begin_checkpoint();
    Buffer piece;
    for (bool is_last = false; !is_last;) {
      piece.clear();
      is_last = source->next(piece_bytes, piece);
      made.emplace_back(piece.view());
      between();
    }
    const Status durable = world.run(node.reactor(0), source->make_durable(node.reactor(0)));
    source.reset();
    if (!durable.ok()) {
      why = durable.error().message();
      return false;
    }
    pieces = std::move(made);
    replay_from = covers;
    engine->checkpoint_completed();
    return true;
  }
  bool checkpoint() {
    return checkpoint([] {});
  }

  // The process dies: what was not synced may be gone. Of the log, the records from `kept` on are lost too.
  void crash(size_t kept = SIZE_MAX) {
    engine.reset();
    node.crash();
    node.restart();
    log.resize(std::min(log.size(), std::max(kept, replay_from)));
    make();
    load();
  }
  // As from another start of the program, without a crash of the machine.
  void restart() {
    make();
    load();
  }
  void load() {
    for (const std::string& piece : pieces) {
      const Status loaded = engine->load_checkpoint(piece);
      ASSERT_TRUE(loaded.ok()) << loaded.error().message();
    }
    for (size_t i = replay_from; i < log.size(); ++i) {
      const std::vector<std::string_view> args(log[i].args.begin(), log[i].args.end());
      NullAnswer unheard;
      engine->apply({i + 1, log[i].time_ms, 0}, {log[i].code, 0, args}, unheard);
      (void)engine->settle();
    }
  }
  void remove_garbage() {
    for (const std::string& path : engine->take_garbage()) {
      if (disk().exists(path)) EXPECT_TRUE(disk().remove(path).ok());
    }
  }
  std::vector<std::string> files() {
    auto names = disk().list(options_.folder);
    return names.ok() ? *names : std::vector<std::string>();
  }
  env::Disk& disk() { return node.env().disk(); }
  [[nodiscard]] const std::string& folder() const { return options_.folder; }
  TopicEngineOptions& options() { return options_; }

  env::sim::World world;
  env::sim::Node& node;
  std::unique_ptr<TopicEngine> engine;
  int64_t now_ms = 1'800'000'000'000;
  std::vector<Kept> log;
  std::vector<std::string> pieces;  // of the last checkpoint
  size_t replay_from = 0;
  std::string why;

 private:
  void make() {
    engine.reset();
    TopicEngineOptions options = options_;
    options.disk = &disk();
    engine = std::make_unique<TopicEngine>(std::move(options));
  }
  TopicEngineOptions options_;
};

}  // namespace keelson::topic
