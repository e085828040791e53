// Every way in which a log can be bad, by hand: where the tail is cut, whose records are gone, and who goes on.
#include "log/recovery.h"

#include <gtest/gtest.h>

#include "base/logging.h"
#include "log/format.h"
#include "log/inspect.h"
#include "log/log_harness.h"

namespace keelson::log {
namespace {

using env::sim::kMillisecond;
using env::sim::kSecond;

std::vector<std::string> lines_logged;

class RecoveryTest : public testing::Test {
 protected:
  void SetUp() override {
    lines_logged.clear();
    set_log_sink([](LogLevel level, std::string_view, std::string_view sentence, LogFields fields) {
      std::string line(sentence);
      for (const LogField& field : fields) line += " " + std::string(field.name) + "=" + field.value;
      lines_logged.push_back(line);
    });
  }
  void TearDown() override { set_log_sink(nullptr); }

  static bool was_logged(const std::string& what) {
    for (const std::string& line : lines_logged) {
      if (line.find(what) != std::string::npos) return true;
    }
    return false;
  }

  // Where a record's payload stands: file and offset. Payloads in these tests occur once.
  std::pair<std::string, uint64_t> find(const std::string& payload) {
    for (const std::string& path : h.segments()) {
      const size_t at = h.node.disk().content(path)->find(payload);
      if (at != std::string::npos) return {path, at};
    }
    ADD_FAILURE() << payload << " is in no segment";
    return {};
  }
  void append_all(const std::vector<std::pair<ShardId, std::string>>& records) {
    for (const auto& [shard, payload] : records) h.append(shard, payload);
    ASSERT_TRUE(h.settle());
    h.world.run_for(kSecond);
  }
  void open_append_stop(const std::vector<std::pair<ShardId, std::string>>& records) {
    ASSERT_TRUE(h.open().ok());
    append_all(records);
    ASSERT_TRUE(h.stop().ok());
  }
  uint64_t problems_inspected() {
    const auto report = inspect_log(h.node.env().disk(), h.folder, {}, [](std::string_view) {});
    return report.ok() ? report->problems : UINT64_MAX;
  }

