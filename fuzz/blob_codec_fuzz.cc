// Readers of encoded payloads over any stored bytes, and the texts beside them: wrapped keys, files of master keys.
// What was encoded comes back, in pieces and ranges of any size; what was not is damaged or some bytes, never more than
// were announced.
#include <fuzzer/FuzzedDataProvider.h>

#include <coroutine>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>

#include "base/check.h"
#include "blobstore/codec.h"
#include "engine/blob/extent.h"
#include "protocol/s3/master_keys.h"
#include "protocol/s3/sse.h"

namespace {

using namespace keelson;             // tidy: using namespace, because this file is about nothing else
using namespace keelson::blobstore;  // tidy: using namespace, because this file is about nothing else

constexpr uint64_t kOwner = 5;

class MemoryWriter final : public BlobWriter {
 public:
  explicit MemoryWriter(std::string& to) : to_(to) {}
  Task<Status> append(std::string_view bytes) override {
    to_ += bytes;
    co_return Status();
  }
  Task<Result<Payload>> finish() override { co_return Payload{.size_bytes = to_.size(), .inline_bytes = to_}; }
  [[nodiscard]] uint64_t size_bytes() const override { return to_.size(); }

 private:
  std::string& to_;
};

class MemoryReader final : public BlobReader {
 public:
  MemoryReader(const std::string& bytes, size_t piece) : bytes_(bytes), piece_(piece), end_(bytes.size()) {}
  void seek(uint64_t offset_bytes, uint64_t length_bytes) override {
    KEELSON_CHECK(offset_bytes <= bytes_.size() && length_bytes <= bytes_.size() - offset_bytes,
                  "a seek beyond the end");
    position_ = offset_bytes;
    end_ = offset_bytes + length_bytes;
  }
  Task<Result<std::string_view>> next() override {
    const std::string_view piece = std::string_view(bytes_).substr(position_, std::min(piece_, end_ - position_));
    position_ += piece.size();
    co_return piece;
  }

 private:
  const std::string& bytes_;
  const size_t piece_;
  size_t position_ = 0;
  size_t end_;
};

class NumberedRandom final : public env::Random {
 public:
  uint64_t next() override { return ++number_; }
  void fill_secret(std::span<char> into) override {
    for (char& c : into) c = static_cast<char>(++number_);
  }

 private:
  uint64_t number_ = 0;
};

// Runs a task that waits for nothing outside.
struct Driver {
  struct promise_type {
    Driver get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }
  };
};

Driver encode(BlobWriter& writer, std::string_view bytes, size_t piece, Payload& payload, bool& is_done) {
  for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) {
    const Status taken = co_await writer.append(bytes.substr(0, piece));
    KEELSON_CHECK(taken.ok(), "memory takes bytes");
  }
  Result<Payload> made = co_await writer.finish();
  KEELSON_CHECK(made.ok(), "memory takes bytes");
  payload = std::move(*made);
  is_done = true;
}

Driver decode(BlobReader& reader, std::string& bytes, bool& is_good, bool& is_done) {
  is_good = true;
  while (true) {
    const Result<std::string_view> piece = co_await reader.next();
    is_good = piece.ok();
    if (!is_good || piece->empty()) break;
    bytes += *piece;
  }
  is_done = true;
}

bool read(BlobReader& reader, std::string& bytes) {
  bool is_good = false;
  bool is_done = false;
  decode(reader, bytes, is_good, is_done);
  KEELSON_CHECK(is_done, "memory does not wait");
  return is_good;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzedDataProvider input(data, size);
  const SecretKey key = *SecretKey::from(std::string(kKeyBytes, 'k'));
  const bool is_sealed = input.ConsumeBool();
  const bool is_compressed = input.ConsumeBool();
  const size_t piece = 1 + input.ConsumeIntegral<uint16_t>();
  const size_t repeats = 1 + input.ConsumeIntegral<uint8_t>() % 64;
  const uint64_t announced = input.ConsumeIntegralInRange<uint64_t>(1, 1 << 20);
  const auto from_share = input.ConsumeIntegral<uint16_t>();
  const auto length_share = input.ConsumeIntegral<uint16_t>();
  const std::string bytes = input.ConsumeRemainingBytesAsString();
  if (const auto stored = s3::StoredKey::parse(bytes)) KEELSON_CHECK(stored->text() == bytes, "one spelling");
  (void)s3::MasterKeys::parse(bytes);

  // Any bytes as what is stored.
  if (!bytes.empty()) {
    Payload payload;
    payload.segments.push_back({.size_bytes = announced, .packed_bytes = bytes.size(), .is_compressed = is_compressed});
    if (!is_compressed) payload.segments[0].size_bytes = bytes.size();
    payload.size_bytes = payload.segments[0].size_bytes;
    const auto reader = decode_from(std::make_unique<MemoryReader>(bytes, piece), payload, kOwner);
    std::string out;
    const bool is_good = read(*reader, out);
    KEELSON_CHECK(out.size() <= payload.size_bytes && (!is_good || out.size() == payload.size_bytes), "more or less");
  }

  // There and back.
  std::string text;
  for (size_t i = 0; i < repeats; ++i) text += bytes;
  WriterOptions options;
  options.compress = is_compressed;
  if (is_sealed) options.key = key;
  NumberedRandom random;
  std::string stored;
  Payload payload;
  bool is_done = false;
  const auto writer = encode_into(std::make_unique<MemoryWriter>(stored), options, kOwner, random);
  encode(*writer, text, piece, payload, is_done);
  KEELSON_CHECK(is_done && payload.size_bytes == text.size() && blob::stored_bytes(payload) == stored.size(), "sizes");
  const auto reader = decode_from(std::make_unique<MemoryReader>(stored, piece), payload, kOwner);
  reader->use_key(key);
  const size_t from = text.size() * from_share / 65'536;
  const size_t length = (text.size() - from) * length_share / 65'535;
  reader->seek(from, length);
  std::string back;
  KEELSON_CHECK(read(*reader, back) && back == text.substr(from, length), "another range comes back");
  return 0;
}
