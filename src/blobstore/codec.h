// Encoded payloads: writers and readers that stand before those of the stored bytes (writer.h, reader.h).
//
//   content --(compress)--> packed --(seal)--> stored
//
// What one writer wrote is a segment (engine/blob/object.h); a payload of several parts is several of them, one behind
// the other, some maybe not encoded. Chunks, their CRCs, extents, compaction and scrub know the stored bytes alone, and
// so need no key.
//
//   compressed   blocks of kBlockBytes of content (the last may be shorter), each a zstd frame, or as it is where that
//   is
//                not smaller. More than one block: behind them a table, for each block u64: where it ends in the packed
//                bytes, times two, plus one if it is as it is. So the place of each byte follows from two entries.
//   sealed       pieces of kSealPieceBytes of packed bytes (the last may be shorter), each with a tag behind it; see
//                sealing.h. A full piece fills a chunk.
//
// Writers and readers belong to one reactor, as those before which they stand.
#pragma once

#include <memory>

#include "blobstore/sealing.h"
#include "blobstore/store.h"
#include "engine/blob/object.h"
#include "env/random.h"

namespace keelson::blobstore {

// Of content in a block that is compressed by itself. Larger ones compress a little better, and a small range costs the
// whole of its block.
inline constexpr size_t kBlockBytes = size_t{128} << 10;
static_assert(kBlockBytes <= kPieceBytesMax);

// Stands before `stored` as `options` say; `stored` itself if they ask for no encoding. `owner`: owner_of_object().
[[nodiscard]] std::unique_ptr<BlobWriter> encode_into(std::unique_ptr<BlobWriter> stored, const WriterOptions& options,
                                                      uint64_t owner, env::Random& random);
// What a writer with these options should expect to store.
[[nodiscard]] std::optional<uint64_t> stored_bytes_expected(const WriterOptions& options);

// `stored` gives the payload as it is stored: stored_payload(payload). `stored` itself if there is nothing to decode.
[[nodiscard]] std::unique_ptr<BlobReader> decode_from(std::unique_ptr<BlobReader> stored, const Payload& payload,
                                                      uint64_t owner);
[[nodiscard]] Payload stored_payload(const Payload& payload);

}  // namespace keelson::blobstore
