#include "net/http/http2_exchange.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <span>
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
// Field lines of an answer, with those of the server. S3's user metadata of 2 KiB are hundreds at most.
constexpr size_t kAnswerFieldsMax = 512;

// RFC 9113 §8.2.2: these belong to HTTP/1.1's connections.
bool is_of_connection(std::string_view name) {
  constexpr std::array<std::string_view, 5> kNames = {"connection", "keep-alive", "proxy-connection",
                                                      "transfer-encoding", "upgrade"};
  return std::any_of(kNames.begin(), kNames.end(),
                     [&](std::string_view other) { return equal_ignoring_case(name, other); });
}

// Field lines for the library, which copies them. Names in lower case, as RFC 9113 §8.2 has it. The memory is the
// connection's, for one answer after the other.
class Lines {
 public:
  explicit Lines(Http2Scratch& scratch) : scratch_(scratch) {
    scratch_.names.clear();
    scratch_.lines.clear();
  }
  void add(std::string_view name, std::string_view value) { scratch_.lines.push_back({name, value}); }
  void add_all(Fields fields) {
    size_t bytes = 0;
    for (const Field& field : fields) bytes += field.name.size();
    scratch_.names.reserve(bytes);  // once: lines point into it
    for (const Field& field : fields) {
      if (is_of_connection(field.name)) continue;
      const size_t at = scratch_.names.size();
      scratch_.names.append(field.name);
      for (size_t i = at; i < scratch_.names.size(); ++i) {
        char& c = scratch_.names[i];
        c = static_cast<char>(c + (c >= 'A' && c <= 'Z' ? 'a' - 'A' : 0));
      }
      add(std::string_view(scratch_.names).substr(at), field.value);
    }
  }
  // What the library takes; `into` has room for all.
  size_t give(std::span<nghttp2_nv> into) const {
    KEELSON_CHECK(scratch_.lines.size() <= into.size(), "an answer has too many fields");
    size_t count = 0;
    for (const Field& line : scratch_.lines) {
      into[count++] = {bytes_of(line.name), bytes_of(line.value), line.name.size(), line.value.size(),
                       NGHTTP2_NV_FLAG_NONE};
    }
    return count;
  }

 private:
  // The library's interface does not know const; it does not write.
  static uint8_t* bytes_of(std::string_view text) {
    return const_cast<uint8_t*>(reinterpret_cast<const uint8_t*>(text.data()));
  }
  Http2Scratch& scratch_;
};

// The library asks what the next DATA frame of a stream may hold.
ssize_t read_content(nghttp2_session* /*session*/, int32_t /*stream_id*/, uint8_t* /*into*/, size_t room,
                     uint32_t* flags, nghttp2_data_source* source, void* /*user*/) {
  auto& exchange = *static_cast<Http2Exchange*>(source->ptr);
  const Http2Exchange::Provided provided = exchange.provide(room);
  if (provided.must_wait) return NGHTTP2_ERR_DEFERRED;
  *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (provided.is_end) {
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (exchange.submit_trailers()) *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
  }
  return static_cast<ssize_t>(provided.bytes);
}

}  // namespace

// Suspends a handler until the connection resumes it.
struct Http2Exchange::Waiting {
  std::coroutine_handle<>& place;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) const noexcept { place = waiter; }
  void await_resume() const noexcept {}
};

void Http2Exchange::start(int32_t stream_id) {
  constexpr size_t kKeptBytes = 4 << 10;
  stream_id_ = stream_id;
  head_fault = body_fault_ = {};
  is_started = is_handler_done = false;
  fields_.clear();
  trailers_.clear();
  head_ = {};
  lines_.clear();
  for (std::string* text : {&method_, &path_, &authority_, &cookies_}) text->clear();
  field_bytes_ = field_count_ = 0;
  is_too_large_ = has_body_ = is_waiting_for_continue_ = false;
  length_.reset();
  for (Buffer* buffer : {&arriving_, &handed_, &out_}) {
    buffer->clear();
    buffer->shrink_if_empty(kKeptBytes);
  }
  body_bytes_ = 0;
  has_request_ended_ = is_gone_ = has_timed_out_ = is_draining_ = false;
  request_trailers_.clear();
  answer_ = Answer::kNone;
  is_head_ = sends_content_ = is_deferred_ = false;
  answer_left_ = 0;
  piece_ = {};
  body_waiter_ = send_waiter_ = {};
  body_overdue_at_ = send_overdue_at_ = 0;
}

