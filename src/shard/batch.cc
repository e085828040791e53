#include "shard/batch.h"

#include <algorithm>
#include <utility>

#include "env/reactor.h"

namespace keelson::shard {

namespace {
// Operations whose memory is fetched while those before them run.
constexpr size_t kPrefetchAhead = 16;
}  // namespace

void BatchOperation::done() { batch_->operation_done(reactor_index_); }

Batch::Batch(Runtime& runtime, env::Reactor& here)
    : runtime_(runtime), here_(here), here_index_(here.index()), parts_(runtime.router().reactor_count()) {}

void Batch::add(BatchOperation& operation, ShardId shard) {
  operation.batch_ = this;
  operation.target_ = shard;
  operation.reactor_index_ = runtime_.router().reactor_of(shard);
  Part& part = parts_[operation.reactor_index_];
  ++part.left;
  if (operation.reactor_index_ == here_index_) {
    runtime_.shard(shard).submit(operation);
  } else {
    part.operations.push_back(&operation);
    has_unsent_ = true;
  }
}

bool Batch::run() {
  if (has_unsent_) {
    has_unsent_ = false;
    // Counted first: a part may end before the next one is sent.
    for (unsigned i = 0; i < parts_.size(); ++i) parts_left_ += i != here_index_ && !parts_[i].operations.empty();
    for (unsigned i = 0; i < parts_.size(); ++i) {
      if (i == here_index_ || parts_[i].operations.empty()) continue;
      runtime_.reactor(i).post([this, i] { run_part(i); });
    }
  }
  return is_done();
}

void Batch::run_part(unsigned reactor_index) {
  Part& part = parts_[reactor_index];
  runtime_.clock(reactor_index).refresh();
  // The last operation's end may end the batch and, on its own reactor, start the next: count on nothing afterwards.
  const size_t count = part.operations.size();
  ++part.left;
  for (size_t begin = 0; begin < count; begin += kPrefetchAhead) {
    const size_t end = std::min(begin + kPrefetchAhead, count);
    for (unsigned step = 0; step < 2; ++step) {
      for (size_t i = begin; i < end; ++i) {
        BatchOperation& operation = *part.operations[i];
        Shard& shard = runtime_.shard(operation.target_);
        if (!shard.is_lent()) operation.prefetch(shard, step);
      }
    }
    for (size_t i = begin; i < end; ++i) {
      BatchOperation& operation = *part.operations[i];
      runtime_.shard(operation.target_).submit(operation);
    }
  }
  part.operations.clear();
  operation_done(reactor_index);
}

void Batch::operation_done(unsigned reactor_index) {
  if (--parts_[reactor_index].left != 0) return;
  if (reactor_index == here_index_) {
    if (is_done() && waiter_) std::exchange(waiter_, {}).resume();
  } else {
    here_.post([this] { part_done(); });
  }
}

void Batch::part_done() {
  --parts_left_;
  if (is_done() && waiter_) std::exchange(waiter_, {}).resume();
}

}  // namespace keelson::shard
