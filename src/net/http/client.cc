#include "net/http/client.h"

#include <charconv>
#include <coroutine>
#include <optional>
#include <utility>

#include "base/check.h"

namespace keelson::net::http {

namespace {

constexpr size_t kReadBytes = 64 << 10;
// A piece that is written in one go; the server must take so much within the silence time-out.
constexpr size_t kWriteBytes = 256 << 10;

}  // namespace

Client::Client(std::unique_ptr<env::Stream> stream, ClientOptions options)
    : stream_(std::move(stream)),
      options_(options),
      lines_(std::make_unique<Field[]>(options.limits.fields_max)),
      silence_(stream_->reactor(), [this] {
        has_timed_out_ = true;
        stream_->close();
      }) {}

Client::~Client() = default;

// Waits for what the server sends, but not for long.
struct Client::Patience {
  explicit Patience(env::Reactor& reactor) : timer(reactor, [this] { handle.resume(); }) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) noexcept { handle = waiter; }
  void await_resume() const noexcept {}

  std::coroutine_handle<> handle;
  std::optional<Status> filled;
  env::Timer timer;
};

bool Client::is_reusable() const {
  return is_sent_ && has_response_ && body_.is_done() && keeps_alive_ && !has_failed_ && used_ == in_.size();
}

Task<Status> Client::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::string_view part = bytes.substr(0, kWriteBytes);
    silence_.arm_after(int64_t{options_.silence_timeout_ms} * 1'000'000);
    const env::IoOutcome sent = co_await stream_->write(part);
    silence_.disarm();
    if (!sent.ok()) {
      keeps_alive_ = false;
      if (has_timed_out_) co_return fail(HttpErrc::kTimedOut, "http: " + server_name() + " takes no more bytes");
      co_return fail(HttpErrc::kBroken, "http: cannot send to " + server_name());
    }
    bytes.remove_prefix(part.size());
  }
  co_return Status();
}

Task<Status> Client::fill() {
  if (used_ == in_.size()) {
    in_.clear();
    used_ = 0;
  }
  silence_.arm_after(int64_t{options_.silence_timeout_ms} * 1'000'000);
  char* to = in_.reserve(kReadBytes);
  const env::IoOutcome got = co_await stream_->read(std::span<char>(to, kReadBytes));
  silence_.disarm();
  if (has_timed_out_) {
    has_failed_ = true;
    co_return fail(HttpErrc::kTimedOut, "http: " + server_name() + " has sent nothing for " +
                                            std::to_string(options_.silence_timeout_ms / 1000) + " s");
  }
  if (!got.ok()) {
    has_failed_ = true;
    co_return fail(HttpErrc::kBroken, "http: " + server_name() + " ended the connection before its answer was whole");
  }
  in_.commit(got.count);
  co_return Status();
}

Task<Status> Client::begin(Request request, std::optional<uint64_t> length) {
  KEELSON_CHECK(!has_failed_, "a request on a connection that has failed");
  in_.consume(std::exchange(used_, 0));
  method_ = request.method;
  is_chunked_ = !length;
  send_left_ = length.value_or(UINT64_MAX);
  is_sent_ = has_response_ = false;
  std::string text = request.method + " " + request.target + " HTTP/1.1\r\nHost: " + request.host + "\r\n";
  for (const Field& field : request.fields) text.append(field.name).append(": ").append(field.value).append("\r\n");
  if (is_chunked_) {
    text.append("Transfer-Encoding: chunked\r\n");
  } else if (*length != 0 || method_ == "POST" || method_ == "PUT") {  // RFC 9110 §8.6
    text.append("Content-Length: ").append(std::to_string(*length)).append("\r\n");
  }
  if (request.expects_continue) text.append("Expect: 100-continue\r\n");
  text.append("\r\n");
  if (length) text.append(request.body);  // request() alone gives one
  if (length) send_left_ -= request.body.size();
  co_return co_await write(text);
}

Task<void> Client::fill_for(Patience& patience) {
  patience.filled.emplace(co_await fill());
  patience.timer.arm_after(0);
}

