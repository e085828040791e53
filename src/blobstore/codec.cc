#include "blobstore/codec.h"

#include <algorithm>
#include <utility>

#include "blobstore/compressed_stream.h"
#include "blobstore/sealed_stream.h"
#include "engine/blob/extent.h"

namespace keelson::blobstore {

std::unique_ptr<BlobWriter> encode_into(std::unique_ptr<BlobWriter> stored, const WriterOptions& options,
                                        uint64_t owner, env::Random& random) {
  if (options.key) {
    stored = std::make_unique<SealingWriter>(std::move(stored), *options.key, draw_salt(random), owner);
  }
  if (options.compress) stored = std::make_unique<CompressingWriter>(std::move(stored));
  return stored;
}

std::optional<uint64_t> stored_bytes_expected(const WriterOptions& options) {
  // How small it becomes is not known.
  if (options.compress) return std::nullopt;
  if (!options.size_expected || !options.key) return options.size_expected;
  return blob::sealed_bytes(*options.size_expected);
}

std::unique_ptr<BlobReader> decode_from(std::unique_ptr<BlobReader> stored, const Payload& payload, uint64_t owner) {
  if (std::ranges::any_of(payload.segments, &blob::Segment::is_sealed)) {
    stored = std::make_unique<UnsealingReader>(std::move(stored), payload.segments, owner);
  }
  if (std::ranges::any_of(payload.segments, &blob::Segment::is_compressed)) {
    stored = std::make_unique<DecompressingReader>(std::move(stored), payload.segments);
  }
  return stored;
}

Payload stored_payload(const Payload& payload) {
  return {.size_bytes = blob::stored_bytes(payload),
          .inline_bytes = payload.inline_bytes,
          .extents = payload.extents,
          .segments = {}};
}

}  // namespace keelson::blobstore
