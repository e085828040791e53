// What a partition remembers of its producers: which batches were the last ones (so that one that comes twice is told
// from a new one), which epoch is the newest, which transactions are under way and which were aborted.
//
// The rules are Kafka's (KIP-98, KIP-360): sequences of a producer's epoch follow one another and begin at 0, going
// round after 2^31 - 1; a producer that nothing is known of may begin anywhere; the last five batches are known again.
// A producer that has not written for a day is forgotten (producer.id.expiration.ms), unless its transaction is open.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "engine/topic/answer.h"
#include "engine/topic/record_batch.h"
#include "engine/topic/types.h"

namespace keelson::topic {

inline constexpr size_t kBatchesRemembered = 5;  // as many as a client has under way at most
inline constexpr int64_t kProducerExpirationMs = 86'400'000;
// Of one partition: the ones that were silent the longest go first. About 250 bytes each.
inline constexpr size_t kProducersMax = 100'000;

struct ProducerBatch {
  int32_t first_sequence = 0;
  int32_t last_sequence = 0;
  int64_t base_offset = 0;
  int64_t timestamp_ms = kNoTimestamp;
};

struct Producer {
  int16_t epoch = -1;
  int32_t coordinator_epoch = -1;  // the greatest that has ended a transaction here, or asked for that
  int64_t last_append_ms = 0;      // log time
  int64_t transaction_start = -1;
  uint8_t count = 0;  // of batches, the newest last
  std::array<ProducerBatch, kBatchesRemembered> batches{};

  [[nodiscard]] int32_t last_sequence() const { return count == 0 ? -1 : batches[count - 1].last_sequence; }
};

struct AbortedRange {
  int64_t producer_id = kNoProducerId;
  int64_t first_offset = 0;
  int64_t marker_offset = 0;
  int64_t last_stable = 0;  // right after the marker: those that are aborted later begin there or behind
};

class ProducerState {
 public:
  // Looks at a client's batch. kOk with `duplicate_of` >= 0: it is there already, and begins at that offset.
  struct Verdict {
    TopicErrc error = TopicErrc::kOk;
    int64_t duplicate_of = -1;
    int64_t duplicate_timestamp_ms = kNoTimestamp;
  };
  [[nodiscard]] Verdict check(const BatchView& batch, int64_t now_ms) const;
  // The batch, which has a producer, was appended there.
  void note(const BatchView& batch, int64_t base_offset, int64_t now_ms);

  // Whether a transaction's end may be written: kInvalidProducerEpoch, kTransactionCoordinatorFenced. The latter also
  // if no transaction is open: the coordinator that comes late has a transaction in mind that was ended, and the next
  // one, with the same epoch, must not be ended by it. A producer that is forgotten is silent for far longer than
  // anything can be under way.
  [[nodiscard]] TopicErrc check_end(int64_t producer_id, int16_t epoch, int32_t coordinator_epoch,
                                    int64_t now_ms) const;
  // Where the producer's transaction began, or -1.
  [[nodiscard]] int64_t transaction_start(int64_t producer_id) const;
  // The end was asked for, and stands at `marker_offset`; -1: there was nothing to end. Older epochs are fenced.
  void note_end(int64_t producer_id, int16_t epoch, int32_t coordinator_epoch, bool is_commit, int64_t marker_offset,
                int64_t now_ms);

  // The first offset of a transaction that is open, or `high_watermark`.
  [[nodiscard]] int64_t last_stable(int64_t high_watermark) const {
    return open_.empty() ? high_watermark : open_.begin()->first;
  }
  // Those with records at or above `from` and below `to`, by where they were ended.
  void aborted_within(int64_t from, int64_t to, std::vector<AbortedTransaction>& out) const;
  [[nodiscard]] std::span<const AbortedRange> aborted() const { return aborted_; }
  // Compaction has removed these markers, and before them what they ended. Ascending.
  void forget_markers(const std::vector<int64_t>& offsets);
  // Nothing below is left.
  void trim(int64_t log_start);

  [[nodiscard]] const std::map<int64_t, Producer>& producers() const { return producers_; }
  void describe(std::vector<ProducerInfo>& out, int64_t now_ms) const;

  // Of a checkpoint.
  void load(int64_t id, const Producer& producer);
  void load(const AbortedRange& range) { aborted_.push_back(range); }

 private:
  [[nodiscard]] const Producer* find(int64_t id, int64_t now_ms) const;
  Producer& obtain(int64_t id, int64_t now_ms);
  void forget_old(int64_t now_ms);

  std::map<int64_t, Producer> producers_;
  std::map<int64_t, int64_t> open_;    // first offset -> producer
  std::vector<AbortedRange> aborted_;  // by marker_offset
  int64_t forget_at_ms_ = 0;
};

}  // namespace keelson::topic
