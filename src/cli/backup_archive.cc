#include "cli/backup_archive.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/crc32c.h"

namespace keelson::cli {

namespace {

constexpr std::string_view kMagic = "KEELSBAK";
constexpr uint32_t kVersion = 2;
constexpr uint32_t kOldestVersion = 1;
constexpr size_t kStartBytes = 12;     // magic and version
constexpr size_t kFrameHeadBytes = 5;  // type and length
constexpr size_t kCrcBytes = 4;
constexpr size_t kHeaderFixedBytes = 24;
// Shorter runs of zeros cost less than a frame.
constexpr size_t kZeroRunBytesMin = 4096;

class BackupCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "backup"; }
  std::string message(int code) const override {
    switch (static_cast<BackupErrc>(code)) {
      case BackupErrc::kOk:
        return "ok";
      case BackupErrc::kDamaged:
        return "the backup is damaged";
      case BackupErrc::kShort:
        return "the backup ends too early";
      case BackupErrc::kNotABackup:
        return "this is no backup";
    }
    return "unknown";
  }
};

template <class Integer>
void put(std::string& to, Integer value) {
  for (size_t i = 0; i < sizeof(Integer); ++i) to.push_back(static_cast<char>(static_cast<uint64_t>(value) >> (8 * i)));
}

template <class Integer>
Integer get(std::string_view from) {
  uint64_t value = 0;
  for (size_t i = 0; i < sizeof(Integer); ++i) value |= uint64_t{static_cast<unsigned char>(from[i])} << (8 * i);
  return static_cast<Integer>(value);
}

bool is_zeros(std::string_view bytes) { return bytes.find_first_not_of('\0') == std::string_view::npos; }

}  // namespace

std::error_code make_error_code(BackupErrc code) {
  static const BackupCategory category;
  return {static_cast<int>(code), category};
}

bool is_safe_name(std::string_view name) {
  if (name.empty() || name.front() == '/' || name.back() == '/' || std::count(name.begin(), name.end(), '/') > 2)
    return false;
  if (name.find("..") != std::string_view::npos || name.find("//") != std::string_view::npos) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == '_' || c == '/';
  });
}

BackupWriter::BackupWriter(Buffer& out) : out_(out) {
  std::string start(kMagic);
  put(start, kVersion);
  out_.append(start);
  crc_ = crc32c(0, start);
}

void BackupWriter::frame(char type, std::string_view fixed, std::string_view rest) {
  KEELSON_CHECK(fixed.size() + rest.size() <= kFrameBytesMax, "a frame within its limit");
  std::string head(1, type);
  put(head, static_cast<uint32_t>(fixed.size() + rest.size()));
  crc_ = crc32c(crc32c(crc32c(crc_, head), fixed), rest);
  std::string crc;
  put(crc, crc_);
  out_.append(head);
  out_.append(fixed);
  out_.append(rest);
  out_.append(crc);
}

void BackupWriter::progress(std::string_view text) { frame('P', {}, text.substr(0, kFrameBytesMax)); }

void BackupWriter::header(const BackupHeader& header) {
  std::string fixed;
  put(fixed, header.files);
  put(fixed, header.bytes);
  put(fixed, header.created_wall_ms);
  frame('H', fixed, header.version);
}

void BackupWriter::file(std::string_view name, uint64_t size) {
  ++files_;
  std::string fixed;
  put(fixed, size);
  frame('F', fixed, name);
}

void BackupWriter::data(uint64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const std::string_view block = bytes.substr(0, kZeroRunBytesMin);
    size_t length = 0;
    if (is_zeros(block)) {
      length = block.size();
    } else {
      // As far as there is no whole block of zeros.
      length = block.size();
      while (length < bytes.size() && length < kDataBytesMax) {
        const std::string_view next = bytes.substr(length, std::min(kZeroRunBytesMin, kDataBytesMax - length));
        if (is_zeros(next)) break;
        length += next.size();
      }
      std::string fixed;
      put(fixed, offset);
      frame('D', fixed, bytes.substr(0, length));
    }
    offset += length;
    bytes.remove_prefix(length);
  }
}

