#include <coroutine>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/task.h"
#include "env/reactor.h"

namespace keelson::env {

// Each spawned task is awaited by a root coroutine, which stands in a list and takes itself out when its task ends. A
// root cannot free its own frame while it runs, so finished ones are freed by a post, in a later turn.
struct TaskScope::State {
  struct Root;

  struct Promise {
    State* scope = nullptr;
    Promise* previous = nullptr;
    Promise* next = nullptr;

    Root get_return_object();
    std::suspend_always initial_suspend() const noexcept { return {}; }
    auto final_suspend() const noexcept {
      struct Awaiter {
        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<Promise> self) const noexcept {
          Promise& promise = self.promise();
          promise.scope->finished(promise);
        }
        void await_resume() const noexcept {}
      };
      return Awaiter{};
    }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { KEELSON_CHECK(false, "an exception leaves a task"); }
  };

  struct Root {
    using promise_type = Promise;
    std::coroutine_handle<Promise> handle;
  };

  // Either may go first: the scope, or the coroutine that joins it.
  struct JoinWaiter {
    std::shared_ptr<State*> scope;
    std::coroutine_handle<> handle;
    explicit JoinWaiter(const State& state) : scope(state.alive) {}
    JoinWaiter(const JoinWaiter&) = delete;
    JoinWaiter& operator=(const JoinWaiter&) = delete;
    ~JoinWaiter() {
      if (*scope != nullptr && (*scope)->joiner == this) (*scope)->joiner = nullptr;
    }
    bool await_ready() const noexcept { return (*scope)->running == 0; }
    void await_suspend(std::coroutine_handle<> waiter) noexcept {
      KEELSON_CHECK((*scope)->joiner == nullptr, "two coroutines join one task scope");
      handle = waiter;
      (*scope)->joiner = this;
    }
    void await_resume() const noexcept {}
  };

  explicit State(Reactor& on) : reactor(on), alive(std::make_shared<State*>(this)) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    *alive = nullptr;
    sweep();
    while (first != nullptr) {
      Promise* promise = first;
      unlink(*promise);
      std::coroutine_handle<Promise>::from_promise(*promise).destroy();
    }
  }

  static Root root(Task<void> task) { co_await std::move(task); }

  void spawn(Task<void> task) {
    const std::coroutine_handle<Promise> handle = root(std::move(task)).handle;
    Promise& promise = handle.promise();
    promise.scope = this;
    promise.next = first;
    if (first != nullptr) first->previous = &promise;
    first = &promise;
    ++running;
    handle.resume();
  }

  void unlink(Promise& promise) {
    (promise.previous != nullptr ? promise.previous->next : first) = promise.next;
    if (promise.next != nullptr) promise.next->previous = promise.previous;
  }

  void finished(Promise& promise) {
    unlink(promise);
    --running;
    done.push_back(&promise);
    if (is_sweep_posted) return;
    is_sweep_posted = true;
    reactor.post([weak = std::weak_ptr<State*>(alive)] {
      const auto strong = weak.lock();
      if (strong && *strong != nullptr) (*strong)->sweep_and_wake();
    });
  }

  void sweep() {
    is_sweep_posted = false;
    std::vector<Promise*> ended;
    ended.swap(done);
    for (Promise* promise : ended) std::coroutine_handle<Promise>::from_promise(*promise).destroy();
  }

  void sweep_and_wake() {
    sweep();
    if (running == 0 && joiner != nullptr) std::exchange(joiner, nullptr)->handle.resume();
  }

  Reactor& reactor;
  // Tells a post that comes after the scope's end that it is too late.
  std::shared_ptr<State*> alive;
  Promise* first = nullptr;
  size_t running = 0;
  std::vector<Promise*> done;
  bool is_sweep_posted = false;
  JoinWaiter* joiner = nullptr;
};

TaskScope::State::Root TaskScope::State::Promise::get_return_object() {
  return {std::coroutine_handle<Promise>::from_promise(*this)};
}

TaskScope::TaskScope(Reactor& reactor) : state_(std::make_unique<State>(reactor)) {}
TaskScope::~TaskScope() = default;

void TaskScope::spawn(Task<void> task) { state_->spawn(std::move(task)); }

Task<void> TaskScope::join() { co_await State::JoinWaiter(*state_); }

size_t TaskScope::count() const { return state_->running; }

}  // namespace keelson::env
