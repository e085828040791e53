#include "net/http/body_decoder.h"

#include <algorithm>
#include <array>

#include "net/http/scan.h"

namespace keelson::net::http {

namespace {

constexpr Fault kBadSize = {400, "a bad chunk size"};
constexpr Fault kBadExtension = {400, "a bad chunk extension"};
constexpr Fault kBadLineEnd = {400, "lines must end with CR LF"};
constexpr Fault kTooLarge = {413, "the body is too large"};
constexpr size_t kSizeDigitsMax = 15;  // below 2^60

}  // namespace

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
      state_ = State::kSize;
      break;
    case Framing::Kind::kUntilClose:
      left_ = UINT64_MAX;
      state_ = State::kData;
      break;
  }
}

BodyDecoder::Piece BodyDecoder::next(std::string_view in) {
  Piece piece;
  while (state_ != State::kDone && piece.consumed < in.size()) {
    if (state_ == State::kData || state_ == State::kChunkData) {
      const auto count = static_cast<size_t>(std::min<uint64_t>(left_, in.size() - piece.consumed));
      if (count > bytes_max_ - total_) {
        piece.fault = kTooLarge;
        return piece;
      }
      piece.data = in.substr(piece.consumed, count);
      piece.consumed += count;
      total_ += count;
      if (framing_.kind == Framing::Kind::kUntilClose) return piece;
      left_ -= count;
      overhead_bytes_ = std::max<int64_t>(0, overhead_bytes_ - static_cast<int64_t>(count));
      if (left_ == 0) state_ = state_ == State::kData ? State::kDone : State::kChunkCr;
      return piece;
    }
    piece.fault = take_framing(in[piece.consumed]);
    if (piece.fault) return piece;
    ++piece.consumed;
  }
  return piece;
}

Fault BodyDecoder::take_framing(char c) {
  switch (state_) {
    case State::kSize:
      return take_size(c);
    case State::kSizeLf:
      return c == '\n' ? end_size_line() : kBadLineEnd;
    case State::kChunkCr:
      if (c != '\r') return {400, "a chunk is longer than its size"};
      state_ = State::kChunkLf;
      return {};
    case State::kChunkLf:
      if (c != '\n') return kBadLineEnd;
      state_ = State::kSize;
      left_ = digits_ = line_bytes_ = 0;
      return {};
    case State::kTrailer:
      return take_trailer(c);
    default:
      return take_extension(c);
  }
}

Fault BodyDecoder::take_size(char c) {
  unsigned digit = 16;
  if (c >= '0' && c <= '9') digit = static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') digit = static_cast<unsigned>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') digit = static_cast<unsigned>(c - 'A' + 10);
  if (digit < 16) {
    if (++digits_ > kSizeDigitsMax) return kBadSize;
    left_ = left_ * 16 + digit;
    ++line_bytes_;
    return {};
  }
  if (digits_ == 0 || (c != ';' && c != '\r')) return c == '\n' && digits_ != 0 ? kBadLineEnd : kBadSize;
  return take_extension(c);
}

// chunk-ext = *( ";" token [ "=" ( token / quoted-string ) ] ); no blanks, which no sender may make (RFC 9112 §7.1.1).
Fault BodyDecoder::take_extension(char c) {
  if (++line_bytes_ > kChunkLineBytesMax) return {400, "a chunk's line is too long"};
  const bool is_name = state_ == State::kExtensionName;
  const bool may_end =
      state_ == State::kSize || is_name || state_ == State::kExtensionValue || state_ == State::kExtensionEnd;
  if (state_ == State::kExtensionEscaped || state_ == State::kExtensionQuoted) {
    if (!is_field_value({&c, 1})) return kBadExtension;
    const bool is_plain = state_ == State::kExtensionEscaped || (c != '"' && c != '\\');
    state_ = is_plain ? State::kExtensionQuoted : (c == '"' ? State::kExtensionEnd : State::kExtensionEscaped);
    return {};
  }
  if (c == '\r' && may_end) {
    state_ = State::kSizeLf;
  } else if (c == ';' && may_end) {
    state_ = State::kExtensionStart;
  } else if (c == '=' && is_name) {
    state_ = State::kExtensionValueStart;
  } else if (c == '"' && state_ == State::kExtensionValueStart) {
    state_ = State::kExtensionQuoted;
  } else if (kTokenChars.has(c) && state_ != State::kExtensionEnd) {
    if (state_ == State::kExtensionStart) state_ = State::kExtensionName;
    if (state_ == State::kExtensionValueStart) state_ = State::kExtensionValue;
  } else {
    return c == '\n' ? kBadLineEnd : kBadExtension;
  }
  return {};
}

Fault BodyDecoder::end_size_line() {
  constexpr int64_t kEarned = 16;
  overhead_bytes_ = std::max<int64_t>(0, overhead_bytes_ + static_cast<int64_t>(line_bytes_) - kEarned);
  if (overhead_bytes_ > static_cast<int64_t>(kOverheadBytesMax)) return {400, "too many bytes of chunk extensions"};
  if (left_ != 0 && left_ > bytes_max_ - total_) return kTooLarge;
  state_ = left_ == 0 ? State::kTrailer : State::kChunkData;
  return {};
}

// Gathers lines until an empty one.
Fault BodyDecoder::take_trailer(char c) {
  trailer_.push_back(c);
  if (trailer_.size() > kTrailerBytesMax) return {431, "the trailer is too large"};
  if (c != '\n') return {};
  if (trailer_.size() < 2 || trailer_[trailer_.size() - 2] != '\r') return kBadLineEnd;
  if (trailer_ != "\r\n" && !trailer_.ends_with("\r\n\r\n")) return {};
  std::array<Field, kTrailersMax> lines;
  size_t count = 0;
  const Fault fault = parse_trailers(std::string_view(trailer_).substr(0, trailer_.size() - 2), lines, count);
  if (fault) return fault;
  for (size_t i = 0; i < count; ++i) trailers_.add(lines[i].name, lines[i].value);
  trailer_.clear();
  state_ = State::kDone;
  return {};
}

}  // namespace keelson::net::http
