// What a client sends: frames, in the order of RFC 9113 §6, and what each does to the connection and its streams.
#include <algorithm>
#include <utility>

#include "base/logging.h"
#include "net/http/http2_connection.h"
#include "net/http/http2_exchange.h"

namespace keelson::net::http {

namespace {

// A header block with its CONTINUATION frames. A client that is told SETTINGS_MAX_HEADER_LIST_SIZE sends less; twice
// that can be taken, so as to answer 431.
constexpr size_t kBlockBytesMin = 64 << 10;
constexpr uint32_t kContinuationsMax = 16;
constexpr size_t kKeptBlockBytes = 4 << 10;
constexpr uint32_t kTicksPerSecond = 4;
constexpr size_t kPriorityBytes = 5;

bool is_of_client(uint32_t stream) { return stream % 2 == 1; }

// Takes the padding off (§6.1). False if there is more of it than of the frame.
bool take_padding(const FrameHead& head, std::string_view& payload) {
  if (!head.has(kFlagPadded)) return true;
  if (payload.empty()) return false;
  const auto padding = static_cast<size_t>(static_cast<uint8_t>(payload.front()));
  payload.remove_prefix(1);
  if (padding > payload.size()) return false;
  payload.remove_suffix(padding);
  return true;
}

}  // namespace

bool Http2Connection::feed() {
  Http2Error error = Http2Error::kNone;
  if (!has_preface_) {
    if (in_.size() < kPreface.size()) return true;
    in_.consume(kPreface.size());  // the bytes by which this connection was known
    has_preface_ = true;
  }
  while (error == Http2Error::kNone && in_.size() >= kFrameHeadBytes && !is_dead_) {
    const FrameHead head = get_frame_head(in_.data());
    if (head.length > kFrameBytesMax) {
      error = Http2Error::kFrameSize;
      break;
    }
    if (in_.size() < kFrameHeadBytes + head.length) break;
    error = take_frame(head, in_.view().substr(kFrameHeadBytes, head.length));
    in_.consume(kFrameHeadBytes + head.length);
  }
  wish_turn_end();
  if (error == Http2Error::kNone) return true;
  local_.counters.faults.add();
  end_connection(error);
  return false;
}

Http2Error Http2Connection::take_control() {
  const Http2Limits& limits = local_.options().http2;
  const uint32_t tick = local_.after(0);
  if (control_tick_ != 0) {
    const double refill = static_cast<double>(tick - control_tick_) * limits.control_per_s / kTicksPerSecond;
    control_tokens_ = std::min<double>(limits.control_burst, control_tokens_ + refill);
  }
  control_tick_ = tick;
  if (control_tokens_ < 1) {
    if (!is_flooded_) {
      log_warn("http", "a client floods its HTTP/2 connection", {{"address", stream_->remote().text()}});
    }
    is_flooded_ = true;
    return Http2Error::kEnhanceYourCalm;
  }
  control_tokens_ -= 1;
  return Http2Error::kNone;
}

Http2Error Http2Connection::take_frame(const FrameHead& head, std::string_view payload) {
  if (is_in_block_ && (head.type != FrameType::kContinuation || head.stream != block_head_.stream)) {
    return Http2Error::kProtocol;  // §6.10
  }
  if (!has_settings_ && (head.type != FrameType::kSettings || head.has(kFlagAck)))
    return Http2Error::kProtocol;  // §3.4
  switch (head.type) {
    case FrameType::kData:
      return take_data(head, payload);
    case FrameType::kHeaders:
      return take_headers(head, payload);
    case FrameType::kPriority:  // §5.3.2: no more than its form is looked at
      if (head.stream == 0) return Http2Error::kProtocol;
      if (payload.size() != kPriorityBytes) return Http2Error::kFrameSize;
      return take_control();
    case FrameType::kRstStream:
      return take_rst_stream(head, payload);
    case FrameType::kSettings:
      return take_settings(head, payload);
    case FrameType::kPushPromise:
      return Http2Error::kProtocol;  // §8.4: a client cannot push
    case FrameType::kPing:
      return take_ping(head, payload);
    case FrameType::kGoaway:  // §6.8: the client opens no more streams, as it knows best; it closes when it is done
      if (head.stream != 0) return Http2Error::kProtocol;
      return payload.size() < 8 ? Http2Error::kFrameSize : take_control();
    case FrameType::kWindowUpdate:
      return take_window_update(head, payload);
    case FrameType::kContinuation:
      return take_continuation(head, payload);
  }
  return take_control();  // §5.5: others are ignored
}

// --- DATA, §6.1 ------------------------------------------------------------------------------------------------------

Http2Error Http2Connection::take_data(const FrameHead& head, std::string_view payload) {
  if (!is_of_client(head.stream) || head.stream > last_stream_) return Http2Error::kProtocol;
  receive_window_ -= head.length;
  if (receive_window_ < 0) return Http2Error::kFlowControl;
  if (!take_padding(head, payload)) return Http2Error::kProtocol;
  if (head.length == 0 && !head.has(kFlagEndStream)) {
    if (const Http2Error flood = take_control(); flood != Http2Error::kNone) return flood;
  }
  Http2Exchange* exchange = find(head.stream);
  if (exchange == nullptr || exchange->is_stream_closed()) {
    acknowledge(head.length);
    return take_for_closed(head.stream, exchange);
  }
  if (exchange->has_request_ended()) {
    acknowledge(head.length);
    reset_stream(*exchange, Http2Error::kStreamClosed);
    return take_control();
  }
  if (!exchange->take_window(head.length)) {
    acknowledge(head.length);
    reset_stream(*exchange, Http2Error::kFlowControl);
    return take_control();
  }
  exchange->acknowledge(head.length - payload.size());
  exchange->take_data(payload);
  if (head.has(kFlagEndStream)) exchange->take_end();
  if (exchange->is_malformed()) {
    local_.counters.faults.add();
    reset_stream(*exchange, Http2Error::kProtocol);
  }
  wake_later(head.stream);
  return Http2Error::kNone;
}

// A frame that only an open stream may have (§5.1). What was under way when we reset a stream is no fault.
Http2Error Http2Connection::take_for_closed(uint32_t stream, const Http2Exchange* exchange) {
  if (exchange != nullptr) return exchange->was_reset_here() ? Http2Error::kNone : Http2Error::kStreamClosed;
  const auto known =
      std::find_if(closed_.begin(), closed_.end(), [&](const Closed& closed) { return closed.stream == stream; });
  if (known != closed_.end()) return known->was_reset_here ? Http2Error::kNone : Http2Error::kStreamClosed;
  append_rst_stream(output_.buffer(), stream, Http2Error::kStreamClosed);
  return take_control();
}

// --- HEADERS and CONTINUATION, §6.2, §6.10 ---------------------------------------------------------------------------

Http2Error Http2Connection::take_headers(const FrameHead& head, std::string_view payload) {
  if (!is_of_client(head.stream)) return Http2Error::kProtocol;
  if (!take_padding(head, payload)) return Http2Error::kProtocol;
  if (head.has(kFlagPriority)) {
    if (payload.size() < kPriorityBytes) return Http2Error::kFrameSize;
    payload.remove_prefix(kPriorityBytes);
  }
  block_head_ = head;
  if (head.has(kFlagEndHeaders)) return take_block(payload);
  is_in_block_ = true;
  continuations_ = 0;
  block_.clear();
  block_.append(payload);
  return Http2Error::kNone;
}

Http2Error Http2Connection::take_continuation(const FrameHead& head, std::string_view payload) {
  if (!is_in_block_) return Http2Error::kProtocol;
  const size_t bytes_max = std::max(kBlockBytesMin, 2 * local_.options().limits.head_bytes_max);
  if (++continuations_ > kContinuationsMax || block_.size() + payload.size() > bytes_max) {
    return Http2Error::kEnhanceYourCalm;
  }
  block_.append(payload);
  if (!head.has(kFlagEndHeaders)) return Http2Error::kNone;
  is_in_block_ = false;
  const Http2Error error = take_block(block_.view());
  block_.clear();
  block_.shrink_if_empty(kKeptBlockBytes);
  return error;
}

// A whole block, of a new stream or trailers. It is decoded whatever becomes of it, since later ones build on it.
Http2Error Http2Connection::take_block(std::string_view block) {
  const uint32_t stream = block_head_.stream;
  if (stream > last_stream_) {
    last_stream_ = stream;
    if (is_ending_) return skip_block(block);  // §6.8: the client knows that it is not served
    // Streams that the client has reset are over, but their handlers may not be.
    if (exchanges_.size() < local_.options().http2.streams_max) return open_stream(block);
    if (const Http2Error error = skip_block(block); error != Http2Error::kNone) return error;
    append_rst_stream(output_.buffer(), stream, Http2Error::kRefusedStream);
    remember_closed(stream, true);
    return take_control();
  }
  Http2Exchange* exchange = find(stream);
  if (exchange != nullptr && !exchange->is_stream_closed() && !exchange->has_request_ended()) {
    return take_trailers(*exchange, block);
  }
  if (const Http2Error error = skip_block(block); error != Http2Error::kNone) return error;
  if (exchange != nullptr && !exchange->is_stream_closed()) {
    reset_stream(*exchange, Http2Error::kStreamClosed);
    return take_control();
  }
  const bool was_open = exchange != nullptr || std::any_of(closed_.begin(), closed_.end(), [&](const Closed& closed) {
                          return closed.stream == stream;
                        });
  return was_open ? take_for_closed(stream, exchange) : Http2Error::kProtocol;  // §5.1.1: numbers only grow
}

Http2Error Http2Connection::skip_block(std::string_view block) {
  HpackDecoder::Line line;
  HpackDecoder::Outcome outcome = HpackDecoder::Outcome::kLine;
  for (bool is_first = true; outcome == HpackDecoder::Outcome::kLine; is_first = false) {
    outcome = decoder_.next(block, is_first, line);
  }
  return outcome == HpackDecoder::Outcome::kEnd ? Http2Error::kNone : Http2Error::kCompression;
}

Http2Error Http2Connection::open_stream(std::string_view block) {
  Http2Exchange& exchange = add_exchange(block_head_.stream);
  HpackDecoder::Line line;
  HpackDecoder::Outcome outcome = decoder_.next(block, true, line);
  for (; outcome == HpackDecoder::Outcome::kLine; outcome = decoder_.next(block, false, line)) {
    exchange.take_field(line.name, line.value, line.is_known_good);
  }
  if (outcome == HpackDecoder::Outcome::kBad) {
    exchange.take_close();
    wake_later(exchange.stream_id());
    return Http2Error::kCompression;
  }
  exchange.head_fault = exchange.take_head(block_head_.has(kFlagEndStream));
  if (exchange.is_malformed()) {
    local_.counters.faults.add();
    reset_stream(exchange, Http2Error::kProtocol);
    return take_control();
  }
  start(exchange);
  return Http2Error::kNone;
}

Http2Error Http2Connection::take_trailers(Http2Exchange& exchange, std::string_view block) {
  HpackDecoder::Line line;
  HpackDecoder::Outcome outcome = decoder_.next(block, true, line);
  for (; outcome == HpackDecoder::Outcome::kLine; outcome = decoder_.next(block, false, line)) {
    exchange.take_trailer(line.name, line.value);
  }
  if (outcome == HpackDecoder::Outcome::kBad) return Http2Error::kCompression;
  if (block_head_.has(kFlagEndStream)) exchange.take_end();
  if (!block_head_.has(kFlagEndStream) || exchange.is_malformed()) {  // §8.1
    local_.counters.faults.add();
    reset_stream(exchange, Http2Error::kProtocol);
    return take_control();
  }
  wake_later(exchange.stream_id());
  return Http2Error::kNone;
}

// --- the others ------------------------------------------------------------------------------------------------------

// §6.4.
Http2Error Http2Connection::take_rst_stream(const FrameHead& head, std::string_view payload) {
  if (!is_of_client(head.stream) || head.stream > last_stream_) return Http2Error::kProtocol;
  if (payload.size() != 4) return Http2Error::kFrameSize;
  bool is_answered = false;
  if (Http2Exchange* exchange = find(head.stream)) {
    is_answered = exchange->is_answered();
    exchange->take_close();
    wake_later(head.stream);
  }
  return is_answered ? Http2Error::kNone : take_control();
}

// §6.5.
Http2Error Http2Connection::take_settings(const FrameHead& head, std::string_view payload) {
  if (head.stream != 0) return Http2Error::kProtocol;
  if (head.has(kFlagAck)) {
    if (!payload.empty()) return Http2Error::kFrameSize;
    // Our settings hold from now on; there is one frame of them.
    const int64_t grows = local_.options().http2.stream_window_bytes - first_receive_window_;
    first_receive_window_ += grows;
    for (const auto& exchange : exchanges_) exchange->receive_window += grows;
    return take_control();
  }
  if (payload.size() % kSettingBytes != 0) return Http2Error::kFrameSize;
  has_settings_ = true;
  for (; !payload.empty(); payload.remove_prefix(kSettingBytes)) {
    const auto id = static_cast<SettingId>(get_big16(payload.data()));
    const Http2Error error = take_setting(id, get_big32(payload.data() + 2));
    if (error != Http2Error::kNone) return error;
  }
  append_frame_head(output_.buffer(), 0, FrameType::kSettings, kFlagAck, 0);
  return take_control();
}

Http2Error Http2Connection::take_setting(SettingId id, uint32_t value) {
  switch (id) {
    case SettingId::kHeaderTableSize:
      encoder_.set_limit(value);
      return Http2Error::kNone;
    case SettingId::kEnablePush:
      return value <= 1 ? Http2Error::kNone : Http2Error::kProtocol;
    case SettingId::kInitialWindowSize: {
      if (value > kWindowBytesMax) return Http2Error::kFlowControl;
      const int64_t grows = int64_t{value} - first_send_window_;
      first_send_window_ = value;
      for (const auto& exchange : exchanges_) {
        if (!exchange->open_send_window(grows)) return Http2Error::kFlowControl;  // §6.9.2
      }
      return Http2Error::kNone;
    }
    case SettingId::kMaxFrameSize:
      return value >= kFrameBytesMax && value <= kFrameBytesLimit ? Http2Error::kNone : Http2Error::kProtocol;
    default:
      return Http2Error::kNone;  // §6.5.2: what is not known is ignored; nothing is pushed, and heads are small
  }
}

// §6.7.
Http2Error Http2Connection::take_ping(const FrameHead& head, std::string_view payload) {
  constexpr size_t kPingBytes = 8;
  if (head.stream != 0) return Http2Error::kProtocol;
  if (payload.size() != kPingBytes) return Http2Error::kFrameSize;
  if (!head.has(kFlagAck)) {
    append_frame_head(output_.buffer(), kPingBytes, FrameType::kPing, kFlagAck, 0);
    output_.buffer().append(payload);
  }
  return std::exchange(has_sent_data_, false) ? Http2Error::kNone : take_control();
}

// §6.9.
Http2Error Http2Connection::take_window_update(const FrameHead& head, std::string_view payload) {
  if (payload.size() != 4) return Http2Error::kFrameSize;
  const int64_t grows = get_big32(payload.data()) & INT32_MAX;
  if (head.stream == 0) {
    send_window_ += grows;
    if (grows == 0) return Http2Error::kProtocol;
    return send_window_ > kWindowBytesMax ? Http2Error::kFlowControl : Http2Error::kNone;
  }
  if (!is_of_client(head.stream) || head.stream > last_stream_) return Http2Error::kProtocol;
  Http2Exchange* exchange = find(head.stream);
  if (exchange == nullptr || exchange->is_stream_closed()) return Http2Error::kNone;
  if (grows != 0 && exchange->open_send_window(grows)) return Http2Error::kNone;
  reset_stream(*exchange, grows == 0 ? Http2Error::kProtocol : Http2Error::kFlowControl);
  return take_control();
}

}  // namespace keelson::net::http
