// For tests: partitions as plain lists, by the same rules as the engine and nothing clever: the oracle of random tests.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/topic/types.h"

namespace keelson::topic {

struct ModelRecord {
  int64_t offset = 0;
  int64_t batch_base = 0;  // of the batch that it came in
  int64_t timestamp_ms = 0;
  std::string key;
  std::optional<std::string> value;
  bool is_marker = false;
  int64_t producer = kNoProducerId;
  bool is_transactional = false;
};

// One thing that is done to a partition.
struct ModelOp {
  enum Kind : uint8_t { kNothing, kAppend, kEnd, kTrim, kDelete } kind = kNothing;
  PartitionId at;
  // Append: without offsets.
  std::vector<ModelRecord> records;
  int64_t producer = kNoProducerId;
  int16_t epoch = -1;
  int32_t sequence = -1;
  bool is_transactional = false;
  bool is_commit = false;
  int64_t start = 0;
};

struct ModelAnswer {
  TopicErrc error = TopicErrc::kOk;
  int64_t base_offset = -1;
  bool is_duplicate = false;
};

class PartitionModel {
 public:
  struct Known {
    int32_t first;
    int32_t last;
    int64_t base;
  };
  struct Writer {
    int16_t epoch = -1;
    std::deque<Known> known;
    int64_t start = -1;
  };
  struct Aborted {
    int64_t producer;
    int64_t first;
    int64_t marker;
  };

  ModelAnswer apply(const ModelOp& op) {
    switch (op.kind) {
      case ModelOp::kAppend:
        return append(op);
      case ModelOp::kEnd:
        return end(op);
      case ModelOp::kTrim:
        if (op.start > next) return {TopicErrc::kOffsetOutOfRange};
        log_start = std::max(log_start, op.start);
        return {};
      default:
        return {};
    }
  }
  [[nodiscard]] int64_t last_stable() const {
    int64_t stable = next;
    for (const auto& [id, writer] : writers) {
      if (writer.start >= 0) stable = std::min(stable, writer.start);
    }
    return stable;
  }

  int64_t log_start = 0;
  int64_t next = 0;
  std::vector<ModelRecord> records;
  std::map<int64_t, Writer> writers;
  std::vector<Aborted> aborted;

 private:
  ModelAnswer append(const ModelOp& op) {
    if (op.producer >= 0 && writers.contains(op.producer)) {
      const Writer& writer = writers[op.producer];
      const auto last = static_cast<int32_t>(op.sequence + op.records.size() - 1);
      if (op.epoch < writer.epoch) return {TopicErrc::kInvalidProducerEpoch};
      if (op.epoch > writer.epoch) {
        if (op.sequence != 0) return {TopicErrc::kOutOfOrderSequence};
      } else {
        for (const Known& known : writer.known) {
          if (known.first == op.sequence && known.last == last) return {TopicErrc::kOk, known.base, true};
        }
        const int32_t expected = writer.known.empty() ? 0 : writer.known.back().last + 1;
        if (op.sequence != expected) {
          return {!writer.known.empty() && last < expected ? TopicErrc::kDuplicateSequence
                                                           : TopicErrc::kOutOfOrderSequence};
        }
      }
      if (writer.start >= 0 && !op.is_transactional) return {TopicErrc::kInvalidTxnState};
    }
    const int64_t base = next;
    for (ModelRecord record : op.records) {
      record.offset = next++;
      record.batch_base = base;
      record.producer = op.producer;
      record.is_transactional = op.is_transactional;
      records.push_back(std::move(record));
    }
    if (op.producer >= 0) {
      Writer& writer = writers[op.producer];
      if (writer.epoch != op.epoch) writer.known.clear();
      writer.epoch = op.epoch;
      writer.known.push_back({op.sequence, static_cast<int32_t>(op.sequence + op.records.size() - 1), base});
      if (writer.known.size() > 5) writer.known.pop_front();
      if (op.is_transactional && writer.start < 0) writer.start = base;
    }
    return {TopicErrc::kOk, base};
  }
  ModelAnswer end(const ModelOp& op) {
    Writer& writer = writers[op.producer];
    if (op.epoch < writer.epoch) return {TopicErrc::kInvalidProducerEpoch};
    if (writer.epoch != op.epoch) writer.known.clear();
    writer.epoch = op.epoch;
    if (writer.start < 0) return {};
    if (!op.is_commit) aborted.push_back({op.producer, writer.start, next});
    writer.start = -1;
    ModelRecord marker;
    marker.offset = marker.batch_base = next++;
    marker.is_marker = true;
    marker.producer = op.producer;
    marker.value = op.is_commit ? "commit" : "abort";
    records.push_back(std::move(marker));
    return {TopicErrc::kOk, next - 1};
  }
};

}  // namespace keelson::topic
