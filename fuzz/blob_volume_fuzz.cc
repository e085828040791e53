// The readers of volumes: headers and chunks of any bytes, and whole ones that are damaged in one place.
#include <fuzzer/FuzzedDataProvider.h>

#include <cstdint>
#include <string>

#include "base/check.h"
#include "base/crc32c.h"
#include "blobstore/format.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace keelson;
  using namespace keelson::blobstore;
  FuzzedDataProvider input(data, size);
  const ChunkPlace place{input.ConsumeIntegral<uint16_t>(), input.ConsumeIntegral<uint32_t>(),
                         input.ConsumeIntegral<uint64_t>()};
  const auto owner = input.ConsumeIntegral<uint64_t>();
  const auto at = input.ConsumeIntegral<uint32_t>();
  const unsigned bit = input.ConsumeIntegral<uint8_t>() % 8;
  const std::string name = input.ConsumeRandomLengthString(20);
  if (const auto number = parse_volume_name(name)) {
    KEELSON_CHECK(volume_name(*number) == name, "a name has one number");
  }
  const std::string bytes = input.ConsumeRemainingBytesAsString();
  (void)read_volume_header(bytes);
  (void)check_chunk(place, bytes, owner);
  if (bytes.empty() || bytes.size() > kChunkPayloadMax) return 0;

  std::string chunk(kChunkHeaderBytes, '\0');
  write_chunk_header(place, crc32c(0, bytes), bytes.size(), owner, chunk.data());
  chunk += bytes;
  KEELSON_CHECK(check_chunk(place, chunk, owner) == ChunkFlaw::kNone, "a whole chunk is refused");
  KEELSON_CHECK(check_chunk(place, chunk, owner + 1) == ChunkFlaw::kOwner, "another's chunk is taken");
  ChunkPlace elsewhere = place;
  elsewhere.offset_bytes ^= uint64_t{1} << at % 64;
  KEELSON_CHECK(check_chunk(elsewhere, chunk, owner) == ChunkFlaw::kHeader, "a chunk of another place is taken");
  chunk[at % chunk.size()] = static_cast<char>(chunk[at % chunk.size()] ^ 1 << bit);
  KEELSON_CHECK(check_chunk(place, chunk, owner) != ChunkFlaw::kNone, "a flipped bit is not found");
  return 0;
}
