#include "env/real/backstage.h"

#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <coroutine>
#include <deque>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "base/check.h"
#include "base/logging.h"
#include "env/hand_off.h"
#include "env/real/memory.h"
#include "env/real/real_reactor.h"
#include "env/real/real_stream.h"
#include "env/real/sockets.h"

namespace keelson::env {

namespace asio = boost::asio;

namespace {

using StreamProtocol = asio::generic::stream_protocol;
using Acceptor = asio::basic_socket_acceptor<StreamProtocol>;
using Socket = StreamProtocol::socket;
using SystemError = boost::system::error_code;

constexpr int kBacklog = 4096;               // the kernel cuts it down to net.core.somaxconn
constexpr unsigned kAcceptedAheadMax = 128;  // connections accepted that nobody has asked for yet
constexpr auto kAcceptPause = std::chrono::milliseconds(100);
constexpr auto kConnectTimeout = std::chrono::seconds(10);

StreamProtocol::endpoint to_endpoint(const SocketName& name) { return {name.data(), name.size}; }

// A connected socket on its way to a reactor.
struct Connected {
  int fd = -1;
  Address local;
  Address remote;

  Connected() = default;
  Connected(Connected&& other) noexcept
      : fd(std::exchange(other.fd, -1)), local(std::move(other.local)), remote(std::move(other.remote)) {}
  Connected& operator=(Connected&&) = delete;
  ~Connected() {
    if (fd >= 0) ::close(fd);
  }

  std::unique_ptr<Stream> to_stream(Reactor& owner) && {
    return std::make_unique<RealStream>(static_cast<RealReactor&>(owner), std::exchange(fd, -1), std::move(local),
                                        std::move(remote));
  }
};

Connected take_over(Socket& socket, Address remote) {
  Connected connected;
  SystemError error;
  connected.fd = socket.release(error);
  KEELSON_CHECK(!error, "Asio does not give a socket away");
  set_stream_options(connected.fd);
  connected.local = local_address(connected.fd);
  connected.remote = std::move(remote);
  return connected;
}

// The reactor's side of a listener; touched on its thread alone but for `ahead`.
struct Arrivals {
  std::deque<Connected> waiting;
  std::coroutine_handle<> waiter;
  bool is_closed = false;
  std::atomic<unsigned> ahead{0};  // accepted and not yet taken
};

void wake(Arrivals& arrivals) {
  if (arrivals.waiter) std::exchange(arrivals.waiter, {}).resume();
}

// The backstage thread's side of a listener: accepts ahead of what is asked for, up to a limit.
class Porter : public std::enable_shared_from_this<Porter> {
 public:
  Porter(Acceptor acceptor, Reactor& on, std::shared_ptr<Arrivals> arrivals)
      : acceptor_(std::move(acceptor)), pause_(acceptor_.get_executor()), on_(on), arrivals_(std::move(arrivals)) {}

  // Backstage thread.
  void accept_more() {
    if (is_accepting_ || is_closed_ || arrivals_->ahead.load() >= kAcceptedAheadMax) return;
    is_accepting_ = true;
    acceptor_.async_accept(remote_, [self = shared_from_this()](const SystemError& error, Socket socket) {
      self->is_accepting_ = false;
      self->accepted(error, socket);
    });
  }
  void close() {
    is_closed_ = true;
    pause_.cancel();
    SystemError ignored;
    acceptor_.close(ignored);
  }

 private:
  void accepted(const SystemError& error, Socket& socket) {
    if (is_closed_) return;
    if (error == asio::error::connection_aborted || error == asio::error::interrupted) return accept_more();
    if (error) {
      // Out of file descriptors or memory. Those who wait in the kernel's queue are served when some come free.
      if (!was_refused_) log_warn("network", "cannot accept connections for now", {{"error", error.message()}});
      was_refused_ = true;
      is_accepting_ = true;
      pause_.expires_after(kAcceptPause);
      pause_.async_wait([self = shared_from_this()](const SystemError&) {
        self->is_accepting_ = false;
        self->accept_more();
      });
      return;
    }
    was_refused_ = false;
    arrivals_->ahead.fetch_add(1);
    on_.post([arrivals = arrivals_,
              connected = take_over(
                  socket, from_socket_name(remote_.data(), static_cast<socklen_t>(remote_.size())))]() mutable {
      if (arrivals->is_closed) return;
      arrivals->waiting.push_back(std::move(connected));
      wake(*arrivals);
    });
    accept_more();
  }

