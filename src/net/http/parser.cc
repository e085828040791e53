#include "net/http/parser.h"

#include <algorithm>
#include <optional>

#include "net/http/scan.h"
#include "net/http/url.h"

namespace keelson::net::http {

namespace {

constexpr Fault kFolded = {400, "a folded header field is not accepted"};
constexpr Fault kBadLineEnd = {400, "a bare CR or LF, or a NUL, in the header"};
constexpr Fault kControl = {400, "a header field holds a control character"};
// Longer ones are not in the registry of methods (RFC 9110 §16.1); it keeps a stream of letters from being gathered.
constexpr size_t kMethodBytesMax = 32;

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

// How one step of the parser ended.
enum class Step : uint8_t { kDone, kMore, kBad };

// A position that moves over the bytes, and what was found wrong.
struct Cursor {
  const char* at;
  const char* end;
  Fault fault = {};

  Step bad(Fault what) {
    fault = what;
    return Step::kBad;
  }
  // CR LF, both.
  Step line_end() {
    if (at == end) return Step::kMore;
    if (*at != '\r') return bad(kBadLineEnd);
    if (end - at < 2) return Step::kMore;
    if (at[1] != '\n') return bad(kBadLineEnd);
    at += 2;
    return Step::kDone;
  }
};

// Names that say how a message is framed or where it goes. The parser looks at their lines once all are there.
struct Marks {
  size_t hosts = 0;
  size_t lengths = 0;
  size_t encodings = 0;
  std::string_view host, length, encoding, expectation;
  bool has_expectation = false;
  bool closes = false;
  bool keeps_alive = false;
};

void note(const Field& field, Marks& marks) {
  switch (field.name.size()) {
    case 4:
      if (equal_ignoring_case(field.name, "host")) ++marks.hosts, marks.host = field.value;
      break;
    case 6:
      if (equal_ignoring_case(field.name, "expect")) marks.has_expectation = true, marks.expectation = field.value;
      break;
    case 10:
      if (equal_ignoring_case(field.name, "connection")) {
        const Fields one(std::span<const Field>(&field, 1));
        marks.closes = marks.closes || one.lists("connection", "close");
        marks.keeps_alive = marks.keeps_alive || one.lists("connection", "keep-alive");
      }
      break;
    case 14:
      if (equal_ignoring_case(field.name, "content-length")) ++marks.lengths, marks.length = field.value;
      break;
    case 17:
      if (equal_ignoring_case(field.name, "transfer-encoding")) ++marks.encodings, marks.encoding = field.value;
      break;
    default:
      break;
  }
}

// What stands where a field name should, or behind it (RFC 9112 §5).
Fault name_fault(const Cursor& cursor, const char* begin) {
  const char c = *cursor.at;
  if (cursor.at == begin && (c == ' ' || c == '\t')) return kFolded;
  if (c == ' ' || c == '\t') return {400, "a blank before the colon of a header field"};
  if (c == '\r' || c == '\n') {
    return c == '\r' && cursor.at != begin && cursor.at[1] == '\n' ? Fault{400, "a header field has no colon"}
                                                                   : kBadLineEnd;
  }
  return {400, "a header field has a bad name"};
}

// One "name: value" CR LF.
Step parse_field(Cursor& cursor, Field& field) {
  const char* const name = cursor.at;
  cursor.at = kTokenChars.skip(cursor.at, cursor.end);
  if (cursor.at == cursor.end) return Step::kMore;
  if (*cursor.at != ':' || cursor.at == name) {
    if (*cursor.at == '\r' && cursor.end - cursor.at < 2) return Step::kMore;
    return cursor.bad(name_fault(cursor, name));
  }
  field.name = {name, static_cast<size_t>(cursor.at - name)};
  ++cursor.at;
  while (cursor.at != cursor.end && (*cursor.at == ' ' || *cursor.at == '\t')) ++cursor.at;
  const char* const value = cursor.at;
  cursor.at = skip_field_value(cursor.at, cursor.end);
  if (cursor.at == cursor.end) return Step::kMore;
  const char* behind = cursor.at;
  while (behind != value && (behind[-1] == ' ' || behind[-1] == '\t')) --behind;
  field.value = {value, static_cast<size_t>(behind - value)};
  if (*cursor.at != '\r' && *cursor.at != '\n' && *cursor.at != '\0') return cursor.bad(kControl);
  return cursor.line_end();
}

// All lines and the empty one behind them.
Step parse_fields(Cursor& cursor, std::span<Field> storage, size_t& count, Marks& marks) {
  count = 0;
  while (true) {
    if (cursor.at == cursor.end) return Step::kMore;
    if (*cursor.at == '\r') return cursor.line_end();
    if (count == storage.size()) return cursor.bad({431, "too many header fields"});
    const Step step = parse_field(cursor, storage[count]);
    if (step != Step::kDone) return step;
    note(storage[count], marks);
    ++count;
  }
}

// RFC 9112 §6.
Fault parse_framing(const Marks& marks, uint8_t minor_version, Framing& framing) {
  framing = {};
  if (marks.encodings != 0) {
    if (marks.lengths != 0) return {400, "Content-Length beside Transfer-Encoding is ambiguous"};
    if (minor_version == 0) return {400, "Transfer-Encoding does not exist in HTTP/1.0"};
    if (marks.encodings != 1 || !equal_ignoring_case(marks.encoding, "chunked")) {
      return {501, "the only transfer coding is chunked"};
    }
    framing.kind = Framing::Kind::kChunked;
    return {};
  }
  if (marks.lengths == 0) return {};
  if (marks.lengths != 1) return {400, "more than one Content-Length"};
  const std::optional<uint64_t> length = parse_length(marks.length);
  if (!length) return {400, "a bad Content-Length"};
  framing = {Framing::Kind::kLength, *length};
  return {};
}

constexpr size_t kVersionBytes = 8;  // "HTTP/1.x"

Fault parse_version(std::string_view text, uint8_t& minor_version) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (!text.starts_with("HTTP/") || text[6] != '.' || !is_digit(text[5]) || !is_digit(text[7])) {
    return {400, "a bad HTTP version"};
  }
  if (text[5] != '1') return {505, "only HTTP/1.0 and HTTP/1.1 are spoken here"};
  minor_version = text[7] == '0' ? 0 : 1;
  return {};
}

// `head.target` is made of the right characters.
Fault parse_target(RequestHead& head) {
  std::string_view rest = head.target;
  head.form = TargetForm::kOrigin;
  head.query = {};
  if (head.method == "CONNECT") {
    const size_t colon = rest.rfind(':');
    if (colon == std::string_view::npos || colon + 1 == rest.size() || !is_host(rest)) {
      return {400, "the target of CONNECT is a host and a port"};
    }
    head.form = TargetForm::kAuthority;
    head.host = rest;
    head.path = {};
    return {};
  }
  if (rest == "*") {
    if (head.method != "OPTIONS") return {400, "the target * is for OPTIONS alone"};
    head.form = TargetForm::kAsterisk;
    head.path = rest;
    return {};
  }
  if (rest.front() != '/') {
    const size_t scheme = rest.find("://");
    if (scheme == std::string_view::npos || (!equal_ignoring_case(rest.substr(0, scheme), "http") &&
                                             !equal_ignoring_case(rest.substr(0, scheme), "https"))) {
      return {400, "a request target must begin with /"};
    }
    rest.remove_prefix(scheme + 3);
    const size_t host_end = std::min(rest.find_first_of("/?"), rest.size());
    head.form = TargetForm::kAbsolute;
    head.host = rest.substr(0, host_end);
    if (head.host.empty() || !is_host(head.host)) return {400, "a request target without a good host"};
    rest.remove_prefix(host_end);
  }
  const size_t question = rest.find('?');
  if (question != std::string_view::npos) head.query = rest.substr(question + 1);
  head.path = rest.substr(0, question);
  if (head.path.empty()) head.path = "/";
  if (!has_good_escapes(head.path)) return {400, "a bad escape in the request target"};
  return {};
}

// "GET /path HTTP/1.1" CR LF (RFC 9112 §3).
Step parse_request_line(Cursor& cursor, RequestHead& head) {
  const char* const method = cursor.at;
  cursor.at = kTokenChars.skip(cursor.at, cursor.end);
  const auto method_bytes = static_cast<size_t>(cursor.at - method);
  if (method_bytes > kMethodBytesMax) return cursor.bad({400, "a bad method"});
  if (cursor.at == cursor.end) return Step::kMore;
  if (*cursor.at != ' ' || method_bytes == 0) {
    return cursor.bad(*cursor.at == '\r' || *cursor.at == '\n' ? Fault{400, "a bad request line"}
                                                               : Fault{400, "a bad method"});
  }
  head.method = {method, method_bytes};
  const char* const target = ++cursor.at;
  cursor.at = kTargetChars.skip(cursor.at, cursor.end);
  if (cursor.at == cursor.end) return Step::kMore;
  if (*cursor.at != ' ') {
    return cursor.bad(*cursor.at == '\r' || *cursor.at == '\n' ? Fault{400, "a bad request line"}
                                                               : Fault{400, "a bad request target"});
  }
  head.target = {target, static_cast<size_t>(cursor.at - target)};
  if (head.target.empty()) return cursor.bad({400, "a bad request line"});
  ++cursor.at;
  // As far as it is there, so that nonsense is answered before its line ends.
  constexpr std::string_view kName = "HTTP/";
  const auto there = static_cast<size_t>(cursor.end - cursor.at);
  const size_t named = std::min(there, kName.size());
  if (std::string_view(cursor.at, named) != kName.substr(0, named)) return cursor.bad({400, "a bad HTTP version"});
  if (there < kVersionBytes) return Step::kMore;
  if (Fault fault = parse_version({cursor.at, kVersionBytes}, head.minor_version)) return cursor.bad(fault);
  cursor.at += kVersionBytes;
  if (cursor.at != cursor.end && *cursor.at != '\r' && *cursor.at != '\n') {
    return cursor.bad({400, "a bad HTTP version"});
  }
  return cursor.line_end();
}

// "HTTP/1.1 200 OK" CR LF (RFC 9112 §4). The reason may be missing, and the blank before it too.
Step parse_status_line(Cursor& cursor, ResponseHead& head) {
  constexpr Fault kBad = {400, "a bad status line"};
  constexpr size_t kFixedBytes = kVersionBytes + 4;
  const auto there = static_cast<size_t>(cursor.end - cursor.at);
  if (there < kFixedBytes) {
    const std::string_view known = std::string_view("HTTP/1.").substr(0, std::min<size_t>(there, 7));
    return std::string_view(cursor.at, known.size()) == known ? Step::kMore : cursor.bad(kBad);
  }
  if (Fault fault = parse_version({cursor.at, kVersionBytes}, head.minor_version)) return cursor.bad(fault);
  const std::optional<uint64_t> status = parse_length({cursor.at + kVersionBytes + 1, 3});
  if (cursor.at[kVersionBytes] != ' ' || !status || *status < 100 || *status > 599) return cursor.bad(kBad);
  head.status = static_cast<uint16_t>(*status);
  cursor.at += kFixedBytes;
  if (cursor.at == cursor.end) return Step::kMore;
  head.reason = {};
  if (*cursor.at == ' ') {
    const char* const reason = ++cursor.at;
    cursor.at = skip_field_value(cursor.at, cursor.end);
    head.reason = {reason, static_cast<size_t>(cursor.at - reason)};
    if (cursor.at == cursor.end) return Step::kMore;
  } else if (*cursor.at != '\r') {
    return cursor.bad(kBad);
  }
  return cursor.line_end();
}

// What is to be said when a head is not whole: nothing yet, or that it never will be.
HeadOutcome incomplete(std::string_view bytes, const Limits& limits) {
  if (bytes.size() > limits.first_line_bytes_max &&
      bytes.substr(0, limits.first_line_bytes_max + 2).find("\r\n") == std::string_view::npos) {
    return {0, {414, "the request line is too long"}};
  }
  if (bytes.size() > limits.head_bytes_max) return {0, {431, "the header is too large"}};
  return {};
}

// Bytes that were looked at before and did not hold a whole head are not parsed again until its end has come. (Faults
// in what is new are found then, or when the head has become too large.)
bool is_worth_parsing(std::string_view bytes, size_t seen) {
  constexpr std::string_view kEnd = "\r\n\r\n";
  if (seen == 0) return true;
  const size_t from = seen < kEnd.size() ? 0 : seen - (kEnd.size() - 1);
  // Whoever ends lines with LF alone would otherwise wait for an answer that never comes.
  return bytes.find(kEnd, from) != std::string_view::npos || bytes.find("\n\n", from) != std::string_view::npos;
}

std::span<Field> within(const Limits& limits, std::span<Field> storage) {
  return storage.first(std::min(storage.size(), limits.fields_max));
}

HeadOutcome whole(std::string_view bytes, const Limits& limits, const char* end, std::string_view first_line) {
  if (first_line.size() > limits.first_line_bytes_max + 2) return {0, {414, "the request line is too long"}};
  const auto size = static_cast<size_t>(end - bytes.data());
  if (size > limits.head_bytes_max) return {0, {431, "the header is too large"}};
  return {size, {}};
}

}  // namespace

