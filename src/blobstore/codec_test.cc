// Encoded payloads over memory: pieces of any size in, ranges of any kind out, against the plain bytes.
#include "blobstore/codec.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>

#include "blobstore/format.h"
#include "env/sim/sim.h"

namespace keelson::blobstore {
namespace {

constexpr uint64_t kOwner = 77;

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

// Gives pieces of at most `piece` bytes, each in memory of its own that ends with the next call.
class MemoryReader final : public BlobReader {
 public:
  MemoryReader(std::string bytes, size_t piece) : bytes_(std::move(bytes)), piece_(piece), end_(bytes_.size()) {}
  void seek(uint64_t offset_bytes, uint64_t length_bytes) override {
    EXPECT_LE(offset_bytes + length_bytes, bytes_.size());
    position_ = offset_bytes;
    end_ = offset_bytes + length_bytes;
  }
  Task<Result<std::string_view>> next() override {
    const size_t size = std::min<size_t>(piece_, end_ - position_);
    current_ = std::make_unique<std::string>(bytes_.substr(position_, size));
    position_ += size;
    read_bytes += size;
    co_return std::string_view(*current_);
  }
  uint64_t read_bytes = 0;

 private:
  const std::string bytes_;
  const size_t piece_;
  uint64_t position_ = 0;
  uint64_t end_;
  std::unique_ptr<std::string> current_;
};

class Codec : public testing::Test {
 protected:
  Codec() : world(1), node(world.add_node(1)) {}

  template <class T>
  T run(Task<T> task) {
    return world.run(node.reactor(0), std::move(task));
  }
  static Task<Result<Payload>> write(BlobWriter& writer, std::string_view bytes, size_t piece) {
    while (!bytes.empty()) {
      Status taken = co_await writer.append(bytes.substr(0, piece));
      if (!taken.ok()) co_return forward_error(taken);
      bytes.remove_prefix(std::min(piece, bytes.size()));
    }
    co_return co_await writer.finish();
  }
  static Task<Result<std::string>> read(BlobReader& reader) {
    std::string all;
    while (true) {
      Result<std::string_view> piece = co_await reader.next();
      if (!piece.ok()) co_return forward_error(piece);
      if (piece->empty()) co_return all;
      all += *piece;
    }
  }
  Payload encode(std::string_view bytes, const WriterOptions& options, size_t piece, std::string& stored) {
    const auto writer = encode_into(std::make_unique<MemoryWriter>(stored), options, kOwner, node.reactor(0).random());
    Result<Payload> payload = run(write(*writer, bytes, piece));
    EXPECT_TRUE(payload.ok());
    EXPECT_EQ(payload->size_bytes, bytes.size());
    EXPECT_EQ(blob::stored_bytes(*payload), stored.size());
    return std::move(*payload);
  }
  std::unique_ptr<BlobReader> decode(const std::string& stored, const Payload& payload, size_t piece = 65'536) {
    auto reader = decode_from(std::make_unique<MemoryReader>(stored, piece), payload, kOwner);
    reader->use_key(key);
    return reader;
  }
  Result<std::string> read_back(const std::string& stored, const Payload& payload) {
    const auto reader = decode(stored, payload);
    return run(read(*reader));
  }