  LogHarness h;
};

TEST_F(RecoveryTest, DamagedPayloadStopsThatShardAlone) {
  open_append_stop({{0, "zero-1"}, {1, "one-1"}, {1, "one-2"}, {0, "zero-2"}, {2, "two-1"}, {1, "one-3"}});
  const auto [path, offset] = find("one-2");
  ASSERT_TRUE(h.node.disk().flip_bit(path, offset + 2, 3).ok());
  ASSERT_TRUE(h.open().ok());
  EXPECT_EQ(h.recorder.of(0), (std::vector<std::string>{"zero-1", "zero-2"}));
  EXPECT_EQ(h.recorder.of(1), std::vector<std::string>{"one-1"});
  EXPECT_EQ(h.recorder.of(2), std::vector<std::string>{"two-1"});
  ASSERT_EQ(h.log->recovery().damage.size(), 1U);
  const ShardDamage& damage = h.log->recovery().damage[0];
  EXPECT_EQ(damage.shard, 1);
  EXPECT_EQ(damage.file, path);
  EXPECT_EQ(damage.offset_bytes, offset - kPartHeaderBytes);
  EXPECT_NE(damage.why.find(path), std::string::npos);
  EXPECT_NE(damage.why.find(std::to_string(damage.offset_bytes)), std::string::npos);
  EXPECT_GE(problems_inspected(), 1U);
  // The others go on, and the damage does not go away.
  h.append(0, "zero-3");
  ASSERT_TRUE(h.settle());
  ASSERT_TRUE(h.reopen_after_crash().ok());
  EXPECT_EQ(h.recorder.of(0), (std::vector<std::string>{"zero-1", "zero-2", "zero-3"}));
  EXPECT_EQ(h.log->recovery().damage.size(), 1U);
}

TEST_F(RecoveryTest, DamagedHeaderIsFoundByTheIndexesBehindIt) {
  open_append_stop({{0, "zero-1"}, {1, "one-1"}, {0, "zero-2"}, {1, "one-2"}});
  const auto [path, offset] = find("one-1");
  ASSERT_TRUE(h.node.disk().flip_bit(path, offset - 20).ok());
  ASSERT_TRUE(h.open().ok());
  EXPECT_EQ(h.recorder.of(0), (std::vector<std::string>{"zero-1", "zero-2"}));
  EXPECT_TRUE(h.recorder.of(1).empty());
  ASSERT_EQ(h.log->recovery().damage.size(), 1U);
  EXPECT_EQ(h.log->recovery().damage[0].shard, 1);
  EXPECT_EQ(h.log->recovery().damage[0].offset_bytes, offset - kPartHeaderBytes);
}

// The last record of a shard: no later index shows the gap, but a mark does.
TEST_F(RecoveryTest, DamagedLastRecordIsFoundByAMark) {
  open_append_stop({{0, "zero-1"}, {1, "one-1"}, {0, "zero-2"}});
  const auto [path, offset] = find("zero-2");
  ASSERT_TRUE(h.node.disk().flip_bit(path, offset - 30).ok());
  ASSERT_TRUE(h.open().ok());
  EXPECT_EQ(h.recorder.of(0), std::vector<std::string>{"zero-1"});
  EXPECT_EQ(h.recorder.of(1), std::vector<std::string>{"one-1"});
  ASSERT_EQ(h.log->recovery().damage.size(), 1U);
  EXPECT_EQ(h.log->recovery().damage[0].shard, 0);
}

// Also when the machine loses its power, once a sync interval has passed.
TEST_F(RecoveryTest, DamagedLastRecordIsFoundAfterACrash) {
  ASSERT_TRUE(h.open().ok());
  append_all({{0, "zero-1"}});
  h.world.run_for(h.options.sync_interval_ms * kMillisecond);
  h.crash();
  const auto [path, offset] = find("zero-1");
  ASSERT_TRUE(h.node.disk().flip_bit(path, offset).ok());
  ASSERT_TRUE(h.open().ok());
  ASSERT_EQ(h.log->recovery().damage.size(), 1U);
  EXPECT_EQ(h.log->recovery().damage[0].shard, 0);
}

TEST_F(RecoveryTest, DamageBeforeTheCheckpointDoesNotMatter) {
  open_append_stop({{0, "zero-1"}, {0, "zero-2"}, {0, "zero-3"}});
  const auto [path, offset] = find("zero-2");
  ASSERT_TRUE(h.node.disk().flip_bit(path, offset).ok());
  h.first_index = {3, 1, 1};
  ASSERT_TRUE(h.open().ok());
  EXPECT_TRUE(h.log->recovery().damage.empty());
  EXPECT_EQ(h.recorder.of(0), std::vector<std::string>{"zero-3"});
}

TEST_F(RecoveryTest, DamageInOnePartLeavesTheOtherPartsShards) {
  ASSERT_TRUE(h.open().ok());
  h.append_parts({{0, "part-zero"}, {1, "part-one"}, {2, "part-two"}});
  append_all({{0, "zero"}, {1, "one"}, {2, "two"}});
  ASSERT_TRUE(h.stop().ok());
  const auto [path, offset] = find("part-one");
  ASSERT_TRUE(h.node.disk().flip_bit(path, offset).ok());
  ASSERT_TRUE(h.open().ok());
  EXPECT_EQ(h.recorder.of(0), (std::vector<std::string>{"part-zero", "zero"}));
  EXPECT_TRUE(h.recorder.of(1).empty());
  EXPECT_EQ(h.recorder.of(2), (std::vector<std::string>{"part-two", "two"}));
  EXPECT_EQ(h.log->recovery().damage.size(), 1U);
}

TEST_F(RecoveryTest, TornTailIsCutOffAndLogged) {
  ASSERT_TRUE(h.open().ok());
  h.log->set_durability(Durability::kNever);
  h.append(0, "kept");
  ASSERT_TRUE(h.world.run(h.node.reactor(0), h.log->sync()).ok());
  h.world.run_for(kSecond);
  h.append(0, "torn-payload");
  h.append(1, "behind it");
  h.world.run_for(kSecond);
  const auto [path, offset] = find("torn-payload");
  h.close();
  h.node.kill();
  h.node.restart();
  ASSERT_TRUE(h.node.disk().flip_bit(path, offset + 3).ok());
  ASSERT_TRUE(h.open().ok());
  EXPECT_EQ(h.recorder.of(0), std::vector<std::string>{"kept"});
  EXPECT_TRUE(h.recorder.of(1).empty()) << "what stands behind a torn record was never acknowledged as durable";
  EXPECT_TRUE(h.log->recovery().damage.empty());
  EXPECT_EQ(h.log->recovery().cut_file, path);
  EXPECT_EQ(h.log->recovery().cut_offset_bytes, offset - kPartHeaderBytes);
  EXPECT_TRUE(was_logged("torn tail cut off file=" + path));
  // What was cut does not come back.
  h.append(0, "new");
  h.append(1, "new too");
  ASSERT_TRUE(h.stop().ok());
  ASSERT_TRUE(h.open().ok());
  EXPECT_EQ(h.recorder.of(0), (std::vector<std::string>{"kept", "new"}));
  EXPECT_EQ(h.recorder.of(1), std::vector<std::string>{"new too"});
}

TEST_F(RecoveryTest, ATornRecordOfSeveralPartsIsCutWhole) {
  ASSERT_TRUE(h.open().ok());
  h.append(0, "kept");
  ASSERT_TRUE(h.settle());
  h.world.run_for(kSecond);
  h.log->set_durability(Durability::kNever);
  h.append_parts({{0, "part-zero"}, {1, "part-one"}});
  h.world.run_for(kSecond);
  const auto [path, offset] = find("part-one");
  h.close();
  h.node.kill();
  h.node.restart();
  ASSERT_TRUE(h.node.disk().cut(path, offset + 2).ok());
  ASSERT_TRUE(h.open().ok());
  EXPECT_EQ(h.recorder.of(0), std::vector<std::string>{"kept"});
  EXPECT_TRUE(h.recorder.of(1).empty());
  EXPECT_FALSE(h.log->recovery().cut_file.empty());
}

// Cut a log that was stopped cleanly at every length: what is left is a prefix, or damage is told, never anything else.
TEST_F(RecoveryTest, EveryTruncationIsAPrefixOrDamage) {
  std::vector<std::pair<ShardId, std::string>> records;
  for (int i = 0; i < 12; ++i) records.emplace_back(i % 2, "record " + std::to_string(i));
  open_append_stop(records);
  ASSERT_EQ(h.segments().size(), 1U);
  const std::string path = h.segments()[0];
  const std::string content = *h.node.disk().content(path);
  for (size_t size = 0; size < 5600; size += 7) {
    LogHarness cut(1, 3, {}, 7);
    cut.node.disk().put(path, std::string_view(content).substr(0, size));
    const Status status = cut.open();
    if (!status.ok()) {
      EXPECT_LT(size, kSegmentHeaderBytes) << status.error().message();
      continue;
    }
    for (size_t i = 0; i < cut.recorder.entries.size(); ++i) {
      EXPECT_EQ(cut.recorder.entries[i].payload, records[i].second) << "cut at " << size;
    }
  }
}

TEST_F(RecoveryTest, EitherCopyOfASegmentHeaderIsEnough) {
  open_append_stop({{0, "a"}});
  const std::string path = h.segments()[0];
  ASSERT_TRUE(h.node.disk().flip_bit(path, 20).ok());
  ASSERT_TRUE(h.open().ok());
  EXPECT_EQ(h.recorder.of(0), std::vector<std::string>{"a"});
  EXPECT_TRUE(h.log->recovery().damage.empty());
}

TEST_F(RecoveryTest, WithoutAnyHeaderTheLogIsNotTakenForEmpty) {
  open_append_stop({{0, "a"}});
  for (const std::string& path : h.segments()) {
    ASSERT_TRUE(h.node.disk().flip_bit(path, 20).ok());
    ASSERT_TRUE(h.node.disk().flip_bit(path, kSegmentHeaderCopyOffset + 20).ok());
  }
  const Status status = h.open();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code(), LogErrc::kDamaged);
  EXPECT_NE(status.error().message().find(h.folder), std::string::npos);
  EXPECT_EQ(problems_inspected(), 1U);
}

TEST_F(RecoveryTest, AMiddleSegmentWithoutHeaderIsReadAllTheSame) {
  ASSERT_TRUE(h.open().ok());
  for (int i = 0; i < 90; ++i) h.append(0, std::to_string(i) + std::string(400, 'x'));
  ASSERT_TRUE(h.stop().ok());
  ASSERT_GE(h.segments().size(), 3U);
  const std::string path = h.segments()[1];
  ASSERT_TRUE(h.node.disk().flip_bit(path, 20).ok());
  ASSERT_TRUE(h.node.disk().flip_bit(path, kSegmentHeaderCopyOffset + 20).ok());
  ASSERT_TRUE(h.open().ok());
  EXPECT_EQ(h.recorder.of(0).size(), 90U);
  EXPECT_TRUE(h.log->recovery().damage.empty());
  EXPECT_TRUE(was_logged("damaged bytes in the log file=" + path));
}

TEST_F(RecoveryTest, AMissingSegmentStopsTheShardsThatHadRecordsInIt) {
  ASSERT_TRUE(h.open().ok());
  h.append(1, "in the first");
  for (int i = 0; i < 90; ++i) h.append(0, std::to_string(i) + std::string(400, 'x'));
  h.append(2, "in the last");
  ASSERT_TRUE(h.stop().ok());
  ASSERT_TRUE(h.node.env().disk().remove(h.segments()[1]).ok());
  ASSERT_TRUE(h.open().ok());
  EXPECT_EQ(h.recorder.of(1), std::vector<std::string>{"in the first"});
  EXPECT_EQ(h.recorder.of(2), std::vector<std::string>{"in the last"});
  ASSERT_EQ(h.log->recovery().damage.size(), 1U);
  EXPECT_EQ(h.log->recovery().damage[0].shard, 0);
  EXPECT_GT(h.recorder.of(0).size(), 10U);
  EXPECT_LT(h.recorder.of(0).size(), 60U);
}

TEST_F(RecoveryTest, ASegmentOfAnotherLogIsRefused) {
  open_append_stop({{0, "mine"}});
  LogHarness other(1, 3, {}, 99);
  ASSERT_TRUE(other.open().ok());
  other.append(0, "theirs");
  ASSERT_TRUE(other.stop().ok());
  const std::string foreign = *other.node.disk().content(other.segments()[0]);
  h.node.disk().put(h.folder + "/" + segment_name(50), foreign);
  ASSERT_TRUE(h.open().ok()) << "its number is not its name: it is not part of this log";
  EXPECT_EQ(h.recorder.of(0), std::vector<std::string>{"mine"});
  ASSERT_TRUE(h.stop().ok());
  LogHarness mixed(1, 3, {}, 5);
  mixed.node.disk().copy_from(h.node.disk());
  const std::string next = mixed.folder + "/" + segment_name(1);
  mixed.node.disk().put(next, foreign);
  const Status status = mixed.open();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code(), LogErrc::kDamaged);
}