HeadOutcome parse_request_head(std::string_view bytes, const Limits& limits, std::span<Field> storage, size_t seen,
                               RequestHead& head) {
  if (!is_worth_parsing(bytes, seen)) return incomplete(bytes, limits);
  Cursor cursor{bytes.data(), bytes.data() + bytes.size()};
  if (!bytes.empty() && bytes.front() == '\r') {
    const Step step = cursor.line_end();
    if (step == Step::kMore) return {};
    if (step == Step::kBad) return {0, cursor.fault};
  }
  if (cursor.at == cursor.end) return {};
  const char* const line = cursor.at;
  Marks marks;
  size_t count = 0;
  Step step = parse_request_line(cursor, head);
  const char* const line_end = cursor.at;
  if (step == Step::kDone) step = parse_fields(cursor, within(limits, storage), count, marks);
  if (step == Step::kBad) return {0, cursor.fault};
  if (step == Step::kMore) return incomplete(bytes, limits);
  const HeadOutcome outcome = whole(bytes, limits, cursor.at, {line, static_cast<size_t>(line_end - line)});
  if (outcome.fault) return outcome;
  head.fields = Fields(storage.first(count));
  if (marks.hosts > 1 || (marks.hosts == 0 && head.minor_version >= 1)) {
    return {0, {400, "exactly one Host field is needed"}};
  }
  if (!is_host(marks.host)) return {0, {400, "a bad Host field"}};
  head.host = marks.host;
  if (Fault fault = parse_target(head)) return {0, fault};
  if (Fault fault = parse_framing(marks, head.minor_version, head.framing)) return {0, fault};
  if (head.framing.kind == Framing::Kind::kLength && head.framing.length > limits.body_bytes_max) {
    return {0, {413, "the body is too large"}};
  }
  head.keeps_alive = !marks.closes && (head.minor_version >= 1 || marks.keeps_alive);
  head.expects_continue = false;
  if (marks.has_expectation) {
    if (!equal_ignoring_case(marks.expectation, "100-continue")) {
      return {0, {417, "the only expectation known is 100-continue"}};
    }
    head.expects_continue = head.minor_version >= 1;
  }
  return outcome;
}

