// Watches. One coroutine listens to the client, another sends what the hub delivers; a client that takes nothing holds
// up its own two.
#include <coroutine>
#include <memory>
#include <string>
#include <utility>

#include "protocol/etcd/asker.h"
#include "protocol/etcd/handlers.h"
#include "protocol/etcd/requests.h"
#include "protocol/etcd/watch_response.h"

namespace keelson::etcd {

namespace {

using coord::CoordErrc;
using coord::Delivery;
using coord::DeliveryKind;
using net::grpc::CallStatus;
using net::grpc::Read;

// One at a time sends; there are two that want to. Whoever waits goes on in a turn of its own: the listener may end
// then, and with it the coroutine that has just sent.
class SendLock {
 public:
  explicit SendLock(env::Reactor& reactor) : wake_(reactor, [this] { std::exchange(next_, {}).resume(); }) {}
  struct Waiting {
    SendLock& lock;
    bool await_ready() const noexcept { return !std::exchange(lock.is_held_, true); }
    void await_suspend(std::coroutine_handle<> waiter) const noexcept { lock.waiter_ = waiter; }
    void await_resume() const noexcept {}
  };
  [[nodiscard]] Waiting take() { return {*this}; }
  void leave() {
    if (waiter_) {  // it has the lock from now on
      next_ = std::exchange(waiter_, {});
      wake_.arm_after(0);
    } else {
      is_held_ = false;
    }
  }

 private:
  bool is_held_ = false;
  std::coroutine_handle<> waiter_;
  std::coroutine_handle<> next_;
  env::Timer wake_;
};

// What the two share.
struct WatchCall {
  WatchCall(EtcdService& the_service, Pipe& the_pipe)
      : service(the_service),
        pipe(the_pipe),
        asker(service, pipe),
        stream(service.coord().open_watch_stream(pipe.reactor())),
        sending(pipe.reactor()),
        closed(pipe.reactor(), [this] { pipe.cancel(status_of(ProtocolErrc::kStopped)); }) {}

  EtcdService& service;
  Pipe& pipe;
  Asker asker;
  std::unique_ptr<coord::WatchStream> stream;
  SendLock sending;
  env::Timer closed;  // the hub is; told in a turn of its own, since the listener's coroutine may end then
};

Task<bool> send_one(WatchCall& call, std::string_view message) {
  co_await call.sending.take();
  const bool is_there = co_await call.pipe.send(message);
  call.sending.leave();
  co_return is_there;
}

// Once the client is gone deliveries are taken and dropped, until the listener has heard of it: it may be waiting for
// room().
Task<void> send_deliveries(WatchCall& call) {
  const size_t bytes_max = call.service.options().request_bytes_max;
  bool is_there = true;
  while (true) {
    const Delivery delivery = co_await call.stream->next();
    if (delivery.kind == DeliveryKind::kClosed) {
      call.closed.arm_after(0);
      co_return;
    }
    if (!is_there) continue;
    for (const std::string& message : watch_responses(call.asker.facts(), delivery, bytes_max)) {
      is_there = is_there && co_await send_one(call, message);
    }
  }
}

// False: the client is gone.
Task<bool> create(WatchCall& call, coord::WatchRequest& request) {
  if (request.key.empty()) request.key.assign(1, '\0');  // the smallest key
  const auto permission = co_await call.asker.check_read(request.key, request.range_end);
  if (!permission.status.ok()) {
    const std::string refusal =
        refused_watch(call.asker.facts(), permission.revision, request.id, go_text(permission.status));
    co_return co_await send_one(call, refusal);
  }
  call.stream->create(std::move(request));
  co_return true;
}

// To the client's end, or that of the call.
Task<CallStatus> listen(WatchCall& call) {
  std::string_view message;
  while (co_await call.pipe.read(message) == Read::kMessage) {
    WatchAsk wish;
    if (const CoordErrc taken = translate(message, wish); taken != CoordErrc::kOk) co_return refuse(taken).status;
    co_await call.stream->room();
    if (wish.kind == WatchAsk::Kind::kCreate && !co_await create(call, wish.create)) co_return CallStatus{};
    if (wish.kind == WatchAsk::Kind::kCancel) call.stream->cancel(wish.cancel_id);
    if (wish.kind == WatchAsk::Kind::kProgress) call.stream->request_progress();
  }
  if (!call.pipe.failure().ok()) co_return call.pipe.failure();
  // The client will ask for nothing more, and is told what happens all the same.
  std::coroutine_handle<> waiter;
  co_await UntilCancelled{call.pipe, waiter};
  co_return call.pipe.cancellation();
}

}  // namespace

Task<CallStatus> Handlers::Watch_Watch(Pipe& pipe) {
  WatchCall call(service_, pipe);
  env::TaskScope sender(pipe.reactor());
  sender.spawn(send_deliveries(call));
  CallStatus status = co_await listen(call);
  co_await call.sending.take();  // what is being sent is sent, or the client gone; the sender goes with its scope
  co_return status;
}

}  // namespace keelson::etcd
