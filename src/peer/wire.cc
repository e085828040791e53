#include "peer/wire.h"

#include <algorithm>
#include <utility>

namespace keelson::peer {

namespace {

// One read of a socket; frames of heartbeats and appends are far smaller.
constexpr size_t kReadBytes = 64 << 10;
// Memory that an idle wire keeps for each of its buffers.
constexpr size_t kKeptBytes = 256 << 10;

}  // namespace

void TurnEnd::add(Wire& wire) {
  wires_.push_back(&wire);
  if (is_asked_for_) return;
  is_asked_for_ = true;
  reactor_.at_turn_end([this] {
    is_asked_for_ = false;
    // A wire that is flushed may ask for another turn, but destroys none.
    std::vector<Wire*> wires;
    wires.swap(wires_);
    for (Wire* wire : wires) wire->flush();
  });
}

void TurnEnd::remove(const Wire& wire) { std::erase(wires_, &wire); }

Wire::Wire(TurnEnd& turn_end, std::unique_ptr<env::Stream> stream)
    : turn_end_(turn_end), stream_(std::move(stream)), tasks_(stream_->reactor()) {}

Wire::~Wire() { turn_end_.remove(*this); }

void Wire::append(FrameType type, uint16_t group, std::string_view body) {
  append_frame(out_, type, group, body);
  flush_later();
}

void Wire::flush_later() {
  if (is_flush_asked_for_ || is_broken_) return;
  is_flush_asked_for_ = true;
  turn_end_.add(*this);
}

void Wire::flush() {
  is_flush_asked_for_ = false;
  if (is_writing_ || is_broken_ || out_.empty()) return;
  const env::IoOutcome taken = stream_->try_write(out_.view());
  bytes_sent_ += taken.count;
  out_.consume(taken.count);
  if (!taken.ok()) {
    close();
    return;
  }
  if (!out_.empty()) {
    tasks_.spawn(write_out());
  } else {
    out_.shrink_if_empty(kKeptBytes);
    if (on_drained_) on_drained_();
  }
}

Task<void> Wire::write_out() {
  is_writing_ = true;
  while (!out_.empty() && !is_broken_) {
    sending_.swap(out_);
    const env::IoOutcome written = co_await stream_->write(sending_.view());
    if (!written.ok()) {
      close();
      break;
    }
    bytes_sent_ += sending_.size();
    sending_.clear();
    sending_.shrink_if_empty(kKeptBytes);
    if (out_.empty() && on_drained_) on_drained_();
  }
  is_writing_ = false;
}

void Wire::close() {
  is_broken_ = true;
  stream_->close();
}

bool Wire::take(size_t body_bytes_max, Frame& frame) {
  // The frame before is done with only now, since its body is a view into the buffer.
  std::string_view rest = in_.view().substr(taken_);
  const size_t before = rest.size();
  const FrameOutcome outcome = read_frame(rest, body_bytes_max, frame);
  taken_ += before - rest.size();
  if (outcome == FrameOutcome::kTooLong || outcome == FrameOutcome::kDamaged) is_damaged_ = true;
  return outcome == FrameOutcome::kFrame;
}

Task<Wire::Outcome> Wire::read(size_t body_bytes_max) {
  in_.consume(std::exchange(taken_, 0));
  if (is_damaged_) co_return Outcome::kDamaged;
  in_.shrink_if_empty(kKeptBytes);
  // A large frame's memory grows with what has come of it, not with what its header says.
  const size_t whole = frame_bytes(in_.view(), body_bytes_max);
  const size_t missing = whole > in_.size() ? whole - in_.size() : 0;
  const size_t wanted = std::max(kReadBytes, std::min(missing, in_.size()));
  char* into = in_.reserve(wanted);
  const env::IoOutcome got = co_await stream_->read({into, in_.room()});
  if (!got.ok()) co_return got.error == env::NetErrc::kEof ? Outcome::kEnd : Outcome::kBroken;
  in_.commit(got.count);
  bytes_received_ += got.count;
  co_return Outcome::kFrames;
}

}  // namespace keelson::peer
