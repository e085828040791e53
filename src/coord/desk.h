// One reactor's side of the coordination service: the requests and watch streams that were begun there. What a turn
// gathers goes to the shard's reactor in one message, and comes back likewise. For this folder alone.
#pragma once

#include <coroutine>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/metrics.h"
#include "coord/request.h"
#include "coord/stream_state.h"
#include "env/reactor.h"
#include "shard/shard.h"

namespace keelson::coord {

class Home;

namespace detail {

// Lives from make_call() until it has come back from the shard, whoever still waits for it. Its Desk owns it.
class Call final : public shard::Operation {
 public:
  enum class State : uint8_t { kNew, kUnderWay, kBack };

  engine::ReplySink& open_reply() override { return *sink; }
  void finished(shard::LogErrc outcome) override;

  Desk* desk = nullptr;  // set once
  Home* home = nullptr;  // set once it is under way
  std::unique_ptr<Encoded> body;
  std::unique_ptr<AnswerSink> sink;
  // What the shard said; the desk looks at it once the call is back.
  ServiceErrc said = ServiceErrc::kOk;
  // The desk's alone.
  ServiceErrc outcome = ServiceErrc::kOk;
  State state = State::kNew;
  std::coroutine_handle<> waiter;
  bool is_dropped = false;  // nobody holds a CallPointer to it
  int64_t timeout_ms = 0;
  int64_t deadline_ns = 0;
  size_t place = 0;  // among its desk's
};

// A stream's word to the hub.
struct StreamRequest {
  enum class Kind : uint8_t { kCreate, kCancel, kProgress, kRoom, kDetach };
  Kind kind = Kind::kRoom;
  WatchId id = 0;
  StreamState* stream = nullptr;  // the hub's, until kDetach
  WatchRequest what{};            // of kCreate
};

struct ToHome {
  std::vector<std::unique_ptr<StreamState>> attached;  // before anything of theirs
  std::vector<StreamRequest> requests;
  std::vector<Call*> calls;
};

struct FromHome {
  struct Item {
    StreamState* stream = nullptr;
    Queued queued;
  };
  std::vector<Item> items;
  std::vector<Call*> calls;
  // Those that were detached; behind everything else for them.
  std::vector<std::unique_ptr<StreamState>> released;
};

// How often deadlines are looked at; a time-out is late by at most that.
inline constexpr int64_t kDeadlineEveryMs = 50;

// Resumes who waits for a delivery, if there is one. Does nothing once the WatchStream is gone.
void wake(StreamState& state);
[[nodiscard]] bool has_room(const StreamState& state);

class Desk {
 public:
  Desk(env::Reactor& here, Home& home);
  ~Desk();
  Desk(const Desk&) = delete;
  Desk& operator=(const Desk&) = delete;

  // ---- Requests.
  CallPointer make_call(std::unique_ptr<Encoded> body, bool is_write, Consistency consistency,
                        std::unique_ptr<AnswerSink> sink, int64_t timeout_ms);
  bool start(Call& call, std::coroutine_handle<> waiter);
  void drop(Call& call);
  // Finished on this reactor, which is the shard's too.
  void came_back(Call& call);

  // ---- Streams.
  std::unique_ptr<WatchStream> open();
  void request(StreamRequest request);
  // The stream's owner gives it up.
  void close(StreamState& stream);
  // It has room again: resumes who waits for it at the end of the turn, when nobody's coroutine is on the stack.
  void wake_room(StreamState& stream);
  // A delivery was taken out of its queue, or dropped with it.
  void taken(StreamState& stream, const Queued& queued);
  // Bytes of all streams here; read by the hub.
  [[nodiscard]] const Counter& taken_bytes() const { return taken_bytes_; }

  [[nodiscard]] const Counter& timed_out() const { return timed_out_; }

  // What the shard's reactor sends.
  void receive(FromHome box);
  // New requests are answered with kStopping.
  void refuse_requests() { is_stopping_ = true; }
  [[nodiscard]] bool is_stopping() const { return is_stopping_; }
  // Nothing is sent any more.
  void shut();
  [[nodiscard]] bool has_calls_under_way() const { return under_way_ != 0; }
  [[nodiscard]] env::Reactor& reactor() { return here_; }

 private:
  void gather();
  void send();
  void forget(Call& call);
  void check_deadlines();

  env::Reactor& here_;
  Home& home_;
  ToHome outbox_;
  bool is_gathering_ = false;
  bool is_stopping_ = false;
  bool is_shut_ = false;
  std::vector<StreamState*> have_room_;
  std::vector<std::unique_ptr<Call>> calls_;
  size_t under_way_ = 0;
  Counter taken_bytes_;
  Counter timed_out_;
  env::Timer deadlines_;
  bool is_armed_ = false;
};

}  // namespace detail

}  // namespace keelson::coord
