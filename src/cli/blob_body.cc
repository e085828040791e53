#include "cli/blob_body.h"

#include <algorithm>

#include "cli/blob_errors.h"

namespace keelson::cli {

Result<std::string_view> FileBody::piece(uint64_t offset) {
  buffer_.resize(std::min<uint64_t>(kPieceBytes, size_ - offset));
  Result<size_t> count = file_.read_at(offset_ + offset, buffer_);
  if (!count.ok()) return forward_error(count);
  if (*count == 0) return fail(BlobErrc::kChanged, path_ + " has become shorter while it was read");
  return std::string_view(buffer_).substr(0, *count);
}

}  // namespace keelson::cli