TEST_F(RecoveryTest, APayloadThatLooksLikeRecordsIsOnlyAPayload) {
  open_append_stop({{0, "first"}, {1, "second"}});
  const std::string segment = *h.node.disk().content(h.segments()[0]);
  const std::string fake = segment.substr(kFirstRecordOffset, 300);
  ASSERT_TRUE(h.open().ok());
  append_all({{2, fake}, {2, "behind the fake"}});
  const auto [path, offset] = find("behind the fake");
  ASSERT_TRUE(h.stop().ok());
  // Damage before it makes the reader look for the next record from byte to byte.
  ASSERT_TRUE(h.node.disk().flip_bit(path, offset - kPartHeaderBytes - fake.size() - 10).ok());
  ASSERT_TRUE(h.open().ok());
  EXPECT_EQ(h.recorder.of(0), std::vector<std::string>{"first"});
  EXPECT_EQ(h.recorder.of(1), std::vector<std::string>{"second"});
  EXPECT_EQ(h.log->recovery().damage.size(), 1U);
}

TEST_F(RecoveryTest, InspectionTellsFileOffsetShardIndexAndStatus) {
  ASSERT_TRUE(h.open().ok());
  h.append(1, "payload-one");
  h.append_parts({{0, "x"}, {2, "y"}});
  ASSERT_TRUE(h.stop().ok());
  std::vector<std::string> lines;
  const auto sink = [&](std::string_view line) { lines.emplace_back(line); };
  auto report = inspect_log(h.node.env().disk(), h.folder, {.with_records = true}, sink);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->records, 3U);
  EXPECT_EQ(report->problems, 0U);
  EXPECT_EQ(report->torn_tails, 0U);
  const auto [path, offset] = find("payload-one");
  const std::string start =
      "record " + path + " offset=" + std::to_string(offset - kPartHeaderBytes) + " shard=1 index=1 time_ms=";
  bool is_there = false;
  for (const std::string& line : lines) is_there = is_there || line.starts_with(start);
  EXPECT_TRUE(is_there) << start;
  ASSERT_TRUE(h.node.disk().flip_bit(path, offset).ok());
  lines.clear();
  report = inspect_log(h.node.env().disk(), h.folder, {}, sink);
  ASSERT_TRUE(report.ok());
  EXPECT_GE(report->problems, 1U);
  is_there = false;
  for (const std::string& line : lines) is_there = is_there || line.find("shard=1 index=1") != std::string::npos;
  EXPECT_TRUE(is_there);
}

}  // namespace
}  // namespace keelson::log
