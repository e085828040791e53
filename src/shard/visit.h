// Runs a function alone with one shard, on the thread of its owner, after everything submitted before it has been
// applied.
//
//   size_t keys = co_await visit(runtime, here, id, [&](Shard& shard) { return ...; });
//
// While a shard is lent its owner must not touch it or what belongs to it: this is how one looks at it all the same.
// The function must not wait. What it refers to lives in the waiting coroutine's frame.
#pragma once

#include <coroutine>
#include <optional>
#include <type_traits>
#include <utility>

#include "shard/runtime.h"
#include "shard/shard.h"

namespace keelson::shard {

template <class Function>
class Visit final : public LoanRequest {
 public:
  using Value = std::invoke_result_t<Function&, Shard&>;

  Visit(Runtime& runtime, env::Reactor& here, ShardId id, Function function)
      : runtime_(runtime), here_(here), id_(id), function_(std::move(function)) {}

  bool await_ready() {
    if (runtime_.router().reactor_of(id_) != here_.index() || !runtime_.shard(id_).try_lend()) return false;
    run(runtime_.shard(id_));
    return true;
  }
  void await_suspend(std::coroutine_handle<> waiter) {
    waiter_ = waiter;
    runtime_.reactor_of(id_).post([this] { runtime_.shard(id_).lend(*this); });
  }
  Value await_resume() {
    if constexpr (!std::is_void_v<Value>) return std::move(*value_);
  }
  void granted(Shard& shard) override {
    run(shard);
    here_.post([this] { waiter_.resume(); });
  }

 private:
  struct Nothing {};
  using Kept = std::conditional_t<std::is_void_v<Value>, Nothing, Value>;

  void run(Shard& shard) {
    if constexpr (std::is_void_v<Value>) {
      function_(shard);
    } else {
      value_.emplace(function_(shard));
    }
    shard.give_back();
  }

  Runtime& runtime_;
  env::Reactor& here_;
  const ShardId id_;
  Function function_;
  std::optional<Kept> value_;
  std::coroutine_handle<> waiter_;
};

template <class Function>
[[nodiscard]] Visit<Function> visit(Runtime& runtime, env::Reactor& here, ShardId id, Function function) {
  return {runtime, here, id, std::move(function)};
}

}  // namespace keelson::shard
