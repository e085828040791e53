// What large requests send and large answers bring, in pieces, so that a part needs no memory of its size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "env/disk.h"

namespace keelson::cli {

// Read again from its beginning when a request is sent again.
class BlobBody {
 public:
  virtual ~BlobBody() = default;
  [[nodiscard]] virtual uint64_t size() const = 0;
  // Bytes from `offset` (< size()) on, at least one; valid until the next call.
  virtual Result<std::string_view> piece(uint64_t offset) = 0;
};

class TextBody final : public BlobBody {
 public:
  explicit TextBody(std::string_view bytes) : bytes_(bytes) {}
  [[nodiscard]] uint64_t size() const override { return bytes_.size(); }
  Result<std::string_view> piece(uint64_t offset) override { return bytes_.substr(offset); }

 private:
  const std::string_view bytes_;
};

// A range of a file, which must hold as long as the body.
class FileBody final : public BlobBody {
 public:
  // One write to the connection, see net/http/client.cc.
  static constexpr size_t kPieceBytes = size_t{256} << 10;

  FileBody(env::File& file, std::string path, uint64_t offset, uint64_t size)
      : file_(file), path_(std::move(path)), offset_(offset), size_(size) {}
  [[nodiscard]] uint64_t size() const override { return size_; }
  // BlobErrc::kChanged if the file has become shorter.
  Result<std::string_view> piece(uint64_t offset) override;

 private:
  env::File& file_;
  const std::string path_;
  const uint64_t offset_;
  const uint64_t size_;
  std::string buffer_;
};

// Takes the content of one answer.
class BlobSink {
 public:
  virtual ~BlobSink() = default;
  // What came so far is void: the request is sent again.
  virtual void restart() = 0;
  virtual Status take(std::string_view bytes) = 0;
};

// Bytes moved, for those who watch. A request that is sent again takes back what it had moved.
struct TransferMeter {
  uint64_t moved_bytes = 0;
  uint64_t announced_bytes = 0;  // sizes that only the server knew
};

}  // namespace keelson::cli