HeadOutcome parse_response_head(std::string_view bytes, const Limits& limits, std::span<Field> storage, size_t seen,
                                std::string_view request_method, ResponseHead& head) {
  if (!is_worth_parsing(bytes, seen)) return incomplete(bytes, limits);
  Cursor cursor{bytes.data(), bytes.data() + bytes.size()};
  Marks marks;
  size_t count = 0;
  Step step = parse_status_line(cursor, head);
  const std::string_view line(bytes.data(), static_cast<size_t>(cursor.at - bytes.data()));
  if (step == Step::kDone) step = parse_fields(cursor, within(limits, storage), count, marks);
  if (step == Step::kBad) return {0, cursor.fault};
  if (step == Step::kMore) return incomplete(bytes, limits);
  const HeadOutcome outcome = whole(bytes, limits, cursor.at, line);
  if (outcome.fault) return outcome;
  head.fields = Fields(storage.first(count));
  head.keeps_alive = !marks.closes && (head.minor_version >= 1 || marks.keeps_alive);
  const bool tunnels = request_method == "CONNECT" && head.status >= 200 && head.status < 300;
  const bool has_body = request_method != "HEAD" && status_has_body(head.status) && !tunnels;
  if (Fault fault = parse_framing(marks, head.minor_version, head.framing)) return {0, fault};
  if (!has_body) {
    head.framing = {};
  } else if (head.framing.kind == Framing::Kind::kNone) {
    head.framing.kind = Framing::Kind::kUntilClose;
    head.keeps_alive = false;
  }
  return outcome;
}

Fault parse_request_target(RequestHead& head) {
  if (head.target.empty() || !kTargetChars.holds_all(head.target)) return {400, "a bad request target"};
  return parse_target(head);
}

Fault parse_trailers(std::string_view bytes, std::span<Field> storage, size_t& count) {
  Cursor cursor{bytes.data(), bytes.data() + bytes.size()};
  count = 0;
  while (cursor.at != cursor.end) {
    if (count == storage.size()) return {431, "too many trailer fields"};
    const Step step = parse_field(cursor, storage[count]);
    if (step == Step::kBad) return cursor.fault;
    if (step == Step::kMore) return {400, "a trailer field is cut short"};
    Marks marks;
    note(storage[count], marks);
    if (marks.hosts + marks.lengths + marks.encodings != 0) return {400, "a trailer may not frame or route a message"};
    ++count;
  }
  return {};
}

}  // namespace keelson::net::http
