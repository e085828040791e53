#include <algorithm>
#include <utility>

#include "base/crc32c.h"
#include "env/sim/sim_network.h"
#include "env/sim/sim_node.h"

namespace keelson::env::sim {

namespace {

// How long others may take to notice that a machine is gone.
constexpr int64_t kCrashNoticeNsMax = 100 * kMillisecond;

bool is_over(const Connection& connection) {
  const auto over = [](const Socket& socket) {
    return (socket.is_closed || socket.error != NetErrc::kOk) && socket.stream == nullptr && socket.wire.empty();
  };
  return over(connection.sockets[0]) && over(connection.sockets[1]);
}

void wake(Socket& socket) {
  if (socket.stream != nullptr) socket.stream->wake();
}

}  // namespace

void Wires::add(ConnectionPtr connection) {
  if (connections_.size() >= sweep_at_) {
    std::erase_if(connections_, [](const ConnectionPtr& old) { return is_over(*old); });
    sweep_at_ = std::max<size_t>(64, connections_.size() * 2);
  }
  connections_.push_back(std::move(connection));
}

int64_t Wires::delay_ns(const Connection& connection, unsigned side) {
  return world_.draw_delay_ns(connection.sockets[side].node, connection.sockets[1 - side].node);
}

size_t Wires::send(Connection& connection, unsigned side, std::string_view bytes) {
  Socket& socket = connection.sockets[side];
  const NetworkFaults& faults = world_.options.network;
  const size_t room = faults.socket_buffer_bytes - std::min(faults.socket_buffer_bytes, socket.unread);
  size_t count = std::min(room, bytes.size());
  if (count == 0) return 0;
  const unsigned to = connection.sockets[1 - side].node;
  const auto link = world_.links.find({socket.node, to});
  if (world_.faults.happens(faults.break_probability) ||
      (link != world_.links.end() && world_.faults.happens(link->second.break_probability))) {
    world_.trace_fault(side);
    break_connection(connection, NetErrc::kReset);
    return 0;
  }
  if (count > 1 && world_.faults.happens(faults.short_transfer_probability)) count = 1 + world_.faults.below(count - 1);
  world_.trace(Trace::kSend, socket.node, crc32c(0, bytes.substr(0, count)));
  Segment segment{.arrives_at_ns = world_.now_ns + world_.draw_delay_ns(socket.node, to), .is_end = false, .bytes = {}};
  segment.bytes = bytes.substr(0, count);
  if (!socket.wire.empty()) segment.arrives_at_ns = std::max(segment.arrives_at_ns, socket.wire.back().arrives_at_ns);
  socket.unread += count;
  socket.wire.push_back(std::move(segment));
  schedule_pump(connection, side);
  return count;
}

void Wires::send_end(Connection& connection, unsigned side) {
  Socket& socket = connection.sockets[side];
  if (socket.has_sent_end || socket.error != NetErrc::kOk) return;
  socket.has_sent_end = true;
  Segment segment{.arrives_at_ns = world_.now_ns + delay_ns(connection, side), .is_end = true, .bytes = {}};
  if (!socket.wire.empty()) segment.arrives_at_ns = std::max(segment.arrives_at_ns, socket.wire.back().arrives_at_ns);
  socket.wire.push_back(std::move(segment));
  schedule_pump(connection, side);
}

void Wires::schedule_pump(Connection& connection, unsigned side) {
  Socket& socket = connection.sockets[side];
  if (socket.wire_has_event || socket.wire_is_stuck || socket.wire.empty()) return;
  socket.wire_has_event = true;
  world_.schedule(socket.wire.front().arrives_at_ns, [this, shared = connection.shared_from_this(), side] {
    shared->sockets[side].wire_has_event = false;
    pump(*shared, side);
  });
}

void Wires::pump(Connection& connection, unsigned side) {
  Socket& socket = connection.sockets[side];
  if (socket.wire.empty()) return;
  if (world_.is_cut(socket.node, connection.sockets[1 - side].node)) return get_stuck(connection, side);
  while (!socket.wire.empty() && socket.wire.front().arrives_at_ns <= world_.now_ns) {
    Segment segment = std::move(socket.wire.front());
    socket.wire.pop_front();
    arrive(connection, side, std::move(segment));
  }
  schedule_pump(connection, side);
}

void Wires::get_stuck(Connection& connection, unsigned side) {
  Socket& socket = connection.sockets[side];
  socket.wire_is_stuck = true;
  const uint64_t count = ++socket.stuck_count;
  const int64_t timeout_ns = world_.options.network.partition_timeout_ns;
  world_.schedule_after(timeout_ns, [this, shared = connection.shared_from_this(), side, count] {
    const Socket& stuck = shared->sockets[side];
    if (!stuck.wire_is_stuck || stuck.stuck_count != count) return;
    // No word of it passes the partition: each side finds out by itself.
    fail_socket(*shared, 0, NetErrc::kTimedOut);
    fail_socket(*shared, 1, NetErrc::kTimedOut);
  });
}

void Wires::arrive(Connection& connection, unsigned side, Segment segment) {
  Socket& receiver = connection.sockets[1 - side];
  world_.trace(Trace::kDeliver, receiver.node, segment.bytes.size());
  if (receiver.error != NetErrc::kOk) return;
  if (receiver.is_closed || !receiver.env->is_alive()) {
    // Nobody takes it: the sender learns that with the answer. An end needs no answer.
    if (!segment.is_end) {
      world_.schedule_after(delay_ns(connection, 1 - side), [this, shared = connection.shared_from_this(), side] {
        fail_socket(*shared, side, NetErrc::kReset);
      });
    }
    return;
  }
  receiver.inbox += segment.bytes;
  if (segment.is_end) receiver.has_end = true;
  wake(receiver);
}

void Wires::took(Connection& connection, unsigned side, size_t bytes) {
  world_.schedule_after(delay_ns(connection, side), [shared = connection.shared_from_this(), side, bytes] {
    Socket& sender = shared->sockets[1 - side];
    sender.unread -= std::min(bytes, sender.unread);
    wake(sender);
  });
}

void Wires::fail_socket(Connection& connection, unsigned side, NetErrc error) {
  Socket& socket = connection.sockets[side];
  socket.wire.clear();
  socket.wire_is_stuck = false;
  if (socket.is_closed || socket.error != NetErrc::kOk) return;
  socket.error = error;
  world_.trace(Trace::kBreak, socket.node, static_cast<uint64_t>(error));
  wake(socket);
}

void Wires::break_connection(Connection& connection, NetErrc error, int64_t extra_delay_ns) {
  for (const unsigned side : {0U, 1U}) {
    const int64_t delay_ns = world_.faults.between(0, world_.options.network.delay_ns_max) + extra_delay_ns;
    world_.schedule_after(
        delay_ns, [this, shared = connection.shared_from_this(), side, error] { fail_socket(*shared, side, error); });
  }
}

void Wires::break_all_of(const SimEnv& env, bool orderly) {
  for (const ConnectionPtr& connection : connections_) {
    for (const unsigned side : {0U, 1U}) {
      Socket& socket = connection->sockets[side];
      if (socket.env != &env || is_over(*connection)) continue;
      if (orderly) {  // what was sent still arrives, and the end behind it
        send_end(*connection, side);
        socket.is_closed = true;
        continue;
      }
      const int64_t notice_ns = delay_ns(*connection, side) + world_.faults.between(0, kCrashNoticeNsMax);
      socket.wire.clear();
      socket.wire_is_stuck = false;
      if (!socket.is_closed && socket.error == NetErrc::kOk) socket.error = NetErrc::kReset;
      world_.schedule_after(notice_ns,
                            [this, connection, side] { fail_socket(*connection, 1 - side, NetErrc::kReset); });
    }
  }
}

void Wires::break_all_of_node(unsigned node) {
  for (const ConnectionPtr& connection : connections_) {
    if (is_over(*connection)) continue;
    if (connection->sockets[0].node == node || connection->sockets[1].node == node) {
      break_connection(*connection, NetErrc::kReset);
    }
  }
}

void Wires::heal() {
  for (const ConnectionPtr& connection : connections_) {
    for (const unsigned side : {0U, 1U}) {
      Socket& socket = connection->sockets[side];
      if (!socket.wire_is_stuck || world_.is_cut(socket.node, connection->sockets[1 - side].node)) continue;
      socket.wire_is_stuck = false;
      const int64_t resent_at_ns = world_.now_ns + delay_ns(*connection, side);
      for (Segment& segment : socket.wire) segment.arrives_at_ns = std::max(segment.arrives_at_ns, resent_at_ns);
      schedule_pump(*connection, side);
    }
  }
}

int Wires::node_of(unsigned from_node, const Address& at) const {
  if (at.is_loopback()) return static_cast<int>(from_node);
  for (const auto& node : world_.nodes) {
    if (node->host() == at.host) return static_cast<int>(node->index());
  }
  return -1;
}

SimListener* Wires::find_listener(unsigned from_node, const Address& at) const {
  const int node = node_of(from_node, at);
  for (SimListener* listener : listeners_) {
    if (static_cast<int>(listener->env().node().index()) != node || !listener->env().is_alive()) continue;
    const Address& local = listener->local();
    if (!at.unix_path.empty() || !local.unix_path.empty()) {
      if (at.unix_path == local.unix_path) return listener;
    } else if (local.port == at.port && (local.host.empty() || local.host == at.host)) {
      return listener;
    }
  }
  return nullptr;
}

SimListener* Wires::find_conflict(unsigned node, const Address& at) const {
  for (SimListener* listener : listeners_) {
    if (listener->env().node().index() != node || !listener->env().is_alive()) continue;
    const Address& local = listener->local();
    if (at.unix_path != local.unix_path || at.port != local.port) continue;
    if (at.host == local.host || at.host.empty() || local.host.empty()) return listener;
  }
  return nullptr;
}

}  // namespace keelson::env::sim
