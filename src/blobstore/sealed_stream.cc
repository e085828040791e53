#include "blobstore/sealed_stream.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "engine/blob/extent.h"

namespace keelson::blobstore {

namespace {

using blob::kSealPieceBytes;
using blob::kSealTagBytes;

constexpr uint64_t kSealedPieceBytes = kSealPieceBytes + kSealTagBytes;
// The first buffer of a writer; most objects are small.
constexpr size_t kFirstPieceBytes = 4096;

}  // namespace

SealingWriter::SealingWriter(std::unique_ptr<BlobWriter> stored, const SecretKey& data_key, const blob::Salt& salt,
                             uint64_t owner)
    : stored_(std::move(stored)), salt_(salt), cipher_(segment_key(data_key, salt, owner)) {}

Task<Status> SealingWriter::append(std::string_view bytes) {
  while (!bytes.empty()) {
    if (open_bytes_ == kSealPieceBytes) {
      if (Status sealed = co_await seal_piece(false); !sealed.ok()) co_return forward_error(sealed);
    }
    const std::string_view taken = bytes.substr(0, kSealPieceBytes - open_bytes_);
    const size_t need = open_bytes_ + taken.size() + kSealTagBytes;
    if (need > capacity_) {
      capacity_ = std::min<size_t>(std::max({need, 2 * capacity_, kFirstPieceBytes}), kSealedPieceBytes);
      auto grown = std::make_unique_for_overwrite<char[]>(capacity_);
      if (open_bytes_ != 0) std::memcpy(grown.get(), piece_.get(), open_bytes_);
      piece_ = std::move(grown);
    }
    std::memcpy(piece_.get() + open_bytes_, taken.data(), taken.size());
    open_bytes_ += taken.size();
    size_bytes_ += taken.size();
    bytes.remove_prefix(taken.size());
  }
  co_return Status();
}

Task<Status> SealingWriter::seal_piece(bool is_last) {
  cipher_.seal({pieces_++, is_last}, {piece_.get(), open_bytes_}, piece_.get());
  const size_t sealed = std::exchange(open_bytes_, 0) + kSealTagBytes;
  return stored_->append({piece_.get(), sealed});
}

Task<Result<Payload>> SealingWriter::finish() {
  if (open_bytes_ != 0) {
    if (Status sealed = co_await seal_piece(true); !sealed.ok()) co_return forward_error(sealed);
  }
  Result<Payload> payload = co_await stored_->finish();
  if (!payload.ok() || size_bytes_ == 0) co_return payload;
  payload->size_bytes = size_bytes_;
  payload->segments = {{.size_bytes = size_bytes_, .packed_bytes = size_bytes_, .is_sealed = true, .salt = salt_}};
  KEELSON_CHECK(blob::stored_bytes(*payload) == stored_->size_bytes(), "what is sealed has its tags and no more");
  co_return payload;
}

UnsealingReader::UnsealingReader(std::unique_ptr<BlobReader> stored, const std::vector<blob::Segment>& segments,
                                 uint64_t owner)
    : stored_(std::move(stored)), owner_(owner) {
  uint64_t stored_start = 0;
  for (const blob::Segment& segment : segments) {
    parts_.push_back({segment, end_, stored_start});
    end_ += segment.packed_bytes;
    stored_start += blob::stored_bytes(segment);
  }
}

void UnsealingReader::use_key(const SecretKey& data_key) { data_key_ = data_key; }

void UnsealingReader::seek(uint64_t offset_bytes, uint64_t length_bytes) {
  position_ = offset_bytes;
  end_ = offset_bytes + length_bytes;
  has_begun_ = false;
  pending_ = {};
}

const UnsealingReader::Part& UnsealingReader::part_of(uint64_t position) const {
  const auto behind = std::ranges::upper_bound(parts_, position, {}, &Part::start);
  return *std::prev(behind);
}

uint64_t UnsealingReader::stored_begin(const Part& part, uint64_t position) const {
  const uint64_t offset = position - part.start;
  if (!part.segment.is_sealed) return part.stored_start + offset;
  return part.stored_start + offset / kSealPieceBytes * kSealedPieceBytes;
}

uint64_t UnsealingReader::stored_end(const Part& part, uint64_t last) const {
  const uint64_t offset = last - part.start;
  if (!part.segment.is_sealed) return part.stored_start + offset + 1;
  const uint64_t pieces = offset / kSealPieceBytes + 1;
  return part.stored_start + std::min(pieces * kSealedPieceBytes, blob::stored_bytes(part.segment));
}

void UnsealingReader::begin() {
  has_begun_ = true;
  const uint64_t from = stored_begin(part_of(position_), position_);
  stored_->seek(from, stored_end(part_of(end_ - 1), end_ - 1) - from);
}

Task<Result<std::string_view>> UnsealingReader::take_stored(size_t bytes) {
  size_t gathered = 0;
  while (true) {
    if (pending_.empty()) {
      Result<std::string_view> piece = co_await stored_->next();
      if (!piece.ok()) co_return piece;
      if (piece->empty()) co_return fail(LogErrc::kDamaged, "blob: an object ends before its last byte");
      pending_ = *piece;
    }
    const std::string_view taken = pending_.substr(0, bytes - gathered);
    pending_.remove_prefix(taken.size());
    if (taken.size() == bytes) co_return taken;
    if (gathered_ == nullptr) gathered_ = std::make_unique_for_overwrite<char[]>(kSealedPieceBytes);
    std::memcpy(gathered_.get() + gathered, taken.data(), taken.size());
    gathered += taken.size();
    if (gathered == bytes) co_return std::string_view(gathered_.get(), bytes);
  }
}

Task<Result<std::string_view>> UnsealingReader::next_plain(const Part& part) {
  const uint64_t wanted = std::min(end_, part.end()) - position_;
  if (pending_.empty()) {
    Result<std::string_view> piece = co_await stored_->next();
    if (!piece.ok()) co_return piece;
    if (piece->empty()) co_return fail(LogErrc::kDamaged, "blob: an object ends before its last byte");
    pending_ = *piece;
  }
  const std::string_view taken = pending_.substr(0, wanted);
  pending_.remove_prefix(taken.size());
  position_ += taken.size();
  co_return taken;
}

Task<Result<std::string_view>> UnsealingReader::next_sealed(const Part& part) {
  if (!data_key_) co_return fail(LogErrc::kRefused, "blob: an encrypted object is read without its key");
  if (!cipher_ || cipher_start_ != part.start) {
    cipher_.emplace(segment_key(*data_key_, part.segment.salt, owner_));
    cipher_start_ = part.start;
  }
  const uint64_t number = (position_ - part.start) / kSealPieceBytes;
  const uint64_t from = part.start + number * kSealPieceBytes;
  const auto text_bytes = static_cast<size_t>(std::min(kSealPieceBytes, part.end() - from));
  Result<std::string_view> sealed = co_await take_stored(text_bytes + kSealTagBytes);
  if (!sealed.ok()) co_return forward_error(sealed);
  if (text_bytes > text_capacity_) {
    text_ = std::make_unique_for_overwrite<char[]>(text_bytes);
    text_capacity_ = text_bytes;
  }
  if (!cipher_->open({number, from + text_bytes == part.end()}, *sealed, text_.get())) {
    // Whoever asks again reads again.
    has_begun_ = false;
    pending_ = {};
    co_return fail(LogErrc::kDamaged, "blob: encrypted bytes were changed, or moved, or belong to another key");
  }
  const std::string_view text = std::string_view(text_.get(), text_bytes).substr(position_ - from, end_ - position_);
  position_ += text.size();
  co_return text;
}

Task<Result<std::string_view>> UnsealingReader::next() {
  if (position_ == end_) co_return std::string_view();
  if (!has_begun_) begin();
  const Part& part = part_of(position_);
  if (part.segment.is_sealed) co_return co_await next_sealed(part);
  co_return co_await next_plain(part);
}

}  // namespace keelson::blobstore
