// Any bytes as a backup: no file outside of the folder, no data outside of its file, and nothing is good but what was
// written.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "cli/backup_archive.h"

namespace {

using keelson::Status;

class Visitor final : public keelson::cli::BackupVisitor {
 public:
  Status on_file(std::string_view name, uint64_t size) override {
    KEELSON_CHECK(keelson::cli::is_safe_name(name), "a name below the folder");
    size_ = size;
    return {};
  }
  Status on_data(uint64_t offset, std::string_view bytes) override {
    KEELSON_CHECK(offset + bytes.size() <= size_ && offset + bytes.size() >= offset, "data within its file");
    return {};
  }

 private:
  uint64_t size_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Visitor visitor;
  keelson::cli::BackupReader reader(visitor);
  const size_t half = size / 2;
  if (!reader.feed(bytes.substr(0, half)).ok()) return 0;
  if (reader.feed(bytes.substr(half)).ok()) (void)reader.finish();
  // The frames that a fuzzer finds have wrong CRCs; so the payload also goes through one that is written right.
  if (size < 9) return 0;
  keelson::Buffer out;
  keelson::cli::BackupWriter writer(out);
  writer.header({.files = data[0], .bytes = size, .created_wall_ms = 0});
  const size_t name_bytes = std::min<size_t>(data[1] % 32, size - 9);
  uint64_t number = 0;
  for (size_t i = 0; i < 8; ++i) number = number << 8 | data[i];
  writer.file(bytes.substr(9, name_bytes), number);
  writer.data(data[2] % 2 == 0 ? number : number >> 56, bytes);
  writer.end();
  keelson::cli::BackupReader again(visitor);
  if (again.feed(out.view()).ok()) (void)again.finish();
  return 0;
}
