// One connection: reads requests, runs their handlers, and answers in the order in which they came.
//
// A frame is a size (four bytes) and so many bytes. A request begins when the one before it has ended or has said that
// the next may begin (Call::let_next_begin()), so that the appends of several Produce requests share a sync and a fetch
// that waits holds nobody up, while everything takes effect in order. What has been read and not answered is bounded;
// past it the connection is not read. Belongs to one reactor, like its stream.
#pragma once

#include <coroutine>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/task.h"
#include "env/network.h"
#include "env/reactor.h"
#include "protocol/kafka/call.h"

namespace keelson::kafka {

class FetchSessions;

// Requests of one connection that have begun and are not answered. Clients have five at most by default (max.in.flight.
// requests.per.connection); librdkafka's limit is a million, which need not be under way at once.
inline constexpr size_t kCallsMax = 64;
// Bytes of their frames, and of answers that wait for the client to take them; one more request may begin below it.
inline constexpr size_t kSessionBytesMax = size_t{8} << 20;
// A frame of a client that has not authenticated (sasl.server.max.receive.size).
inline constexpr size_t kGuestFrameBytesMax = 524'288;
// A frame must have come whole after this and a second for each kFrameBytesPerSecondMin of it.
inline constexpr int64_t kFrameMs = 60'000;
inline constexpr size_t kFrameBytesPerSecondMin = size_t{16} << 10;

// Who the client is. Filled in by the SASL handlers.
struct Identity {
  bool is_authenticated = false;  // or nobody asks
  std::string principal = "User:ANONYMOUS";
  std::string mechanism;
  // What the exchange has come to; the handlers' own.
  struct Exchange {
    virtual ~Exchange() = default;
  };
  std::unique_ptr<Exchange> exchange;
  int64_t expires_ns = 0;  // monotonic; 0: never
};

class Session {
 public:
  Session(KafkaService& service, Local& local, std::unique_ptr<env::Stream> stream, bool is_tls, uint64_t id);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  // Serves until the connection ends.
  Task<void> run();

  [[nodiscard]] KafkaService& service() { return service_; }
  [[nodiscard]] Local& local() { return local_; }
  [[nodiscard]] env::Reactor& reactor() const;
  [[nodiscard]] uint64_t id() const { return id_; }
  [[nodiscard]] bool is_tls() const { return is_tls_; }
  [[nodiscard]] const env::Address& remote() const { return stream_->remote(); }
  [[nodiscard]] const env::Address& local_address() const { return stream_->local(); }
  [[nodiscard]] Identity& identity() { return identity_; }
  [[nodiscard]] const Identity& identity() const { return identity_; }
  [[nodiscard]] FetchSessions& fetch_sessions() { return *fetch_sessions_; }

  // Frames have no header from now on: the handler gets them whole, and its answer is framed without one (SASL as it
  // was before SaslAuthenticate). Null: as ever.
  void set_raw_handler(Handler handler) { raw_handler_ = handler; }

  // Ends the connection without waiting for anything.
  void kill();
  // The server stops: takes no more requests, and ends when those that have begun are answered.
  void end_when_idle();
  // About once a second: is it idle, or is a frame coming too slowly?
  void check_limits(int64_t now_ns);

 private:
  friend class Call;
  friend struct Local;

  Task<bool> read_frame();
  Task<bool> fill_frame(char* into, size_t count);
  Task<bool> read_more();
  Task<bool> wait_for_memory(bool has_begun);
  [[nodiscard]] size_t frame_bytes_max() const;
  struct RoomAwaiter {
    Session& session;
    bool await_ready() const { return session.may_begin(); }
    void await_suspend(std::coroutine_handle<> waiter) { session.reader_ = waiter; }
    void await_resume() const noexcept {}
  };
  [[nodiscard]] bool may_begin() const;
  [[nodiscard]] bool has_answers_left() const { return !calls_.empty() || !output_.empty() || is_sending_; }
  Task<void> wait_for_room();
  void begin_call();
  // Begins no request for so long.
  void mute(int32_t ms);
  [[nodiscard]] bool prepare(Call& call);
  Task<void> run_call(Handler handler, Call& call);
  void ended(Call& call);
  std::unique_ptr<Call> take_spare();
  void recycle();
  void due();
  void end_of_turn();
  void flush();
  void take_answers();
  Task<void> send_rest();
  Task<void> send_first();
  Task<bool> send(std::string_view bytes);
  void hold(size_t bytes);
  void release(size_t bytes);

  KafkaService& service_;
  Local& local_;
  std::unique_ptr<env::Stream> stream_;
  const bool is_tls_;
  const uint64_t id_;
  Identity identity_;
  Handler raw_handler_ = nullptr;
  std::unique_ptr<FetchSessions> fetch_sessions_;

  Buffer input_;
  size_t read_bytes_ = 0;
  FramePointer frame_;  // that has come whole and not begun
  size_t frame_size_ = 0;
  size_t frame_held_ = 0;          // bytes counted for it at local_
  int64_t frame_deadline_ns_ = 0;  // 0: none is coming
  int64_t last_ns_ = 0;            // when bytes last came or went
  std::deque<std::unique_ptr<Call>> calls_;
  std::unique_ptr<Call> spare_;
  size_t bytes_under_way_ = 0;  // of frames and answers
  Call* exclusive_ = nullptr;   // the next must wait for its end
  int64_t muted_until_ns_ = 0;
  Buffer output_;
  Buffer sending_;
  bool is_sending_ = false;
  bool is_closing_ = false;
  bool is_reading_ = false;  // for a frame of which nothing has come
  bool is_killed_ = false;
  bool is_due_ = false;
  std::coroutine_handle<> reader_;
  env::TaskScope tasks_;
};

}  // namespace keelson::kafka
