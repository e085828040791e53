// An HTTP/1.1 client on one connection: a request and its answer after the other, bodies streamed both ways.
//
//   Client client(std::move(stream));
//   Result<Response> response = co_await client.request({.method = "GET", .target = "/x", .host = "h"});
//   while (piece = co_await client.read(), piece.ok() && !piece->empty()) ...
//
// A large request body: begin(), any number of send(), end(), then response(). A request that may be refused asks
// first: with expects_continue, await_continue() stands behind begin() (RFC 9110 §10.1.1). Connections are made and
// kept by client_pool.h, or by the caller.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/buffer.h"
#include "base/result.h"
#include "base/task.h"
#include "env/network.h"
#include "env/reactor.h"
#include "net/http/body_decoder.h"
#include "net/http/errors.h"
#include "net/http/fields.h"
#include "net/http/message.h"
#include "net/http/parser.h"

namespace keelson::net::http {

// The head of an answer, with its bytes.
struct Response {
  uint16_t status = 0;
  std::string reason;
  FieldList fields;
};

struct ClientOptions {
  uint32_t silence_timeout_ms = 60'000;  // without a byte from the server, or without its taking one
  uint32_t continue_timeout_ms = 1'000;  // for "100 Continue"; then the body is sent all the same
  Limits limits = {};                    // of the answer's head
};

// Belongs to its stream's reactor. One exchange at a time, in the order of the functions below; after an error no more.
class Client {
 public:
  explicit Client(std::unique_ptr<env::Stream> stream, ClientOptions options = {});
  ~Client();

  struct Request {
    std::string method = "GET";
    std::string target = "/";
    std::string host;
    FieldList fields = {};
    std::string body = {};
    bool expects_continue = false;  // says "Expect: 100-continue"; for begin()
  };
  // Sends the request and reads the answer's head. Informational answers (1xx) are read over.
  Task<Result<Response>> request(Request request);

  // The same in steps. `length` is how much send() will bring in all; without one the body is chunked.
  // `request.body` is not looked at. send() fails with kBroken also when the server has answered and closed early: its
  // answer may still be had by response().
  Task<Status> begin(Request request, std::optional<uint64_t> length);
  // Behind begin() with expects_continue. True: the body may be sent (the server says so, or nothing: servers that do
  // not know of it are silent). False: the server has answered; send() and end() are left out, and the connection does
  // not serve again.
  Task<Result<bool>> await_continue();
  Task<Status> send(std::string_view piece);
  Task<Status> end();
  Task<Result<Response>> response();

  // The next bytes of the answer's body, valid until the next call; empty at its end.
  Task<Result<std::string_view>> read();
  // The rest of the body; HttpErrc::kTooLarge above this much.
  Task<Result<std::string>> read_all(size_t bytes_max);
  // At the end of the body.
  [[nodiscard]] const FieldList& trailers() const { return body_.trailers(); }

  // The exchange is over, and the connection is good for another one.
  [[nodiscard]] bool is_reusable() const;
  [[nodiscard]] env::Stream& stream() { return *stream_; }

 private:
  Task<Status> write(std::string_view bytes);
  struct Patience;
  Task<Status> fill();
  Task<void> fill_for(Patience& patience);
  [[nodiscard]] std::string_view unread() const { return in_.view().substr(used_); }
  std::string server_name() const { return stream_->remote().text(); }

  std::unique_ptr<env::Stream> stream_;
  ClientOptions options_;
  std::unique_ptr<Field[]> lines_;
  Buffer in_;
  size_t used_ = 0;
  std::string method_;
  BodyDecoder body_;
  bool is_chunked_ = false;  // the request
  uint64_t send_left_ = 0;
  bool is_sent_ = false;       // the request, whole
  bool has_response_ = false;  // its head
  bool keeps_alive_ = true;
  bool has_failed_ = false;
  bool has_timed_out_ = false;
  env::Timer silence_;
};

}  // namespace keelson::net::http
