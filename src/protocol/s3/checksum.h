// The checksums that S3 clients send with objects and parts ("Checking object integrity", Amazon S3 user guide): CRCs,
// SHAs, MD5 and xxHashes, of a whole object (FULL_OBJECT) or of its parts' checksums (COMPOSITE).
//
// Values, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/blob/object.h"
#include "protocol/s3/digest.h"
#include "protocol/s3/xx_hash.h"

namespace keelson::s3 {

using blob::ChecksumAlgorithm;

inline constexpr ChecksumAlgorithm kChecksumAlgorithms[] = {
    ChecksumAlgorithm::kCrc32,     ChecksumAlgorithm::kCrc32c,   ChecksumAlgorithm::kSha1, ChecksumAlgorithm::kSha256,
    ChecksumAlgorithm::kCrc64Nvme, ChecksumAlgorithm::kSha512,   ChecksumAlgorithm::kMd5,  ChecksumAlgorithm::kXxHash64,
    ChecksumAlgorithm::kXxHash3,   ChecksumAlgorithm::kXxHash128};

// "CRC32C", in any case.
[[nodiscard]] std::optional<ChecksumAlgorithm> parse_checksum_algorithm(std::string_view text);
[[nodiscard]] std::string_view checksum_name(ChecksumAlgorithm algorithm);     // "CRC32C"
[[nodiscard]] std::string_view checksum_header(ChecksumAlgorithm algorithm);   // "x-amz-checksum-crc32c"
[[nodiscard]] std::string_view checksum_element(ChecksumAlgorithm algorithm);  // "ChecksumCRC32C"
[[nodiscard]] size_t checksum_bytes(ChecksumAlgorithm algorithm);
[[nodiscard]] bool is_crc(ChecksumAlgorithm algorithm);

// Over bytes that come in pieces.
class Checksummer {
 public:
  explicit Checksummer(ChecksumAlgorithm algorithm);
  void update(std::string_view bytes);
  // As bytes, CRCs and xxHashes with their highest byte first. Once.
  [[nodiscard]] std::string finish();
  [[nodiscard]] ChecksumAlgorithm algorithm() const { return algorithm_; }

 private:
  ChecksumAlgorithm algorithm_;
  uint64_t crc_ = 0;
  std::optional<Digest> digest_;
  std::optional<XxHash> xx_hash_;
};

// A part's checksum and size, as the combination needs them.
struct PartChecksum {
  std::string_view value;
  uint64_t size_bytes = 0;
};
// The checksum of the whole object from those of its parts; nullopt for what is no CRC and does not combine, and for
// values of a wrong size.
[[nodiscard]] std::optional<std::string> full_object_checksum(ChecksumAlgorithm algorithm,
                                                              std::span<const PartChecksum> parts);
// The checksum of the parts' checksums. Clients see it as base64 with "-<number of parts>" behind it.
[[nodiscard]] std::string composite_checksum(ChecksumAlgorithm algorithm, std::span<const PartChecksum> parts);

// base64, with "-N" if it is composite.
[[nodiscard]] std::string checksum_text(const blob::Checksum& checksum, size_t part_count);

}  // namespace keelson::s3
