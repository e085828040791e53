#include "net/http/websocket.h"

#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/base64.h"

namespace keelson::net::http {

namespace {

constexpr size_t kControlBytesMax = 125;  // §5.5
constexpr size_t kMaskBytes = 4;

// 16 bytes in base64: 22 digits, of which the last has 4 bits that are zero, and "==".
bool is_key(std::string_view key) {
  constexpr size_t kDigits = 22;
  const auto is_digit = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
  };
  return key.size() == kDigits + 2 && key.ends_with("==") &&
         std::all_of(key.begin(), key.begin() + kDigits, is_digit) &&
         std::string_view("AQgw").find(key[kDigits - 1]) != std::string_view::npos;
}

void unmask(std::string& bytes, size_t from, const std::array<char, kMaskBytes>& mask) {
  for (size_t i = from; i < bytes.size(); ++i) bytes[i] = static_cast<char>(bytes[i] ^ mask[(i - from) % kMaskBytes]);
}

// §7.4: codes that may stand in a close frame.
bool may_be_sent(uint16_t code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

}  // namespace

std::string websocket_accept_of(std::string_view key) {
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest;
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return to_base64({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

std::optional<std::string> websocket_accept(const Request& request) {
  const Fields& fields = request.fields();
  if (request.method() != "GET" || request.version() != Version::kHttp11) return std::nullopt;
  if (!fields.lists("Upgrade", "websocket") || !fields.lists("Connection", "Upgrade")) return std::nullopt;
  if (fields.find("Sec-WebSocket-Version") != "13") return std::nullopt;
  const std::optional<std::string_view> key = fields.find("Sec-WebSocket-Key");
  if (!key || fields.count("Sec-WebSocket-Key") != 1 || !is_key(*key)) return std::nullopt;
  return websocket_accept_of(*key);
}

bool Utf8Check::feed(std::string_view bytes) {
  for (char c : bytes) {
    const auto byte = static_cast<uint8_t>(c);
    if (left_ != 0) {
      if (byte < low_ || byte > high_) return false;
      low_ = 0x80, high_ = 0xbf;
      --left_;
      continue;
    }
    if (byte < 0x80) continue;
    if (byte < 0xc2 || byte > 0xf4) return false;
    left_ = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    low_ = byte == 0xe0 ? 0xa0 : byte == 0xf0 ? 0x90 : 0x80;   // overlong forms
    high_ = byte == 0xed ? 0x9f : byte == 0xf4 ? 0x8f : 0xbf;  // surrogates; above U+10FFFF
  }
  return true;
}

struct WsDecoder::Head {
  WsOpcode opcode = WsOpcode::kContinuation;
  bool is_last = false;
  size_t size = 0;  // of the head, mask and all
  uint64_t payload_bytes = 0;
  std::array<char, kMaskBytes> mask{};
};

WsDecoder::Event WsDecoder::next(Buffer& in) {
  if (is_delivered_) {
    message_.clear();
    is_delivered_ = false;
  }
  while (true) {
    const std::string_view bytes = in.view();
    if (bytes.size() < 2) return {};
    const auto first = static_cast<uint8_t>(bytes[0]);
    const auto second = static_cast<uint8_t>(bytes[1]);
    Head head;
    head.is_last = (first & 0x80) != 0;
    head.opcode = static_cast<WsOpcode>(first & 0x0f);
    const bool is_control = (first & 0x08) != 0;
    const bool is_known = (first & 0x0f) <= 2 || ((first & 0x0f) >= 8 && (first & 0x0f) <= 10);
    if ((first & 0x70) != 0 || !is_known || (second & 0x80) == 0) return fault(WsClose::kProtocolError);
    const size_t length = second & 0x7f;
    if (is_control && (!head.is_last || length > kControlBytesMax)) return fault(WsClose::kProtocolError);
    // A message begins with text or binary, and goes on with continuations alone (§5.4).
    if (!is_control && (head.opcode == WsOpcode::kContinuation) != is_in_message_)
      return fault(WsClose::kProtocolError);
    const size_t length_bytes = length < 126 ? 0 : length == 126 ? 2 : 8;
    head.size = 2 + length_bytes + kMaskBytes;
    if (bytes.size() < head.size) return {};
    head.payload_bytes = length_bytes == 0 ? length : 0;
    for (size_t i = 0; i < length_bytes; ++i) {
      head.payload_bytes = head.payload_bytes << 8 | static_cast<uint8_t>(bytes[2 + i]);
    }
    // The shortest form is a must, and the first bit zero (§5.2).
    const uint64_t least = length_bytes == 0 ? 0 : length_bytes == 2 ? 126 : 65'536;
    if (head.payload_bytes < least || head.payload_bytes >> 63 != 0) return fault(WsClose::kProtocolError);
    if (!is_control && head.payload_bytes > message_bytes_max_ - message_.size()) return fault(WsClose::kTooLarge);
    std::copy_n(bytes.data() + 2 + length_bytes, kMaskBytes, head.mask.begin());
    if (bytes.size() - head.size < head.payload_bytes) return {};
    const auto payload_bytes = static_cast<size_t>(head.payload_bytes);
    const Event event = take_payload(head, bytes.substr(head.size, payload_bytes));
    in.consume(head.size + payload_bytes);
    if (event.kind != Event::Kind::kNothing) return event;
  }
}

// kNothing: a fragment that is not the last.
WsDecoder::Event WsDecoder::take_payload(const Head& head, std::string_view masked) {
  if (head.opcode == WsOpcode::kClose || head.opcode == WsOpcode::kPing || head.opcode == WsOpcode::kPong) {
    control_.assign(masked);
    unmask(control_, 0, head.mask);
    if (head.opcode == WsOpcode::kClose) return take_close(control_);
    return {.kind = head.opcode == WsOpcode::kPing ? Event::Kind::kPing : Event::Kind::kPong, .payload = control_};
  }
  if (!is_in_message_) {
    is_text_ = head.opcode == WsOpcode::kText;
    utf8_ = {};
  }
  const size_t from = message_.size();
  message_.append(masked);
  unmask(message_, from, head.mask);
  if (is_text_ && !utf8_.feed(std::string_view(message_).substr(from))) return fault(WsClose::kBadText);
  is_in_message_ = !head.is_last;
  if (!head.is_last) return {};
  if (is_text_ && !utf8_.is_at_end()) return fault(WsClose::kBadText);
  is_delivered_ = true;
  return {.kind = Event::Kind::kMessage, .is_text = is_text_, .payload = message_};
}

WsDecoder::Event WsDecoder::take_close(std::string_view payload) {
  if (payload.empty()) return {.kind = Event::Kind::kClose, .payload = {}, .code = WsClose::kNone};
  if (payload.size() < 2) return fault(WsClose::kProtocolError);
  const auto code = static_cast<uint16_t>(static_cast<uint8_t>(payload[0]) << 8 | static_cast<uint8_t>(payload[1]));
  if (!may_be_sent(code)) return fault(WsClose::kProtocolError);
  Utf8Check utf8;
  if (!utf8.feed(payload.substr(2)) || !utf8.is_at_end()) return fault(WsClose::kBadText);
  return {.kind = Event::Kind::kClose, .payload = payload.substr(2), .code = static_cast<WsClose>(code)};
}

void append_ws_frame(Buffer& out, WsOpcode opcode, std::string_view payload) {
  constexpr uint8_t kLast = 0x80;
  out.push_back(static_cast<char>(kLast | static_cast<uint8_t>(opcode)));
  const size_t size = payload.size();
  const int length_bytes = size < 126 ? 0 : size < 65'536 ? 2 : 8;
  out.push_back(static_cast<char>(length_bytes == 0 ? size : length_bytes == 2 ? 126 : 127));
  for (int i = length_bytes - 1; i >= 0; --i) out.push_back(static_cast<char>(uint64_t{size} >> (8 * i)));
  out.append(payload);
}

void append_ws_close(Buffer& out, WsClose code, std::string_view reason) {
  std::string payload;
  if (code != WsClose::kNone) {
    payload.push_back(static_cast<char>(static_cast<uint16_t>(code) >> 8));
    payload.push_back(static_cast<char>(static_cast<uint16_t>(code) & 0xff));
    payload.append(reason.substr(0, kControlBytesMax - 2));
  }
  append_ws_frame(out, WsOpcode::kClose, payload);
}

}  // namespace keelson::net::http