env::Reactor& Http2Exchange::reactor() { return connection_.local_.reactor(); }
TlsDetails Http2Exchange::tls_details() const { return TlsContext::details_of(*connection_.stream_); }

// --- the request -----------------------------------------------------------------------------------------------------

void Http2Exchange::take_field(std::string_view name, std::string_view value) {
  const Limits& limits = connection_.local_.options().limits;
  field_bytes_ += name.size() + value.size() + kFieldOverheadBytes;
  if (is_too_large_ || field_bytes_ > limits.head_bytes_max || ++field_count_ > limits.fields_max) {
    is_too_large_ = true;
    return;
  }
  if (name.starts_with(':')) {
    if (name == ":method") method_ = value;
    if (name == ":path") path_ = value;
    if (name == ":authority") authority_ = value;
    return;  // :scheme says what the proxy before us was asked for, nothing that is needed here
  }
  if (name == "cookie") {  // RFC 9113 §8.2.3
    cookies_.append(cookies_.empty() ? "" : "; ").append(value);
    return;
  }
  lines_.add(name, value);
}

void Http2Exchange::take_trailer(std::string_view name, std::string_view value) {
  field_bytes_ += name.size() + value.size() + kFieldOverheadBytes;
  if (field_bytes_ > 2 * connection_.local_.options().limits.head_bytes_max) {
    if (!body_fault_) body_fault_ = {431, "the trailer is too large"};
    return;
  }
  request_trailers_.add(name, value);
}

Fault Http2Exchange::take_head(bool has_ended) {
  const Limits& limits = connection_.local_.options().limits;
  has_body_ = !has_ended;
  head_.method = method_;
  is_head_ = method_ == "HEAD";
  head_.minor_version = 1;
  const auto give_request = [&] {
    head_.fields = lines_.view();
    request_.reset(head_, Version::kHttp2, connection_.is_tls_, connection_.stream_->remote());
  };
  give_request();
  if (is_too_large_) return {431, "the header is too large"};
  if (method_ == "CONNECT") return {501, "this is no proxy: CONNECT is not implemented"};
  if (!cookies_.empty()) lines_.add("cookie", cookies_);
  const std::optional<std::string_view> host = lines_.find("host");
  if (host && !authority_.empty() && !equal_ignoring_case(*host, authority_)) {
    return {400, "Host and :authority name different hosts"};
  }
  if (host && authority_.empty()) authority_ = *host;
  if (!host && !authority_.empty()) lines_.add("host", authority_);
  if (!is_host(authority_)) return {400, "a bad host"};
  head_.target = path_;
  head_.host = authority_;
  if (Fault fault = parse_request_target(head_)) return fault;
  if (head_.form != TargetForm::kOrigin && head_.form != TargetForm::kAsterisk) return {400, "a bad request target"};
  give_request();
  if (const std::optional<std::string_view> length = lines_.find("content-length")) length_ = parse_uint64(*length);
  if (length_ && *length_ > limits.body_bytes_max) return {413, "the body is too large"};
  if (const std::optional<std::string_view> expectation = lines_.find("expect")) {
    if (!equal_ignoring_case(*expectation, "100-continue")) {
      return {417, "the only expectation known is 100-continue"};
    }
    is_waiting_for_continue_ = has_body_;
  }
  return {};
}

