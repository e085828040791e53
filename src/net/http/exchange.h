// One request and its answer, as a handler sees them, whatever version of HTTP carries them.
//
//   Task<void> put(Exchange& exchange) {
//     while (true) {
//       Result<std::string_view> piece = co_await exchange.read_body();
//       if (!piece.ok()) co_return;                       // the server answers what is wrong, or the client is gone
//       if (piece->empty()) break;
//       ...
//     }
//     exchange.add_field("ETag", tag);
//     (void)co_await exchange.respond(200, "", "");
//   }
//
// A handler answers once: respond(), or begin(), any number of send(), end(). What it may leave out: everything after
// a false (the client is gone), and the answer after a failed read_body() (the server then answers 400, 408 or 413, or
// nothing when the client is gone). A handler that returns after begin() without end() breaks the answer off, so that
// the client can tell. A handler that returns without an answer otherwise is answered for with 500.
//
// The server adds Date, the framing (Content-Length or Transfer-Encoding), and Connection; everything else is the
// handler's. Answers to HEAD, and 204 and 304, leave without content; what is given to respond() or begin() still
// says the Content-Length that GET would have (RFC 9110 §9.3.2), but for 204, which has none (§8.6).
//
// Everything belongs to the connection's reactor and lives as long as the handler's task. Views that are given are
// used up when the call has ended; those that are handed out hold as long as the exchange, but for a body's pieces.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "base/task.h"
#include "env/network.h"
#include "env/reactor.h"
#include "net/http/errors.h"
#include "net/http/fields.h"
#include "net/http/message.h"
#include "net/http/url.h"
#include "net/tls_stream.h"

namespace keelson::net::http {

enum class Version : uint8_t { kHttp10, kHttp11, kHttp2 };

class Request {
 public:
  [[nodiscard]] std::string_view method() const { return head_.method; }
  [[nodiscard]] std::string_view target() const { return head_.target; }  // as sent
  [[nodiscard]] std::string_view raw_path() const { return head_.path; }  // as sent, without the query
  [[nodiscard]] std::string_view query() const { return head_.query; }    // as sent, without "?"
  [[nodiscard]] std::string_view path() const;                            // percent-decoded
  // Decoded, in their order, "+" being a blank.
  [[nodiscard]] const std::vector<Parameter>& parameters() const;
  // The first with this name; empty if it has no "=".
  [[nodiscard]] std::optional<std::string_view> parameter(std::string_view name) const;
  // In HTTP/2 with a "host" line made of :authority if the client sent none; pseudo-header fields are not among them.
  [[nodiscard]] const Fields& fields() const { return head_.fields; }
  [[nodiscard]] Version version() const { return version_; }
  [[nodiscard]] bool is_tls() const { return is_tls_; }
  // Whom the client wants to speak to: "host" or "host:port" (RFC 9110 §7.2). Empty if it did not say.
  [[nodiscard]] std::string_view authority() const { return head_.host; }
  // The same without the port, brackets kept.
  [[nodiscard]] std::string_view host() const;
  [[nodiscard]] const env::Address& remote() const { return *remote_; }

  // For the server's connections.
  void reset(const RequestHead& head, Version version, bool is_tls, const env::Address& remote);

 private:
  RequestHead head_;
  Version version_ = Version::kHttp11;
  bool is_tls_ = false;
  const env::Address* remote_ = nullptr;  // never null once reset() was called
  mutable bool has_path_ = false;
  mutable bool has_parameters_ = false;
  mutable std::string path_;
  mutable std::vector<Parameter> parameters_;
};

// The bytes of a connection that has changed its protocol (RFC 9110 §7.8). Of the exchange that was upgraded; one
// reads, anybody on the reactor writes.
class Tunnel {
 public:
  virtual ~Tunnel() = default;
  // Appends what has come, at least a byte. False: the end.
  [[nodiscard]] virtual Task<bool> read(Buffer& into) = 0;
  // Whole, behind what was written before. Waits while too much is unsent. False: the connection is broken.
  [[nodiscard]] virtual Task<bool> write(std::string_view bytes) = 0;
  // Ends it at once: read() and write() say so in a later turn.
  virtual void kill() = 0;
  // Called once when the server stops; the exchange should end soon after.
  std::function<void()> on_stop;
};

class Exchange {
 public:
  Exchange() = default;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  virtual ~Exchange() = default;

