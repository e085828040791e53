#include "peer/link.h"

#include <algorithm>
#include <utility>

#include "base/coding.h"
#include "base/logging.h"
#include "net/tls_stream.h"
#include "peer/hub.h"
#include "peer/mesh.h"

namespace keelson::peer {

namespace {

constexpr int64_t kNsPerMs = 1'000'000;

}  // namespace

Link::Link(Hub& hub, NodeId node)
    : hub_(hub),
      node_(node),
      counts_(hub.counts(node)),
      files_(hub.env().disk(), hub.reactor(), counts_),
      retry_(hub.reactor(), [this] { start_attempt(); }),
      deadline_(hub.reactor(), [this] { break_off("it does not answer"); }),
      tick_(hub.reactor(), [this] { tick(); }) {
  retry_.arm_after(0);
}

Link::~Link() {
  files_.stop();
  hub_.fail_calls(node_, "the connection is given up");
}

void Link::send(uint16_t group, std::string_view message) {
  if (!is_up_) {
    counts_.messages_dropped.add();
    return;
  }
  const size_t queued = wire_->queued_bytes();
  if (queued != 0 && queued + message.size() > hub_.options().queue_bytes_max) {
    counts_.messages_dropped.add();
    return;
  }
  wire_->append(FrameType::kMessage, group, message);
  counts_.messages_sent.add();
  if (!tick_.place.armed) tick_.arm_after(hub_.options().timing.ping_interval_ms * kNsPerMs);
}

void Link::send_file(uint16_t group, std::string message, std::string path, std::vector<SideFile> beside,
                     FileDone done) {
  files_.add(group, std::move(message), std::move(path), std::move(beside), std::move(done));
  if (is_up_ && !tick_.place.armed) tick_.arm_after(hub_.options().timing.ping_interval_ms * kNsPerMs);
}

void Link::call(uint64_t call, uint32_t method, std::string_view request) {
  wire_->append_body(FrameType::kCall, 0, Call{.call = call, .method = method, .request = request});
  if (!tick_.place.armed) tick_.arm_after(hub_.options().timing.ping_interval_ms * kNsPerMs);
}

void Link::address_changed() {
  retry_ms_ = 0;
  if (is_up_ || !is_broken_off_) break_off("its address has changed");
  retry_.arm_after(0);
}

int64_t Link::next_retry_ms() {
  const Timing& timing = hub_.options().timing;
  retry_ms_ = std::clamp(retry_ms_ * 2, timing.retry_ms_min, timing.retry_ms_max);
  const auto half = static_cast<uint64_t>(retry_ms_ / 2);
  return retry_ms_ - static_cast<int64_t>(hub_.reactor().random().next() % (half + 1));
}

void Link::start_attempt() {
  tasks_.reset();
  wire_.reset();
  is_broken_off_ = false;
  deadline_.arm_after(hub_.options().timing.handshake_timeout_ms * kNsPerMs);
  tasks_ = std::make_unique<env::TaskScope>(hub_.reactor());
  tasks_->spawn(attempt());
}

Task<void> Link::attempt() {
  Status done = co_await connect();
  if (is_broken_off_) co_return;  // too late; the next attempt destroys this one
  if (done.ok()) {
    come_up();
    done = co_await serve();
  }
  break_off(done.error().message());
}

Task<Status> Link::connect() {
  const std::string* address = hub_.address_of(node_);
  if (address == nullptr) co_return fail(PeerErrc::kUnreachable, "its address is not known");
  Result<env::Address> to = env::Address::parse(*address);
  if (!to.ok()) co_return forward_error(to);
  Result<std::unique_ptr<env::Stream>> stream = co_await hub_.env().network().connect(hub_.reactor(), *to);
  if (!stream.ok()) co_return forward_error(stream);
  if (is_broken_off_) co_return fail(PeerErrc::kTimedOut, "it was too late");
  wire_ = std::make_unique<Wire>(hub_.turn_end(), hub_.secure(std::move(*stream), to->host));
  const Identity self = hub_.identity();
  Hello hello{.cluster = self.cluster,
              .node = self.node,
              .wanted = node_,
              .reactor = hub_.reactor().index(),
              .nonce = {},
              .book = hub_.book(),
              .said = {}};
  Result<Greeted> greeted = co_await greet_as_client(*wire_, self, std::move(hello), hub_.reactor().random());
  if (!greeted.ok()) co_return forward_error(greeted);
  hub_.mesh().learn(std::move(greeted->book));
  co_return Status();
}

void Link::come_up() {
  deadline_.disarm();
  is_up_ = true;
  has_complained_ = false;
  retry_ms_ = 0;
  counts_.connects.add();
  waiting_since_ns_ = 0;
  sent_at_tick_ = sent_counted_ = 0;
  received_at_tick_ = wire_->bytes_received();
  files_.start(*wire_);
  wire_->set_on_drained([this] { files_.drained(); });
  tick_.arm_after(hub_.options().timing.ping_interval_ms * kNsPerMs);
  if (!hub_.is_home()) return;
  log_info("peer", "connected to a node", {{"node", node_}, {"address", wire_->stream().remote().text()}});
  hub_.mesh().tell_reachable(node_, true);
}

Task<Status> Link::serve() {
  Frame frame;
  while (true) {
    while (wire_->take(kFrameBodyBytesMax, frame)) {
      if (!handle(frame)) co_return fail(PeerErrc::kUnreachable, "what it sends is not understood");
    }
    switch (co_await wire_->read(kFrameBodyBytesMax)) {
      case Wire::Outcome::kFrames:
        break;
      case Wire::Outcome::kEnd:
        co_return fail(PeerErrc::kUnreachable, "it has closed the connection");
      case Wire::Outcome::kBroken:
        co_return fail(PeerErrc::kUnreachable, "the connection broke");
      case Wire::Outcome::kDamaged:
        co_return fail(PeerErrc::kUnreachable, "what arrived was damaged on the way");
    }
  }
}

bool Link::handle(const Frame& frame) {
  switch (frame.type) {
    case FrameType::kPong: {
      std::string_view body = frame.body;
      uint64_t sent_at_ns = 0;
      if (!read_u64(body, sent_at_ns)) return false;
      const auto now = static_cast<uint64_t>(hub_.reactor().clock().monotonic_ns());
      if (now >= sent_at_ns) counts_.round_trip_ns.record(now - sent_at_ns);
      return true;
    }
    case FrameType::kFileCredit:
    case FrameType::kFileWanted:
    case FrameType::kFileDone:
      return files_.handle(frame);
    case FrameType::kAnswer: {
      Answer answer;
      if (!answer.read(frame.body)) return false;
      if (answer.error == 0) {
        hub_.finish_call(answer.call, std::string(answer.bytes));
      } else {
        hub_.finish_call(answer.call, fail(static_cast<PeerErrc>(answer.error), std::string(answer.bytes)));
      }
      return true;
    }
    default:
      return true;  // a later version's
  }
}

void Link::break_off(const std::string& why) {
  if (is_broken_off_) return;
  is_broken_off_ = true;
  deadline_.disarm();
  tick_.disarm();
  const bool was_up = std::exchange(is_up_, false);
  files_.stop();
  if (wire_ != nullptr) wire_->close();
  if (was_up) {
    hub_.fail_calls(node_, "the connection to node " + std::to_string(node_) + " broke: " + why);
    if (hub_.is_home()) {
      log_warn("peer", "the connection to a node broke", {{"node", node_}, {"why", why}});
      hub_.mesh().tell_reachable(node_, false);
    }
  } else {
    counts_.connect_failures.add();
    if (hub_.is_home() && !std::exchange(has_complained_, true)) {
      const std::string* address = hub_.address_of(node_);
      log_warn("peer", "cannot connect to a node; this goes on being tried",
               {{"node", node_}, {"address", address == nullptr ? "" : *address}, {"why", why}});
    }
  }
  // The coroutine that may have called this is destroyed then, not now.
  retry_.arm_after(next_retry_ms() * kNsPerMs);
}

void Link::tick() {
  const Timing& timing = hub_.options().timing;
  const int64_t now = hub_.reactor().clock().monotonic_ns();
  counts_.bytes_sent.add(wire_->bytes_sent() - std::exchange(sent_counted_, wire_->bytes_sent()));
  const uint64_t received = wire_->bytes_received();
  const bool has_heard = std::exchange(received_at_tick_, received) != received;
  if (has_heard) waiting_since_ns_ = 0;
  if (waiting_since_ns_ != 0 && now - waiting_since_ns_ >= timing.liveness_timeout_ms * kNsPerMs) {
    break_off("nothing was heard of it for " + std::to_string((now - waiting_since_ns_) / kNsPerMs) + " ms");
    return;
  }
  const bool has_sent = wire_->bytes_sent() + wire_->queued_bytes() != sent_at_tick_;
  if (!has_heard && waiting_since_ns_ == 0 && (has_sent || hub_.is_home())) {
    char bytes[sizeof(uint64_t)];
    put_u64(bytes, static_cast<uint64_t>(now));
    wire_->append(FrameType::kPing, 0, {bytes, sizeof(bytes)});
    waiting_since_ns_ = now;
  }
  sent_at_tick_ = wire_->bytes_sent() + wire_->queued_bytes();
  // A connection that carries nothing needs no clock; the next message starts it again.
  if (hub_.is_home() || has_heard || has_sent || waiting_since_ns_ != 0)
    tick_.arm_after(timing.ping_interval_ms * kNsPerMs);
}

}  // namespace keelson::peer
