// The engine against the model, over crashes of a disk that loses what was not synced, restarts, checkpoints with
// records in their midst, a full disk, and whatever else may come between.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/topic/engine_test_support.h"
#include "engine/topic/partition_model.h"
#include "engine/topic/record_reader.h"
#include "env/sim/gtest_seeds.h"

namespace keelson::topic {
namespace {

constexpr Codec kCodecs[] = {Codec::kNone, Codec::kNone, Codec::kGzip, Codec::kSnappy, Codec::kLz4, Codec::kZstd};

TopicEngineOptions small_options() {
  TopicEngineOptions options;
  options.cache_bytes = 6000;
  options.open_files_max = 3;
  options.partition_settle_bytes = 1500;
  options.settle_bytes = 4000;
  return options;
}

class Life {
 public:
  explicit Life(uint64_t seed) : engine_(small_options(), seed), random_(engine_.world.random()) {
    make_topic(1, {{"segment.bytes", "3000"}});
    // Segments that are large enough for an index.
    make_topic(2, {{"segment.bytes", "150000"}, {"index.interval.bytes", "1"}});
    make_topic(3, {{"cleanup.policy", "compact"},
                   {"segment.bytes", "2500"},
                   {"min.cleanable.dirty.ratio", "0.01"},
                   {"delete.retention.ms", "400"}});
    durable_ = engine_.log.size();
  }

  [[nodiscard]] uint64_t compacted() const { return compacted_; }
  void run(int steps) {
    for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
      engine_.now_ms += pick(50);
      step();
    }
    set_full(false);
    for (const PartitionId& at : partitions_) check_all(at);
  }

 private:
  size_t pick(size_t count) { return static_cast<size_t>(random_.next() % count); }
  bool chance(size_t percent) { return pick(100) < percent; }
  PartitionId any() { return partitions_[pick(partitions_.size())]; }

  void make_topic(uint8_t number, Pairs configs) {
    engine_.create(number, 2, std::move(configs));
    ops_.emplace_back();
    for (int32_t i = 0; i < 2; ++i) partitions_.push_back({topic_id(number), i});
  }

  void step() {
    switch (pick(26)) {
      case 0:
        return end_transaction();
      case 1:
        return chance(40) ? trim() : void();
      case 2:
        return chance(40) ? crash() : void();
      case 3:
        return chance(60) ? take_checkpoint() : void();
      case 4:
        return remove_files();
      case 5:
        return chance(30) ? set_full(!is_full_) : void();
      case 6:
      case 7:
        return check_some(any());
      case 8:
        return check_times(any());
      case 9:
        if (chance(20)) restart();
        return;
      case 10:
      case 11:
        return compact();
      default:
        append();
        if (chance(80)) (void)engine_.engine->settle();
    }
  }

  ModelAnswer model_apply(const ModelOp& op) {
    ops_.push_back(op);
    return models_[op.at].apply(op);
  }

