// What an S3 server answers, and what a download has left on the disk, as the blob verbs read it: any bytes, no crash,
// and nothing that could not be asked for again.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "cli/blob_documents.h"
#include "cli/blob_download_state.h"
#include "cli/blob_errors.h"
#include "cli/blob_plan.h"
#include "cli/blob_text.h"

using namespace keelson::cli;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto page = parse_list_page(bytes); page.ok()) {
    KEELSON_CHECK(!page->is_truncated || !page->next_token.empty(), "a listing that cannot go on");
    for (const RemoteObject& object : page->objects) {
      KEELSON_CHECK(!object.key.empty(), "an object without a key");
      (void)object_line(object, false, true);
      (void)JsonLine().text("key", object.key).take();
    }
  }
  if (const auto page = parse_part_page(bytes); page.ok()) {
    constexpr uint64_t kSizeBytes = uint64_t{64} << 20;
    if (const auto plan = plan_resume(*page, kSizeBytes)) {
      const auto ranges = cut_into_parts(kSizeBytes, plan->part_bytes);
      for (const RemotePart& part : plan->parts) {
        KEELSON_CHECK(part.number >= 1 && part.number <= ranges.size(), "a part that the file does not have");
        KEELSON_CHECK(part.size_bytes == ranges[part.number - 1].size_bytes, "a part of another size");
      }
    }
  }
  (void)parse_upload_page(bytes).ok();
  (void)parse_bucket_list(bytes).ok();
  (void)parse_delete_result(bytes).ok();
  (void)parse_versioning_status(bytes).ok();
  (void)parse_tags(bytes).ok();
  (void)parse_one(bytes, "UploadId").ok();
  (void)server_error(read_server_words(404, bytes), "s3://b/k");
  if (const auto state = parse_download_state(bytes)) {
    KEELSON_CHECK(cut_into_parts(state->size_bytes, state->part_bytes).size() <= kPartsMax, "too many parts");
  }
  return 0;
}
