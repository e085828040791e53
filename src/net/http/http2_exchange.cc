#include "net/http/http2_exchange.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "base/numbers.h"
#include "net/http/scan.h"

namespace keelson::net::http {

namespace {

// RFC 9113 §6.5.2: what a field line counts besides its bytes.
constexpr size_t kFieldOverheadBytes = 32;
constexpr uint64_t kLengthless = UINT64_MAX;
// A client whose body nobody wants has this long to read the answer, which says why.
constexpr uint32_t kRefusalMs = 500;

enum Pseudo : uint8_t { kMethod = 1, kPath = 2, kAuthority = 4, kScheme = 8 };

// RFC 9113 §8.2.2: these belong to HTTP/1.1's connections.
bool is_of_connection(std::string_view name) {
  constexpr std::array<std::string_view, 5> kNames = {"connection", "keep-alive", "proxy-connection",
                                                      "transfer-encoding", "upgrade"};
  return std::any_of(kNames.begin(), kNames.end(),
                     [&](std::string_view other) { return equal_ignoring_case(name, other); });
}

// RFC 9113 §8.2.1.
bool is_good_value(std::string_view value) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
  return value.empty() || (!is_blank(value.front()) && !is_blank(value.back()) && is_field_value(value));
}
bool is_good_name(std::string_view name) { return !name.empty() && kLowerTokenChars.holds_all(name); }

// Names in lower case, as §8.2 has it.
void encode_fields(HpackEncoder& encoder, const Fields& fields, Buffer& into) {
  std::string longer;
  std::array<char, 64> shorter;
  for (const Field& field : fields) {
    if (is_of_connection(field.name)) continue;
    char* name = shorter.data();
    if (field.name.size() > shorter.size()) {
      longer.resize(field.name.size());
      name = longer.data();
    }
    for (size_t i = 0; i < field.name.size(); ++i) {
      const char c = field.name[i];
      name[i] = static_cast<char>(c + (c >= 'A' && c <= 'Z' ? 'a' - 'A' : 0));
    }
    encoder.add({name, field.name.size()}, field.value, into);
  }
}

}  // namespace

void* Http2Run::promise_type::operator new(size_t bytes, Http2Connection& /*connection*/, Http2Exchange& exchange) {
  return exchange.run_memory(bytes);
}

// Suspends a handler until the connection resumes it.
struct Http2Exchange::Waiting {
  std::coroutine_handle<>& place;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) const noexcept { place = waiter; }
  void await_resume() const noexcept {}
};

void Http2Exchange::begin_stream(uint32_t stream, size_t place) {
  constexpr size_t kKeptBytes = 4 << 10;
  stream_id_ = stream;
  place_ = place;
  head_fault = body_fault_ = {};
  is_started = is_starting = is_handler_done = is_queued = false;
  fields_.clear();
  trailers_.clear();
  head_ = {};
  lines_.clear();
  for (std::string* text : {&method_, &path_, &authority_, &cookies_}) text->clear();
  pseudo_ = 0;
  field_bytes_ = field_count_ = 0;
  is_too_large_ = is_malformed_ = has_fields_ = has_unknown_expectation_ = has_body_ = is_waiting_for_continue_ = false;
  host_at_.reset();
  length_.reset();
  for (Buffer* buffer : {&arriving_, &handed_, &out_}) {
    buffer->clear();
    buffer->shrink_if_empty(kKeptBytes);
  }
  body_bytes_ = acknowledged_ = 0;
  has_request_ended_ = is_gone_ = was_reset_here_ = has_timed_out_ = is_draining_ = false;
  is_reading_stopped_ = false;
  request_trailers_.clear();
  answer_ = Answer::kNone;
  is_head_ = sends_content_ = has_sent_end_ = false;
  answer_left_ = 0;
  piece_ = {};
  body_waiter_ = send_waiter_ = {};
  body_overdue_at_ = send_overdue_at_ = 0;
  body_timeout_ms_ = connection_.local_.options().body_timeout_ms;
  on_gone = nullptr;
}

