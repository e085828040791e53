#include "env/sim/sim_network.h"

#include <algorithm>
#include <coroutine>
#include <utility>

#include "base/check.h"
#include "env/hand_off.h"
#include "env/sim/sim_node.h"

namespace keelson::env::sim {

namespace {

constexpr size_t kBacklogMax = 4096;

// A connection on its way to whoever asked for it; ends it if nobody takes it.
class Dialed {
 public:
  Dialed() = default;
  Dialed(World::State& world, ConnectionPtr connection) : world_(&world), connection_(std::move(connection)) {}
  Dialed(Dialed&&) noexcept = default;
  Dialed& operator=(Dialed&&) = delete;
  ~Dialed() {
    if (!connection_) return;
    Socket& socket = connection_->sockets[0];
    if (socket.env->is_alive()) world_->wires->send_end(*connection_, 0);
    socket.is_closed = true;
  }
  ConnectionPtr take() { return std::exchange(connection_, nullptr); }

 private:
  World::State* world_ = nullptr;
  ConnectionPtr connection_;
};

struct Answer {
  NetErrc error = NetErrc::kOk;
  Dialed dialed;
};

// What happens when the wish to connect arrives at the target.
Answer answer_at(World::State& world, SimEnv& env, int target, const Address& to, const Address& local) {
  const unsigned from = env.node().index();
  if (target < 0) return {.error = NetErrc::kTimedOut, .dialed = {}};
  const auto there = static_cast<unsigned>(target);
  if (world.is_cut(from, there) || world.is_cut(there, from) || !world.nodes[there]->has_power()) {
    return {.error = NetErrc::kTimedOut, .dialed = {}};
  }
  SimListener* listener = world.wires->find_listener(from, to);
  if (listener == nullptr || world.faults.happens(world.options.network.refuse_probability)) {
    return {.error = NetErrc::kRefused, .dialed = {}};
  }
  auto connection = std::make_shared<Connection>();
  Socket& client = connection->sockets[0];
  client.node = from;
  client.env = &env;
  client.local = local;
  Socket& server = connection->sockets[1];
  server.node = there;
  server.env = &listener->env();
  server.local = to;
  if (!listener->arrive(connection)) return {.error = NetErrc::kRefused, .dialed = {}};
  world.wires->add(connection);
  return {.error = NetErrc::kOk, .dialed = Dialed(world, std::move(connection))};
}

}  // namespace

SimStream::SimStream(World::State& world, SimReactor& reactor, ConnectionPtr connection, unsigned side)
    : world_(world),
      reactor_(reactor),
      connection_(std::move(connection)),
      side_(side),
      self_(std::make_shared<SimStream*>(this)) {
  mine().stream = this;
}

SimStream::~SimStream() {
  // Coroutines that still wait are never resumed, and must not look for this stream when they are destroyed.
  if (reading_ != nullptr) reading_->pending = false;
  if (writing_ != nullptr) writing_->pending = false;
  reading_ = writing_ = nullptr;
  close();
  *self_ = nullptr;
  mine().stream = nullptr;
}

Reactor& SimStream::reactor() { return reactor_; }

bool SimStream::start_read(IoOperation& operation) {
  KEELSON_CHECK(reading_ == nullptr && !operation.into.empty(), "two reads at a time, or one into nothing");
  if (try_read(operation)) return true;
  operation.pending = true;
  reading_ = &operation;
  return false;
}

bool SimStream::try_read(IoOperation& operation) {
  Socket& socket = mine();
  if (socket.is_closed) {
    operation.finish(NetErrc::kClosed, 0);
  } else if (socket.error != NetErrc::kOk) {
    operation.finish(socket.error, 0);
  } else if (!socket.inbox.empty()) {
    size_t count = std::min(socket.inbox.size(), operation.into.size());
    if (count > 1 && world_.faults.happens(world_.options.network.short_transfer_probability)) {
      count = 1 + world_.faults.below(count - 1);
    }
    socket.inbox.copy(operation.into.data(), count);
    socket.inbox.erase(0, count);
    world_.wires->took(*connection_, side_, count);
    operation.finish(NetErrc::kOk, count);
  } else if (socket.has_end) {
    operation.finish(NetErrc::kEof, 0);
  } else {
    return false;
  }
  return true;
}

bool SimStream::start_write(IoOperation& operation) {
  KEELSON_CHECK(writing_ == nullptr, "two writes at a time");
  if (try_send(operation)) return true;
  operation.pending = true;
  writing_ = &operation;
  return false;
}

bool SimStream::try_send(IoOperation& operation) {
  for (;;) {
    const IoOutcome outcome = try_write(operation.from.substr(operation.count));
    operation.count += outcome.count;
    if (!outcome.ok() || operation.count == operation.from.size()) {
      operation.finish(outcome.error, operation.count);
      return true;
    }
    if (outcome.count == 0) return false;
  }
}

IoOutcome SimStream::try_write(std::string_view from) {
  const Socket& socket = mine();
  if (socket.is_closed) return {.error = NetErrc::kClosed, .count = 0};
  if (socket.error != NetErrc::kOk || socket.has_sent_end) {
    return {.error = socket.error != NetErrc::kOk ? socket.error : NetErrc::kReset, .count = 0};
  }
  if (!socket.env->is_alive()) return {.error = NetErrc::kReset, .count = 0};
  return {.error = NetErrc::kOk, .count = world_.wires->send(*connection_, side_, from)};
}

void SimStream::shutdown_write() {
  if (mine().env->is_alive() && !mine().is_closed) world_.wires->send_end(*connection_, side_);
}

void SimStream::close() {
  Socket& socket = mine();
  if (socket.is_closed) return;
  if (socket.env->is_alive()) world_.wires->send_end(*connection_, side_);
  socket.is_closed = true;
  socket.inbox.clear();
  if (reading_ != nullptr || writing_ != nullptr) wake();
}

void SimStream::wake() {
  if (is_woken_) return;
  is_woken_ = true;
  reactor_.make_ready([self = self_] {
    if (*self != nullptr) (*self)->look();
  });
}

void SimStream::look() {
  is_woken_ = false;
  const std::shared_ptr<SimStream*> self = self_;  // resuming may destroy this
  if (writing_ != nullptr && try_send(*writing_)) {
    std::exchange(writing_, nullptr)->resume();
    if (*self == nullptr) return;
  }
  if (reading_ != nullptr && try_read(*reading_)) std::exchange(reading_, nullptr)->resume();
}

void SimStream::cancel(IoOperation& operation) {
  if (reading_ == &operation) reading_ = nullptr;
  if (writing_ == &operation) writing_ = nullptr;
}

struct SimListener::Awaiter {
  std::shared_ptr<Queue> queue;
  explicit Awaiter(std::shared_ptr<Queue> shared) : queue(std::move(shared)) {}
  Awaiter(const Awaiter&) = delete;
  Awaiter& operator=(const Awaiter&) = delete;
  ~Awaiter() { queue->waiter = {}; }
  bool await_ready() const { return queue->is_closed || !queue->waiting.empty(); }
  void await_suspend(std::coroutine_handle<> waiter) const {
    KEELSON_CHECK(!queue->waiter, "two accepts at a time on one listener");
    queue->waiter = waiter;
  }
  void await_resume() const {}
};

SimListener::SimListener(World::State& world, SimEnv& env, Reactor& on, Address local)
    : world_(world), env_(env), on_(on), local_(std::move(local)), queue_(std::make_shared<Queue>()) {
  world_.wires->add(*this);
}

bool SimListener::arrive(const ConnectionPtr& connection) {
  if (queue_->is_closed || queue_->waiting.size() >= kBacklogMax) return false;
  queue_->waiting.push_back(connection);
  if (queue_->waiter) {
    static_cast<SimReactor&>(on_).make_ready([queue = queue_] {
      if (queue->waiter && !queue->waiting.empty()) std::exchange(queue->waiter, {}).resume();
    });
  }
  return true;
}

Task<Result<std::unique_ptr<Stream>>> SimListener::accept(Reactor& owner) {
  const std::shared_ptr<Queue> queue = queue_;  // the listener may be gone when this goes on
  World::State& world = world_;
  co_await Awaiter(queue);
  if (queue->is_closed) co_return fail(NetErrc::kClosed, "the listener was closed");
  ConnectionPtr connection = std::move(queue->waiting.front());
  queue->waiting.pop_front();
  co_return std::make_unique<SimStream>(world, static_cast<SimReactor&>(owner), std::move(connection), 1);
}

void SimListener::close() {
  if (queue_->is_closed) return;
  queue_->is_closed = true;
  world_.wires->remove(*this);
  for (const ConnectionPtr& connection : queue_->waiting) {
    connection->sockets[1].is_closed = true;
    if (env_.is_alive()) world_.wires->break_connection(*connection, NetErrc::kReset);
  }
  queue_->waiting.clear();
  static_cast<SimReactor&>(on_).make_ready([queue = queue_] {
    if (queue->waiter) std::exchange(queue->waiter, {}).resume();
  });
}

Result<std::unique_ptr<Listener>> SimNetwork::listen(Reactor& on, const Address& at) {
  const unsigned node = env_.node().index();
  if (!env_.is_alive()) return fail(NetErrc::kInvalid, "the machine is down");
  const bool is_mine = at.host.empty() || at.is_loopback() || at.host == env_.node().host();
  if (!is_mine) return fail(NetErrc::kInvalid, "cannot listen on " + at.text() + ": it is not this machine's address");
  Address local = at;
  while (at.unix_path.empty() && (local.port == 0 || (at.port == 0 && world_.wires->find_conflict(node, local)))) {
    local.port = env_.node().next_port();
  }
  if (world_.wires->find_conflict(node, local) != nullptr) {
    return fail(NetErrc::kAddressInUse, "cannot listen on " + at.text() + ": the address is in use");
  }
  return std::make_unique<SimListener>(world_, env_, on, std::move(local));
}

Task<Result<std::vector<std::string>>> SimNetwork::resolve(Reactor& on, std::string host) {
  const bool is_v6 = host.find(':') != std::string::npos;
  const Result<Address> numeric = Address::parse((is_v6 ? "[" + host + "]" : host) + ":0");
  if (!numeric.ok()) co_return fail(NetErrc::kInvalid, "there is no host " + host);
  co_return std::vector<std::string>{numeric->host};
}

Task<Result<std::unique_ptr<Stream>>> SimNetwork::connect(Reactor& on, Address to) {
  if (!env_.is_alive()) co_return fail(NetErrc::kInvalid, "the machine is down");
  HandOff<Answer> result(on);
  World::State& world = world_;
  Address local;
  if (to.unix_path.empty()) {
    const std::string host = to.is_loopback() ? "127.0.0.1" : env_.node().host();
    local = {.host = host, .port = env_.node().next_port(), .unix_path = {}};
  } else {
    local.unix_path = "unnamed";
  }
  const int target = world.wires->node_of(env_.node().index(), to);
  const unsigned from = env_.node().index();
  const unsigned there = target < 0 ? from : static_cast<unsigned>(target);
  world.schedule_after(world.draw_delay_ns(from, there), [&env = env_, &world, target, there, to, local,
                                                          deliver = result.deliverer()]() mutable {
    if (!env.is_alive()) return;
    Answer answer = answer_at(world, env, target, to, local);
    world.trace(Trace::kConnect, env.node().index(), static_cast<uint64_t>(answer.error));
    const bool is_silent = answer.error == NetErrc::kTimedOut;
    const int64_t delay_ns =
        is_silent ? world.options.network.connect_timeout_ns : world.draw_delay_ns(there, env.node().index());
    world.schedule_after(
        delay_ns, [answer = std::move(answer), deliver = std::move(deliver)]() mutable { deliver(std::move(answer)); });
  });
  Answer answer = co_await result;
  if (answer.error != NetErrc::kOk) {
    co_return fail(answer.error, "cannot connect to " + to.text() + ": " + make_error_code(answer.error).message());
  }
  co_return std::make_unique<SimStream>(world, static_cast<SimReactor&>(on), answer.dialed.take(), 0);
}

}  // namespace keelson::env::sim
