// Whether content is what the server says of it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/blob_service.h"
#include "protocol/s3/checksum.h"
#include "protocol/s3/digest.h"

namespace keelson::cli {

// Reads content in order and compares it with what a HEAD or GET (with x-amz-checksum-mode: ENABLED) said: a checksum
// of the whole object, else the MD5 that is the entity tag, else the MD5 of the parts' MD5s, if the parts' size is
// known.
class ContentCheck {
 public:
  // `part_bytes`: the size of the object's parts; 0: not known.
  explicit ContentCheck(const BlobAnswer& head, uint64_t part_bytes = 0);

  // Can anything be compared at all?
  [[nodiscard]] bool is_possible() const { return kind_ != Kind::kNone; }
  // Would it help to know the size of the parts?
  [[nodiscard]] bool wants_part_bytes() const { return wants_part_bytes_; }
  // The CRC32C of the whole that is expected; nullopt if another check is made.
  [[nodiscard]] std::optional<std::string> expected_crc32c() const;

  void update(std::string_view bytes);
  // True: it is the content. False: it is not; nullopt: nothing can be said (of parts that may be of unequal size too).
  [[nodiscard]] std::optional<bool> finish();

 private:
  enum class Kind : uint8_t { kNone, kChecksum, kMd5, kMd5OfParts };
  void end_part();

  Kind kind_ = Kind::kNone;
  bool wants_part_bytes_ = false;
  std::string expected_;  // raw
  std::optional<s3::Checksummer> checksum_;
  std::optional<s3::Digest> md5_;
  uint64_t part_bytes_ = 0;
  uint64_t in_part_ = 0;
  std::string part_md5s_;
};

// Is the entity tag an MD5 of what was sent, as far as the answer tells? Not where the server encrypts with other keys.
[[nodiscard]] bool has_md5_etag(const BlobAnswer& answer);

// What the server has stored of `body`, whose CRC32C (base64) was sent: true if its own checksum or its MD5 says the
// same, false if it tells neither. BlobErrc::kDamaged if it is something else.
[[nodiscard]] Result<bool> check_stored(const BlobAnswer& answer, std::string_view crc32c, BlobBody& body,
                                        std::string_view place);

// The CRC32C of all of it, in base64, as x-amz-checksum-crc32c has it.
[[nodiscard]] Result<std::string> crc32c_of(BlobBody& body);
[[nodiscard]] Result<std::string> md5_of(BlobBody& body);  // in hex
// CRCs are written with their highest byte first.
[[nodiscard]] std::string crc32c_bytes(uint32_t crc);

}  // namespace keelson::cli