void Http2Exchange::end_stream() {
  on_gone = nullptr;
  if (run_) std::exchange(run_, {}).destroy();
}

void* Http2Exchange::run_memory(size_t bytes) {
  KEELSON_CHECK(!run_, "two handlers run for one exchange");
  if (bytes > run_memory_bytes_) {
    run_memory_ = std::make_unique_for_overwrite<char[]>(bytes);
    run_memory_bytes_ = bytes;
  }
  return run_memory_.get();
}

env::Reactor& Http2Exchange::reactor() { return connection_.local_.reactor(); }
TlsDetails Http2Exchange::tls_details() const { return TlsContext::details_of(*connection_.stream_); }

// --- the request's head ----------------------------------------------------------------------------------------------

void Http2Exchange::take_field(std::string_view name, std::string_view value, bool is_known_good) {
  const Limits& limits = connection_.local_.options().limits;
  field_bytes_ += name.size() + value.size() + kFieldOverheadBytes;
  if (is_too_large_ || field_bytes_ > limits.head_bytes_max || ++field_count_ > limits.fields_max) {
    is_too_large_ = true;
    return;
  }
  if (!is_known_good && !is_good_value(value)) is_malformed_ = true;
  if (name.starts_with(':')) {
    take_pseudo_field(name, value);
    return;
  }
  if (!is_known_good && !is_good_name(name)) is_malformed_ = true;
  has_fields_ = true;
  if (name == "cookie") {  // §8.2.3
    cookies_.append(cookies_.empty() ? "" : "; ").append(value);
    return;
  }
  take_framing_field(name, value);
  lines_.add(name, value);
}

// §8.3.1: each once, before all others.
void Http2Exchange::take_pseudo_field(std::string_view name, std::string_view value) {
  uint8_t which = 0;
  if (name == ":method") which = kMethod, method_ = value;
  if (name == ":path") which = kPath, path_ = value;
  if (name == ":authority") which = kAuthority, authority_ = value;
  if (name == ":scheme") which = kScheme;  // what the proxy before us was asked for; nothing is made of it here
  if (which == 0 || (pseudo_ & which) != 0 || has_fields_) is_malformed_ = true;
  pseudo_ = static_cast<uint8_t>(pseudo_ | which);
}

// Names that mean something here. Field lines of HTTP/1.1's connections make a request malformed (§8.2.2).
void Http2Exchange::take_framing_field(std::string_view name, std::string_view value) {
  switch (name.size()) {
    case 2:
      if (name == "te" && !equal_ignoring_case(value, "trailers")) is_malformed_ = true;
      break;
    case 4:
      if (name != "host") break;
      if (host_at_) is_malformed_ = true;
      host_at_ = lines_.size();
      break;
    case 6:
      if (name != "expect") break;
      is_waiting_for_continue_ = equal_ignoring_case(value, "100-continue");
      has_unknown_expectation_ = !is_waiting_for_continue_;
      break;
    case 14: {
      if (name != "content-length") break;
      const std::optional<uint64_t> length = parse_uint64(value);
      if (!length || length_) is_malformed_ = true;
      length_ = length;
      break;
    }
    case 7:
    case 10:
    case 16:
    case 17:
      if (is_of_connection(name)) is_malformed_ = true;
      break;
    default:
      break;
  }
}

// §8.3.1, §8.5.
bool Http2Exchange::is_head_whole() const {
  if (method_.empty()) return false;
  if (method_ == "CONNECT") return pseudo_ == (kMethod | kAuthority);
  if ((pseudo_ & kPath) == 0 || (pseudo_ & kScheme) == 0 || path_.empty()) return false;
  return path_.front() == '/' || (path_ == "*" && method_ == "OPTIONS");
}

