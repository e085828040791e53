// The operations that one connection has read in one go, spread over the shards and their reactors.
//
// Operations on one reactor run in the order of add(); those of the batch's own reactor run within add(), the others
// leave in one message for each reactor at run(). The batch, its operations and the bytes they refer to stay where they
// are until it is done, so nothing is copied on the way.
//
//   batch.add(operation, shard); ...
//   if (!batch.run()) co_await batch.done();
#pragma once

#include <coroutine>
#include <cstddef>
#include <vector>

#include "shard/runtime.h"
#include "shard/shard.h"

namespace keelson::shard {

class Batch;

// A derived class says where its reply goes, and calls done() as the last thing in finished().
class BatchOperation : public Operation {
 public:
  [[nodiscard]] const void* sequence() const override { return batch_; }

 protected:
  void done();
  // The reactor on which it runs; valid from add().
  [[nodiscard]] unsigned reactor_index() const { return reactor_index_; }

 private:
  friend class Batch;
  Batch* batch_ = nullptr;
  ShardId target_ = 0;
  unsigned reactor_index_ = 0;
};

// Belongs to one reactor.
class Batch {
 public:
  Batch(Runtime& runtime, env::Reactor& here);
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  void add(BatchOperation& operation, ShardId shard);
  // Sends what lies on other reactors. True if everything is done already.
  bool run();
  // Everything added so far has finished.
  [[nodiscard]] bool is_done() const { return parts_left_ == 0 && parts_[here_index_].left == 0 && !has_unsent_; }

  struct DoneAwaiter {
    Batch& batch;
    bool await_ready() const noexcept { return batch.is_done(); }
    void await_suspend(std::coroutine_handle<> waiter) noexcept { batch.waiter_ = waiter; }
    void await_resume() const noexcept {}
  };
  DoneAwaiter done() { return {*this}; }

 private:
  friend class BatchOperation;

  // What lies on one reactor; touched by that reactor alone between run() and the last operation's end.
  struct Part {
    std::vector<BatchOperation*> operations;
    size_t left = 0;
  };

  void run_part(unsigned reactor_index);
  void operation_done(unsigned reactor_index);
  void part_done();

  Runtime& runtime_;
  env::Reactor& here_;
  const unsigned here_index_;
  std::vector<Part> parts_;
  size_t parts_left_ = 0;  // parts on other reactors that are under way
  bool has_unsent_ = false;
  std::coroutine_handle<> waiter_;
};

}  // namespace keelson::shard