  Acceptor acceptor_;
  asio::steady_timer pause_;
  Reactor& on_;
  std::shared_ptr<Arrivals> arrivals_;
  StreamProtocol::endpoint remote_;
  bool is_accepting_ = false;
  bool is_closed_ = false;
  bool was_refused_ = false;
};

struct ArrivalAwaiter {
  std::shared_ptr<Arrivals> arrivals;
  explicit ArrivalAwaiter(std::shared_ptr<Arrivals> shared) : arrivals(std::move(shared)) {}
  ArrivalAwaiter(const ArrivalAwaiter&) = delete;
  ArrivalAwaiter& operator=(const ArrivalAwaiter&) = delete;
  ~ArrivalAwaiter() { arrivals->waiter = {}; }
  bool await_ready() const { return arrivals->is_closed || !arrivals->waiting.empty(); }
  void await_suspend(std::coroutine_handle<> waiter) const {
    KEELSON_CHECK(!arrivals->waiter, "two accepts at a time on one listener");
    arrivals->waiter = waiter;
  }
  void await_resume() const {}
};

class RealListener final : public Listener {
 public:
  RealListener(asio::io_context& context, Reactor& on, Acceptor acceptor, Address local)
      : context_(context),
        on_(on),
        arrivals_(std::make_shared<Arrivals>()),
        porter_(std::make_shared<Porter>(std::move(acceptor), on, arrivals_)),
        local_(std::move(local)) {
    asio::post(context_, [porter = porter_] { porter->accept_more(); });
  }
  ~RealListener() override { close(); }

  Task<Result<std::unique_ptr<Stream>>> accept(Reactor& owner) override {
    const std::shared_ptr<Arrivals> arrivals = arrivals_;  // the listener may be gone when this goes on
    co_await ArrivalAwaiter(arrivals);
    if (arrivals->is_closed) co_return fail(NetErrc::kClosed, "the listener was closed");
    std::unique_ptr<Stream> stream = std::move(arrivals->waiting.front()).to_stream(owner);
    arrivals->waiting.pop_front();
    if (arrivals->ahead.fetch_sub(1) == kAcceptedAheadMax) {
      asio::post(context_, [porter = porter_] { porter->accept_more(); });
    }
    co_return stream;
  }

  void close() override {
    if (arrivals_->is_closed) return;
    arrivals_->is_closed = true;
    arrivals_->waiting.clear();
    // The port is free when this returns: the backstage thread never waits for anything, so this does not take long.
    std::promise<void> done;
    asio::post(context_, [&] {
      porter_->close();
      done.set_value();
    });
    done.get_future().wait();
    if (!local_.unix_path.empty()) ::unlink(local_.unix_path.c_str());
    on_.post([arrivals = arrivals_] { wake(*arrivals); });
  }

  [[nodiscard]] const Address& local() const override { return local_; }

 private:
  asio::io_context& context_;
  Reactor& on_;
  std::shared_ptr<Arrivals> arrivals_;
  std::shared_ptr<Porter> porter_;
  const Address local_;
};

// A socket file that a process which is gone has left behind is in the way of bind().
void remove_stale_socket(const Address& at) {
  struct stat status{};
  if (at.unix_path.empty() || ::stat(at.unix_path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) return;
  asio::io_context context;
  Socket probe(context);
  Result<SocketName> name = to_socket_name(at, false);
  if (!name.ok()) return;
  SystemError error;
  probe.connect(to_endpoint(*name), error);
  if (error == asio::error::connection_refused) ::unlink(at.unix_path.c_str());
}

SystemError bind_and_listen(Acceptor& acceptor, const StreamProtocol::endpoint& endpoint, bool both) {
  SystemError error;
  acceptor.open(endpoint.protocol(), error);
  if (!error && both) acceptor.set_option(asio::ip::v6_only(false), error);
  if (!error && endpoint.protocol().family() != AF_UNIX) {
    acceptor.set_option(Acceptor::reuse_address(true), error);
  }
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(kBacklog, error);
  return error;
}

// A connect under way; lives until it ends or its time is up.
struct Connecting {
  explicit Connecting(asio::io_context& context) : socket(context), deadline(context) {}
  Socket socket;
  asio::steady_timer deadline;
};

}  // namespace

struct Backstage::State {
  // One thread runs it, others post to it.
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
  std::optional<asio::signal_set> signals;
  std::thread thread;