void BackupWriter::end() {
  std::string fixed;
  put(fixed, files_);
  frame('E', fixed, {});
}

std::unexpected<Error> BackupReader::damaged(std::string_view why) const {
  return fail(BackupErrc::kDamaged,
              "the backup is damaged at byte " + std::to_string(offset_) + ": " + std::string(why));
}

Status BackupReader::feed(std::string_view bytes) {
  in_.append(bytes);
  while (true) {
    Result<bool> more = step();
    if (!more.ok()) return forward_error(more);
    if (!*more) return {};
  }
}

// True if something was taken from the input.
Result<bool> BackupReader::step() {
  if (is_done_) return in_.empty() ? Result<bool>(false) : damaged("something follows its end");
  if (!has_magic_) {
    const std::string_view seen = in_.view().substr(0, kMagic.size());
    if (seen != kMagic.substr(0, seen.size())) return fail(BackupErrc::kNotABackup, "this is no backup of Keelson");
    if (in_.size() < kStartBytes) return false;
    const auto version = get<uint32_t>(in_.view().substr(kMagic.size()));
    if (version < kOldestVersion || version > kVersion) {
      return fail(BackupErrc::kNotABackup, "the backup has format version " + std::to_string(version) +
                                               "; this version of Keelson reads up to version " +
                                               std::to_string(kVersion));
    }
    crc_ = crc32c(0, in_.view().substr(0, kStartBytes));
    in_.consume(kStartBytes);
    offset_ += kStartBytes;
    has_magic_ = true;
    return true;
  }
  if (in_.size() < kFrameHeadBytes) return false;
  const auto length = get<uint32_t>(in_.view().substr(1));
  if (length > kFrameBytesMax) return damaged("a frame is too long");
  const size_t covered = kFrameHeadBytes + length;
  if (in_.size() < covered + kCrcBytes) return false;
  const uint32_t crc = crc32c(crc_, in_.view().substr(0, covered));
  if (crc != get<uint32_t>(in_.view().substr(covered))) return damaged("the CRC is wrong");
  crc_ = crc;
  Status taken = take_frame(in_.view()[0], in_.view().substr(kFrameHeadBytes, length));
  if (!taken.ok()) return forward_error(taken);
  in_.consume(covered + kCrcBytes);
  offset_ += covered + kCrcBytes;
  return true;
}

Status BackupReader::take_frame(char type, std::string_view payload) {
  constexpr size_t kNumberBytes = sizeof(uint64_t);
  if (type == 'P') {
    visitor_.on_progress(payload);
    return {};
  }
  if (type == 'H') {
    if (payload.size() < kHeaderFixedBytes) return damaged("a bad header");
    has_header_ = true;
    header_ = {get<uint64_t>(payload), get<uint64_t>(payload.substr(8)), get<int64_t>(payload.substr(16)),
               std::string(payload.substr(kHeaderFixedBytes))};
    return visitor_.on_header(header_);
  }
  if (!has_header_ || payload.size() < kNumberBytes) return damaged("a bad frame");
  const auto number = get<uint64_t>(payload);
  const std::string_view rest = payload.substr(kNumberBytes);
  if (type == 'F') {
    if (!is_safe_name(rest)) return damaged("a file has a name that cannot be");
    ++files_;
    file_size_ = number;
    return visitor_.on_file(rest, number);
  }
  if (type == 'D') {
    if (files_ == 0 || rest.size() > file_size_ || number > file_size_ - rest.size())
      return damaged("data outside of its file");
    return visitor_.on_data(number, rest);
  }
  if (type == 'E') {
    if (number != files_ || files_ != header_.files) return damaged("files are missing");
    is_done_ = true;
    return {};
  }
  return damaged("a frame of an unknown type");
}

Status BackupReader::finish() const {
  if (is_done_) return {};
  if (!has_magic_) return fail(BackupErrc::kNotABackup, "this is no backup of Keelson");
  return fail(BackupErrc::kShort, "the backup ends too early, at byte " + std::to_string(offset_ + in_.size()));
}

}  // namespace keelson::cli
