#include "base/task.h"

#include <gtest/gtest.h>

#include <coroutine>
#include <memory>
#include <string>

namespace keelson {
namespace {

struct Gate {
  std::coroutine_handle<> waiter;
  auto wait() {
    struct Awaiter {
      Gate& gate;
      bool await_ready() const noexcept { return false; }
      void await_suspend(std::coroutine_handle<> handle) const noexcept { gate.waiter = handle; }
      void await_resume() const noexcept {}
    };
    return Awaiter{*this};
  }
};

// Starts a task and drops it when it is done or when the test ends.
struct Driver {
  struct promise_type {
    Driver get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_always final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }
  };
  std::coroutine_handle<promise_type> handle;
  Driver(std::coroutine_handle<promise_type> h) : handle(h) {}  // NOLINT(google-explicit-constructor)
  Driver(Driver&& other) noexcept : handle(std::exchange(other.handle, {})) {}
  ~Driver() {
    if (handle) handle.destroy();
  }
};

Task<int> add(Gate& gate, int a, int b) {
  co_await gate.wait();
  co_return a + b;
}
Task<int> twice(Gate& gate, int a) {
  const int first = co_await add(gate, a, a);
  co_return co_await add(gate, first, first);
}
Driver drive(Gate& gate, int& result) { result = co_await twice(gate, 3); }

TEST(Task, ChainsResultsThroughSuspensions) {
  Gate gate;
  int result = 0;
  const Driver driver = drive(gate, result);
  EXPECT_EQ(result, 0);
  gate.waiter.resume();
  EXPECT_EQ(result, 0);
  gate.waiter.resume();
  EXPECT_EQ(result, 12);
}

Task<void> hold(Gate& gate, std::shared_ptr<int> token) {
  const auto inner = token;
  co_await gate.wait();
}
Driver drive_hold(Gate& gate, std::shared_ptr<int> token) { co_await hold(gate, token); }

TEST(Task, DestroyingASuspendedTaskFreesItsFrame) {
  Gate gate;
  auto token = std::make_shared<int>(1);
  {
    const Driver driver = drive_hold(gate, token);
    EXPECT_GT(token.use_count(), 1);
  }
  EXPECT_EQ(token.use_count(), 1);
}

Task<int> count_down(int from) {
  if (from == 0) co_return 0;
  co_return 1 + co_await count_down(from - 1);
}
Task<int> many_in_a_row(int count) {
  int sum = 0;
  for (int i = 0; i < count; ++i) sum += co_await count_down(1);
  co_return sum;
}
Driver drive_many(int& result) { result = co_await many_in_a_row(1000); }

TEST(Task, RunsManyInARow) {
  int result = 0;
  const Driver driver = drive_many(result);
  EXPECT_EQ(result, 1000);
}

Task<std::unique_ptr<std::string>> make_text() { co_return std::make_unique<std::string>("text"); }
Driver drive_text(std::string& out) { out = *co_await make_text(); }

TEST(Task, CarriesMoveOnlyResults) {
  std::string out;
  const Driver driver = drive_text(out);
  EXPECT_EQ(out, "text");
}

}  // namespace
}  // namespace keelson
