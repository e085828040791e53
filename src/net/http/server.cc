#include "net/http/server.h"

#include <utility>

#include "base/check.h"
#include "base/logging.h"
#include "net/tls_stream.h"

namespace keelson::net::http {

namespace {

constexpr size_t kReadBytes = 16 << 10;
constexpr int64_t kNsPerMs = 1'000'000;
// After accept() has failed (no descriptors are left, say) the listener rests for this long.
constexpr int64_t kAcceptRestNs = 100 * kNsPerMs;

}  // namespace

class Server::Connection final : public Exchange {
 public:
  Connection(Server& server, std::unique_ptr<env::Stream> stream)
      : server_(server),
        stream_(std::move(stream)),
        head_finder_(server.options_.limits),
        deadline_(server.reactor_, [this] { stream_->close(); }) {}

  const RequestHead& request() const override { return head_; }
  std::string_view body() const override { return body_.view(); }
  const env::Address& remote() const override { return stream_->remote(); }
  void add_field(std::string name, std::string value) override { extra_.add(std::move(name), std::move(value)); }

  Task<bool> respond(uint16_t status, std::string content_type, std::string content) override {
    KEELSON_CHECK(!has_begun_, "a request is answered twice");
    has_begun_ = has_ended_ = true;
    std::string answer = head_text(status, content_type);
    answer.append("Content-Length: ").append(std::to_string(content.size())).append("\r\n\r\n");
    if (head_.method != "HEAD") answer.append(content);
    co_return co_await write(answer);
  }

  Task<bool> begin(uint16_t status, std::string content_type) override {
    KEELSON_CHECK(!has_begun_, "a request is answered twice");
    has_begun_ = true;
    is_chunked_ = head_.minor_version >= 1;
    if (!is_chunked_) keeps_alive_ = false;
    std::string answer = head_text(status, content_type);
    if (is_chunked_) answer.append("Transfer-Encoding: chunked\r\n");
    answer.append("\r\n");
    co_return co_await write(answer);
  }

  Task<bool> send(std::string_view piece) override {
    KEELSON_CHECK(has_begun_ && !has_ended_, "a piece of an answer outside of begin() and end()");
    if (piece.empty() || head_.method == "HEAD") co_return !is_broken_;
    if (!is_chunked_) co_return co_await write(piece);
    constexpr char kDigits[] = "0123456789abcdef";
    std::string size = "\r\n";
    for (size_t left = piece.size(); left != 0; left /= 16) size.insert(size.begin(), kDigits[left % 16]);
    if (!co_await write(size)) co_return false;
    if (!co_await write(piece)) co_return false;
    co_return co_await write("\r\n");
  }

  Task<bool> end() override {
    KEELSON_CHECK(has_begun_ && !has_ended_, "an answer ended twice");
    has_ended_ = true;
    if (!is_chunked_ || head_.method == "HEAD") co_return !is_broken_;
    co_return co_await write("0\r\n\r\n");
  }

  Task<void> run() {
    while (true) {
      reset();
      Fault fault;
      if (!co_await read_request(fault)) {
        if (fault) co_await refuse(fault);
        break;
      }
      ++server_.requests_;
      keeps_alive_ = head_.keeps_alive() && !server_.is_stopping_;
      is_busy_ = true;
      co_await server_.handler_(*this);
      is_busy_ = false;
      KEELSON_CHECK(has_begun_, "a handler did not answer");
      if (!has_ended_ || !keeps_alive_ || is_broken_ || server_.is_stopping_) break;
    }
    co_await linger();
  }

  // The server stops: nobody waits for an idle connection.
  void close_if_idle() {
    keeps_alive_ = false;
    if (!is_busy_) stream_->close();
  }

  Task<void> refuse(Fault fault) {
    keeps_alive_ = false;
    has_begun_ = false;
    co_await respond(fault.status, "text/plain; charset=utf-8", std::string(fault.why) + "\n");
  }

 private:
  void reset() {
    head_ = {};
    extra_ = {};
    body_.clear();
    head_finder_.reset();
    has_begun_ = has_ended_ = is_chunked_ = false;
    keeps_alive_ = true;
  }

  std::string head_text(uint16_t status, std::string_view content_type) {
    std::string text = "HTTP/1.1 ";
    text.append(std::to_string(status)).append(" ").append(reason_of(status)).append("\r\n");
    text.append("Content-Type: ").append(content_type).append("\r\n");
    text.append("Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n");
    for (const auto& [name, value] : extra_.lines()) text.append(name).append(": ").append(value).append("\r\n");
    if (!keeps_alive_) text.append("Connection: close\r\n");
    return text;
  }

  Task<bool> write(std::string_view bytes) {
    if (is_broken_) co_return false;
    deadline_.arm_after(server_.options_.write_timeout_ms * kNsPerMs);
    const env::IoOutcome sent = co_await stream_->write(bytes);
    deadline_.disarm();
    if (!sent.ok()) is_broken_ = true;
    co_return sent.ok();
  }

  // More bytes into in_; false at the end.
  Task<bool> fill() {
    char* to = in_.reserve(kReadBytes);
    const env::IoOutcome got = co_await stream_->read(std::span<char>(to, kReadBytes));
    if (!got.ok()) co_return false;
    in_.commit(got.count);
    co_return true;
  }

