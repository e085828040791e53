#include "engine/topic/message_set.h"

#include <xxhash.h>

#include <optional>

#include "base/crc32.h"
#include "engine/topic/batch_builder.h"
#include "engine/topic/compression.h"

namespace keelson::topic {

namespace {

constexpr size_t kEntryHeaderBytes = 12;  // offset and size
constexpr size_t kMagicAt = 16;
constexpr size_t kMessageBytesMin = 14;  // CRC, magic, attributes, two lengths

struct Message {
  int8_t magic = 0;
  uint8_t codec = 0;
  int64_t timestamp_ms = kNoTimestamp;
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;
};

bool read_sized(std::string_view& from, std::optional<std::string_view>& bytes) {
  if (from.size() < 4) return false;
  const auto size = get_be<int32_t>(from.data());
  from.remove_prefix(4);
  bytes.reset();
  if (size == -1) return true;
  if (size < 0 || static_cast<size_t>(size) > from.size()) return false;
  bytes = from.substr(0, static_cast<size_t>(size));
  from.remove_prefix(bytes->size());
  return true;
}

// Takes one from the front.
BatchErrc take_message(std::string_view& from, Message& message) {
  if (from.size() <= kMagicAt) return BatchErrc::kCutShort;
  const auto size = get_be<int32_t>(from.data() + 8);
  if (size < static_cast<int32_t>(kMessageBytesMin)) return BatchErrc::kBadLength;
  if (static_cast<size_t>(size) > from.size() - kEntryHeaderBytes) return BatchErrc::kCutShort;
  std::string_view body = from.substr(kEntryHeaderBytes, static_cast<size_t>(size));
  from.remove_prefix(kEntryHeaderBytes + body.size());
  if (get_be<uint32_t>(body.data()) != crc32(0, body.substr(4))) return BatchErrc::kBadCrc;
  message.magic = static_cast<int8_t>(body[4]);
  if (message.magic != 0 && message.magic != 1) return BatchErrc::kBadMagic;
  message.codec = static_cast<uint8_t>(body[5]) & kCodecMask;
  body.remove_prefix(6);
  message.timestamp_ms = kNoTimestamp;
  if (message.magic == 1) {
    if (body.size() < 8) return BatchErrc::kBadLength;
    message.timestamp_ms = get_be<int64_t>(body.data());
    body.remove_prefix(8);
  }
  const bool is_whole = read_sized(body, message.key) && read_sized(body, message.value) && body.empty();
  return is_whole ? BatchErrc::kOk : BatchErrc::kBadRecord;
}

// Of magic 0, the checksum of lz4's frame header covers the frame's magic too (KAFKA-3160). A copy with the right one.
std::string mend_lz4(std::string_view value) {
  std::string mended(value);
  if (mended.size() < 7) return mended;
  const auto flags = static_cast<uint8_t>(mended[4]);
  const size_t descriptor_bytes = 2 + ((flags & 0x08U) != 0 ? 8 : 0) + ((flags & 0x01U) != 0 ? 4 : 0);
  if (mended.size() <= 4 + descriptor_bytes) return mended;
  const uint32_t hash = XXH32(mended.data() + 4, descriptor_bytes, 0);
  mended[4 + descriptor_bytes] = static_cast<char>(hash >> 8U);
  return mended;
}

// Gathers records into batches that stay below the limit.
class Converter {
 public:
  Converter(const BatchLimits& limits, std::string& out) : limits_(limits), out_(out) {}

  BatchErrc convert(std::string_view bytes) {
    while (!bytes.empty()) {
      if (bytes.size() > kMagicAt && bytes[kMagicAt] == kBatchMagic) {
        if (const BatchErrc error = copy_batch(bytes); error != BatchErrc::kOk) return error;
        continue;
      }
      Message message;
      if (const BatchErrc error = take_message(bytes, message); error != BatchErrc::kOk) return error;
      const BatchErrc error = message.codec == 0 ? add_plain(message) : add_wrapper(message);
      if (error != BatchErrc::kOk) return error;
    }
    flush(plain_);
    return BatchErrc::kOk;
  }

 private:
  BatchErrc copy_batch(std::string_view& bytes) {
    const BatchErrc error = check_frame(bytes, limits_.batch_bytes_max);
    if (error != BatchErrc::kOk) return error;
    flush(plain_);
    const std::string_view batch = BatchView(bytes).bytes();
    out_.append(batch);
    bytes.remove_prefix(batch.size());
    return BatchErrc::kOk;
  }

  BatchErrc add(BatchBuilder& builder, const Message& message) {
    if (limits_.needs_keys && !message.key) return BatchErrc::kNoKey;
    if (message.timestamp_ms < kNoTimestamp) return BatchErrc::kBadTimestamp;
    const size_t bytes = kRecordOverheadBytes + message.key.value_or("").size() + message.value.value_or("").size();
    if (kBatchHeaderBytes + bytes > limits_.batch_bytes_max) return BatchErrc::kTooLarge;
    if (builder.size_bytes() + bytes > limits_.batch_bytes_max) flush(builder);
    builder.add(message.timestamp_ms, message.key, message.value);
    return BatchErrc::kOk;
  }
  BatchErrc add_plain(const Message& message) { return add(plain_, message); }

  BatchErrc add_wrapper(const Message& wrapper) {
    // zstd came with batches.
    if (wrapper.codec >= static_cast<uint8_t>(Codec::kZstd)) return BatchErrc::kBadCodec;
    if (!wrapper.value) return BatchErrc::kBadRecord;
    const auto codec = static_cast<Codec>(wrapper.codec);
    std::string_view value = *wrapper.value;
    std::string mended;
    if (codec == Codec::kLz4 && wrapper.magic == 0) value = mended = mend_lz4(value);
    std::string inner;
    const BatchErrc error = decompress(codec, value, limits_.decompressed_bytes_max, inner);
    if (error != BatchErrc::kOk) return error;
    flush(plain_);
    BatchBuilder builder({.codec = codec});
    std::string_view rest = inner;
    if (rest.empty()) return BatchErrc::kEmpty;
    while (!rest.empty()) {
      Message message;
      if (const BatchErrc taken = take_message(rest, message); taken != BatchErrc::kOk) return taken;
      // A wrapper in a wrapper, or of another format: no client makes that.
      if (message.codec != 0 || message.magic != wrapper.magic) return BatchErrc::kBadRecord;
      if (const BatchErrc added = add(builder, message); added != BatchErrc::kOk) return added;
    }
    flush(builder);
    return BatchErrc::kOk;
  }

  void flush(BatchBuilder& builder) {
    if (!builder.empty()) out_.append(builder.finish());
  }

  // Lengths, deltas and the like: varints of at most 5 bytes but for the timestamp's 10.
  static constexpr size_t kRecordOverheadBytes = 36;
  const BatchLimits& limits_;
  std::string& out_;
  BatchBuilder plain_;
};

}  // namespace

BatchErrc convert_message_set(std::string_view bytes, const BatchLimits& limits, std::string& out) {
  return bytes.empty() ? BatchErrc::kEmpty : Converter(limits, out).convert(bytes);
}

}  // namespace keelson::topic
