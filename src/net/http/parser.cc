#include "net/http/parser.h"

#include <algorithm>
#include <array>

namespace keelson::net::http {

namespace {

constexpr std::string_view kCrLf = "\r\n";
// A chunk's size line: 16 hex digits and an extension nobody uses (RFC 9112 §7.1.1 asks for a limit).
constexpr size_t kChunkLineBytesMax = 256;
constexpr size_t kTrailerBytesMax = 8 << 10;

// RFC 9110 §5.6.2.
constexpr std::array<bool, 256> token_table() {
  std::array<bool, 256> table{};
  for (char c = '0'; c <= '9'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (char c = 'a'; c <= 'z'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (char c = 'A'; c <= 'Z'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (char c : std::string_view("!#$%&'*+-.^_`|~")) table[static_cast<unsigned char>(c)] = true;
  return table;
}
constexpr std::array<bool, 256> kToken = token_table();

bool is_token(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return kToken[static_cast<unsigned char>(c)]; });
}

// RFC 9110 §5.5: visible characters, blanks, tabs, and bytes above 0x7f.
bool is_field_value(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
  });
}

// The characters of a URI, RFC 3986 §2; a fragment is never sent.
bool is_target(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return c > 0x20 && c < 0x7f && c != '#' && c != '"' && c != '<' && c != '>' && c != '\\' && c != '^' && c != '`' &&
           c != '{' && c != '|' && c != '}';
  });
}

std::string_view trim_blanks(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Digits alone, at most 18 of them, so that nothing overflows.
std::optional<uint64_t> parse_length(std::string_view text) {
  if (text.empty() || text.size() > 18) return std::nullopt;
  uint64_t value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<uint64_t>(c - '0');
  }
  return value;
}

// The head's next line, without its CRLF. The head ends with an empty line, so there always is one.
std::string_view next_line(std::string_view& rest) {
  const size_t end = rest.find(kCrLf);
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(std::min(rest.size(), end + kCrLf.size()));
  return line;
}

Fault parse_fields(std::string_view rest, const Limits& limits, Fields& fields) {
  while (true) {
    const std::string_view line = next_line(rest);
    if (line.empty()) return {};
    if (fields.lines().size() == limits.fields_max) return {431, "too many header fields"};
    if (line.front() == ' ' || line.front() == '\t') return {400, "a folded header field is not accepted"};
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return {400, "a header field has no colon"};
    const std::string_view name = line.substr(0, colon);
    if (!is_token(name)) return {400, "a header field has a bad name"};
    const std::string_view value = trim_blanks(line.substr(colon + 1));
    if (!is_field_value(value)) return {400, "a header field holds a control character"};
    fields.add(std::string(name), std::string(value));
  }
}

// RFC 9112 §6.
Fault parse_framing(const Fields& fields, uint8_t minor_version, Framing& framing) {
  const size_t encodings = fields.count("Transfer-Encoding");
  const size_t lengths = fields.count("Content-Length");
  if (encodings != 0) {
    if (lengths != 0) return {400, "Content-Length beside Transfer-Encoding is ambiguous"};
    if (minor_version == 0) return {400, "Transfer-Encoding does not exist in HTTP/1.0"};
    if (encodings != 1 || !equal_ignoring_case(*fields.find("Transfer-Encoding"), "chunked")) {
      return {501, "the only transfer coding is chunked"};
    }
    framing.kind = Framing::Kind::kChunked;
    return {};
  }
  if (lengths == 0) return {};
  if (lengths != 1) return {400, "more than one Content-Length"};
  const std::optional<uint64_t> length = parse_length(*fields.find("Content-Length"));
  if (!length) return {400, "a bad Content-Length"};
  framing = {Framing::Kind::kLength, *length};
  return {};
}

// "HTTP/1.x"
Fault parse_version(std::string_view text, uint8_t& minor_version) {
  if (text.size() != 8 || !text.starts_with("HTTP/") || text[6] != '.' || text[5] < '0' || text[5] > '9' ||
      text[7] < '0' || text[7] > '9') {
    return {400, "a bad HTTP version"};
  }
  if (text[5] != '1') return {505, "only HTTP/1.0 and HTTP/1.1 are spoken here"};
  minor_version = text[7] == '0' ? 0 : 1;
  return {};
}