void Http2Exchange::take_data(std::string_view bytes) {
  body_bytes_ += bytes.size();
  if (body_bytes_ > connection_.local_.options().limits.body_bytes_max && !body_fault_) {
    body_fault_ = {413, "the body is too large"};
  }
  if (is_draining_ && bytes.size() > drain_left_) {  // no more room for this stream; it is reset soon
    drain_left_ = 0;
    nghttp2_session_consume_connection(connection_.session_.get(), bytes.size());
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
  nghttp2_session_consume(connection_.session_.get(), stream_id_, bytes);
  connection_.wish_turn_end();
}

Task<Result<std::string_view>> Http2Exchange::read_body() {
  const std::string who = "http: " + request_.remote().text();
  while (true) {
    if (body_fault_) {
      co_return fail(body_fault_.status == 413 ? HttpErrc::kTooLarge : HttpErrc::kMalformed,
                     who + " sent a bad body: " + std::string(body_fault_.why));
    }
    if (has_timed_out_) co_return fail(HttpErrc::kTimedOut, who + " sends no more");
    if (is_gone_ && !has_request_ended_) co_return fail(HttpErrc::kBroken, who + " has cancelled its request");
    if (!arriving_.empty()) {
      handed_.clear();
      handed_.swap(arriving_);
      if (!is_gone_) acknowledge(handed_.size());
      co_return handed_.view();
    }
    if (has_request_ended_ || !has_body_) co_return std::string_view();
    if (std::exchange(is_waiting_for_continue_, false) && answer_ == Answer::kNone) {
      Lines lines(connection_.scratch_);
      lines.add(":status", "100");
      std::array<nghttp2_nv, 1> given;
      nghttp2_submit_headers(connection_.session_.get(), NGHTTP2_FLAG_NONE, stream_id_, nullptr, given.data(),
                             lines.give(given), nullptr);
      connection_.wish_turn_end();
    }
    body_overdue_at_ = connection_.local_.after(connection_.local_.options().body_timeout_ms);
    co_await Waiting{body_waiter_};
    body_overdue_at_ = 0;
  }
}

const Fields& Http2Exchange::trailers() const {
  trailers_view_ = request_trailers_.view();
  return trailers_view_;
}

// --- waiting ---------------------------------------------------------------------------------------------------------

std::coroutine_handle<> Http2Exchange::next_waiter() {
  const bool has_news = !arriving_.empty() || has_request_ended_ || is_gone_ || body_fault_ || has_timed_out_;
  if (body_waiter_ && has_news) return std::exchange(body_waiter_, {});
  if (send_waiter_ && (unframed() == 0 || is_gone_)) return std::exchange(send_waiter_, {});
  return {};
}

bool Http2Exchange::is_overdue(uint32_t tick) const {
  return (body_overdue_at_ != 0 && tick >= body_overdue_at_) || (send_overdue_at_ != 0 && tick >= send_overdue_at_);
}

void Http2Exchange::time_out() {
  has_timed_out_ = true;
  body_overdue_at_ = send_overdue_at_ = 0;
}

// --- the answer ------------------------------------------------------------------------------------------------------

Http2Exchange::Provided Http2Exchange::provide(size_t room) {
  Provided provided;
  provided.bytes = std::min(room, unframed());
  provided.is_end = answer_ == Answer::kEnded && provided.bytes == unframed();
  provided.must_wait = provided.bytes == 0 && !provided.is_end;
  is_deferred_ = provided.must_wait;
  return provided;
}

void Http2Exchange::move_out(size_t bytes, Buffer& to) {
  const size_t of_buffer = std::min(bytes, out_.size());
  to.append(out_.view().substr(0, of_buffer));
  out_.consume(of_buffer);
  to.append(piece_.substr(0, bytes - of_buffer));
  piece_.remove_prefix(bytes - of_buffer);
  send_overdue_at_ = unframed() == 0 ? 0 : connection_.local_.after(connection_.local_.options().write_timeout_ms);
  if (unframed() == 0 && send_waiter_) connection_.wake_later(stream_id_);
}

bool Http2Exchange::submit_trailers() {
  if (trailers_.empty()) return false;
  Lines lines(connection_.scratch_);
  lines.add_all(trailers_.view());
  std::array<nghttp2_nv, kAnswerFieldsMax> given;
  return nghttp2_submit_trailer(connection_.session_.get(), stream_id_, given.data(), lines.give(given)) == 0;
}

void Http2Exchange::submit_head(uint16_t status, std::string_view content_type, std::optional<uint64_t> length,
                                bool has_content) {
  connection_.local_.count_response(status);
  connection_.wish_turn_end();
  if (is_gone_) return;
  constexpr size_t kDateName = 6;  // "Date: "
  Lines lines(connection_.scratch_);
  const IntegerText status_text = format_uint64(status);
  const IntegerText length_text = format_uint64(length.value_or(0));
  const std::string_view date = connection_.local_.date_line();
  lines.add(":status", status_text);
  lines.add("date", date.substr(kDateName, date.size() - kDateName - 2));
  if (!content_type.empty()) lines.add("content-type", content_type);
  lines.add_all(fields_.view());
  if (length && status != 204) lines.add("content-length", length_text);
  nghttp2_data_provider provider{};
  provider.source.ptr = this;
  provider.read_callback = read_content;
  const bool has_frames = has_content || (!trailers_.empty() && !is_head_);
  std::array<nghttp2_nv, kAnswerFieldsMax> given;
  const size_t count = lines.give(given);
  const int done = nghttp2_submit_response(connection_.session_.get(), stream_id_, given.data(), count,
                                           has_frames ? &provider : nullptr);
  KEELSON_CHECK(done == 0 || done == NGHTTP2_ERR_DATA_EXIST || done == NGHTTP2_ERR_INVALID_ARGUMENT,
                "the library takes a response unless the stream is gone");
  if (has_content) send_overdue_at_ = connection_.local_.after(connection_.local_.options().write_timeout_ms);
}

void Http2Exchange::resume_data() {
  if (unframed() != 0 && send_overdue_at_ == 0) {
    send_overdue_at_ = connection_.local_.after(connection_.local_.options().write_timeout_ms);
  }
  if (is_deferred_ && !is_gone_) {
    is_deferred_ = false;
    nghttp2_session_resume_data(connection_.session_.get(), stream_id_);
  }
  connection_.wish_turn_end();
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
  std::optional<uint64_t> length = content.size();
  if (status == 304 && content.empty()) length.reset();
  if (sends_content_ && content.size() <= kBufferBytes) out_.append(content);
  if (sends_content_ && content.size() > kBufferBytes) piece_ = content;
  submit_head(status, content_type, length, sends_content_);
  if (piece_.empty()) co_return !is_gone_;
  co_return co_await wait_framed();
}

Task<bool> Http2Exchange::begin(uint16_t status, std::string_view content_type, std::optional<uint64_t> length) {
  KEELSON_CHECK(answer_ == Answer::kNone, "a request is answered twice");
  KEELSON_CHECK(status >= 200 && status <= 599, "no such final status");
  answer_ = Answer::kBegun;
  sends_content_ = !is_head_ && status_has_body(status);
  answer_left_ = length.value_or(kLengthless);
  submit_head(status, content_type, length, sends_content_);
  send_overdue_at_ = 0;  // nothing waits yet
  co_return !is_gone_;
}

Task<bool> Http2Exchange::send(std::string_view piece) {
  KEELSON_CHECK(answer_ == Answer::kBegun, "a piece of an answer outside of begin() and end()");
  KEELSON_CHECK(piece.size() <= answer_left_, "more content than the length that was told");
  if (answer_left_ != kLengthless) answer_left_ -= piece.size();
  if (piece.empty() || !sends_content_ || is_gone_) co_return !is_gone_;
  if (out_.size() + piece.size() <= kBufferBytes) {
    out_.append(piece);
    resume_data();
    co_return true;
  }
  piece_ = piece;
  resume_data();
  co_return co_await wait_framed();
}

Task<bool> Http2Exchange::end() {
  KEELSON_CHECK(answer_ == Answer::kBegun, "an answer ended twice");
  KEELSON_CHECK(!sends_content_ || is_gone_ || answer_left_ == 0 || answer_left_ == kLengthless,
                "less content than the length that was told");
  answer_ = Answer::kEnded;
  resume_data();
  co_return !is_gone_;
}

void Http2Exchange::flush() { connection_.pump(); }

}  // namespace keelson::net::http
