#include "shard/shard.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "shard/record.h"
#include "shard/replica.h"

namespace keelson::shard {

void Operation::committed(LogErrc outcome) { shard_->on_committed(*this, outcome); }

Shard::Shard(ShardId id, std::unique_ptr<engine::Engine> engine, log::CommitLog& log, LogClock& clock)
    : id_(id), engine_(std::move(engine)), log_(log), clock_(clock) {}

Shard::~Shard() = default;

void Shard::set_replica(std::unique_ptr<Replica> replica) {
  replica_ = std::move(replica);
  is_special_ = true;
}

bool Shard::replica_leads() const { return replica_->leads(); }

bool Shard::is_replica_idle() const { return replica_->is_idle(); }

void Shard::submit(Operation& operation) {
  operation.shard_ = this;
  if (is_special_) [[unlikely]] {
    submit_special(operation);
  } else if (is_free() && !(operation.is_write && is_refusing_)) {
    start(operation);
  } else {
    queue_.emplace_back(&operation);
  }
}

void Shard::submit_special(Operation& operation) {
  if (damage_) {
    operation.finished(LogErrc::kDamaged);
  } else {
    replica_->submit(operation);
  }
}

void Shard::start(Operation& operation) {
  if (operation.is_write) {
    start_write(operation);
  } else if (operation.is_ordered && !pending_.empty()) {
    operation.is_committed_ = true;
    pending_.push_back(&operation);
  } else {
    apply(operation);
  }
}

void Shard::start_write(Operation& operation) {
  const size_t payload_bytes_max = encoded_bytes_max(operation.commands);
  if (const LogErrc refusal = log_.admit(payload_bytes_max); refusal != LogErrc::kOk) {
    ++counters_.refused;
    operation.finished(refusal);
    return;
  }
  operation.index_ = next_index_++;
  operation.time_ms_ = last_time_ms_ = std::max(clock_.now_ms(), last_time_ms_);
  Buffer& payload = log_.begin(id_, operation.index_, operation.time_ms_);
  const size_t before = payload.size();
  encode_commands(operation.commands, payload);
  counters_.payload_bytes += payload.size() - before;
  ++counters_.records;
  operation.is_committed_ = log_.end(operation) == log::Append::kCommitted;
  if (operation.is_committed_ && pending_.empty()) {
    apply(operation);
  } else {
    pending_.push_back(&operation);
  }
}

void Shard::apply(Operation& operation) {
  engine::ReplySink& reply = operation.open_reply();
  if (operation.is_write) {
    uint64_t ordinal = 0;
    for (const engine::Command& command : operation.commands) {
      engine_->apply({operation.index_, operation.time_ms_, seed_of(id_, operation.index_, ordinal++)}, command, reply);
    }
    applied_index_ = operation.index_;
    operation.finished(LogErrc::kOk);
    if (listener_ != nullptr) listener_->applied(*this);
    return;
  }
  const int64_t now_ms = std::max(clock_.now_ms(), last_time_ms_);
  for (const engine::Command& command : operation.commands) {
    engine_->query({0, now_ms, seed_of(id_, applied_index_, ++counters_.queries)}, command, reply);
  }
  operation.finished(LogErrc::kOk);
}

void Shard::on_committed(Operation& operation, LogErrc outcome) {
  if (outcome == LogErrc::kOk) {
    operation.is_committed_ = true;
    run_committed();
    return;
  }
  // The log tells a shard's outcomes in order, so the writes before this one have been applied and it is the first
  // write left; queries before it have nothing left to wait for.
  run_committed();
  KEELSON_CHECK(!pending_.empty() && pending_.front() == &operation, "the log told outcomes out of order");
  pending_.pop_front();
  next_index_ = std::min(next_index_, operation.index_);
  ++counters_.refused;
  is_refusing_ = std::any_of(pending_.begin(), pending_.end(), [](Operation* later) { return later->is_write; });
  operation.finished(outcome);
  run_committed();
  run_queue();
}

void Shard::run_committed() {
  while (!pending_.empty() && pending_.front()->is_committed_) {
    Operation& operation = *pending_.front();
    pending_.pop_front();
    apply(operation);
  }
  if (pending_.empty()) {
    is_refusing_ = false;
    run_queue();
  }
}

void Shard::run_queue() {
  while (!queue_.empty() && !is_lent_) {
    if (LoanRequest** request = std::get_if<LoanRequest*>(&queue_.front())) {
      if (!pending_.empty()) return;
      LoanRequest& next = **request;
      queue_.pop_front();
      is_lent_ = true;
      ++counters_.loans;
      next.granted(*this);
    } else {
      Operation& operation = *std::get<Operation*>(queue_.front());
      if (operation.is_write && is_refusing_) return;
      queue_.pop_front();
      start(operation);
    }
  }
}

void LoanRequest::denied(Shard& shard, LogErrc why) { KEELSON_CHECK(false, "a loan for looking is never denied"); }

void Shard::lend(LoanRequest& request) {
  if (replica_ != nullptr) return replica_->lend(request);
  queue_.emplace_back(&request);
  run_queue();
}

bool Shard::try_lend(LoanUse use) {
  if (replica_ != nullptr) return replica_->try_lend(use);
  if (!is_idle()) return false;
  is_lent_ = true;
  ++counters_.loans;
  return true;
}

void Shard::give_back() {
  KEELSON_CHECK(is_lent_, "a shard is given back that is not lent");
  is_lent_ = false;
  if (replica_ != nullptr) return replica_->give_back();
  if (listener_ != nullptr) listener_->applied(*this);
  run_queue();
}

void Shard::borrower_committed(int64_t time_ms, size_t payload_bytes) {
  KEELSON_CHECK(is_lent_, "only a borrower appends past the owner");
  applied_index_ = next_index_++;
  last_time_ms_ = std::max(last_time_ms_, time_ms);
  ++counters_.records;
  counters_.payload_bytes += payload_bytes;
}

void Shard::recovered_to(uint64_t index, int64_t time_ms) {
  applied_index_ = index;
  next_index_ = index + 1;
  last_time_ms_ = std::max(last_time_ms_, time_ms);
  clock_.at_least(time_ms);
}

void Shard::stop_damaged(std::string why) {
  damage_ = std::move(why);
  is_special_ = true;
  if (replica_ != nullptr) replica_->stop_damaged();
}

}  // namespace keelson::shard
