#include "engine/topic/producer_state.h"

#include <algorithm>

namespace keelson::topic {

namespace {

constexpr int64_t kForgetEveryMs = 600'000;

bool is_expired(const Producer& producer, int64_t now_ms) {
  return producer.transaction_start < 0 && now_ms - producer.last_append_ms > kProducerExpirationMs;
}

bool is_next(int32_t last, int32_t next) { return next == last + int64_t{1} || (next == 0 && last == kSequenceMax); }

// Sequences go round: what is less than half a round behind is behind.
bool is_behind(int32_t sequence, int32_t last) {
  const int64_t distance = (int64_t{last} - sequence) & kSequenceMax;
  return distance < kSequenceMax / 2;
}

void set_epoch(Producer& producer, int16_t epoch) {
  if (producer.epoch == epoch) return;
  producer.epoch = epoch;
  producer.count = 0;
}

}  // namespace

const Producer* ProducerState::find(int64_t id, int64_t now_ms) const {
  const auto found = producers_.find(id);
  return found == producers_.end() || is_expired(found->second, now_ms) ? nullptr : &found->second;
}

ProducerState::Verdict ProducerState::check(const BatchView& batch, int64_t now_ms) const {
  const Producer* producer = find(batch.producer_id(), now_ms);
  if (producer == nullptr) return {};
  if (batch.producer_epoch() < producer->epoch) return {.error = TopicErrc::kInvalidProducerEpoch};
  const int32_t first = batch.base_sequence();
  const int32_t last = batch.last_sequence();
  if (batch.producer_epoch() > producer->epoch) {
    if (producer->epoch >= 0 && first != 0) return {.error = TopicErrc::kOutOfOrderSequence};
  } else {
    for (size_t i = 0; i < producer->count; ++i) {
      const ProducerBatch& known = producer->batches[i];
      if (known.first_sequence == first && known.last_sequence == last) {
        return {.duplicate_of = known.base_offset, .duplicate_timestamp_ms = known.timestamp_ms};
      }
    }
    if (!is_next(producer->last_sequence(), first)) {
      const bool is_old = producer->count != 0 && is_behind(last, producer->last_sequence());
      return {.error = is_old ? TopicErrc::kDuplicateSequence : TopicErrc::kOutOfOrderSequence};
    }
  }
  if (producer->transaction_start >= 0 && !batch.is_transactional()) return {.error = TopicErrc::kInvalidTxnState};
  return {};
}

Producer& ProducerState::obtain(int64_t id, int64_t now_ms) {
  const auto [found, is_new] = producers_.try_emplace(id);
  if (!is_new && is_expired(found->second, now_ms)) found->second = {};
  Producer& producer = found->second;
  producer.last_append_ms = now_ms;
  if (is_new && (now_ms >= forget_at_ms_ || producers_.size() > kProducersMax)) forget_old(now_ms);
  return producer;
}

void ProducerState::note(const BatchView& batch, int64_t base_offset, int64_t now_ms) {
  Producer& producer = obtain(batch.producer_id(), now_ms);
  set_epoch(producer, batch.producer_epoch());
  if (batch.base_sequence() >= 0) {
    if (producer.count == kBatchesRemembered) {
      std::move(producer.batches.begin() + 1, producer.batches.end(), producer.batches.begin());
      --producer.count;
    }
    producer.batches[producer.count++] = {batch.base_sequence(), batch.last_sequence(), base_offset,
                                          batch.max_timestamp_ms()};
  }
  if (batch.is_transactional() && producer.transaction_start < 0) {
    producer.transaction_start = base_offset;
    open_.emplace(base_offset, batch.producer_id());
  }
}

TopicErrc ProducerState::check_end(int64_t producer_id, int16_t epoch, int32_t coordinator_epoch,
                                   int64_t now_ms) const {
  const Producer* producer = find(producer_id, now_ms);
  if (producer == nullptr) return TopicErrc::kOk;
  if (epoch < producer->epoch) return TopicErrc::kInvalidProducerEpoch;
  if (coordinator_epoch < producer->coordinator_epoch) return TopicErrc::kTransactionCoordinatorFenced;
  return TopicErrc::kOk;
}

int64_t ProducerState::transaction_start(int64_t producer_id) const {
  const auto found = producers_.find(producer_id);
  return found == producers_.end() ? -1 : found->second.transaction_start;
}

void ProducerState::note_end(int64_t producer_id, int16_t epoch, int32_t coordinator_epoch, bool is_commit,
                             int64_t marker_offset, int64_t now_ms) {
  Producer& producer = obtain(producer_id, now_ms);
  set_epoch(producer, epoch);
  producer.coordinator_epoch = coordinator_epoch;
  if (producer.transaction_start < 0 || marker_offset < 0) return;
  const int64_t first_offset = producer.transaction_start;
  producer.transaction_start = -1;
  open_.erase(first_offset);
  if (!is_commit) aborted_.push_back({producer_id, first_offset, marker_offset, last_stable(marker_offset + 1)});
}

void ProducerState::aborted_within(int64_t from, int64_t to, std::vector<AbortedTransaction>& out) const {
  auto range = std::ranges::lower_bound(aborted_, from, {}, &AbortedRange::marker_offset);
  for (; range != aborted_.end(); ++range) {
    if (range->first_offset < to) out.push_back({range->producer_id, range->first_offset});
    if (range->last_stable >= to) break;
  }
}

void ProducerState::trim(int64_t log_start) {
  const auto kept = std::ranges::lower_bound(aborted_, log_start, {}, &AbortedRange::marker_offset);
  aborted_.erase(aborted_.begin(), kept);
}

void ProducerState::forget_markers(const std::vector<int64_t>& offsets) {
  std::erase_if(aborted_,
                [&](const AbortedRange& range) { return std::ranges::binary_search(offsets, range.marker_offset); });
}

void ProducerState::describe(std::vector<ProducerInfo>& out, int64_t now_ms) const {
  for (const auto& [id, producer] : producers_) {
    if (is_expired(producer, now_ms)) continue;
    out.push_back({id, producer.epoch, producer.last_sequence(),
                   producer.count == 0 ? producer.last_append_ms : producer.batches[producer.count - 1].timestamp_ms,
                   producer.coordinator_epoch, producer.transaction_start});
  }
}

void ProducerState::load(int64_t id, const Producer& producer) {
  producers_[id] = producer;
  if (producer.transaction_start >= 0) open_.emplace(producer.transaction_start, id);
}

void ProducerState::forget_old(int64_t now_ms) {
  forget_at_ms_ = now_ms + kForgetEveryMs;
  std::erase_if(producers_, [now_ms](const auto& entry) { return is_expired(entry.second, now_ms); });
  if (producers_.size() <= kProducersMax) return;
  // A tenth at once, so that this is rare.
  std::vector<int64_t> times;
  for (const auto& [id, producer] : producers_) {
    if (producer.transaction_start < 0) times.push_back(producer.last_append_ms);
  }
  if (times.empty()) return;
  const auto cut = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 10);
  std::ranges::nth_element(times, cut);
  std::erase_if(producers_, [until = *cut, now_ms](const auto& entry) {
    // Never the one that was just made.
    return entry.second.transaction_start < 0 && entry.second.last_append_ms <= until &&
           entry.second.last_append_ms < now_ms;
  });
}

}  // namespace keelson::topic
