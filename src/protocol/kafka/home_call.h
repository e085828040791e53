// Asks what belongs to another reactor, for an answer that may come much later (a JoinGroup waits for others), while
// whoever waits may go away: then the answer is dropped.
//
//   JoinResult result = co_await HomeCall<JoinResult>(desk, home, [..](Reply<JoinResult> reply) { ... });
//
// The function runs on `home`'s thread, at once if that is this one. A Reply that is dropped unused answers that the
// coordinator is not available.
#pragma once

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include <boost/unordered/unordered_flat_map.hpp>

#include "env/reactor.h"
#include "protocol/kafka/errors.h"
#include "protocol/kafka/group_host.h"

namespace keelson::kafka {

// Whether a desk was closed: outlives the desk, as replies may that nobody will take. Any thread.
class Closing {
 public:
  void close() const { is_closed_.store(true, std::memory_order_release); }
  [[nodiscard]] bool is_closed() const { return is_closed_.load(std::memory_order_acquire); }

 private:
  mutable std::atomic<bool> is_closed_{false};
};

// Those of one reactor that wait. Outlives them.
class HomeDesk {
 public:
  explicit HomeDesk(env::Reactor& here) : here_(here) {}
  HomeDesk(const HomeDesk&) = delete;
  HomeDesk& operator=(const HomeDesk&) = delete;

  [[nodiscard]] env::Reactor& here() { return here_; }
  // Any thread. Nothing is delivered any more: the desk is about to go.
  void close() { closing_->close(); }
  [[nodiscard]] const std::shared_ptr<const Closing>& closing() const { return closing_; }

  [[nodiscard]] uint64_t add(void* call) {
    calls_.emplace(++last_, call);
    return last_;
  }
  void remove(uint64_t id) { calls_.erase(id); }
  [[nodiscard]] void* find(uint64_t id) const {
    const auto at = calls_.find(id);
    return at == calls_.end() ? nullptr : at->second;
  }

 private:
  env::Reactor& here_;
  boost::unordered_flat_map<uint64_t, void*> calls_;
  uint64_t last_ = 0;
  const std::shared_ptr<const Closing> closing_ = std::make_shared<const Closing>();
};

inline ErrorCode not_available(std::optional<ErrorCode>*) { return ErrorCode::kCoordinatorNotAvailable; }
template <class Result>
Result not_available(std::optional<Result>*) {
  Result result;
  result.error = ErrorCode::kCoordinatorNotAvailable;
  return result;
}

template <class Result>
class HomeCall {
 public:
  using Run = std::move_only_function<void(Reply<Result>)>;

  HomeCall(HomeDesk& desk, env::Reactor& home, Run run) : desk_(desk), home_(home), run_(std::move(run)) {}
  HomeCall(const HomeCall&) = delete;
  HomeCall& operator=(const HomeCall&) = delete;
  ~HomeCall() {
    if (id_ != 0) desk_.remove(id_);
  }

  [[nodiscard]] bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> waiter) {
    waiter_ = waiter;
    id_ = desk_.add(this);
    if (&home_ != &desk_.here()) {
      home_.post([run = std::move(run_), reply = Answer(desk_, id_)]() mutable { run(std::move(reply)); });
      return true;
    }
    is_running_ = true;
    run_(Answer(desk_, id_));
    is_running_ = false;
    return !result_.has_value();
  }
  Result await_resume() { return std::move(*result_); }

 private:
  // The reply, as whoever answers holds it.
  class Answer {
   public:
    Answer(HomeDesk& desk, uint64_t id) : desk_(&desk), closing_(desk.closing()), id_(id) {}
    Answer(Answer&& other) noexcept
        : desk_(std::exchange(other.desk_, nullptr)), closing_(std::move(other.closing_)), id_(other.id_) {}
    Answer& operator=(Answer&&) = delete;
    ~Answer() {
      if (desk_ != nullptr && !closing_->is_closed())
        (*this)(not_available(static_cast<std::optional<Result>*>(nullptr)));
    }
    void operator()(Result result) {
      HomeDesk& desk = *std::exchange(desk_, nullptr);
      if (closing_->is_closed()) return;
      if (desk.here().is_current()) {
        auto* call = static_cast<HomeCall*>(desk.find(id_));
        if (call != nullptr && call->is_running_) {
          call->result_ = std::move(result);
          return;
        }
      }
      desk.here().post([&desk, id = id_, result = std::move(result)]() mutable {
        if (auto* call = static_cast<HomeCall*>(desk.find(id))) call->arrive(std::move(result));
      });
    }

   private:
    HomeDesk* desk_;
    std::shared_ptr<const Closing> closing_;
    uint64_t id_;
  };

  void arrive(Result result) {
    result_ = std::move(result);
    waiter_.resume();
  }

  HomeDesk& desk_;
  env::Reactor& home_;
  Run run_;
  uint64_t id_ = 0;
  std::coroutine_handle<> waiter_;
  std::optional<Result> result_;
  bool is_running_ = false;
};

}  // namespace keelson::kafka