  env::sim::World world;
  env::sim::Node& node;
  const SecretKey key = *SecretKey::from("0123456789abcdef0123456789abcdef");
};

std::string text_of(size_t size) {
  std::string text;
  for (size_t i = 0; text.size() < size; ++i) text += std::to_string(i) + " ";
  text.resize(size);
  return text;
}

TEST_F(Codec, SealedPayloadsOfAnySizeComeBack) {
  const WriterOptions options{.key = key};
  for (const size_t size :
       {0UL, 1UL, 16UL, 65'519UL, 65'520UL, 65'521UL, 65'536UL, 131'040UL, 131'041UL, 1'000'000UL}) {
    for (const size_t piece : {7'001UL, 65'520UL, 2'000'000UL}) {
      const std::string bytes = text_of(size);
      std::string stored;
      const Payload payload = encode(bytes, options, piece, stored);
      EXPECT_EQ(stored.size(), blob::sealed_bytes(size));
      EXPECT_EQ(payload.segments.size(), size == 0 ? 0U : 1U);
      const Result<std::string> back = read_back(stored, payload);
      ASSERT_TRUE(back.ok()) << back.error().message();
      EXPECT_EQ(*back, bytes) << size;
      if (size > 16) EXPECT_EQ(stored.find(bytes.substr(0, 16)), std::string::npos);
    }
  }
}

// Several segments, some sealed, some compressed, read in ranges and in pieces that fit nothing.
TEST_F(Codec, RangesOfMixedSegments) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 20; ++round) {
    std::string bytes;
    std::string stored;
    Payload whole;
    for (uint64_t parts = 1 + random() % 5; parts > 0; --parts) {
      const std::string part = text_of(1 + random() % 200'000);
      WriterOptions options{.compress = random() % 2 == 0};
      if (random() % 3 != 0) options.key = key;
      std::string part_stored;
      Payload payload = encode(part, options, 50'000, part_stored);
      if (payload.segments.empty()) payload.segments = {{.size_bytes = part.size(), .packed_bytes = part.size()}};
      whole.segments.insert(whole.segments.end(), payload.segments.begin(), payload.segments.end());
      whole.size_bytes += part.size();
      bytes += part;
      stored += part_stored;
    }
    const auto reader = decode(stored, whole, 1 + random() % 100'000);
    for (int i = 0; i < 20; ++i) {
      const size_t from = random() % (bytes.size() + 1);
      const size_t length = random() % (bytes.size() - from + 1);
      reader->seek(from, length);
      const Result<std::string> back = run(read(*reader));
      ASSERT_TRUE(back.ok()) << back.error().message();
      ASSERT_EQ(*back, bytes.substr(from, length)) << from << " " << length;
    }
  }
}

TEST_F(Codec, CompressedPayloadsOfAnySizeComeBack) {
  for (const bool is_sealed : {false, true}) {
    WriterOptions options{.compress = true};
    if (is_sealed) options.key = key;
    for (const size_t size :
         {0UL, 1UL, 512UL, 513UL, 5'000UL, 131'072UL, 131'073UL, 262'144UL, 262'145UL, 3'000'000UL, 80'000'000UL}) {
      const std::string bytes = text_of(size);
      std::string stored;
      const Payload payload = encode(bytes, options, 100'000, stored);
      if (size > 513) {
        EXPECT_LT(stored.size(), size * 3 / 4);
        ASSERT_EQ(payload.segments.size(), 1U);
        EXPECT_TRUE(payload.segments[0].is_compressed);
      }
      const Result<std::string> back = read_back(stored, payload);
      ASSERT_TRUE(back.ok()) << back.error().message();
      EXPECT_TRUE(*back == bytes) << size;
    }
  }
}

TEST_F(Codec, WhatDoesNotCompressIsStoredAsItIs) {
  std::mt19937_64 random(3);
  std::string noise(400'000, '\0');
  for (char& c : noise) c = static_cast<char>(random());
  std::string stored;
  const Payload plain = encode(noise, {.compress = true}, 50'000, stored);
  EXPECT_TRUE(stored == noise);
  EXPECT_TRUE(plain.segments.empty());
  // Only some of its blocks: those alone.
  const std::string mixed = text_of(kBlockBytes) + noise + text_of(200'000);
  stored.clear();
  const Payload payload = encode(mixed, {.compress = true}, 50'000, stored);
  EXPECT_LT(stored.size(), noise.size() + 220'000);
  EXPECT_NE(stored.find(noise.substr(150'000, 1000)), std::string::npos);
  const Result<std::string> back = read_back(stored, payload);
  ASSERT_TRUE(back.ok());
  EXPECT_TRUE(*back == mixed);
}

TEST_F(Codec, DamageInCompressedBytesIsTold) {
  const std::string bytes = text_of(1'000'000);
  std::string stored;
  const Payload payload = encode(bytes, {.compress = true}, 50'000, stored);
  std::mt19937_64 random(11);
  for (int i = 0; i < 300; ++i) {
    std::string changed = stored;
    // Also in the table at the end. Chunks have CRCs, so this is a defect of ours or a forger's work; nothing may
    // break.
    const size_t at = i % 2 == 0 ? stored.size() - 1 - random() % 64 : random() % stored.size();
    changed[at] = static_cast<char>(changed[at] ^ (1 << random() % 8));
    const Result<std::string> back = read_back(changed, payload);
    if (!back.ok()) EXPECT_EQ(back.error().code(), LogErrc::kDamaged);
    if (back.ok()) EXPECT_EQ(back->size(), bytes.size());
  }
}

TEST_F(Codec, ARangeReadsThePiecesItNeedsAndNoMore) {
  const std::string bytes = text_of(1'000'000);
  std::string stored;
  const Payload payload = encode(bytes, {.key = key}, 100'000, stored);
  auto memory = std::make_unique<MemoryReader>(stored, 65'536);
  MemoryReader& counts = *memory;
  const auto reader = decode_from(std::move(memory), payload, kOwner);
  reader->use_key(key);
  reader->seek(200'000, 10);
  EXPECT_EQ(*run(read(*reader)), bytes.substr(200'000, 10));
  EXPECT_EQ(counts.read_bytes, kChunkPayloadMax);
  // Compressed: two entries of the table, one block.
  std::string packed;
  const Payload compressed = encode(text_of(50'000'000), {.compress = true}, 100'000, packed);
  memory = std::make_unique<MemoryReader>(packed, 4096);
  MemoryReader& counts_too = *memory;
  const auto unpacking = decode_from(std::move(memory), compressed, kOwner);
  unpacking->seek(20'000'000, 10);
  EXPECT_EQ(*run(read(*unpacking)), text_of(50'000'000).substr(20'000'000, 10));
  EXPECT_LE(counts_too.read_bytes, kBlockBytes);
}

TEST_F(Codec, WhatWasChangedIsDamagedAndNeverHandedOut) {
  const std::string bytes = text_of(200'000);
  std::string stored;
  const Payload payload = encode(bytes, {.key = key}, 100'000, stored);
  const auto expect_damaged = [&](const std::string& changed, const Payload& of, const char* what) {
    const Result<std::string> back = read_back(changed, of);
    ASSERT_FALSE(back.ok()) << what;
    EXPECT_EQ(back.error().code(), LogErrc::kDamaged) << what;
  };
  for (const size_t at : {0UL, 65'519UL, 65'520UL, 65'536UL, stored.size() - 1}) {
    std::string changed = stored;
    changed[at] = static_cast<char>(changed[at] ^ 4);
    expect_damaged(changed, payload, "a flipped bit");
  }
  const std::string first = stored.substr(0, kChunkPayloadMax);
  const std::string second = stored.substr(kChunkPayloadMax, kChunkPayloadMax);
  expect_damaged(second + first + stored.substr(2 * kChunkPayloadMax), payload, "two chunks changed places");
  expect_damaged(first + first + stored.substr(2 * kChunkPayloadMax), payload, "a chunk twice");
  Payload shorter = payload;
  shorter.size_bytes = shorter.segments[0].size_bytes = shorter.segments[0].packed_bytes = 2 * blob::kSealPieceBytes;
  expect_damaged(stored.substr(0, 2 * kChunkPayloadMax), shorter, "its end cut off");
  Payload salted = payload;
  salted.segments[0].salt[3] ^= 1;
  expect_damaged(stored, salted, "another writer's salt");
  // A chunk of another write of the same bytes with the same key.
  std::string again;
  (void)encode(bytes, {.key = key}, 100'000, again);
  EXPECT_NE(again, stored);
  expect_damaged(again.substr(0, kChunkPayloadMax) + stored.substr(kChunkPayloadMax), payload, "another write's chunk");
  const auto elsewhere = decode_from(std::make_unique<MemoryReader>(stored, 65'536), payload, kOwner + 1);
  elsewhere->use_key(key);
  EXPECT_FALSE(run(read(*elsewhere)).ok()) << "another object's";
}

TEST_F(Codec, NoKeyAndAnotherKey) {
  std::string stored;
  const Payload payload = encode("forty-two", {.key = key}, 100, stored);
  const auto locked = decode_from(std::make_unique<MemoryReader>(stored, 100), payload, kOwner);
  const Result<std::string> refused = run(read(*locked));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), LogErrc::kRefused);
  locked->use_key(*SecretKey::from(std::string(kKeyBytes, 'x')));
  const Result<std::string> wrong = run(read(*locked));
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.error().code(), LogErrc::kDamaged);
}

TEST_F(Codec, NothingIsEncodedUnlessItIsAskedFor) {
  std::string stored;
  const Payload payload = encode("plain", {}, 100, stored);
  EXPECT_EQ(stored, "plain");
  EXPECT_TRUE(payload.segments.empty());
}

}  // namespace
}  // namespace keelson::blobstore