Fault Http2Exchange::take_head(bool has_ended) {
  const Limits& limits = connection_.local_.options().limits;
  has_body_ = !has_ended;
  has_request_ended_ = has_ended;
  head_.method = method_;
  is_head_ = method_ == "HEAD";
  head_.minor_version = 1;
  const auto give_request = [&] {
    head_.fields = lines_.view();
    request_.reset(head_, Version::kHttp2, connection_.is_tls_, connection_.stream_->remote());
  };
  if (!is_too_large_ && !is_head_whole()) is_malformed_ = true;
  check_length(has_ended);
  if (is_malformed_) return {};
  if (is_too_large_ || method_ == "CONNECT") {
    give_request();
    return is_too_large_ ? Fault{431, "the header is too large"}
                         : Fault{501, "this is no proxy: CONNECT is not implemented"};
  }
  if (!cookies_.empty()) lines_.add("cookie", cookies_);
  bool is_other_host = false;
  if (host_at_) {
    const std::string_view host = lines_.view()[*host_at_].value;
    is_other_host = !authority_.empty() && !equal_ignoring_case(host, authority_);
    if (authority_.empty()) authority_ = host;
  } else if (!authority_.empty()) {
    lines_.add("host", authority_);
  }
  head_.target = path_;
  head_.host = authority_;
  const Fault fault = parse_request_target(head_);
  give_request();
  if (is_other_host) return {400, "Host and :authority name different hosts"};
  if (!is_host(authority_)) return {400, "a bad host"};
  if (fault) return fault;
  if (length_ && *length_ > limits.body_bytes_max) return {413, "the body is too large"};
  if (has_unknown_expectation_) return {417, "the only expectation known is 100-continue"};
  is_waiting_for_continue_ = is_waiting_for_continue_ && has_body_;
  return {};
}

// --- the request's body ----------------------------------------------------------------------------------------------

bool Http2Exchange::take_window(size_t bytes) {
  receive_window -= static_cast<int64_t>(bytes);
  return receive_window >= 0;
}

// §8.1.1: a body is as long as its Content-Length says.
void Http2Exchange::check_length(bool is_all) {
  if (!length_ || (is_all ? body_bytes_ == *length_ : body_bytes_ <= *length_)) return;
  is_malformed_ = true;
  body_fault_ = {400, "the body is not as long as its Content-Length"};
}

void Http2Exchange::take_data(std::string_view bytes) {
  body_bytes_ += bytes.size();
  check_length(false);
  if (body_bytes_ > connection_.local_.options().limits.body_bytes_max && !body_fault_) {
    body_fault_ = {413, "the body is too large"};
  }
  if (is_draining_ && bytes.size() > drain_left_) {  // no more room for this stream; it is reset soon
    drain_left_ = 0;
    connection_.acknowledge(bytes.size());
    body_overdue_at_ = connection_.local_.after(kRefusalMs);
    return;
  }
  if (is_draining_) drain_left_ -= bytes.size();
  if (is_handler_done || is_draining_ || body_fault_) {
    acknowledge(bytes.size());  // nobody will read it
    return;
  }
  arriving_.append(bytes);
  body_overdue_at_ = 0;
}

void Http2Exchange::take_end() {
  check_length(true);
  has_request_ended_ = !is_malformed_;
}

void Http2Exchange::take_trailer(std::string_view name, std::string_view value) {
  field_bytes_ += name.size() + value.size() + kFieldOverheadBytes;
  if (!is_good_name(name) || !is_good_value(value) || is_of_connection(name)) {  // "" and ":x" are no good names
    is_malformed_ = true;
    body_fault_ = {400, "a bad trailer"};
    return;
  }
  if (field_bytes_ > 2 * connection_.local_.options().limits.head_bytes_max) {
    if (!body_fault_) body_fault_ = {431, "the trailer is too large"};
    return;
  }
  request_trailers_.add(name, value);
}