  // False: the connection ends, after an answer if there is a fault.
  Task<bool> read_request(Fault& fault) {
    Framing framing;
    if (!co_await read_head(fault, framing)) co_return false;
    if (const std::string* expectation = head_.fields.find("Expect")) {
      if (!equal_ignoring_case(*expectation, "100-continue")) {
        fault = {417, "the only expectation known is 100-continue"};
        co_return false;
      }
      if (framing.kind != Framing::Kind::kNone && in_.empty() && !co_await write("HTTP/1.1 100 Continue\r\n\r\n")) {
        co_return false;
      }
      deadline_.arm_after(server_.options_.head_timeout_ms * kNsPerMs);
    }
    BodyDecoder body(framing, server_.options_.limits.body_bytes_max);
    while (true) {
      fault = body.decode(in_, body_);
      if (fault) co_return false;
      if (body.is_done()) break;
      if (!co_await fill()) co_return false;
    }
    deadline_.disarm();
    co_return true;
  }

  Task<bool> read_head(Fault& fault, Framing& framing) {
    bool has_skipped = false;
    deadline_.arm_after((in_.empty() ? server_.options_.idle_timeout_ms : server_.options_.head_timeout_ms) * kNsPerMs);
    while (true) {
      // RFC 9112 §2.2: one empty line before a request is forgiven.
      if (!has_skipped && in_.view().starts_with("\r\n")) {
        in_.consume(2);
        has_skipped = true;
        head_finder_.reset();
      }
      const std::optional<size_t> size = head_finder_.find(in_.view());
      fault = head_finder_.fault();
      if (fault) co_return false;
      if (size) {
        fault = parse_request_head(in_.view().substr(0, *size), server_.options_.limits, head_, framing);
        in_.consume(*size);
        co_return !fault;
      }
      const bool was_empty = in_.empty();
      if (!co_await fill()) co_return false;
      if (was_empty) deadline_.arm_after(server_.options_.head_timeout_ms * kNsPerMs);
    }
  }

  // Reads what the client still sends, for a moment, so that the answer is not lost to a reset (RFC 9112 §9.6).
  Task<void> linger() {
    constexpr int64_t kLingerNs = 1000 * kNsPerMs;
    constexpr int kReadsMax = 64;
    stream_->shutdown_write();
    if (is_broken_) co_return;
    deadline_.arm_after(kLingerNs);
    for (int i = 0; i < kReadsMax; ++i) {
      in_.clear();
      if (!co_await fill()) break;
    }
    deadline_.disarm();
  }

  Server& server_;
  std::unique_ptr<env::Stream> stream_;
  Buffer in_;
  Buffer body_;
  RequestHead head_;
  Fields extra_;
  HeadFinder head_finder_;
  bool has_begun_ = false;
  bool has_ended_ = false;
  bool is_chunked_ = false;
  bool keeps_alive_ = true;
  bool is_broken_ = false;
  bool is_busy_ = false;
  env::Timer deadline_;
};

Server::Server(env::Network& network, env::Reactor& reactor, const ServerOptions& options, Handler handler)
    : network_(network),
      reactor_(reactor),
      options_(options),
      handler_(std::move(handler)),
      tasks_(std::make_unique<env::TaskScope>(reactor)) {}

Server::~Server() { tasks_.reset(); }

Status Server::listen(const env::Address& at, TlsContext* tls) {
  Result<std::unique_ptr<env::Listener>> listener = network_.listen(reactor_, at);
  if (!listener.ok()) return forward_error(listener);
  addresses_.push_back((*listener)->local());
  listeners_.push_back(std::move(*listener));
  tasks_->spawn(accept_loop(*listeners_.back(), tls));
  return {};
}

Task<void> Server::accept_loop(env::Listener& listener, TlsContext* tls) {
  while (!is_stopping_) {
    Result<std::unique_ptr<env::Stream>> accepted = co_await listener.accept(reactor_);
    if (!accepted.ok()) {
      if (is_stopping_ || accepted.error().code() == env::NetErrc::kClosed) break;
      log_warn("http", "cannot accept a connection", {{"why", accepted.error().message()}});
      co_await env::sleep_for(reactor_, kAcceptRestNs);
      continue;
    }
    std::unique_ptr<env::Stream> stream = std::move(*accepted);
    tasks_->spawn(serve(tls != nullptr ? tls->wrap(std::move(stream)) : std::move(stream)));
  }
}

Task<void> Server::serve(std::unique_ptr<env::Stream> stream) {
  Connection connection(*this, std::move(stream));
  if (connections_.size() >= options_.connections_max) {
    co_await connection.refuse({503, "too many connections"});
    co_return;
  }
  const uint64_t id = next_id_++;
  connections_.emplace(id, &connection);
  co_await connection.run();
  connections_.erase(id);
}

Task<void> Server::stop() {
  is_stopping_ = true;
  for (auto& listener : listeners_) listener->close();
  for (auto& [id, connection] : connections_) connection->close_if_idle();
  co_await tasks_->join();
}

}  // namespace keelson::net::http