Fault parse_target(std::string_view target, RequestHead& head) {
  if (!is_target(target)) return {400, "a bad request target"};
  for (std::string_view scheme : {"http://", "https://"}) {  // absolute form, RFC 9112 §3.2.2
    if (!equal_ignoring_case(target.substr(0, scheme.size()), scheme)) continue;
    target.remove_prefix(scheme.size());
    const size_t slash = target.find_first_of("/?");
    if (slash == 0) return {400, "a request target without a host"};
    target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
  }
  if (target == "*") {
    if (head.method != "OPTIONS") return {400, "the target * is for OPTIONS alone"};
  } else if (target.front() != '/') {
    return {400, "a request target must begin with /"};
  }
  head.target = target;
  const size_t question = target.find('?');
  if (question != std::string_view::npos) head.query = target.substr(question + 1);
  if (!percent_decode(target.substr(0, question), false, head.path)) return {400, "a bad escape in the request target"};
  return {};
}

// Bare CR and LF, and NUL, anywhere in a head.
bool has_bad_line_end(std::string_view bytes) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] == '\r') {
      if (i + 1 == bytes.size() || bytes[i + 1] != '\n') return true;
      ++i;
    } else if (bytes[i] == '\n' || bytes[i] == '\0') {
      return true;
    }
  }
  return false;
}

}  // namespace

std::optional<size_t> HeadFinder::find(std::string_view bytes) {
  constexpr std::string_view kEnd = "\r\n\r\n";
  if (fault_) return std::nullopt;
  const size_t from = seen_ < kEnd.size() ? 0 : seen_ - (kEnd.size() - 1);
  const size_t end = bytes.find(kEnd, from);
  const size_t line_end = bytes.substr(0, limits_.first_line_bytes_max + kCrLf.size()).find(kCrLf);
  if (line_end == std::string_view::npos && bytes.size() > limits_.first_line_bytes_max) {
    fault_ = {414, "the request line is too long"};
    return std::nullopt;
  }
  if (std::min(end, bytes.size()) > limits_.head_bytes_max) {
    fault_ = {431, "the header is too large"};
    return std::nullopt;
  }
  if (end == std::string_view::npos) {
    seen_ = bytes.size();
    // Whoever ends lines with LF alone would otherwise wait for an answer that never comes.
    if (bytes.find("\n\n") != std::string_view::npos) fault_ = {400, "lines must end with CR LF"};
    return std::nullopt;
  }
  return end + kEnd.size();
}

Fault parse_request_head(std::string_view bytes, const Limits& limits, RequestHead& head, Framing& framing) {
  if (has_bad_line_end(bytes)) return {400, "a bare CR or LF, or a NUL, in the header"};
  std::string_view rest = bytes;
  const std::string_view line = next_line(rest);
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return {400, "a bad request line"};
  head.method = line.substr(0, first);
  if (!is_token(head.method)) return {400, "a bad method"};
  if (Fault fault = parse_version(line.substr(last + 1), head.minor_version)) return fault;
  if (Fault fault = parse_target(line.substr(first + 1, last - first - 1), head)) return fault;
  if (Fault fault = parse_fields(rest, limits, head.fields)) return fault;
  const size_t hosts = head.fields.count("Host");
  if (hosts > 1 || (hosts == 0 && head.minor_version >= 1)) return {400, "exactly one Host field is needed"};
  if (Fault fault = parse_framing(head.fields, head.minor_version, framing)) return fault;
  if (framing.kind == Framing::Kind::kLength && framing.length > limits.body_bytes_max)
    return {413, "the body is too large"};
  return {};
}

Fault parse_response_head(std::string_view bytes, const Limits& limits, bool is_head_request, ResponseHead& head,
                          Framing& framing) {
  if (has_bad_line_end(bytes)) return {400, "a bare CR or LF, or a NUL, in the header"};
  std::string_view rest = bytes;
  const std::string_view line = next_line(rest);
  if (line.size() < 12 || line[8] != ' ' || (line.size() > 12 && line[12] != ' ')) return {400, "a bad status line"};
  if (Fault fault = parse_version(line.substr(0, 8), head.minor_version)) return fault;
  const std::optional<uint64_t> status = parse_length(line.substr(9, 3));
  if (!status || *status < 100) return {400, "a bad status line"};
  head.status = static_cast<uint16_t>(*status);
  head.reason = line.size() > 13 ? line.substr(13) : std::string_view();
  if (Fault fault = parse_fields(rest, limits, head.fields)) return fault;
  if (is_head_request || head.status < 200 || head.status == 204 || head.status == 304) return {};
  if (Fault fault = parse_framing(head.fields, head.minor_version, framing)) return fault;
  if (framing.kind == Framing::Kind::kNone) framing.kind = Framing::Kind::kUntilClose;
  return {};
}