void Http2Exchange::start_draining() {
  const ServerOptions& options = connection_.local_.options();
  is_draining_ = true;
  drain_left_ = options.drain_bytes_max;
  const bool is_too_much = length_ && *length_ - std::min(*length_, body_bytes_) > drain_left_;
  if (is_too_much) drain_left_ = 0;
  body_overdue_at_ = connection_.local_.after(is_too_much ? kRefusalMs : options.body_timeout_ms);
}

std::optional<uint64_t> Http2Exchange::body_length() const {
  if (!has_body_) return 0;
  return length_;
}

void Http2Exchange::acknowledge(size_t bytes) {
  if (bytes == 0) return;
  connection_.acknowledge(bytes);
  if (is_stream_closed() || has_request_ended_) return;
  acknowledged_ += bytes;
  if (acknowledged_ < connection_.local_.options().http2.stream_window_bytes / 2) return;
  append_window_update(connection_.output_.buffer(), stream_id_, static_cast<uint32_t>(acknowledged_));
  receive_window += static_cast<int64_t>(acknowledged_);
  acknowledged_ = 0;
  connection_.wish_turn_end();
}

void Http2Exchange::drop_unread() {
  acknowledge(arriving_.size());
  arriving_.clear();
}

Task<Result<std::string_view>> Http2Exchange::read_body() {
  const auto who = [this] { return "http: " + request_.remote().text(); };
  while (true) {
    if (body_fault_) {
      co_return fail(body_fault_.status == 413 ? HttpErrc::kTooLarge : HttpErrc::kMalformed,
                     who() + " sent a bad body: " + std::string(body_fault_.why));
    }
    if (is_reading_stopped_) co_return fail(HttpErrc::kBroken, who() + " is not listened to any more");
    if (has_timed_out_) co_return fail(HttpErrc::kTimedOut, who() + " sends no more");
    if (is_gone_ && !has_request_ended_) co_return fail(HttpErrc::kBroken, who() + " has cancelled its request");
    if (!arriving_.empty()) {
      handed_.clear();
      handed_.swap(arriving_);
      acknowledge(handed_.size());
      co_return handed_.view();
    }
    if (has_request_ended_ || !has_body_) co_return std::string_view();
    if (std::exchange(is_waiting_for_continue_, false) && answer_ == Answer::kNone) {
      Buffer& out = connection_.output_.buffer();
      const size_t at = out.size();
      out.reserve(kFrameHeadBytes);
      out.commit(kFrameHeadBytes);
      connection_.encoder_.begin(out);
      connection_.encoder_.add_status(100, out);
      frame_block(at, false);
      connection_.wish_turn_end();
    }
    body_overdue_at_ = connection_.local_.deadline_after(body_timeout_ms_);
    co_await Waiting{body_waiter_};
    body_overdue_at_ = 0;
  }
}

const Fields& Http2Exchange::trailers() const {
  trailers_view_ = request_trailers_.view();
  return trailers_view_;
}

void Http2Exchange::stop_reading() {
  is_reading_stopped_ = true;
  connection_.wake_later(stream_id_);
}

void Http2Exchange::tell_gone() {
  if (!is_gone_ || is_handler_done || !on_gone) return;
  const std::function<void()> tell = std::exchange(on_gone, nullptr);
  tell();
}

// --- waiting ---------------------------------------------------------------------------------------------------------

std::coroutine_handle<> Http2Exchange::next_waiter() {
  const bool has_news =
      !arriving_.empty() || has_request_ended_ || is_gone_ || body_fault_ || has_timed_out_ || is_reading_stopped_;
  if (body_waiter_ && has_news) return std::exchange(body_waiter_, {});
  if (send_waiter_ && (unframed() == 0 || is_gone_)) return std::exchange(send_waiter_, {});
  return {};
}

bool Http2Exchange::is_overdue(uint32_t tick) const {
  if (is_stream_closed()) return false;
  return (body_overdue_at_ != 0 && tick >= body_overdue_at_) || (send_overdue_at_ != 0 && tick >= send_overdue_at_);
}

void Http2Exchange::time_out() {
  has_timed_out_ = true;
  body_overdue_at_ = send_overdue_at_ = 0;
}

