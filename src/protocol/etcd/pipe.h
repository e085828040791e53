// A call of etcd's API as its handler sees it, whether it came by gRPC or through the JSON gateway: messages in,
// messages out, and word when it is to end early. One coroutine reads and one sends at a time; they may be two.
//
// Belongs to the reactor of its connection; lives as long as the handler.
#pragma once

#include <coroutine>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>

#include "base/task.h"
#include "env/reactor.h"
#include "net/grpc/call.h"
#include "net/grpc/status.h"

namespace keelson::etcd {

class Pipe {
 public:
  Pipe() = default;
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  virtual ~Pipe() = default;

  [[nodiscard]] virtual env::Reactor& reactor() = 0;
  [[nodiscard]] virtual std::optional<std::string_view> metadata(std::string_view name) = 0;
  // A message of the client's, as protobuf; valid until the next call. kFailed: failure() says why.
  [[nodiscard]] virtual Task<net::grpc::Read> read(std::string_view& message) = 0;
  [[nodiscard]] virtual const net::grpc::CallStatus& failure() const = 0;
  // False: the client is gone.
  [[nodiscard]] virtual Task<bool> send(std::string_view message) = 0;

  // The client has gone, the time is over, or the service stops: once.
  std::function<void()> on_cancel;
  [[nodiscard]] virtual bool is_cancelled() const = 0;
  [[nodiscard]] virtual const net::grpc::CallStatus& cancellation() const = 0;
  virtual void cancel(net::grpc::CallStatus why) = 0;
  // etcd's metadata "hasleader: true": better no answer than one of a member that has lost its leader.
  [[nodiscard]] bool wants_leader() { return metadata("hasleader").value_or("") == "true"; }

 private:
  friend class PipeList;
  Pipe* next_ = nullptr;
  Pipe* previous_ = nullptr;
};

// The calls under way of one reactor.
class PipeList {
 public:
  void add(Pipe& pipe) {
    pipe.next_ = first_;
    if (first_ != nullptr) first_->previous_ = &pipe;
    first_ = &pipe;
  }
  void remove(Pipe& pipe) {
    (pipe.previous_ == nullptr ? first_ : pipe.previous_->next_) = pipe.next_;
    if (pipe.next_ != nullptr) pipe.next_->previous_ = pipe.previous_;
    if (walk_ == &pipe) walk_ = pipe.next_;
    pipe.next_ = pipe.previous_ = nullptr;
  }
  // Calls may end meanwhile.
  void cancel_all(const net::grpc::CallStatus& why, bool only_who_wants_leader = false) {
    for (walk_ = first_; walk_ != nullptr;) {
      Pipe& pipe = *walk_;
      walk_ = pipe.next_;
      if (!only_who_wants_leader || pipe.wants_leader()) pipe.cancel(why);
    }
  }

 private:
  Pipe* first_ = nullptr;
  Pipe* walk_ = nullptr;  // the next of cancel_all()
};

class GrpcPipe final : public Pipe {
 public:
  explicit GrpcPipe(net::grpc::Call& call) : call_(call) {
    call_.on_cancel = [this] {
      if (on_cancel) std::exchange(on_cancel, nullptr)();
    };
  }
  ~GrpcPipe() override { call_.on_cancel = nullptr; }

  env::Reactor& reactor() override { return call_.reactor(); }
  std::optional<std::string_view> metadata(std::string_view name) override { return call_.metadata(name); }
  Task<net::grpc::Read> read(std::string_view& message) override { return call_.read(message); }
  const net::grpc::CallStatus& failure() const override { return call_.failure(); }
  Task<bool> send(std::string_view message) override { return call_.send(message); }
  bool is_cancelled() const override { return call_.is_cancelled(); }
  const net::grpc::CallStatus& cancellation() const override { return call_.cancellation(); }
  void cancel(net::grpc::CallStatus why) override { call_.cancel(std::move(why)); }

 private:
  net::grpc::Call& call_;
};

// Suspends until the call is cancelled, or somebody resumes the handle that `waiter` gets.
struct UntilCancelled {
  Pipe& pipe;
  std::coroutine_handle<>& waiter;
  bool await_ready() const noexcept { return pipe.is_cancelled(); }
  void await_suspend(std::coroutine_handle<> handle) const {
    waiter = handle;
    pipe.on_cancel = [&place = waiter] {
      if (place) std::exchange(place, {}).resume();
    };
  }
  void await_resume() const noexcept {
    waiter = {};
    pipe.on_cancel = nullptr;
  }
};

}  // namespace keelson::etcd
