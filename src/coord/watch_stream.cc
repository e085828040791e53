#include <algorithm>
#include <utility>

#include "coord/desk.h"
#include "coord/stream_state.h"
#include "coord/watch.h"

namespace keelson::coord {

using detail::Mark;
using detail::Queued;
using detail::StreamRequest;
using detail::StreamState;

namespace {

// A client's queue gives its memory back when it has been longer than this and is empty.
constexpr size_t kQueueKept = 16;

bool answers_a_request(const Delivery& delivery) {
  switch (delivery.kind) {
    case DeliveryKind::kCreated:
    case DeliveryKind::kRefused:
      return true;
    case DeliveryKind::kCanceled:
      return delivery.why == WatchErrc::kAsked;
    case DeliveryKind::kProgress:
      return delivery.id == kWholeStream;
    case DeliveryKind::kEvents:
    case DeliveryKind::kClosed:
      return false;
  }
  return false;
}

bool is_empty(const StreamState& state) { return state.head == state.queue.size(); }

Queued pop(StreamState& state) {
  Queued first = std::move(state.queue[state.head++]);
  if (is_empty(state)) {
    state.head = 0;
    state.queue.clear();
    if (state.queue.capacity() > kQueueKept) state.queue = {};
  }
  state.desk.taken(state, first);
  return first;
}

void answered(StreamState& state) {
  --state.answers_owed;
  if (state.waits_for_room) state.desk.wake_room(state);
}

// Takes the marks that stand at the front.
void pass_marks(StreamState& state) {
  while (!is_empty(state) && state.queue[state.head].mark != Mark::kNone) {
    const Queued mark = pop(state);
    if (mark.mark == Mark::kNoAnswer) {
      answered(state);
    } else {
      state.desk.request({.kind = StreamRequest::Kind::kRoom, .stream = &state});
    }
  }
}

}  // namespace

const char* watch_error_text(WatchErrc code) {
  switch (code) {
    case WatchErrc::kDuplicateId:
      return "mvcc: duplicate watch ID provided on the WatchStream";
    case WatchErrc::kEmptyRange:
      return "mvcc: watcher range is empty";
    case WatchErrc::kTooMany:
      return "etcdserver: too many watchers";
    case WatchErrc::kOk:
    case WatchErrc::kAsked:
    case WatchErrc::kCompacted:
      break;
  }
  return "";
}

void detail::wake(StreamState& state) {
  if (state.is_abandoned) return;
  pass_marks(state);
  if (!is_empty(state) && state.waits_for_next) std::exchange(state.waits_for_next, {}).resume();
}

bool detail::has_room(const StreamState& state) { return state.is_ending || state.answers_owed < kStreamAnswersMax; }

WatchStream::~WatchStream() {
  state_.is_abandoned = true;
  state_.waits_for_next = state_.waits_for_room = {};
  while (!is_empty(state_)) (void)pop(state_);
  state_.desk.close(state_);
}

void WatchStream::create(WatchRequest request) {
  ++state_.answers_owed;
  state_.desk.request(
      {.kind = StreamRequest::Kind::kCreate, .id = request.id, .stream = &state_, .what = std::move(request)});
}
void WatchStream::cancel(WatchId id) {
  ++state_.answers_owed;
  state_.desk.request({.kind = StreamRequest::Kind::kCancel, .id = id, .stream = &state_});
}
void WatchStream::request_progress() {
  ++state_.answers_owed;
  state_.desk.request({.kind = StreamRequest::Kind::kProgress, .stream = &state_});
}

bool WatchStream::has_next() const {
  pass_marks(state_);
  return !is_empty(state_) || state_.is_closed;
}

bool WatchStream::try_next(Delivery& delivery) {
  if (!has_next()) return false;
  if (state_.is_closed) {
    delivery = {};
    return true;
  }
  delivery = pop(state_).delivery;
  if (delivery.kind == DeliveryKind::kClosed) {
    state_.is_closed = true;
  } else if (answers_a_request(delivery)) {
    answered(state_);
  }
  pass_marks(state_);
  return true;
}

bool WatchStream::has_room() const { return detail::has_room(state_); }
bool WatchStream::is_ending() const { return state_.is_ending; }
void WatchStream::wait_for_next(std::coroutine_handle<> waiter) { state_.waits_for_next = waiter; }
void WatchStream::wait_for_room(std::coroutine_handle<> waiter) { state_.waits_for_room = waiter; }

}  // namespace keelson::coord
