// The checkpoint reader on any bytes. The input's header gets its right CRC (no fuzzer would find it), and the blocks
// are read with and without their CRCs.
#include <cstdint>
#include <string>

#include "base/check.h"
#include "base/coding.h"
#include "base/crc32c.h"
#include "base/logging.h"
#include "log/checkpoint_file.h"
#include "log/inspect.h"
#include "memory_disk.h"

namespace keelson {
namespace {

void read_all(fuzz::MemoryDisk& disk, const std::string& name, uint64_t file_bytes, bool ignore_crc) {
  auto reader = log::CheckpointReader::open(disk, "checkpoints/" + name, {.ignore_crc = ignore_crc});
  if (!reader.ok()) return;
  uint64_t bytes = 0;
  uint32_t crc = 0;
  while (true) {
    auto piece = (*reader)->next();
    if (!piece.ok() || !*piece) break;
    KEELSON_CHECK(!(*piece)->empty(), "a piece has bytes");
    crc = crc32c(crc, **piece);  // the bytes can be read
    bytes += (*piece)->size();
    KEELSON_CHECK(bytes <= file_bytes, "more was read than there is");
  }
}

}  // namespace
}  // namespace keelson

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace keelson;
  set_log_sink([](LogLevel, std::string_view, std::string_view, LogFields) {});
  std::string bytes(reinterpret_cast<const char*>(data), size);
  if (bytes.size() >= 64) {
    bytes.replace(0, 8, "KEELSCKP");
    put_u32(bytes.data() + 60, crc32c(0, std::string_view(bytes).substr(0, 60)));
  }
  fuzz::MemoryDisk disk;
  const std::string name = log::checkpoint_name(1, 2);
  disk.files[name] = bytes;
  read_all(disk, name, bytes.size(), false);
  read_all(disk, name, bytes.size(), true);
  const auto report = log::inspect_checkpoints(disk, "checkpoints", [](std::string_view) {});
  KEELSON_CHECK(report.ok() && report->checkpoints == 1, "a checkpoint that can be listed can be inspected");
  return 0;
}