BodyDecoder::BodyDecoder(Framing framing, uint64_t bytes_max) : framing_(framing), bytes_max_(bytes_max) {
  switch (framing.kind) {
    case Framing::Kind::kNone:
      state_ = State::kDone;
      break;
    case Framing::Kind::kLength:
      left_ = framing.length;
      state_ = left_ == 0 ? State::kDone : State::kData;
      break;
    case Framing::Kind::kChunked:
      state_ = State::kChunkSize;
      break;
    case Framing::Kind::kUntilClose:
      left_ = UINT64_MAX;
      state_ = State::kData;
      break;
  }
}

std::optional<std::string> BodyDecoder::take_line(Buffer& in, Fault& fault) {
  const std::string_view bytes = in.view();
  const size_t end = bytes.find('\n');
  if (std::min(end, bytes.size()) > kChunkLineBytesMax) {
    fault = {400, "a chunk's line is too long"};
    return std::nullopt;
  }
  if (end == std::string_view::npos) return std::nullopt;
  if (end == 0 || bytes[end - 1] != '\r') {
    fault = {400, "lines must end with CR LF"};
    return std::nullopt;
  }
  std::string line(bytes.substr(0, end - 1));
  if (!is_field_value(line)) fault = {400, "a control character in a chunk's line"};
  in.consume(end + 1);
  return fault ? std::nullopt : std::optional(std::move(line));
}

Fault BodyDecoder::take_chunk_size(std::string_view line) {
  const size_t digits = std::min(line.find(';'), line.size());
  if (digits == 0 || digits > 15) return {400, "a bad chunk size"};
  uint64_t size = 0;
  for (char c : line.substr(0, digits)) {
    const char low = c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
    if (low >= '0' && low <= '9') {
      size = size * 16 + static_cast<uint64_t>(low - '0');
    } else if (low >= 'a' && low <= 'f') {
      size = size * 16 + static_cast<uint64_t>(low - 'a' + 10);
    } else {
      return {400, "a bad chunk size"};
    }
  }
  left_ = size;
  state_ = size == 0 ? State::kTrailer : State::kChunkData;
  return {};
}

Fault BodyDecoder::take_data(Buffer& in, Buffer& out, size_t& room) {
  const size_t count = static_cast<size_t>(std::min<uint64_t>({left_, in.size(), room}));
  if (total_ + count > bytes_max_) return {413, "the body is too large"};
  out.append(in.view().substr(0, count));
  in.consume(count);
  total_ += count;
  left_ -= count;
  room -= count;
  return {};
}

Fault BodyDecoder::decode(Buffer& in, Buffer& out, size_t out_bytes_max) {
  Fault fault;
  while (state_ != State::kDone && !in.empty() && out_bytes_max != 0) {
    switch (state_) {
      case State::kData:
      case State::kChunkData:
        if (Fault bad = take_data(in, out, out_bytes_max)) return bad;
        if (left_ == 0) state_ = state_ == State::kData ? State::kDone : State::kChunkEnd;
        break;
      case State::kChunkSize: {
        const std::optional<std::string> line = take_line(in, fault);
        if (!line) return fault;
        if (Fault bad = take_chunk_size(*line)) return bad;
        break;
      }
      case State::kChunkEnd: {
        const std::optional<std::string> line = take_line(in, fault);
        if (!line) return fault;
        if (!line->empty()) return {400, "a chunk is longer than its size"};
        state_ = State::kChunkSize;
        break;
      }
      case State::kTrailer: {  // read over, RFC 9112 §7.1.2
        const std::optional<std::string> line = take_line(in, fault);
        if (!line) return fault;
        trailer_bytes_ += line->size();
        if (trailer_bytes_ > kTrailerBytesMax) return {431, "the trailer is too large"};
        if (line->empty()) state_ = State::kDone;
        break;
      }
      case State::kDone:
        break;
    }
  }
  return {};
}

}  // namespace keelson::net::http
