// The compressions of Kafka's records: gzip (RFC 1952), snappy (plain, and in the frames of xerial's snappy-java, which
// is what Kafka's own clients write), lz4 (its frame format 1.6; readers in Java want blocks that stand alone), zstd
// (RFC 8878). Pure functions; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "engine/topic/record_batch.h"

namespace keelson::topic {

// Appends to `out`. kBadCompressed: not of that format, or cut short. kBomb: more than `bytes_max` come out; at most
// that much was appended. kBadCodec.
[[nodiscard]] BatchErrc decompress(Codec codec, std::string_view bytes, size_t bytes_max, std::string& out);

// Appends to `out`, with the usual level of each.
void compress(Codec codec, std::string_view bytes, std::string& out);

}  // namespace keelson::topic
