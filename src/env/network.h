// Streams of bytes between hosts: what TCP gives, and what TLS and the simulator give in the same shape.
//
// A stream belongs to one reactor and is used on its thread. At most one read and one write are under way at a time.
// Awaiting is allocation-free; a coroutine may be destroyed while it waits.
#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/result.h"
#include "base/task.h"

namespace keelson::env {

class Reactor;

enum class NetErrc : uint8_t {
  kOk = 0,
  kEof,    // the peer has finished sending
  kReset,  // the connection broke
  kRefused,
  kTimedOut,
  kClosed,  // close() was called here
  kAddressInUse,
  kInvalid,  // an address that cannot be used, and everything else
};
std::error_code make_error_code(NetErrc code);

// A numeric address: "127.0.0.1:6379", "[::1]:0", or a Unix socket "unix:/path".
struct Address {
  std::string host;
  uint16_t port = 0;
  std::string unix_path;
  [[nodiscard]] std::string text() const;
  [[nodiscard]] bool is_loopback() const;
  // Names are not looked up, except "localhost". An empty host means every interface.
  static Result<Address> parse(std::string_view text);
};

class Stream;

// A read or write under way; lives in the awaiting coroutine's frame and unlinks itself when destroyed.
class IoOperation {
 public:
  explicit IoOperation(Stream& stream) : stream_(stream) {}
  IoOperation(const IoOperation&) = delete;
  IoOperation& operator=(const IoOperation&) = delete;
  ~IoOperation();

  // For streams: sets the outcome; resume() continues the coroutine.
  void finish(NetErrc outcome, size_t bytes) {
    error = outcome;
    count = bytes;
    pending = false;
  }
  void resume() { waiter.resume(); }

  std::span<char> into;   // for a read
  std::string_view from;  // for a write
  NetErrc error = NetErrc::kOk;
  size_t count = 0;  // bytes moved
  bool pending = false;
  std::coroutine_handle<> waiter;

 private:
  Stream& stream_;
};

struct IoOutcome {
  NetErrc error = NetErrc::kOk;
  size_t count = 0;
  [[nodiscard]] bool ok() const { return error == NetErrc::kOk; }
};

class Stream {
 public:
  virtual ~Stream() = default;

  // co_await stream.read(into): at least one byte, or an error (kEof at the end). Runs on without suspending when bytes
  // wait.
  auto read(std::span<char> into) { return Awaiter<&Stream::start_read>(*this, into, {}); }
  // co_await stream.write(from): all of it, or an error. `from` must hold until then.
  auto write(std::string_view from) { return Awaiter<&Stream::start_write>(*this, {}, from); }

  // Takes what fits without waiting; the count may be 0. Not while a write is under way.
  virtual IoOutcome try_write(std::string_view from) = 0;
  // No more will be written; what was written is still delivered.
  virtual void shutdown_write() = 0;
  // Ends it at once: operations under way finish with kClosed in a later turn.
  virtual void close() = 0;
  // Asks the peer whether it is still there after so many seconds without a byte; 0: never. For streams that can.
  virtual void set_keepalive(uint32_t idle_s) {}
  [[nodiscard]] virtual const Address& remote() const = 0;
  [[nodiscard]] virtual const Address& local() const = 0;
  [[nodiscard]] virtual Reactor& reactor() = 0;

 protected:
  friend class IoOperation;
  // True: finished at once, do not suspend. False: `operation.resume()` follows in a later turn, after finish().
  virtual bool start_read(IoOperation& operation) = 0;
  virtual bool start_write(IoOperation& operation) = 0;
  // The operation's coroutine is gone: forget it.
  virtual void cancel(IoOperation& operation) = 0;

 private:
  template <auto Start>
  class Awaiter {
   public:
    Awaiter(Stream& stream, std::span<char> into, std::string_view from) : stream_(stream), operation_(stream) {
      operation_.into = into;
      operation_.from = from;
    }
    bool await_ready() { return (stream_.*Start)(operation_); }
    void await_suspend(std::coroutine_handle<> waiter) { operation_.waiter = waiter; }
    IoOutcome await_resume() const { return {operation_.error, operation_.count}; }

   private:
    Stream& stream_;
    IoOperation operation_;
  };
};

inline IoOperation::~IoOperation() {
  if (pending) stream_.cancel(*this);
}

class Listener {
 public:
  virtual ~Listener() = default;
  // The next connection, owned by (and from now on used on) `owner`, which may be another reactor than the listener's.
  // The result is handed back on the listener's reactor. kClosed after close().
  virtual Task<Result<std::unique_ptr<Stream>>> accept(Reactor& owner) = 0;
  virtual void close() = 0;
  // With the port that was picked, if 0 was asked for.
  [[nodiscard]] virtual const Address& local() const = 0;
};

class Network {
 public:
  virtual ~Network() = default;
  virtual Result<std::unique_ptr<Listener>> listen(Reactor& on, const Address& at) = 0;
  virtual Task<Result<std::unique_ptr<Stream>>> connect(Reactor& on, Address to) = 0;
  // The numeric addresses of a host, at least one, best first; a numeric host is its own. Without a time-out of its own
  // (the machine's resolver has one). For clients alone: what a server listens on is never looked up.
  virtual Task<Result<std::vector<std::string>>> resolve(Reactor& on, std::string host) = 0;
};

}  // namespace keelson::env

template <>
struct std::is_error_code_enum<keelson::env::NetErrc> : std::true_type {};