  void append() {
    ModelOp op;
    op.kind = ModelOp::kAppend;
    op.at = any();
    BatchOptions options;
    options.codec = kCodecs[pick(std::size(kCodecs))];
    if (chance(60)) choose_producer(op, options);
    BatchBuilder builder(options);
    const size_t count = op.records.empty() ? 1 + pick(4) : op.records.size();
    op.records.clear();
    const bool is_large = op.at.topic == topic_id(2);
    for (size_t i = 0; i < count; ++i) {
      ModelRecord& record = op.records.emplace_back();
      record.timestamp_ms = engine_.now_ms - static_cast<int64_t>(pick(100));
      record.key = "k" + std::to_string(pick(10));
      record.value = std::to_string(serial_++) + std::string(pick(is_large ? 12'000 : 200), 'x');
      if (is_compacted(op.at) && chance(25)) record.value.reset();
      builder.add(record.timestamp_ms, record.key, record.value);
    }
    const Answer answer = engine_.append(op.at, builder.finish());
    const ModelAnswer expected = model_apply(op);
    ASSERT_EQ(errc_text(answer.error), errc_text(expected.error));
    if (expected.error != TopicErrc::kOk) return;
    ASSERT_EQ(answer.append.base_offset, expected.base_offset);
    ASSERT_EQ(answer.append.is_duplicate, expected.is_duplicate);
  }

  static bool is_compacted(const PartitionId& at) { return at.topic == topic_id(3); }

  void compact() {
    if (run_ == nullptr) run_ = engine_.engine->next_compaction(engine_.now_ms, 64 * (1 + pick(40)), random_.next());
    for (size_t steps = pick(6); run_ != nullptr && steps > 0; --steps) {
      auto more = engine_.world.run(engine_.node.reactor(0), run_->step(engine_.node.reactor(0)));
      ASSERT_TRUE(more.ok() || is_full_ || may_fail_) << more.error().message();
      if (more.ok() && *more) continue;
      compacted_ += run_->counts().records_removed;
      engine_.engine->install(*run_);
      run_.reset();
    }
  }
  void restart() {
    run_.reset();
    engine_.restart();
  }

  // Mostly what the producer should send next; sometimes what it sent before, or nonsense.
  void choose_producer(ModelOp& op, BatchOptions& options) {
    op.producer = static_cast<int64_t>(pick(4));
    PartitionModel::Writer writer;
    const auto& writers = models_[op.at].writers;
    if (const auto found = writers.find(op.producer); found != writers.end()) writer = found->second;
    op.epoch = std::max<int16_t>(writer.epoch, 0);
    op.sequence = writer.known.empty() ? 0 : writer.known.back().last + 1;
    op.is_transactional = op.producer < 2;
    if (!writer.known.empty() && chance(20)) {
      const auto& again = writer.known[pick(writer.known.size())];
      op.sequence = again.first;
      op.records.resize(static_cast<size_t>(again.last - again.first) + 1);
    } else if (chance(5)) {
      op.sequence += static_cast<int32_t>(pick(3));
    } else if (chance(5)) {
      op.epoch = static_cast<int16_t>(op.epoch + static_cast<int16_t>(pick(3)) - 1);
      if (op.epoch < 0) op.epoch = 0;
      op.sequence = 0;
    } else if (chance(3)) {
      op.sequence = 0;
    }
    options.producer_id = op.producer;
    options.producer_epoch = op.epoch;
    options.base_sequence = op.sequence;
    if (op.is_transactional) options.attributes = kTransactionalBit;
  }

  void end_transaction() {
    ModelOp op;
    op.kind = ModelOp::kEnd;
    op.at = any();
    op.producer = static_cast<int64_t>(pick(2));
    op.is_commit = chance(50);
    op.epoch = std::max<int16_t>(models_[op.at].writers[op.producer].epoch, 0);
    if (chance(10)) ++op.epoch;
    const Answer answer = engine_.apply(EndPartitionTransaction{op.at, op.producer, op.epoch, op.is_commit, 0});
    const ModelAnswer expected = model_apply(op);
    ASSERT_EQ(errc_text(answer.error), errc_text(expected.error));
    ASSERT_EQ(answer.append.base_offset, expected.base_offset);
  }

  void trim() {
    ModelOp op;
    op.kind = ModelOp::kTrim;
    op.at = any();
    const PartitionModel& model = models_[op.at];
    op.start = chance(10) ? model.next
                          : model.log_start +
                                static_cast<int64_t>(pick(static_cast<size_t>(model.next - model.log_start) / 2 + 2));
    const Answer answer = engine_.apply(TrimPartition{op.at, op.start});
    const ModelAnswer expected = model_apply(op);
    ASSERT_EQ(errc_text(answer.error), errc_text(expected.error));
  }

  void take_checkpoint() {
    if (chance(5)) {
      engine_.node.disk().fail_syncs(1, ".log");
      may_fail_ = true;
    }
    const bool is_good = engine_.checkpoint([&] { append(); }, 1 + pick(2000));
    if (is_good) durable_ = std::max(durable_, engine_.replay_from);
    ASSERT_TRUE(is_good || is_full_ || may_fail_) << engine_.why;
  }

  void crash() {
    // Records behind the last sync of the log may be lost.
    const size_t kept = chance(50) ? SIZE_MAX : durable_ + pick(engine_.log.size() - durable_ + 1);
    engine_.node.disk().fail_syncs(0);
    may_fail_ = false;
    engine_.crash(kept);
    run_.reset();
    ops_.resize(engine_.log.size());
    models_.clear();
    for (const ModelOp& op : ops_) {
      if (op.kind != ModelOp::kNothing) models_[op.at].apply(op);
    }
    if (chance(50)) remove_strays();
  }

  void remove_files() {
    if (chance(30)) return remove_strays();
    // The log is synced before.
    durable_ = engine_.log.size();
    engine_.remove_garbage();
  }
  void remove_strays() {
    if (run_ != nullptr) return;
    durable_ = engine_.log.size();
    auto strays = engine_.engine->find_strays();
    ASSERT_TRUE(strays.ok());
    // Not at once.
    for (size_t i = pick(5); i > 0; --i) append();
    (void)engine_.engine->settle();
    for (const std::string& path : *strays) ASSERT_TRUE(engine_.disk().remove(path).ok());
  }
  void set_full(bool is_full) {
    is_full_ = is_full;
    engine_.node.disk().set_full(is_full);
  }

  void check_all(const PartitionId& at) {
    const PartitionModel& model = models_[at];
    const Answer described = engine_.query(DescribePartition{at});
    ASSERT_EQ(described.partition.log_start, model.log_start);
    ASSERT_EQ(described.partition.high_watermark, model.next);
    ASSERT_EQ(described.partition.last_stable, model.last_stable());
    check_from(at, model.log_start, false, 1 << 20);
    check_from(at, model.log_start, true, 1 << 20);
  }
  void check_some(const PartitionId& at) {
    const PartitionModel& model = models_[at];
    const auto count = static_cast<size_t>(model.next - model.log_start);
    check_from(at, model.log_start + static_cast<int64_t>(pick(count + 1)), chance(50),
               static_cast<uint32_t>(pick(5000)));
  }

  void check_from(const PartitionId& at, int64_t from, bool is_committed_only, uint32_t bytes_max) {
    if (is_compacted(at)) return check_compacted(at, from, bytes_max);
    const PartitionModel& model = models_[at];
    const auto all = engine_.read_all(at, from, is_committed_only, bytes_max);
    ASSERT_TRUE(all.has_value()) << engine_.why;
    const int64_t until = is_committed_only ? model.last_stable() : model.next;
    std::vector<const ModelRecord*> expected;
    int64_t batch_base = -1;
    for (const ModelRecord& record : model.records) {
      // From the batch that holds the offset on.
      if (record.offset == from) batch_base = record.batch_base;
    }
    for (const ModelRecord& record : model.records) {
      if (record.offset < until && from < until && (record.offset >= from || record.batch_base == batch_base)) {
        expected.push_back(&record);
      }
    }
    compare(*all, expected);
    if (is_committed_only) check_aborted(at, from, until);
  }

  void compare(std::string_view batches, const std::vector<const ModelRecord*>& expected) {
    RecordReader reader;
    Record record;
    size_t i = 0;
    while (!batches.empty()) {
      ASSERT_EQ(reader.begin(batches), BatchErrc::kOk);
      const BatchView view(batches);
      ASSERT_EQ(view.crc(), view.computed_crc());
      while (reader.next(record)) {
        ASSERT_LT(i, expected.size()) << "more than there should be, from offset " << record.offset;
        const ModelRecord& other = *expected[i++];
        ASSERT_EQ(record.offset, other.offset);
        ASSERT_EQ(view.is_control(), other.is_marker);
        if (other.is_marker) continue;
        ASSERT_EQ(record.key, other.key);
        ASSERT_EQ(record.value, *other.value);
        ASSERT_EQ(record.timestamp_ms, other.timestamp_ms);
      }
      batches.remove_prefix(view.size_bytes());
    }
    ASSERT_EQ(i, expected.size()) << "fewer than there should be";
  }

  static bool was_aborted(const PartitionModel& model, const ModelRecord& record) {
    return record.is_transactional && std::ranges::any_of(model.aborted, [&](const auto& aborted) {
             return aborted.producer == record.producer && aborted.first <= record.offset &&
                    record.offset < aborted.marker;
           });
  }

  // Reads as a consumer of committed records does, and looks at what it has got: nothing that was not written, nothing
  // that was aborted, and of each key the last value.
  void check_compacted(const PartitionId& at, int64_t from, uint32_t bytes_max) {
    const PartitionModel& model = models_[at];
    std::vector<bool> has_got(static_cast<size_t>(model.next));
    std::set<int64_t> aborting;
    int64_t offset = from;
    int64_t least = model.log_start;
    for (;;) {
      std::string bytes;
      Answer answer;
      const int64_t next = engine_.read_once({at, offset, bytes_max, true}, bytes, answer);
      ASSERT_GE(next, 0) << engine_.why;
      std::string_view rest = bytes;
      RecordReader reader;
      Record record;
      for (; !rest.empty(); rest.remove_prefix(BatchView(rest).size_bytes())) {
        const BatchView view(rest);
        ASSERT_EQ(reader.begin(rest), BatchErrc::kOk);
        // Each of them begins once, by its first offset.
        auto& queue = answer.read.aborted;
        std::erase_if(queue, [&](const AbortedTransaction& aborted) {
          if (aborted.first_offset > view.last_offset()) return false;
          aborting.insert(aborted.producer_id);
          return true;
        });
        if (view.is_control()) {
          if (read_control(rest)->type == 0) aborting.erase(view.producer_id());
          continue;
        }
        if (view.is_transactional() && aborting.contains(view.producer_id())) continue;
        while (reader.next(record)) {
          if (record.offset < from) continue;
          ASSERT_GE(record.offset, least);
          least = record.offset + 1;
          const ModelRecord& other = model.records[static_cast<size_t>(record.offset)];
          ASSERT_EQ(record.key, other.key);
          ASSERT_EQ(record.value.has_value(), other.value.has_value());
          if (record.value) ASSERT_EQ(*record.value, *other.value);
          ASSERT_EQ(record.timestamp_ms, other.timestamp_ms);
          ASSERT_FALSE(was_aborted(model, other)) << "offset " << record.offset;
          has_got[static_cast<size_t>(record.offset)] = true;
        }
      }
      if (next == offset) break;
      offset = next;
    }
    std::map<std::string, int64_t> last;
    for (const ModelRecord& record : model.records) {
      if (record.is_marker || was_aborted(model, record) || record.offset >= model.last_stable()) continue;
      last[record.key] = record.offset;
    }
    for (const auto& [key, where] : last) {
      if (where < from || !model.records[static_cast<size_t>(where)].value) continue;
      ASSERT_TRUE(has_got[static_cast<size_t>(where)]) << "the last value of " << key << " at " << where;
    }
  }

  void check_aborted(const PartitionId& at, int64_t from, int64_t until) {
    const PartitionModel& model = models_[at];
    const Answer answer = engine_.query(Read{.from = at, .offset = from, .is_committed_only = true});
    const int64_t read_to =
        answer.read.span ? std::min(until, answer.read.span->offset_after) : answer.read.next_offset;
    std::vector<std::pair<int64_t, int64_t>> expected;
    for (const auto& aborted : model.aborted) {
      if (aborted.marker >= from && aborted.first < read_to && from < until) {
        expected.emplace_back(aborted.producer, aborted.first);
      }
    }
    std::vector<std::pair<int64_t, int64_t>> got;
    for (const AbortedTransaction& aborted : answer.read.aborted) {
      got.emplace_back(aborted.producer_id, aborted.first_offset);
    }
    ASSERT_EQ(got, expected);
  }

  void check_times(const PartitionId& at) {
    const PartitionModel& model = models_[at];
    if (model.records.empty() || is_compacted(at)) return;
    const int64_t time_ms = engine_.now_ms - static_cast<int64_t>(pick(3000));
    const FoundOffset found = engine_.find(at, time_ms);
    int64_t expected = -1;
    for (const ModelRecord& record : model.records) {
      if (record.is_marker) continue;
      if (record.offset >= model.log_start && record.timestamp_ms >= time_ms) {
        expected = record.offset;
        break;
      }
    }
    // Markers have a time too, which the model does not know.
    if (found.offset >= 0 && model.records[static_cast<size_t>(found.offset)].is_marker) {
      ASSERT_TRUE(expected == -1 || found.offset < expected);
      return;
    }
    ASSERT_EQ(found.offset, expected);
  }

  TestEngine engine_;
  env::Random& random_;
  std::vector<PartitionId> partitions_;
  std::map<PartitionId, PartitionModel> models_;
  std::vector<ModelOp> ops_;  // one for each record of the log
  size_t durable_ = 0;        // of the log
  uint64_t serial_ = 0;
  bool is_full_ = false;
  bool may_fail_ = false;  // a sync has failed, or will
  std::unique_ptr<Compaction> run_;
  uint64_t compacted_ = 0;  // records
};

TEST(TopicRandom, IsWhatTheModelIs) {
  uint64_t compacted = 0;
  env::sim::for_each_seed(1, 60, [&](uint64_t seed) {
    Life life(seed);
    life.run(1500);
    compacted += life.compacted();
  });
  EXPECT_GT(compacted, 0U);
}

}  // namespace
}  // namespace keelson::topic