  // Of a set, asio::signal_set hands on one signal per wait.
  void next_signal(Reactor& on, std::shared_ptr<std::function<void(int)>> on_signal) {
    signals->async_wait([this, &on, on_signal](const SystemError& error, int signal) {
      if (error) return;
      on.post([on_signal, signal] { (*on_signal)(signal); });
      next_signal(on, on_signal);
    });
  }
};

Backstage::Backstage() : state_(std::make_unique<State>()) {
  state_->thread = std::thread([state = state_.get()] {
    pthread_setname_np(pthread_self(), "backstage");
    const CountedThread counted;
    state->context.run();
  });
}

Backstage::~Backstage() { stop(); }

void Backstage::stop() {
  state_->context.stop();
  if (state_->thread.joinable()) state_->thread.join();
}

Result<std::unique_ptr<Listener>> Backstage::listen(Reactor& on, const Address& at) {
  remove_stale_socket(at);
  const bool is_everywhere = at.unix_path.empty() && at.host.empty();
  SystemError error;
  for (const bool both : {true, false}) {
    if (both && !is_everywhere) continue;
    Result<SocketName> name = to_socket_name(at, both);
    if (!name.ok()) return forward_error(name);
    Acceptor acceptor(state_->context);
    error = bind_and_listen(acceptor, to_endpoint(*name), both);
    if (!error) {
      Address local = local_address(acceptor.native_handle());
      return std::make_unique<RealListener>(state_->context, on, std::move(acceptor), std::move(local));
    }
    // A machine without IPv6 gets IPv4 alone.
    if (error == asio::error::address_in_use) break;
  }
  return fail(to_net_errc(error.value()), "cannot listen on " + at.text() + ": " + error.message());
}

Task<Result<std::unique_ptr<Stream>>> Backstage::connect(Reactor& on, Address to) {
  Result<SocketName> name = to_socket_name(to, false);
  if (!name.ok()) co_return forward_error(name);
  HandOff<Result<Connected>> result(on);
  asio::post(state_->context, [&context = state_->context, to, endpoint = to_endpoint(*name),
                               deliver = result.deliverer()]() mutable {
    auto connecting = std::make_shared<Connecting>(context);
    connecting->deadline.expires_after(kConnectTimeout);
    connecting->deadline.async_wait([connecting](const SystemError& error) {
      SystemError ignored;
      if (!error) connecting->socket.close(ignored);
    });
    connecting->socket.async_connect(
        endpoint, [connecting, to, deliver = std::move(deliver)](const SystemError& error) mutable {
          const bool is_late = connecting->deadline.cancel() == 0;
          if (!error) return deliver(take_over(connecting->socket, std::move(to)));
          const NetErrc code =
              is_late && error == asio::error::operation_aborted ? NetErrc::kTimedOut : to_net_errc(error.value());
          deliver(fail(code, "cannot connect to " + to.text() + ": " + make_error_code(code).message()));
        });
  });
  Result<Connected> connected = co_await result;
  if (!connected.ok()) co_return forward_error(connected);
  co_return std::move(*connected).to_stream(on);
}

Task<Result<std::vector<std::string>>> Backstage::resolve(Reactor& on, std::string host) {
  using Names = Result<std::vector<std::string>>;
  HandOff<Names> result(on);
  asio::post(state_->context, [&context = state_->context, host, deliver = result.deliverer()]() mutable {
    // Asio asks the machine's resolver on a thread of its own.
    auto resolver = std::make_shared<asio::ip::tcp::resolver>(context);
    resolver->async_resolve(
        host, "", [resolver, host, deliver = std::move(deliver)](const SystemError& error, const auto& found) mutable {
          if (error) {
            return deliver(fail(NetErrc::kInvalid, "the address of " + host + " cannot be found: " + error.message()));
          }
          std::vector<std::string> hosts;
          for (const auto& one : found) {
            std::string text = one.endpoint().address().to_string();
            if (std::find(hosts.begin(), hosts.end(), text) == hosts.end()) hosts.push_back(std::move(text));
          }
          if (hosts.empty()) return deliver(fail(NetErrc::kInvalid, "the host " + host + " has no address"));
          deliver(Names(std::move(hosts)));
        });
  });
  co_return co_await result;
}

Status Backstage::watch_signals(Reactor& on, std::function<void(int)> on_signal) {
  KEELSON_CHECK(!state_->signals, "signals are watched already");
  state_->signals.emplace(state_->context);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    SystemError error;
    state_->signals->add(signal, error);
    if (error) return fail(NetErrc::kInvalid, "cannot watch signals: " + error.message());
  }
  auto shared = std::make_shared<std::function<void(int)>>(std::move(on_signal));
  asio::post(state_->context, [state = state_.get(), &on, shared] { state->next_signal(on, shared); });
  return {};
}

}  // namespace keelson::env
