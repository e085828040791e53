// A request of the house or a client to the coordination shard, from any reactor, and its answer.
//
//   auto [outcome, sink] = co_await service.write(here, Put{.key = "a", .value = "1"}, std::make_unique<MySink>());
//   if (outcome == ServiceErrc::kOk) send(sink->message());
//
// The sink is filled on the shard's reactor, while nobody else touches it, and comes back with the answer: a protocol's
// sink writes the bytes of its message, and nothing is copied on the way. If the time is over first, the sink is kept
// until the shard has done with it, and nobody sees it again. The request's body is encoded before this returns, so its
// views need to hold no longer. The coroutine that waits may be destroyed meanwhile.
#pragma once

#include <coroutine>
#include <cstdint>
#include <memory>
#include <utility>

#include "coord/errors.h"
#include "engine/coord/answer.h"
#include "engine/coord/commands.h"

namespace keelson::coord {

enum class Consistency : uint8_t {
  kLinearizable,  // sees everything that was answered anywhere before it was asked
  kSerializable,  // what the replica here has applied, maybe old; needs no leader
};

// The house itself as a caller: may do everything.
inline constexpr Caller kHouse{.user = {}, .auth_revision = 0, .is_internal = true};

namespace detail {

class Desk;

// What is under way; owned by its reactor's Desk until it has come back.
class Call;
struct CallFree {
  void operator()(Call* call) const;
};
// Given up when destroyed: the call goes on, and its answer is dropped.
using CallPointer = std::unique_ptr<Call, CallFree>;

// False: finished already, do not suspend.
bool start(Call& call, std::coroutine_handle<> waiter);
[[nodiscard]] ServiceErrc outcome_of(const Call& call);
[[nodiscard]] std::unique_ptr<AnswerSink> take_sink(Call& call);

}  // namespace detail

template <class Sink>
struct Answered {
  ServiceErrc outcome = ServiceErrc::kStopping;
  std::unique_ptr<Sink> sink;  // filled with kOk, else null
};

template <class Sink>
class [[nodiscard]] Request {
 public:
  explicit Request(detail::CallPointer call) : call_(std::move(call)) {}

  [[nodiscard]] bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> waiter) { return detail::start(*call_, waiter); }
  Answered<Sink> await_resume() {
    Answered<Sink> answered{.outcome = detail::outcome_of(*call_), .sink = nullptr};
    if (answered.outcome == ServiceErrc::kOk) {
      answered.sink.reset(static_cast<Sink*>(detail::take_sink(*call_).release()));
    }
    return answered;
  }

 private:
  detail::CallPointer call_;
};

}  // namespace keelson::coord