void Http2Exchange::watch_sending() {
  send_overdue_at_ = unframed() == 0 ? 0 : connection_.local_.after(connection_.local_.options().write_timeout_ms);
}

// --- the answer ------------------------------------------------------------------------------------------------------

bool Http2Exchange::open_send_window(int64_t bytes) {
  send_window += bytes;
  if (send_window > kWindowBytesMax) return false;
  if (bytes > 0 && unframed() != 0 && !is_gone_) connection_.queue(*this);
  return true;
}

Http2Exchange::Sent Http2Exchange::send_frame() {
  if (is_gone_ || has_sent_end_) return Sent::kNothingMore;
  Buffer& out = connection_.output_.buffer();
  const int64_t window = std::max<int64_t>(std::min(connection_.send_window_, send_window), 0);
  const size_t bytes = std::min({unframed(), kFrameBytesMax, static_cast<size_t>(window)});
  const bool is_end = answer_ == Answer::kEnded && bytes == unframed();
  if (bytes == 0 && !is_end) {
    const bool is_shut = unframed() != 0 && send_window > 0;
    return is_shut ? Sent::kWindowIsShut : Sent::kNothingMore;
  }
  const bool has_trailers = is_end && !trailers_.empty();
  if (bytes != 0 || !has_trailers) {
    append_frame_head(out, bytes, FrameType::kData, is_end && !has_trailers ? kFlagEndStream : 0, stream_id_);
    const size_t of_buffer = std::min(bytes, out_.size());
    if (of_buffer != 0) {
      out.append(out_.view().substr(0, of_buffer));
      out_.consume(of_buffer);
    }
    out.append(piece_.substr(0, bytes - of_buffer));
    piece_.remove_prefix(bytes - of_buffer);
    connection_.has_sent_data_ = true;
    send_window -= static_cast<int64_t>(bytes);
    connection_.send_window_ -= static_cast<int64_t>(bytes);
  }
  watch_sending();
  if (has_trailers) send_trailers();
  if (is_end) finish_sending();
  if (unframed() != 0) return Sent::kMore;
  if (send_waiter_) connection_.wake_later(stream_id_);
  return Sent::kNothingMore;
}

void Http2Exchange::finish_sending() {
  has_sent_end_ = true;
  if (!has_request_ended_) start_draining();
  if (is_handler_done) connection_.wake_later(stream_id_);
}

void Http2Exchange::frame_block(size_t at, bool is_end) {
  Buffer& out = connection_.output_.buffer();
  const size_t bytes = out.size() - at - kFrameHeadBytes;
  const uint8_t end = is_end ? kFlagEndStream : 0;
  if (bytes <= kFrameBytesMax) {
    put_frame_head(out.data() + at, bytes, FrameType::kHeaders, end | kFlagEndHeaders, stream_id_);
    return;
  }
  const std::string block(out.view().substr(at + kFrameHeadBytes));
  out.truncate(at);
  for (size_t from = 0; from < block.size(); from += kFrameBytesMax) {
    const std::string_view part = std::string_view(block).substr(from, kFrameBytesMax);
    const bool is_last = from + part.size() == block.size();
    append_frame_head(out, part.size(), from == 0 ? FrameType::kHeaders : FrameType::kContinuation,
                      static_cast<uint8_t>((from == 0 ? end : 0) | (is_last ? kFlagEndHeaders : 0)), stream_id_);
    out.append(part);
  }
}

void Http2Exchange::send_trailers() {
  Buffer& out = connection_.output_.buffer();
  const size_t at = out.size();
  out.reserve(kFrameHeadBytes);
  out.commit(kFrameHeadBytes);
  connection_.encoder_.begin(out);
  encode_fields(connection_.encoder_, trailers_.view(), out);
  frame_block(at, true);
}

