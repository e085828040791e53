// Connections between simulated machines. For this folder alone.
//
// A connection is two sockets; what one sends stands as segments on the wire to the other until each arrives, in order.
// A partition stops the wire; healing it starts it again, as TCP's retransmissions do, unless the connection timed out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "env/network.h"
#include "env/sim/world_state.h"

namespace keelson::env::sim {

class SimEnv;
class SimListener;
class SimReactor;
class SimStream;
struct Connection;

// What one side sent and the other has not taken.
struct Segment {
  int64_t arrives_at_ns = 0;
  bool is_end = false;  // no more follows
  std::string bytes;
};

struct Socket {
  unsigned node = 0;
  SimEnv* env = nullptr;
  SimStream* stream = nullptr;  // null: not accepted yet, or destroyed
  Address local;
  std::string inbox;     // arrived and not read
  bool has_end = false;  // the peer's end has arrived
  bool has_sent_end = false;
  bool is_closed = false;
  NetErrc error = NetErrc::kOk;  // the connection is broken, as seen from here
  std::deque<Segment> wire;      // to the other socket
  size_t unread = 0;             // bytes on the wire and in the other's inbox
  bool wire_has_event = false;
  bool wire_is_stuck = false;  // by a partition
  uint64_t stuck_count = 0;
};

struct Connection : std::enable_shared_from_this<Connection> {
  Socket sockets[2];
};
using ConnectionPtr = std::shared_ptr<Connection>;

// All connections and listeners of a world.
class Wires {
 public:
  explicit Wires(World::State& world) : world_(world) {}

  // Sends as much as the window takes; the count. Fails through socket.error.
  size_t send(Connection& connection, unsigned side, std::string_view bytes);
  void send_end(Connection& connection, unsigned side);
  // The reader took this much out of its inbox: the sender has more room, some time later.
  void took(Connection& connection, unsigned side, size_t bytes);
  // Both sides see it, each in its time.
  void break_connection(Connection& connection, NetErrc error, int64_t extra_delay_ns = 0);
  void fail_socket(Connection& connection, unsigned side, NetErrc error);

  // `orderly`: as a process that exits, else as a machine that is gone.
  void break_all_of(const SimEnv& env, bool orderly);
  void break_all_of_node(unsigned node);
  // Wires that are no longer cut go on.
  void heal();

  void add(SimListener& listener) { listeners_.push_back(&listener); }
  void remove(const SimListener& listener) { std::erase(listeners_, &listener); }
  [[nodiscard]] SimListener* find_listener(unsigned from_node, const Address& at) const;
  [[nodiscard]] SimListener* find_conflict(unsigned node, const Address& at) const;
  // The machine with that address; the caller's own for loopback. -1 if there is none.
  [[nodiscard]] int node_of(unsigned from_node, const Address& at) const;
  void add(ConnectionPtr connection);

 private:
  // From that side to the other, drawn.
  int64_t delay_ns(const Connection& connection, unsigned side);
  void pump(Connection& connection, unsigned side);
  void schedule_pump(Connection& connection, unsigned side);
  void arrive(Connection& connection, unsigned side, Segment segment);
  void get_stuck(Connection& connection, unsigned side);

  World::State& world_;
  std::vector<ConnectionPtr> connections_;  // in order of making; swept now and then
  size_t sweep_at_ = 64;
  std::vector<SimListener*> listeners_;
};

class SimStream final : public Stream {
 public:
  SimStream(World::State& world, SimReactor& reactor, ConnectionPtr connection, unsigned side);
  ~SimStream() override;

  IoOutcome try_write(std::string_view from) override;
  void shutdown_write() override;
  void close() override;
  [[nodiscard]] const Address& remote() const override { return other().local; }
  [[nodiscard]] const Address& local() const override { return mine().local; }
  [[nodiscard]] Reactor& reactor() override;

  // Something happened to the socket: looks after waiting operations in a later turn.
  void wake();

 protected:
  bool start_read(IoOperation& operation) override;
  bool start_write(IoOperation& operation) override;
  void cancel(IoOperation& operation) override;

 private:
  [[nodiscard]] Socket& mine() const { return connection_->sockets[side_]; }
  [[nodiscard]] Socket& other() const { return connection_->sockets[1 - side_]; }
  bool try_read(IoOperation& operation);
  bool try_send(IoOperation& operation);
  void look();

  World::State& world_;
  SimReactor& reactor_;
  const ConnectionPtr connection_;
  const unsigned side_;
  const std::shared_ptr<SimStream*> self_;  // null when it is destroyed
  bool is_woken_ = false;
  IoOperation* reading_ = nullptr;
  IoOperation* writing_ = nullptr;
};

class SimListener final : public Listener {
 public:
  SimListener(World::State& world, SimEnv& env, Reactor& on, Address local);
  ~SimListener() override { close(); }

  Task<Result<std::unique_ptr<Stream>>> accept(Reactor& owner) override;
  void close() override;
  [[nodiscard]] const Address& local() const override { return local_; }

  [[nodiscard]] SimEnv& env() const { return env_; }
  // False if nobody listens any more or too many wait.
  bool arrive(const ConnectionPtr& connection);

 private:
  // Outlives the listener while a coroutine waits in accept().
  struct Queue {
    std::deque<ConnectionPtr> waiting;
    std::coroutine_handle<> waiter;
    bool is_closed = false;
  };
  struct Awaiter;

  World::State& world_;
  SimEnv& env_;
  Reactor& on_;
  const Address local_;
  const std::shared_ptr<Queue> queue_;
};

class SimNetwork final : public Network {
 public:
  SimNetwork(World::State& world, SimEnv& env) : world_(world), env_(env) {}
  Result<std::unique_ptr<Listener>> listen(Reactor& on, const Address& at) override;
  Task<Result<std::unique_ptr<Stream>>> connect(Reactor& on, Address to) override;
  // Numeric hosts and "localhost" alone: machines in simulation have no names.
  Task<Result<std::vector<std::string>>> resolve(Reactor& on, std::string host) override;

 private:
  World::State& world_;
  SimEnv& env_;
};

}  // namespace keelson::env::sim
