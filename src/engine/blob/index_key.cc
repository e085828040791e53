#include "engine/blob/index_key.h"

#include "base/check.h"

namespace keelson::blob {

namespace {

constexpr char kEscaped = static_cast<char>(0xff);
constexpr char kEnd = 1;
constexpr size_t kBucketBytes = 4;
constexpr size_t kVersionBytes = kIndexTailBytes - 2;

void append_tail(std::string& out, uint64_t value) {
  out += '\0';
  out += kEnd;
  for (int shift = 40; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
}

}  // namespace

void append_index_prefix(std::string& out, BucketId bucket, std::string_view prefix) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(bucket >> shift);
  while (true) {
    const size_t zero = prefix.find('\0');
    out.append(prefix.substr(0, zero));
    if (zero == std::string_view::npos) return;
    out += '\0';
    out += kEscaped;
    prefix.remove_prefix(zero + 1);
  }
}

std::string index_prefix(BucketId bucket, std::string_view prefix) {
  std::string out;
  out.reserve(kBucketBytes + prefix.size() + kIndexTailBytes);
  append_index_prefix(out, bucket, prefix);
  return out;
}

std::string index_key_start(BucketId bucket, std::string_view key) {
  std::string out = index_prefix(bucket, key);
  out += '\0';
  out += kEnd;
  return out;
}

std::string index_key(BucketId bucket, std::string_view key, Version version) {
  std::string out = index_prefix(bucket, key);
  append_tail(out, kSequenceMax - sequence_of(version));
  return out;
}

std::string upload_key(BucketId bucket, std::string_view key, UploadId upload) {
  std::string out = index_prefix(bucket, key);
  append_tail(out, sequence_of(upload));
  return out;
}

std::string behind_prefix(std::string prefix) {
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xff) prefix.pop_back();
  if (!prefix.empty()) prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  return prefix;
}

bool read_index_key(std::string_view from, IndexKey& key) {
  if (from.size() < kBucketBytes + kIndexTailBytes) return false;
  key.bucket = bucket_of_index_key(from);
  uint64_t tail = 0;
  for (char byte : from.substr(from.size() - kVersionBytes)) tail = tail << 8 | static_cast<unsigned char>(byte);
  key.sequence = kSequenceMax - tail;
  std::string_view text = from.substr(kBucketBytes, from.size() - kBucketBytes - kIndexTailBytes);
  const std::string_view end = from.substr(from.size() - kIndexTailBytes, 2);
  if (end[0] != '\0' || end[1] != kEnd) return false;
  key.key.clear();
  while (!text.empty()) {
    const size_t zero = text.find('\0');
    key.key.append(text.substr(0, zero));
    if (zero == std::string_view::npos) break;
    if (zero + 1 >= text.size() || text[zero + 1] != kEscaped) return false;
    key.key += '\0';
    text.remove_prefix(zero + 2);
  }
  return true;
}

BucketId bucket_of_index_key(std::string_view from) {
  KEELSON_CHECK(from.size() >= kBucketBytes, "a key of the index is too short");
  BucketId bucket = 0;
  for (char byte : from.substr(0, kBucketBytes)) bucket = bucket << 8 | static_cast<unsigned char>(byte);
  return bucket;
}

}  // namespace keelson::blob
