#include "coord/desk.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "coord/home.h"

namespace keelson::coord::detail {

void CallFree::operator()(Call* call) const { call->desk->drop(*call); }

bool start(Call& call, std::coroutine_handle<> waiter) { return call.desk->start(call, waiter); }
ServiceErrc outcome_of(const Call& call) { return call.outcome; }
std::unique_ptr<AnswerSink> take_sink(Call& call) { return std::move(call.sink); }

void Call::finished(shard::LogErrc result) {
  said = from_log(result);
  home->finished(*this);
}

Desk::Desk(env::Reactor& here, Home& home)
    : here_(here), home_(home), deadlines_(here, [this] { check_deadlines(); }) {}
Desk::~Desk() = default;

CallPointer Desk::make_call(std::unique_ptr<Encoded> body, bool is_write, Consistency consistency,
                            std::unique_ptr<AnswerSink> sink, int64_t timeout_ms) {
  auto call = std::make_unique<Call>();
  call->desk = this;
  call->body = std::move(body);
  call->sink = std::move(sink);
  call->commands = call->body->commands();
  call->is_write = is_write;
  call->is_stale = consistency == Consistency::kSerializable;
  call->timeout_ms = timeout_ms;
  call->place = calls_.size();
  calls_.push_back(std::move(call));
  return CallPointer(calls_.back().get());
}

bool Desk::start(Call& call, std::coroutine_handle<> waiter) {
  KEELSON_CHECK(call.state == Call::State::kNew, "a request is awaited twice");
  if (is_stopping_) {
    call.outcome = ServiceErrc::kStopping;
    call.state = Call::State::kBack;
    return false;
  }
  call.state = Call::State::kUnderWay;
  call.home = &home_;
  ++under_way_;
  if (&home_.reactor() == &here_) {
    home_.run(call);
    if (call.state == Call::State::kBack) return false;
  } else {
    outbox_.calls.push_back(&call);
    gather();
  }
  call.waiter = waiter;
  call.deadline_ns = here_.clock().monotonic_ns() + call.timeout_ms * 1'000'000;
  if (!is_armed_) {
    is_armed_ = true;
    deadlines_.arm_after(kDeadlineEveryMs * 1'000'000);
  }
  return true;
}

void Desk::came_back(Call& call) {
  call.state = Call::State::kBack;
  call.outcome = call.said;
  --under_way_;
  if (call.is_dropped) {
    forget(call);
  } else if (call.waiter) {
    std::exchange(call.waiter, {}).resume();
  }
}

void Desk::drop(Call& call) {
  if (call.state != Call::State::kUnderWay) {
    forget(call);
    return;
  }
  call.is_dropped = true;
  call.waiter = {};
}

void Desk::forget(Call& call) {
  const size_t place = call.place;
  if (place + 1 != calls_.size()) {
    std::swap(calls_[place], calls_.back());
    calls_[place]->place = place;
  }
  calls_.pop_back();
}

void Desk::check_deadlines() {
  const int64_t now_ns = here_.clock().monotonic_ns();
  std::vector<Call*> late;
  for (const auto& call : calls_) {
    if (call->waiter && call->deadline_ns <= now_ns) late.push_back(call.get());
  }
  for (Call* call : late) {
    // One that was resumed may have destroyed the others' waiters, or ended them. But nothing here frees a call that is
    // under way.
    if (!call->waiter) continue;
    timed_out_.add();
    call->outcome = ServiceErrc::kTimedOut;
    std::exchange(call->waiter, {}).resume();
  }
  is_armed_ = std::ranges::any_of(calls_, [](const auto& call) { return static_cast<bool>(call->waiter); });
  if (is_armed_) deadlines_.arm_after(kDeadlineEveryMs * 1'000'000);
}

std::unique_ptr<WatchStream> Desk::open() {
  auto state = std::make_unique<StreamState>(*this, here_.index());
  state->is_ending = state->is_closed = is_shut_;
  auto stream = std::unique_ptr<WatchStream>(new WatchStream(*state));  // tidy: naked new, the constructor is private.
  outbox_.attached.push_back(std::move(state));
  gather();
  return stream;
}

void Desk::request(StreamRequest request) {
  outbox_.requests.push_back(std::move(request));
  gather();
}

void Desk::taken(StreamState& stream, const Queued& queued) {
  stream.taken_bytes.add(queued.charged_bytes);
  taken_bytes_.add(queued.charged_bytes);
}

void Desk::close(StreamState& stream) {
  std::erase(have_room_, &stream);
  request({.kind = StreamRequest::Kind::kDetach, .stream = &stream});
}

void Desk::shut() {
  is_shut_ = true;
  deadlines_.disarm();
}

void Desk::wake_room(StreamState& stream) {
  have_room_.push_back(&stream);
  gather();
}

void Desk::gather() {
  if (is_gathering_ || is_shut_) return;
  is_gathering_ = true;
  here_.at_turn_end([this] { send(); });
}

void Desk::send() {
  while (!have_room_.empty()) {
    StreamState& stream = *have_room_.back();
    have_room_.pop_back();
    if (stream.waits_for_room && has_room(stream)) std::exchange(stream.waits_for_room, {}).resume();
  }
  is_gathering_ = false;
  if (is_shut_ || (outbox_.attached.empty() && outbox_.requests.empty() && outbox_.calls.empty())) return;
  home_.reactor().post([&home = home_, box = std::exchange(outbox_, {})]() mutable { home.receive(std::move(box)); });
}

void Desk::receive(FromHome box) {
  std::vector<StreamState*> woken;
  for (FromHome::Item& item : box.items) {
    StreamState& stream = *item.stream;
    if (stream.is_abandoned) {
      taken(stream, item.queued);
      continue;
    }
    if (stream.head == stream.queue.size()) woken.push_back(&stream);
    if (item.queued.mark == Mark::kNone && item.queued.delivery.kind == DeliveryKind::kClosed) {
      stream.is_ending = true;
      if (stream.waits_for_room) wake_room(stream);
    }
    stream.queue.push_back(std::move(item.queued));
  }
  // Whoever is resumed may destroy his stream or any other; what that one was stays until `box` goes or longer.
  for (StreamState* stream : woken) wake(*stream);
  for (Call* call : box.calls) came_back(*call);
}

}  // namespace keelson::coord::detail