  [[nodiscard]] virtual const Request& request() const = 0;
  [[nodiscard]] const env::Address& remote() const { return request().remote(); }
  [[nodiscard]] virtual env::Reactor& reactor() = 0;
  // Of the connection; empty if it is a plain one.
  [[nodiscard]] virtual TlsDetails tls_details() const { return {}; }

  // The Content-Length; nullopt when the client did not say how much will come. 0 without a body.
  [[nodiscard]] virtual std::optional<uint64_t> body_length() const = 0;
  [[nodiscard]] virtual bool has_body() const = 0;
  // The next bytes of the body, valid until the next call; empty at its end. Tells a client that asked first to go on.
  // No more than a bounded buffer is read ahead of the handler.
  [[nodiscard]] virtual Task<Result<std::string_view>> read_body() = 0;
  // The rest of the body; HttpErrc::kTooLarge if it is longer.
  [[nodiscard]] Task<Result<std::string>> read_all(size_t bytes_max);
  // Instead of the server's, for read_body(); 0: it waits as long as the client stays. For streams that may be silent
  // for days.
  virtual void set_body_timeout(uint32_t timeout_ms) = 0;
  // The read_body() under way, and later ones, fail with HttpErrc::kBroken. HTTP/2 alone: in HTTP/1 it does nothing.
  virtual void stop_reading() {}
  // Once read_body() has given its last.
  [[nodiscard]] virtual const Fields& trailers() const = 0;

  // Goes into the head of the answer; before respond() or begin(). Name and value must be what RFC 9110 §5 allows.
  void add_field(std::string_view name, std::string_view value);
  // Goes behind the content: before end(), after begin() without a length. In HTTP/1.0, and when the client of
  // HTTP/1.1 gets a Content-Length, there is no place for it.
  void add_trailer(std::string_view name, std::string_view value);

  // A small answer, whole. An empty `content_type` adds no such field. False: the client is gone.
  [[nodiscard]] virtual Task<bool> respond(uint16_t status, std::string_view content_type,
                                           std::string_view content) = 0;
  // A large one. With a length exactly so many bytes must follow; without one it is chunked (in HTTP/1.0: until the
  // connection closes).
  [[nodiscard]] virtual Task<bool> begin(uint16_t status, std::string_view content_type,
                                         std::optional<uint64_t> length = std::nullopt) = 0;
  // Comes back when the piece is on its way or in a bounded buffer; `piece` is not used after that.
  [[nodiscard]] virtual Task<bool> send(std::string_view piece) = 0;
  [[nodiscard]] virtual Task<bool> end() = 0;
  // Instead of an answer: 101, with the fields that were added, and the connection is no longer HTTP's. It ends with
  // the handler. Null when it cannot be done (HTTP/2, HTTP/1.0, a body that is not read): nothing is answered then.
  [[nodiscard]] virtual Tunnel* upgrade(std::string_view protocol) { return nullptr; }
  // Sends at once what send() has gathered, instead of at the end of the turn.
  virtual void flush() = 0;

  // Called once, when the client of HTTP/2 goes (it resets the stream, or the connection breaks) before the answer has
  // ended and while the handler is at work: for handlers that wait for something else than the client. HTTP/1 is not
  // read from while a handler works, so there only a send() that fails tells.
  std::function<void()> on_gone;

 protected:
  FieldList fields_;    // of the answer
  FieldList trailers_;  // of the answer
};

// Runs on the connection's reactor. Must not be a capturing coroutine lambda: let it call one with the captures as
// parameters. In a server over several reactors it is called on each of them.
using Handler = std::function<Task<void>(Exchange&)>;

}  // namespace keelson::net::http
