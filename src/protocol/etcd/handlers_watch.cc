// Watches. One coroutine listens to the client, another sends what the hub delivers; a client that takes nothing holds up
// its own two.
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

// What the two share.
struct WatchCall {
  explicit WatchCall(EtcdService& the_service, Pipe& the_pipe)
      : service(the_service), pipe(the_pipe), stream(service.coord().open_watch_stream(pipe.reactor())) {}

  EtcdService& service;
  Pipe& pipe;
  std::unique_ptr<coord::WatchStream> stream;
  // Watches that were refused before the hub saw them: sent by the sender, like everything.
  std::vector<std::string> refusals;
  bool is_sending = false;
  bool is_ending = false;
  std::coroutine_handle<> end_waiter;  // until nothing is being sent
};

struct NothingBeingSent {
  WatchCall& call;
  bool await_ready() const noexcept { return !call.is_sending; }
  void await_suspend(std::coroutine_handle<> waiter) const noexcept { call.end_waiter = waiter; }
  void await_resume() const noexcept {}
};

Task<bool> send_one(WatchCall& call, std::string_view message) {
  call.is_sending = true;
  const bool is_there = co_await call.pipe.send(message);
  call.is_sending = false;
  co_return is_there && !call.is_ending;
}

Task<void> send_deliveries(WatchCall& call) {
  const size_t bytes_max = call.service.options().request_bytes_max;
  bool goes_on = true;
  while (goes_on) {
    const Delivery delivery = co_await call.stream->next();
    if (delivery.kind == DeliveryKind::kClosed) {
      call.pipe.cancel(status_of(ProtocolErrc::kStopped));
      break;
    }
    const HeaderFacts facts = call.service.members().facts();
    for (const std::string& message : watch_responses(facts, delivery, bytes_max)) {
      goes_on = goes_on && co_await send_one(call, message);
    }
  }
  if (call.end_waiter) std::exchange(call.end_waiter, {}).resume();
}

}  // namespace

}  // namespace keelson::etcd