Task<Result<bool>> Client::await_continue() {
  Patience patience(stream_->reactor());
  const int64_t end_ns = stream_->reactor().clock().monotonic_ns() + int64_t{options_.continue_timeout_ms} * 1'000'000;
  while (true) {
    ResponseHead head;
    const HeadOutcome outcome = unread().empty()
                                    ? HeadOutcome{}
                                    : parse_response_head(unread(), options_.limits,
                                                          {lines_.get(), options_.limits.fields_max}, 0, method_, head);
    // What is wrong with an answer is response()'s to say.
    if (outcome.fault || (outcome.size != 0 && head.status >= 200)) co_return false;
    if (outcome.size != 0) {
      used_ += outcome.size;
      if (head.status == 100) co_return true;
      continue;
    }
    patience.filled.reset();
    env::TaskScope reading(stream_->reactor());
    reading.spawn(fill_for(patience));
    if (!patience.filled) patience.timer.arm_at(end_ns);
    co_await patience;
    if (!patience.filled) break;
    if (!patience.filled->ok()) co_return forward_error(*patience.filled);
  }
  silence_.disarm();  // of the read that was given up
  co_return true;
}

Task<Status> Client::send(std::string_view piece) {
  KEELSON_CHECK(piece.size() <= send_left_, "more body than the length that was told");
  if (piece.empty()) co_return Status();
  if (!is_chunked_) {
    send_left_ -= piece.size();
    co_return co_await write(piece);
  }
  char size[20];
  char* end = std::to_chars(size, size + 16, piece.size(), 16).ptr;
  *end++ = '\r';
  *end++ = '\n';
  if (Status sent = co_await write({size, static_cast<size_t>(end - size)}); !sent.ok()) co_return sent;
  if (Status sent = co_await write(piece); !sent.ok()) co_return sent;
  co_return co_await write("\r\n");
}

Task<Status> Client::end() {
  KEELSON_CHECK(is_chunked_ || send_left_ == 0, "less body than the length that was told");
  is_sent_ = true;
  if (is_chunked_) co_return co_await write("0\r\n\r\n");
  co_return Status();
}

Task<Result<Response>> Client::response() {
  size_t seen = 0;
  while (true) {
    ResponseHead head;
    const HeadOutcome outcome =
        unread().empty() ? HeadOutcome{}
                         : parse_response_head(unread(), options_.limits, {lines_.get(), options_.limits.fields_max},
                                               seen, method_, head);
    if (outcome.fault) {
      has_failed_ = true;
      co_return fail(HttpErrc::kMalformed,
                     "http: " + server_name() + " does not speak HTTP: " + std::string(outcome.fault.why));
    }
    if (outcome.size == 0) {
      seen = unread().size();
      if (Status filled = co_await fill(); !filled.ok()) co_return forward_error(filled);
      continue;
    }
    seen = 0;
    if (head.status >= 200) {
      Response response{.status = head.status, .reason = std::string(head.reason), .fields = {}};
      for (const Field& field : head.fields) response.fields.add(field.name, field.value);
      used_ += outcome.size;
      body_ = BodyDecoder(head.framing, UINT64_MAX);
      keeps_alive_ = keeps_alive_ && head.keeps_alive;
      has_response_ = true;
      co_return response;
    }
    used_ += outcome.size;  // 100 Continue and the like
  }
}

Task<Result<Response>> Client::request(Request request) {
  const uint64_t length = request.body.size();
  Status sent = co_await begin(std::move(request), length);
  if (!sent.ok()) co_return forward_error(sent);
  if (Status ended = co_await end(); !ended.ok()) co_return forward_error(ended);
  co_return co_await response();
}

Task<Result<std::string_view>> Client::read() {
  while (true) {
    if (body_.is_done()) co_return std::string_view();
    const BodyDecoder::Piece piece = body_.next(unread());
    used_ += piece.consumed;
    if (piece.fault) {
      has_failed_ = true;
      co_return fail(HttpErrc::kMalformed,
                     "http: a bad answer from " + server_name() + ": " + std::string(piece.fault.why));
    }
    if (!piece.data.empty()) co_return piece.data;
    if (body_.is_done()) continue;
    Status filled = co_await fill();
    if (filled.ok()) continue;
    if (filled.error().code() == HttpErrc::kBroken && body_.is_whole_at_end()) co_return std::string_view();
    co_return forward_error(filled);
  }
}

Task<Result<std::string>> Client::read_all(size_t bytes_max) {
  std::string all;
  while (true) {
    Result<std::string_view> piece = co_await read();
    if (!piece.ok()) co_return forward_error(piece);
    if (piece->empty()) co_return all;
    if (piece->size() > bytes_max - all.size()) {
      co_return fail(HttpErrc::kTooLarge, "http: the answer of " + server_name() + " is too large");
    }
    all.append(*piece);
  }
}

}  // namespace keelson::net::http
