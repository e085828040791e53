#include "cli/blob_check.h"

#include <algorithm>

#include "base/base64.h"
#include "base/crc32c.h"
#include "cli/blob_documents.h"
#include "cli/blob_errors.h"
#include "cli/blob_plan.h"

namespace keelson::cli {

namespace {

// For content that the server has encrypted with such keys the entity tag is no MD5 of it.
bool is_encrypted_otherwise(const BlobAnswer& answer) {
  return answer.field("x-amz-server-side-encryption").starts_with("aws:kms") ||
         !answer.field("x-amz-server-side-encryption-customer-algorithm").empty();
}

std::string bytes_of_hex(std::string_view hex) { return s3::from_hex(hex).value_or(""); }

template <class Each>
Status for_each_piece(BlobBody& body, Each each) {
  for (uint64_t at = 0; at < body.size();) {
    Result<std::string_view> piece = body.piece(at);
    if (!piece.ok()) return forward_error(piece);
    each(*piece);
    at += piece->size();
  }
  return {};
}

}  // namespace

std::string crc32c_bytes(uint32_t crc) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(crc >> shift & 255);
  return bytes;
}

bool has_md5_etag(const BlobAnswer& answer) {
  return is_md5_etag(unquoted(answer.field("etag"))) && !is_encrypted_otherwise(answer);
}

ContentCheck::ContentCheck(const BlobAnswer& head, uint64_t part_bytes) {
  const bool is_composite = head.field("x-amz-checksum-type") == "COMPOSITE";
  for (const s3::ChecksumAlgorithm algorithm : s3::kChecksumAlgorithms) {
    const std::string_view text = head.field(s3::checksum_header(algorithm));
    if (text.empty() || is_composite || text.find('-') != std::string_view::npos) continue;
    const auto value = from_base64(text);
    if (!value || value->size() != s3::checksum_bytes(algorithm)) continue;
    // CRC32C, where there are several: it costs nothing.
    if (kind_ == Kind::kChecksum && algorithm != s3::ChecksumAlgorithm::kCrc32c) continue;
    kind_ = Kind::kChecksum;
    expected_ = *value;
    checksum_.emplace(algorithm);
  }
  if (kind_ != Kind::kNone || is_encrypted_otherwise(head)) return;
  const std::string_view etag = unquoted(head.field("etag"));
  if (is_md5_etag(etag)) {
    kind_ = Kind::kMd5;
    expected_ = bytes_of_hex(etag);
    md5_.emplace(s3::DigestKind::kMd5);
  } else if (part_count_of(etag) != 0) {
    wants_part_bytes_ = part_bytes == 0;
    if (part_bytes == 0) return;
    kind_ = Kind::kMd5OfParts;
    expected_ = bytes_of_hex(etag.substr(0, 32));
    part_bytes_ = part_bytes;
    md5_.emplace(s3::DigestKind::kMd5);
  }
}

std::optional<std::string> ContentCheck::expected_crc32c() const {
  if (kind_ != Kind::kChecksum || checksum_->algorithm() != s3::ChecksumAlgorithm::kCrc32c) return std::nullopt;
  return expected_;
}

void ContentCheck::update(std::string_view bytes) {
  if (kind_ == Kind::kChecksum) checksum_->update(bytes);
  if (kind_ == Kind::kMd5) md5_->update(bytes);
  while (kind_ == Kind::kMd5OfParts && !bytes.empty()) {
    if (in_part_ == part_bytes_) end_part();
    const std::string_view piece = bytes.substr(0, std::min<uint64_t>(bytes.size(), part_bytes_ - in_part_));
    md5_->update(piece);
    in_part_ += piece.size();
    bytes.remove_prefix(piece.size());
  }
}

void ContentCheck::end_part() {
  part_md5s_ += md5_->finish();
  md5_.emplace(s3::DigestKind::kMd5);
  in_part_ = 0;
}

std::optional<bool> ContentCheck::finish() {
  switch (kind_) {
    case Kind::kNone:
      return std::nullopt;
    case Kind::kChecksum:
      return checksum_->finish() == expected_;
    case Kind::kMd5:
      return md5_->finish() == expected_;
    case Kind::kMd5OfParts:
      end_part();
      if (s3::digest_of(s3::DigestKind::kMd5, part_md5s_) == expected_) return true;
      return std::nullopt;
  }
  return std::nullopt;
}

Result<std::string> crc32c_of(BlobBody& body) {
  uint32_t crc = 0;
  if (Status read = for_each_piece(body, [&](std::string_view piece) { crc = crc32c(crc, piece); }); !read.ok()) {
    return forward_error(read);
  }
  return to_base64(crc32c_bytes(crc));
}

Result<std::string> md5_of(BlobBody& body) {
  s3::Digest digest(s3::DigestKind::kMd5);
  if (Status read = for_each_piece(body, [&](std::string_view piece) { digest.update(piece); }); !read.ok()) {
    return forward_error(read);
  }
  return s3::to_hex(digest.finish());
}

Result<bool> check_stored(const BlobAnswer& answer, std::string_view crc32c, BlobBody& body, std::string_view place) {
  if (const std::string_view stored = answer.field("x-amz-checksum-crc32c"); !stored.empty()) {
    if (stored == crc32c) return true;
  } else if (has_md5_etag(answer)) {
    Result<std::string> md5 = md5_of(body);
    if (!md5.ok()) return forward_error(md5);
    if (*md5 == unquoted(answer.field("etag"))) return true;
  } else {
    return false;
  }
  return fail(BlobErrc::kDamaged,
              std::string(place) + ": the server has stored something else than what was sent. Send it again");
}

}  // namespace keelson::cli
