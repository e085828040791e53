// A stream that speaks frames: what is appended in a turn leaves in one write at the turn's end.
//
// Own reactor only. A Wire is destroyed outside its own calls and callbacks, after the coroutine that reads from it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/buffer.h"
#include "base/task.h"
#include "env/network.h"
#include "env/reactor.h"
#include "peer/frame.h"

namespace keelson::peer {

class Wire;

// The wires of a reactor that have something to send in this turn. Lives as long as the reactor runs.
class TurnEnd {
 public:
  explicit TurnEnd(env::Reactor& reactor) : reactor_(reactor) {}
  void add(Wire& wire);
  void remove(const Wire& wire);

 private:
  env::Reactor& reactor_;
  std::vector<Wire*> wires_;
  bool is_asked_for_ = false;
};

class Wire {
 public:
  Wire(TurnEnd& turn_end, std::unique_ptr<env::Stream> stream);
  ~Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  void append(FrameType type, uint16_t group, std::string_view body);
  // A body with fields.
  template <class Body>
  void append_body(FrameType type, uint16_t group, Body&& body) {
    const size_t begun = begin_frame(out_, type, group);
    body.append(out_);
    end_frame(out_, begun);
    flush_later();
  }
  // Appended and not yet taken by the stream.
  [[nodiscard]] size_t queued_bytes() const { return out_.size() + sending_.size(); }
  // Called when the queue has become empty, outside append().
  void set_on_drained(std::function<void()> on_drained) { on_drained_ = std::move(on_drained); }

  enum class Outcome : uint8_t {
    kFrames,   // at least one frame may stand in front
    kEnd,      // the other side has closed the connection
    kBroken,   // it broke, or close() was called
    kDamaged,  // what arrived is no frame
  };
  // Waits for bytes, or the end.
  Task<Outcome> read(size_t body_bytes_max);
  // The next frame that has arrived whole; its body holds until the next read(). False: there is none, or it is damaged
  // (read() says so).
  [[nodiscard]] bool take(size_t body_bytes_max, Frame& frame);

  void close();
  [[nodiscard]] bool is_broken() const { return is_broken_; }
  [[nodiscard]] env::Stream& stream() { return *stream_; }
  [[nodiscard]] uint64_t bytes_sent() const { return bytes_sent_; }
  [[nodiscard]] uint64_t bytes_received() const { return bytes_received_; }

 private:
  friend class TurnEnd;
  void flush_later();
  void flush();
  Task<void> write_out();

  TurnEnd& turn_end_;
  std::unique_ptr<env::Stream> stream_;
  Buffer out_;
  Buffer sending_;
  Buffer in_;
  size_t taken_ = 0;  // of in_, by take()
  bool is_flush_asked_for_ = false;
  bool is_writing_ = false;
  bool is_broken_ = false;
  bool is_damaged_ = false;
  uint64_t bytes_sent_ = 0;
  uint64_t bytes_received_ = 0;
  std::function<void()> on_drained_;
  env::TaskScope tasks_;
};

}  // namespace keelson::peer