void Http2Exchange::send_head(uint16_t status, std::string_view content_type, std::optional<uint64_t> length,
                              bool is_end) {
  connection_.local_.count_response(status);
  connection_.wish_turn_end();
  if (is_gone_) return;
  constexpr size_t kDateName = 6;  // "Date: "
  Buffer& out = connection_.output_.buffer();
  HpackEncoder& encoder = connection_.encoder_;
  const size_t at = out.size();
  out.reserve(kFrameHeadBytes);
  out.commit(kFrameHeadBytes);
  encoder.begin(out);
  encoder.add_status(status, out);
  const std::string_view date = connection_.local_.date_line();
  encoder.add("date", date.substr(kDateName, date.size() - kDateName - 2), out);
  if (!content_type.empty()) encoder.add("content-type", content_type, out);
  encode_fields(encoder, fields_.view(), out);
  if (length && status != 204) encoder.add("content-length", format_uint64(*length), out);
  frame_block(at, is_end);
  if (is_end) finish_sending();
}

// Until the piece is framed; the rest of the connection's output is its own business.
Task<bool> Http2Exchange::wait_framed() {
  while (unframed() != 0 && !is_gone_) co_await Waiting{send_waiter_};
  piece_ = {};
  co_return !is_gone_;
}

Task<bool> Http2Exchange::respond(uint16_t status, std::string_view content_type, std::string_view content) {
  KEELSON_CHECK(answer_ == Answer::kNone, "a request is answered twice");
  KEELSON_CHECK(status >= 200 && status <= 599, "no such final status");
  answer_ = Answer::kEnded;
  sends_content_ = !is_head_ && status_has_body(status) && !content.empty();
  const bool has_trailers = !trailers_.empty() && !is_head_;
  std::optional<uint64_t> length = content.size();
  if (status == 304 && content.empty()) length.reset();
  send_head(status, content_type, length, !sends_content_ && !has_trailers);
  if (is_gone_ || has_sent_end_) co_return !is_gone_;
  if (sends_content_) piece_ = content;
  connection_.want_send(*this);
  if (piece_.size() <= kBufferBytes) {
    out_.append(piece_);
    piece_ = {};
  }
  watch_sending();
  if (piece_.empty()) co_return true;
  co_return co_await wait_framed();
}

Task<bool> Http2Exchange::begin(uint16_t status, std::string_view content_type, std::optional<uint64_t> length) {
  KEELSON_CHECK(answer_ == Answer::kNone, "a request is answered twice");
  KEELSON_CHECK(status >= 200 && status <= 599, "no such final status");
  answer_ = Answer::kBegun;
  sends_content_ = !is_head_ && status_has_body(status);
  answer_left_ = length.value_or(kLengthless);
  send_head(status, content_type, length, !sends_content_);
  co_return !is_gone_;
}

Task<bool> Http2Exchange::send(std::string_view piece) {
  KEELSON_CHECK(answer_ == Answer::kBegun, "a piece of an answer outside of begin() and end()");
  KEELSON_CHECK(piece.size() <= answer_left_, "more content than the length that was told");
  if (answer_left_ != kLengthless) answer_left_ -= piece.size();
  if (piece.empty() || !sends_content_ || is_gone_) co_return !is_gone_;
  if (out_.size() + piece.size() <= kBufferBytes) {
    out_.append(piece);
    connection_.queue(*this);
    if (send_overdue_at_ == 0) watch_sending();
    co_return true;
  }
  piece_ = piece;
  connection_.want_send(*this);
  watch_sending();
  co_return co_await wait_framed();
}

Task<bool> Http2Exchange::end() {
  KEELSON_CHECK(answer_ == Answer::kBegun, "an answer ended twice");
  KEELSON_CHECK(!sends_content_ || is_gone_ || answer_left_ == 0 || answer_left_ == kLengthless,
                "less content than the length that was told");
  answer_ = Answer::kEnded;
  if (!is_gone_ && !has_sent_end_) connection_.want_send(*this);
  co_return !is_gone_;
}

void Http2Exchange::flush() { connection_.pump(); }

}  // namespace keelson::net::http
