#include "protocol/s3/checksum.h"

#include <algorithm>

#include "base/base64.h"
#include "base/check.h"
#include "base/crc32.h"
#include "base/crc32c.h"
#include "base/crc64_nvme.h"

namespace keelson::s3 {

namespace {

struct Row {
  ChecksumAlgorithm algorithm;
  std::string_view name, header, element;
  size_t bytes;
};
constexpr Row kRows[] = {
    {ChecksumAlgorithm::kCrc32, "CRC32", "x-amz-checksum-crc32", "ChecksumCRC32", 4},
    {ChecksumAlgorithm::kCrc32c, "CRC32C", "x-amz-checksum-crc32c", "ChecksumCRC32C", 4},
    {ChecksumAlgorithm::kSha1, "SHA1", "x-amz-checksum-sha1", "ChecksumSHA1", 20},
    {ChecksumAlgorithm::kSha256, "SHA256", "x-amz-checksum-sha256", "ChecksumSHA256", 32},
    {ChecksumAlgorithm::kCrc64Nvme, "CRC64NVME", "x-amz-checksum-crc64nvme", "ChecksumCRC64NVME", 8},
    {ChecksumAlgorithm::kSha512, "SHA512", "x-amz-checksum-sha512", "ChecksumSHA512", 64},
    {ChecksumAlgorithm::kMd5, "MD5", "x-amz-checksum-md5", "ChecksumMD5", 16},
    {ChecksumAlgorithm::kXxHash64, "XXHASH64", "x-amz-checksum-xxhash64", "ChecksumXXHASH64", 8},
    {ChecksumAlgorithm::kXxHash3, "XXHASH3", "x-amz-checksum-xxhash3", "ChecksumXXHASH3", 8},
    {ChecksumAlgorithm::kXxHash128, "XXHASH128", "x-amz-checksum-xxhash128", "ChecksumXXHASH128", 16},
};

const Row& row(ChecksumAlgorithm algorithm) {
  const auto* found =
      std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& one) { return one.algorithm == algorithm; });
  KEELSON_CHECK(found != std::end(kRows), "every algorithm has a row");
  return *found;
}

std::string big_endian(uint64_t value, size_t bytes) {
  std::string out;
  for (size_t i = bytes; i-- > 0;) out += static_cast<char>(value >> (8 * i) & 0xff);
  return out;
}

uint64_t from_big_endian(std::string_view bytes) {
  uint64_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<uint8_t>(c);
  return value;
}

}  // namespace

std::optional<ChecksumAlgorithm> parse_checksum_algorithm(std::string_view text) {
  for (const Row& one : kRows) {
    if (std::equal(text.begin(), text.end(), one.name.begin(), one.name.end(),
                   [](char a, char b) { return (a >= 'a' && a <= 'z' ? a - 'a' + 'A' : a) == b; })) {
      return one.algorithm;
    }
  }
  return std::nullopt;
}

std::string_view checksum_name(ChecksumAlgorithm algorithm) { return row(algorithm).name; }
std::string_view checksum_header(ChecksumAlgorithm algorithm) { return row(algorithm).header; }
std::string_view checksum_element(ChecksumAlgorithm algorithm) { return row(algorithm).element; }
size_t checksum_bytes(ChecksumAlgorithm algorithm) { return row(algorithm).bytes; }

bool is_crc(ChecksumAlgorithm algorithm) {
  return algorithm == ChecksumAlgorithm::kCrc32 || algorithm == ChecksumAlgorithm::kCrc32c ||
         algorithm == ChecksumAlgorithm::kCrc64Nvme;
}

Checksummer::Checksummer(ChecksumAlgorithm algorithm) : algorithm_(algorithm) {
  if (algorithm == ChecksumAlgorithm::kSha1) digest_.emplace(DigestKind::kSha1);
  if (algorithm == ChecksumAlgorithm::kSha256) digest_.emplace(DigestKind::kSha256);
  if (algorithm == ChecksumAlgorithm::kSha512) digest_.emplace(DigestKind::kSha512);
  if (algorithm == ChecksumAlgorithm::kMd5) digest_.emplace(DigestKind::kMd5);
  if (algorithm == ChecksumAlgorithm::kXxHash64) xx_hash_.emplace(XxHashKind::kXxh64);
  if (algorithm == ChecksumAlgorithm::kXxHash3) xx_hash_.emplace(XxHashKind::kXxh3);
  if (algorithm == ChecksumAlgorithm::kXxHash128) xx_hash_.emplace(XxHashKind::kXxh128);
}

void Checksummer::update(std::string_view bytes) {
  switch (algorithm_) {
    case ChecksumAlgorithm::kCrc32:
      crc_ = crc32(static_cast<uint32_t>(crc_), bytes);
      break;
    case ChecksumAlgorithm::kCrc32c:
      crc_ = crc32c(static_cast<uint32_t>(crc_), bytes);
      break;
    case ChecksumAlgorithm::kCrc64Nvme:
      crc_ = crc64_nvme(crc_, bytes);
      break;
    case ChecksumAlgorithm::kSha1:
    case ChecksumAlgorithm::kSha256:
    case ChecksumAlgorithm::kSha512:
    case ChecksumAlgorithm::kMd5:
      digest_->update(bytes);
      break;
    case ChecksumAlgorithm::kXxHash64:
    case ChecksumAlgorithm::kXxHash3:
    case ChecksumAlgorithm::kXxHash128:
      xx_hash_->update(bytes);
      break;
  }
}

std::string Checksummer::finish() {
  if (digest_) return digest_->finish();
  return xx_hash_ ? xx_hash_->finish() : big_endian(crc_, checksum_bytes(algorithm_));
}

std::optional<std::string> full_object_checksum(ChecksumAlgorithm algorithm, std::span<const PartChecksum> parts) {
  if (!is_crc(algorithm)) return std::nullopt;
  uint64_t whole = 0;
  for (const PartChecksum& part : parts) {
    if (part.value.size() != checksum_bytes(algorithm)) return std::nullopt;
    const uint64_t crc = from_big_endian(part.value);
    if (algorithm == ChecksumAlgorithm::kCrc64Nvme) {
      whole = crc64_nvme_combine(whole, crc, part.size_bytes);
    } else {
      const auto combine = algorithm == ChecksumAlgorithm::kCrc32 ? crc32_combine : crc32c_combine;
      whole = combine(static_cast<uint32_t>(whole), static_cast<uint32_t>(crc), part.size_bytes);
    }
  }
  return big_endian(whole, checksum_bytes(algorithm));
}

std::string composite_checksum(ChecksumAlgorithm algorithm, std::span<const PartChecksum> parts) {
  Checksummer sum(algorithm);
  for (const PartChecksum& part : parts) sum.update(part.value);
  return sum.finish();
}

std::string checksum_text(const blob::Checksum& checksum, size_t part_count) {
  std::string text = to_base64(checksum.value);
  if (checksum.is_composite) text.append("-").append(std::to_string(part_count));
  return text;
}

}  // namespace keelson::s3
