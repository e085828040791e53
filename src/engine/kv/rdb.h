// DUMP payloads: values in Redis's RDB format, version 10 (Redis 7.0), as DUMP gives and RESTORE takes them.
//
//   payload = type byte, value in RDB encoding, u16 RDB version (little-endian), u64 CRC64 of all that (little-endian)
//
// Written: strings (plain or integer), lists as quicklist 2 of listpacks, hashes and sorted sets as listpacks or plain
// pairs, sets as intsets or plain members; never LZF. Read: all that Redis up to 7.0 writes for these types, LZF,
// ziplists, zipmaps and old quicklists included. The bytes are checked as hard as Redis's sanitize-dump-payload does:
// no input is trusted. Source: the RDB format as documented at rdb.fnordig.de and by the behaviour of redis-server 7.0.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/buffer.h"
#include "engine/kv/keyspace.h"

namespace keelson::kv {

enum class RestoreError : uint8_t {
  kOk = 0,
  kBadChecksumOrVersion,  // "ERR DUMP payload version or checksum are wrong"
  kBadData,               // "ERR Bad data format"
};

// Appends the payload.
void dump_value(const Value& value, Buffer& out);
[[nodiscard]] std::string dump_value(const Value& value);

// Puts the value under the key, which must be missing, without a time to live. On an error nothing has changed.
// Elements keep the payload's order.
[[nodiscard]] RestoreError restore_value(Keyspace& keyspace, uint16_t database, std::string_view key,
                                         std::string_view payload, Value& restored);

}  // namespace keelson::kv
