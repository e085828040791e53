// Takes the body of an HTTP/1.1 message out of the bytes of its connection (RFC 9112 §6, §7), without copying it.
//
//   BodyDecoder decoder(framing, bytes_max);
//   while (!decoder.is_done()) {
//     const BodyDecoder::Piece piece = decoder.next(bytes);     // piece.data is a view into `bytes`
//     bytes.remove_prefix(piece.consumed);
//     ...
//   }
//
// The bytes may be cut anywhere. Sizes of chunks are hex digits alone; extensions (§7.1.1) must have their grammar and
// are read over, with a bound on how much of a body may be such overhead; trailers are handed out at the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "net/http/fields.h"
#include "net/http/message.h"
#include "net/http/parser.h"

namespace keelson::net::http {

class BodyDecoder {
 public:
  // A trailer section and its lines at most.
  static constexpr size_t kTrailerBytesMax = 8 << 10;
  static constexpr size_t kTrailersMax = 64;
  // One line of a chunk's size with its extensions.
  static constexpr size_t kChunkLineBytesMax = 256;
  // Bytes of chunk framing that a body may have beyond what it earns: 16 for each chunk and one for each byte of data.
  // So a body cannot take a thousand times its size on the wire.
  static constexpr size_t kOverheadBytesMax = 16 << 10;

  BodyDecoder() = default;
  BodyDecoder(Framing framing, uint64_t bytes_max);

  struct Piece {
    size_t consumed = 0;    // bytes of `in` that are done with, those of `data` among them
    std::string_view data;  // empty: more bytes are needed, or the end, or a fault
    Fault fault = {};
  };
  // The next run of the body's bytes at the start of `in`. After a fault no further call.
  Piece next(std::string_view in);

  [[nodiscard]] bool is_done() const { return state_ == State::kDone; }
  // The connection has ended: is the body whole?
  [[nodiscard]] bool is_whole_at_end() const { return is_done() || framing_.kind == Framing::Kind::kUntilClose; }
  [[nodiscard]] const Framing& framing() const { return framing_; }
  // Of the body or the present chunk, as far as it is known; what a caller may expect at least.
  [[nodiscard]] uint64_t left() const { return left_; }
  // At the end of a chunked body; empty otherwise.
  [[nodiscard]] const FieldList& trailers() const { return trailers_; }

 private:
  enum class State : uint8_t {
    kData,
    kSize,  // hex digits
    kExtensionStart,
    kExtensionName,
    kExtensionValueStart,
    kExtensionValue,
    kExtensionQuoted,
    kExtensionEscaped,
    kExtensionEnd,
    kSizeLf,
    kChunkData,
    kChunkCr,
    kChunkLf,
    kTrailer,
    kDone
  };
  Fault take_framing(char c);
  Fault take_size(char c);
  Fault take_extension(char c);
  Fault end_size_line();
  Fault take_trailer(char c);

  Framing framing_;
  State state_ = State::kDone;
  uint64_t left_ = 0;  // of the body or the chunk
  uint64_t total_ = 0;
  uint64_t bytes_max_ = 0;
  size_t digits_ = 0;
  size_t line_bytes_ = 0;
  int64_t overhead_bytes_ = 0;
  std::string trailer_;  // as sent
  FieldList trailers_;
};

}  // namespace keelson::net::http
