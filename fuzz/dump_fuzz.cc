// DUMP payloads, as RESTORE takes them from clients: any bytes either give a value that can be listed, changed, dumped
// and restored again to the same, or are refused. The checksum is put right first, or nothing would get past it. A
// first byte of 0xff instead gives the rest to the loader of checkpoints.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/crc64.h"
#include "engine/kv/digest.h"
#include "engine/kv/keyspace.h"
#include "engine/kv/rdb.h"

namespace {

using keelson::kv::Keyspace;
using keelson::kv::RestoreError;
using keelson::kv::Value;

void restore(std::string_view body) {
  std::string payload(body);
  payload += std::string_view("\x0a\x00", 2);
  const uint64_t crc = keelson::crc64(0, payload);
  payload.append(reinterpret_cast<const char*>(&crc), sizeof(crc));

  Keyspace keyspace({});
  Value value;
  if (restore_value(keyspace, 0, "key", payload, value) != RestoreError::kOk) {
    KEELSON_CHECK(keyspace.size(0) == 0, "a refused payload left something behind");
    return;
  }
  const keelson::kv::Digest digest = digest_value(value);
  Value again;
  KEELSON_CHECK(restore_value(keyspace, 0, "again", dump_value(value), again) == RestoreError::kOk,
                "our own payload was refused");
  KEELSON_CHECK(digest_value(again) == digest, "a payload does not give the same value again");
}

void load_checkpoint(std::string_view piece) {
  Keyspace keyspace({});
  const keelson::Status status = keyspace.load_checkpoint(piece);
  if (!status.ok()) KEELSON_CHECK(!status.error().message().empty(), "an error says what is wrong");
  (void)digest_exact(keyspace);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (size > 0 && data[0] == 0xff) {
    load_checkpoint(input.substr(1));
  } else {
    restore(input);
  }
  return 0;
}
