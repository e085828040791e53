#include "net/http/http1_connection.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/logging.h"
#include "base/numbers.h"
#include "net/http/http2_connection.h"

namespace keelson::net::http {

namespace {

// Content up to this size is copied behind the head, to leave in one write with it; above, the copy costs more than a
// system call.
constexpr size_t kCopyBytesMax = 32 << 10;
// After an answer that ends the connection: how long and how often what still comes is read over (RFC 9112 §9.6).
constexpr uint32_t kLingerMs = 1000;
constexpr int kLingerReadsMax = 64;
constexpr uint64_t kLengthless = UINT64_MAX;

void append_line(Buffer& out, std::string_view name, std::string_view value) {
  char* to = out.reserve(name.size() + value.size() + 4);
  to = std::copy(name.begin(), name.end(), to);
  *to++ = ':';
  *to++ = ' ';
  to = std::copy(value.begin(), value.end(), to);
  *to++ = '\r';
  *to++ = '\n';
  out.commit(name.size() + value.size() + 4);
}

void append_status_line(Buffer& out, uint16_t status) {
  if (status == 200) {
    out.append("HTTP/1.1 200 OK\r\n");
    return;
  }
  out.append("HTTP/1.1 ");
  out.append(format_uint64(status));
  out.push_back(' ');
  out.append(reason_of(status));
  out.append("\r\n");
}

void append_chunk_size(Buffer& out, size_t size) {
  constexpr size_t kDigitsMax = 16;
  char* to = out.reserve(kDigitsMax + 2);
  char* end = std::to_chars(to, to + kDigitsMax, size, 16).ptr;
  *end++ = '\r';
  *end++ = '\n';
  out.commit(static_cast<size_t>(end - to));
}

}  // namespace

Http1Connection::Http1Connection(ServerLocal& local, std::unique_ptr<env::Stream> stream, bool is_tls)
    : ServerConnection(local),
      stream_(std::move(stream)),
      is_tls_(is_tls),
      output_(local, *stream_),
      lines_(std::make_unique<Field[]>(local.options().limits.fields_max)) {}

Http1Connection::~Http1Connection() = default;

// --- the connection's life -------------------------------------------------------------------------------------------

// The first bytes of a connection may be those of HTTP/2, which no HTTP/1 request begins with.
HeadOutcome Http1Connection::parse_head(size_t seen, bool& is_http2) {
  const Limits& limits = local_.options().limits;
  constexpr std::string_view kPreface = Http2Connection::kPreface;
  constexpr size_t kTellingBytes = 4;  // "PRI "
  const std::string_view bytes = in_.view();
  if (bytes.empty()) return {};
  if (!has_begun_ && bytes.substr(0, kTellingBytes) == kPreface.substr(0, std::min(bytes.size(), kTellingBytes))) {
    if (bytes.size() < kTellingBytes) return {};
    if (bytes.substr(0, kPreface.size()) == kPreface.substr(0, bytes.size())) {
      is_http2 = bytes.size() >= kPreface.size();
      return {};
    }
  }
  return parse_request_head(bytes, limits, {lines_.get(), limits.fields_max}, seen, head_);
}

Task<Http1Connection::End> Http1Connection::run() {
  size_t seen = 0;
  while (!is_dead_) {
    bool is_http2 = false;
    const HeadOutcome outcome = parse_head(seen, is_http2);
    if (is_http2) co_return End::kHttp2;
    if (outcome.fault) {
      local_.counters.faults.add();
      co_await refuse(outcome.fault);
      co_return End::kClosed;
    }
    if (outcome.size == 0) {
      seen = !has_begun_ && Http2Connection::kPreface.starts_with(in_.view()) ? 0 : in_.size();
      wish_turn_end();
      if (local_.is_stopping() && in_.empty()) break;
      const bool is_idle = in_.empty();
      if (is_idle) in_.shrink_if_empty(kHeadReadBytes);
      // The head's time runs from its first byte, whatever comes after that.
      if (!is_idle && overdue_at_ == 0) overdue_at_ = local_.after(local_.options().head_timeout_ms);
      if (is_idle) overdue_at_ = local_.deadline_after(local_.options().idle_timeout_ms);
      char* to = in_.reserve(kHeadReadBytes);
      const env::IoOutcome got = co_await stream_->read({to, in_.room()});
      if (is_idle) overdue_at_ = 0;
      if (!got.ok()) break;
      in_.commit(got.count);
      local_.counters.received.add(got.count);
      continue;
    }
    overdue_at_ = 0;
    seen = 0;
    start_request(outcome.size);
    if (!co_await run_exchange()) break;
    drop_request();
  }
  overdue_at_ = 0;
  co_await linger();
  co_return End::kClosed;
}

void Http1Connection::start_request(size_t head_bytes) {
  used_ = head_bytes;
  has_begun_ = true;
  request_.reset(head_, head_.minor_version == 0 ? Version::kHttp10 : Version::kHttp11, is_tls_, stream_->remote());
  decoder_ = BodyDecoder(head_.framing, local_.options().limits.body_bytes_max);
  body_fault_ = {};
  body_timeout_ms_ = local_.options().body_timeout_ms;
  on_gone = nullptr;
  fields_.clear();
  trailers_.clear();
  answer_ = Answer::kNone;
  keeps_alive_ = head_.keeps_alive && !local_.is_stopping();
  is_waiting_for_continue_ = head_.expects_continue && !decoder_.is_done();
  // A server may leave 100 out where there is no content (RFC 9110, section 10.1.1). But botocore (the AWS command
  // line) that got a final answer instead cannot read the next one on the same connection, and waits for a minute.
  if (head_.expects_continue && !is_waiting_for_continue_) {
    output_.buffer().append("HTTP/1.1 100 Continue\r\n\r\n");
    local_.counters.responses[0].add();
  }
  local_.counters.requests.add();
}

// What stands behind the request in the buffers comes to the front of in_.
void Http1Connection::drop_request() {
  in_.consume(used_);
  used_ = 0;
  if (body_in_.size() > body_used_) in_.append(body_in_.view().substr(body_used_));
  if (body_in_.capacity() != 0) body_in_ = Buffer();
  body_used_ = 0;
}

// True if the connection goes on.
Task<bool> Http1Connection::run_exchange() {
  if (head_.form == TargetForm::kAuthority) {
    co_await refuse({501, "this is no proxy: CONNECT is not implemented"});
    co_return false;
  }
  is_busy_ = true;
  local_.counters.active.add(1);
  co_await local_.handler()(*this);
  local_.counters.active.add(-1);
  is_busy_ = false;
  if (answer_ == Answer::kNone && !output_.is_broken() && !is_dead_) answer_for_handler();
  if (answer_ != Answer::kEnded || !keeps_alive_ || body_fault_ || output_.is_broken() || is_dead_) co_return false;
  if (local_.is_stopping()) co_return false;
  if (decoder_.is_done()) co_return true;
  co_return co_await finish_request();
}

void Http1Connection::answer_for_handler() {
  Fault fault = body_fault_;
  if (!fault) {
    log_error("http", "a handler has not answered",
              {{"method", request_.method()}, {"path", request_.raw_path()}, {"address", request_.remote().text()}});
    fault = {500, "the server has failed to answer"};
  }
  keeps_alive_ = false;
  fields_.clear();
  const std::string text = std::string(fault.why) + "\n";
  answer_ = Answer::kEnded;
  write_head(fault.status, "text/plain; charset=utf-8", text.size(), false);
  if (sends_content(fault.status)) output_.buffer().append(text);
  wish_turn_end();
}

// Reads over what the handler has not read of the body. False: too much, or the end.
Task<bool> Http1Connection::finish_request() {
  uint64_t left = local_.options().drain_bytes_max;
  if (is_waiting_for_continue_) co_return false;  // the client may send the body or not: nobody can tell
  while (true) {
    Result<std::string_view> piece = co_await read_body();
    if (!piece.ok()) co_return false;
    if (piece->empty()) co_return true;
    if (piece->size() > left) co_return false;
    left -= piece->size();
  }
}

Task<void> Http1Connection::refuse(Fault fault) {
  head_.minor_version = 1;
  head_.method = {};
  keeps_alive_ = false;
  answer_ = Answer::kNone;
  const std::string text = std::string(fault.why) + "\n";
  fields_.clear();
  if (co_await respond(fault.status, "text/plain; charset=utf-8", text)) co_await linger();
}

// Sends what is left to send, then reads what the client still sends, for a moment, so that the answer is not lost to a
// reset.
Task<void> Http1Connection::linger() {
  if (is_dead_ || !co_await output_.drain(0)) co_return;
  stream_->shutdown_write();
  const Deadline end = local_.after(kLingerMs);
  for (int i = 0; i < kLingerReadsMax && !is_dead_; ++i) {
    in_.clear();
    char* to = in_.reserve(kHeadReadBytes);
    overdue_at_ = end;
    const env::IoOutcome got = co_await stream_->read({to, in_.room()});
    if (!got.ok()) break;
  }
  overdue_at_ = 0;
  is_dead_ = true;
}

void Http1Connection::check_deadlines(uint32_t tick) {
  if (local_.is_stopping()) end_when_idle();  // its last answer may have been on its way
  const bool is_read_overdue = overdue_at_ != 0 && tick >= overdue_at_;
  if (is_dead_ || (!is_read_overdue && !output_.is_overdue(tick))) return;
  local_.counters.timeouts.add();
  has_timed_out_ = true;
  kill();
}

void Http1Connection::end_when_idle() {
  keeps_alive_ = false;
  if (is_tunnel_ && on_stop) std::exchange(on_stop, {})();
  if (!is_busy_ && !output_.is_sending() && output_.buffered() == 0) kill();
}

void Http1Connection::kill() {
  if (is_dead_) return;
  is_dead_ = true;
  stream_->close();
  output_.fail();
}

// --- the body --------------------------------------------------------------------------------------------------------

std::optional<uint64_t> Http1Connection::body_length() const {
  switch (head_.framing.kind) {
    case Framing::Kind::kNone:
      return 0;
    case Framing::Kind::kLength:
      return head_.framing.length;
    default:
      return std::nullopt;
  }
}

std::string_view Http1Connection::unread() const {
  if (used_ < in_.size()) return in_.view().substr(used_);
  return body_in_.view().substr(body_used_);
}

void Http1Connection::advance(size_t count) { (used_ < in_.size() ? used_ : body_used_) += count; }

Task<Result<std::string_view>> Http1Connection::read_body() {
  while (true) {
    if (body_fault_) {
      const HttpErrc code = is_cut_short_               ? HttpErrc::kBroken
                            : body_fault_.status == 413 ? HttpErrc::kTooLarge
                                                        : HttpErrc::kMalformed;
      co_return fail(code, "http: " + request_.remote().text() + " sent a bad body: " + std::string(body_fault_.why));
    }
    if (decoder_.is_done()) co_return std::string_view();
    const BodyDecoder::Piece piece = decoder_.next(unread());
    advance(piece.consumed);
    if (!piece.data.empty()) co_return piece.data;
    if (piece.fault) {
      body_fault_ = piece.fault;
      keeps_alive_ = false;
      local_.counters.faults.add();
      continue;
    }
    if (decoder_.is_done()) continue;
    if (!co_await fill_body()) {
      keeps_alive_ = false;
      if (body_fault_) continue;
      if (has_timed_out_) co_return fail(HttpErrc::kTimedOut, "http: " + request_.remote().text() + " sends no more");
      co_return fail(HttpErrc::kBroken, "http: " + request_.remote().text() + " has gone before its body was whole");
    }
  }
}

// More bytes into body_in_, all of whose bytes are used.
Task<bool> Http1Connection::fill_body() {
  if (is_dead_) co_return false;
  if (std::exchange(is_waiting_for_continue_, false) && answer_ == Answer::kNone) {
    output_.buffer().append("HTTP/1.1 100 Continue\r\n\r\n");
    local_.counters.responses[0].add();
    output_.flush();
  }
  wish_turn_end();
  body_in_.clear();
  body_used_ = 0;
  // No more than the body has, so that a small one does not cost a large buffer; but room for a chunk's framing.
  const auto wanted = static_cast<size_t>(std::clamp<uint64_t>(
      head_.framing.kind == Framing::Kind::kLength ? decoder_.left() : kBodyReadBytes, kHeadReadBytes, kBodyReadBytes));
  char* to = body_in_.reserve(wanted);
  overdue_at_ = local_.deadline_after(body_timeout_ms_);
  const env::IoOutcome got = co_await stream_->read({to, std::min(body_in_.room(), kBodyReadBytes)});
  overdue_at_ = 0;
  if (got.error == env::NetErrc::kEof) {  // it may still want to hear of it
    is_cut_short_ = true;
    body_fault_ = {400, "the body is cut short"};
  }
  if (!got.ok()) {
    if (!is_cut_short_) kill();
    co_return false;
  }
  body_in_.commit(got.count);
  local_.counters.received.add(got.count);
  co_return true;
}

const Fields& Http1Connection::trailers() const {
  trailers_view_ = decoder_.trailers().view();
  return trailers_view_;
}

// --- the answer ------------------------------------------------------------------------------------------------------

// Would the bytes that are left of the request be too many to read over, or may they never come?
bool Http1Connection::must_close() const {
  if (decoder_.is_done()) return false;
  return is_waiting_for_continue_ || body_fault_ ||
         (head_.framing.kind == Framing::Kind::kLength && decoder_.left() > local_.options().drain_bytes_max);
}

bool Http1Connection::sends_content(uint16_t status) const { return head_.method != "HEAD" && status_has_body(status); }

void Http1Connection::write_head(uint16_t status, std::string_view content_type, std::optional<uint64_t> length,
                                 bool is_chunked) {
  keeps_alive_ = keeps_alive_ && !must_close();
  Buffer& out = output_.buffer();
  append_status_line(out, status);
  out.append(local_.date_line());
  if (!content_type.empty()) append_line(out, "Content-Type", content_type);
  for (const Field& field : fields_) append_line(out, field.name, field.value);
  if (length && status >= 200 && status != 204) append_line(out, "Content-Length", format_uint64(*length));
  if (is_chunked) out.append("Transfer-Encoding: chunked\r\n");
  if (!keeps_alive_) {
    out.append("Connection: close\r\n");
  } else if (head_.minor_version == 0) {
    out.append("Connection: keep-alive\r\n");
  }
  out.append("\r\n");
  local_.count_response(status);
}

// The turn's end sends what is gathered; too much of it is waited for here.
Task<bool> Http1Connection::settle() {
  wish_turn_end();
  if (!output_.is_full()) co_return !output_.is_broken();
  co_return co_await output_.drain(Output::kPauseBytes / 2);
}

Task<bool> Http1Connection::respond(uint16_t status, std::string_view content_type, std::string_view content) {
  KEELSON_CHECK(answer_ == Answer::kNone, "a request is answered twice");
  KEELSON_CHECK(status >= 200 && status <= 599, "no such final status");
  answer_ = Answer::kEnded;
  std::optional<uint64_t> length = content.size();
  if (status == 304 && content.empty()) length.reset();
  write_head(status, content_type, length, false);
  if (sends_content(status) && !content.empty()) {
    if (content.size() > kCopyBytesMax) co_return co_await output_.write_through(content);
    output_.buffer().append(content);
  }
  wish_turn_end();
  if (!output_.is_full()) co_return !output_.is_broken();
  co_return co_await output_.drain(Output::kPauseBytes / 2);
}

Task<bool> Http1Connection::begin(uint16_t status, std::string_view content_type, std::optional<uint64_t> length) {
  KEELSON_CHECK(answer_ == Answer::kNone, "a request is answered twice");
  KEELSON_CHECK(status >= 200 && status <= 599, "no such final status");
  answer_ = Answer::kBegun;
  answer_left_ = length.value_or(kLengthless);
  const bool can_chunk = head_.minor_version >= 1;
  if (!sends_content(status)) {
    delimited_ = Delimited::kNothing;
  } else if (length) {
    delimited_ = Delimited::kLength;
  } else {
    delimited_ = can_chunk ? Delimited::kChunks : Delimited::kClose;
  }
  if (delimited_ == Delimited::kClose) keeps_alive_ = false;
  write_head(status, content_type, length, !length && can_chunk && status_has_body(status));
  co_return co_await settle();
}

Task<bool> Http1Connection::send(std::string_view piece) {
  KEELSON_CHECK(answer_ == Answer::kBegun, "a piece of an answer outside of begin() and end()");
  KEELSON_CHECK(piece.size() <= answer_left_, "more content than the length that was told");
  if (answer_left_ != kLengthless) answer_left_ -= piece.size();
  if (piece.empty() || delimited_ == Delimited::kNothing) co_return !output_.is_broken();
  if (delimited_ == Delimited::kChunks) append_chunk_size(output_.buffer(), piece.size());
  if (piece.size() > kCopyBytesMax) {
    if (!co_await output_.write_through(piece)) co_return false;
  } else {
    output_.buffer().append(piece);
  }
  if (delimited_ == Delimited::kChunks) output_.buffer().append("\r\n");
  co_return co_await settle();
}

Task<bool> Http1Connection::end() {
  KEELSON_CHECK(answer_ == Answer::kBegun, "an answer ended twice");
  KEELSON_CHECK(delimited_ != Delimited::kLength || answer_left_ == 0 || output_.is_broken(),
                "less content than the length that was told");
  answer_ = Answer::kEnded;
  if (delimited_ == Delimited::kChunks) {
    Buffer& out = output_.buffer();
    out.append("0\r\n");
    for (const Field& field : trailers_) append_line(out, field.name, field.value);
    out.append("\r\n");
  }
  co_return co_await settle();
}

// --- another protocol ------------------------------------------------------------------------------------------------

Tunnel* Http1Connection::upgrade(std::string_view protocol) {
  KEELSON_CHECK(answer_ == Answer::kNone, "a request is answered twice");
  if (head_.minor_version == 0 || !decoder_.is_done()) return nullptr;
  answer_ = Answer::kEnded;
  keeps_alive_ = false;
  is_tunnel_ = true;
  Buffer& out = output_.buffer();
  out.append("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n");
  append_line(out, "Upgrade", protocol);
  for (const Field& field : fields_) append_line(out, field.name, field.value);
  out.append("\r\n");
  local_.count_response(101);
  wish_turn_end();
  return this;
}

Task<bool> Http1Connection::read(Buffer& into) {
  if (!unread().empty()) {
    into.append(unread());
    used_ = in_.size();
    co_return true;
  }
  if (is_dead_) co_return false;
  char* to = into.reserve(kHeadReadBytes);
  const env::IoOutcome got = co_await stream_->read({to, std::min(into.room(), kBodyReadBytes)});
  if (!got.ok()) co_return false;
  into.commit(got.count);
  local_.counters.received.add(got.count);
  co_return true;
}

Task<bool> Http1Connection::write(std::string_view bytes) {
  output_.buffer().append(bytes);
  co_return co_await settle();
}

}  // namespace keelson::net::http
