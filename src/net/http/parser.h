// A strict parser of HTTP/1.1 heads (RFC 9112): pure functions over bytes, without an allocation.
//
// What is parsed is handed out as views into the caller's bytes. Called again with more bytes while a head is not
// whole; `seen` makes that cheap. Whatever two parsers could read in two ways is refused, since that is how requests
// are smuggled past a proxy (RFC 9112 §11.2): a bare CR or LF, a folded field line, a blank before the colon, control
// characters, more than one Content-Length or a list of them, Content-Length beside Transfer-Encoding, a transfer
// coding other than "chunked" alone, Transfer-Encoding in HTTP/1.0, no Host or two or a bad one.
//
// A fault is found as soon as its bytes are there, so a sender that is not speaking HTTP is answered at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "net/http/fields.h"
#include "net/http/message.h"

namespace keelson::net::http {

struct Limits {
  size_t first_line_bytes_max = 8 << 10;  // RFC 9112 §3: at least 8000
  size_t head_bytes_max = 32 << 10;
  size_t fields_max = 100;
  uint64_t body_bytes_max = 1 << 20;  // of a request: a server's own, far above for one that takes uploads
};

// What is wrong with a message: the status to answer with (0: nothing) and a sentence for its sender.
struct Fault {
  uint16_t status = 0;
  std::string_view why;
  [[nodiscard]] explicit operator bool() const { return status != 0; }
};

// Three ways: a whole head of `size` bytes (its empty line included); a fault; neither: more bytes are needed.
struct HeadOutcome {
  size_t size = 0;
  Fault fault = {};
};

// `bytes` begin with a head. `storage` takes its field lines; its size, and no more than limits.fields_max, is the most
// that may come. `seen` is how many of the bytes an earlier call found not to hold a whole head; 0 at first. A request
// may have one empty line before it (RFC 9112 §2.2).
HeadOutcome parse_request_head(std::string_view bytes, const Limits& limits, std::span<Field> storage, size_t seen,
                               RequestHead& head);
// `request_method`: the answer to HEAD has no body whatever its fields say, and so has a good one to CONNECT.
HeadOutcome parse_response_head(std::string_view bytes, const Limits& limits, std::span<Field> storage, size_t seen,
                                std::string_view request_method, ResponseHead& head);

// Takes `head.target` apart into form, host, path and query (RFC 9112 §3.2), as `head.method` allows. For HTTP/2, whose
// :path and :authority come as they are; parse_request_head() has done it.
Fault parse_request_target(RequestHead& head);

// The trailer section of a chunked body, without its last empty line (RFC 9112 §7.1.2). Fields that frame or route a
// message are refused there (RFC 9110 §6.5.1).
Fault parse_trailers(std::string_view bytes, std::span<Field> storage, size_t& count);

}  // namespace keelson::net::http
