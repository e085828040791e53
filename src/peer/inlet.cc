#include "peer/inlet.h"

#include <utility>

#include "base/logging.h"
#include "peer/hub.h"
#include "peer/mesh.h"

namespace keelson::peer {

namespace {

constexpr int64_t kNsPerMs = 1'000'000;
// A node that went away without a word is noticed by the operating system, since nothing is sent to it here.
constexpr uint32_t kKeepaliveS = 15;

}  // namespace

Inlet::Inlet(Hub& hub, uint64_t id, std::unique_ptr<env::Stream> stream)
    : hub_(hub),
      id_(id),
      wire_(hub.turn_end(), std::move(stream)),
      deadline_(hub.reactor(), [this] { wire_.close(); }),
      tasks_(hub.reactor()) {
  wire_.stream().set_keepalive(kKeepaliveS);
  deadline_.arm_after(hub.options().timing.handshake_timeout_ms * kNsPerMs);
  tasks_.spawn(serve());
}

Inlet::~Inlet() = default;

Task<void> Inlet::serve() {
  const std::string remote = wire_.stream().remote().text();
  Result<Greeted> greeted = co_await greet_as_server(wire_, hub_, hub_.reactor().random());
  if (greeted.ok()) {
    deadline_.disarm();
    node_ = greeted->node;
    hub_.mesh().learn(std::move(greeted->book));
    if (node_ != 0) {
      const std::string prefix =
          std::to_string(node_) + "-" + std::to_string(hub_.reactor().index()) + "-" + std::to_string(id_);
      files_ = std::make_unique<FileReceiver>(
          hub_.env().disk(), hub_.reactor(), wire_, hub_.options().incoming_folder, prefix,
          [this](ArrivedFile file) { hub_.deliver_file(node_, std::move(file)); },
          [this](OfferedFiles files) { hub_.offer_files(id_, node_, std::move(files)); });
    }
    co_await receive();
  } else {
    log_warn("peer", "a connection is refused", {{"from", remote}, {"why", greeted.error().message()}});
    // The refusal leaves at the turn's end; the other side closes when it has read it, or the deadline does.
    // What it still sends is kept until then, so there is a bound to it.
    const uint64_t most = wire_.bytes_received() + kHandshakeBodyBytesMax;
    while (wire_.bytes_received() < most && co_await wire_.read(kHandshakeBodyBytesMax) == Wire::Outcome::kFrames) {
    }
  }
  wire_.close();
  hub_.remove(*this);
}

Task<void> Inlet::receive() {
  const size_t body_bytes_max = is_guest() ? kGuestCallBytesMax : kFrameBodyBytesMax;
  Frame frame;
  uint64_t counted = 0;
  while (true) {
    while (wire_.take(body_bytes_max, frame)) {
      if (!handle(frame)) {
        log_warn("peer", "a connection ends: what it sent breaks the protocol", {{"node", node_}});
        co_return;
      }
    }
    if (node_ != 0) {
      hub_.deliver_gathered(node_);
      hub_.counts(node_).bytes_received.add(wire_.bytes_received() - std::exchange(counted, wire_.bytes_received()));
    }
    const Wire::Outcome outcome = co_await wire_.read(body_bytes_max);
    if (outcome == Wire::Outcome::kDamaged) {
      log_warn("peer", "a connection ends: what arrived was damaged on the way", {{"node", node_}});
    }
    if (outcome != Wire::Outcome::kFrames) co_return;
  }
}

bool Inlet::handle(const Frame& frame) {
  switch (frame.type) {
    case FrameType::kMessage:
      if (is_guest()) return false;
      hub_.deliver(node_, frame.group, frame.body);
      return true;
    case FrameType::kPing:
      wire_.append(FrameType::kPong, 0, frame.body);
      return frame.body.size() <= sizeof(uint64_t);
    case FrameType::kFileBegin:
    case FrameType::kFileNames:
    case FrameType::kFileChunk:
    case FrameType::kFileAbort:
      return !is_guest() && files_->handle(frame);
    case FrameType::kCall:
      return handle_call(frame);
    default:
      return true;  // a later version's
  }
}

bool Inlet::handle_call(const Frame& frame) {
  Call call;
  if (!call.read(frame.body)) return false;
  ++calls_under_way_;
  const Method* method = call.method > UINT32_MAX ? nullptr : hub_.mesh().method(static_cast<uint32_t>(call.method));
  if (method == nullptr || (is_guest() && !method->is_for_guests)) {
    answer(call.call, PeerErrc::kNoMethod, "method " + std::to_string(call.method) + " is not known here");
  } else if (calls_under_way_ > kCallsServedMax) {
    answer(call.call, PeerErrc::kBusy, "too many calls are under way");
  } else if (call.request.size() > kCallBytesMax) {
    answer(call.call, PeerErrc::kTooLarge, "the request is too large");
  } else {
    hub_.serve(id_, {.node = node_, .remote = wire_.stream().remote()}, call.call, *method, std::string(call.request));
  }
  return true;
}

void Inlet::they_are_here(uint64_t file, const std::vector<uint64_t>& bytes) {
  if (files_ != nullptr) files_->they_are_here(file, bytes);
}

void Inlet::answer(uint64_t call, PeerErrc error, std::string_view bytes) {
  --calls_under_way_;
  wire_.append_body(FrameType::kAnswer, 0, Answer{.call = call, .error = static_cast<uint64_t>(error), .bytes = bytes});
}

}  // namespace keelson::peer
