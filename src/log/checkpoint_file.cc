#include "log/checkpoint_file.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

#include "base/coding.h"
#include "base/crc32c.h"
#include "base/logging.h"

namespace keelson::log {

namespace {

constexpr std::string_view kMagic = "KEELSCKP";
constexpr uint32_t kCheckpointFormatVersion = 1;
constexpr size_t kHeaderBytes = 64;
constexpr size_t kHeaderCrcAt = 60;
constexpr size_t kBlockHeaderBytes = 8;
constexpr size_t kEndBytes = 24;
constexpr uint32_t kEndLength = UINT32_MAX - 1;
constexpr std::string_view kSuffix = ".ckp";
constexpr std::string_view kUnfinishedSuffix = ".ckp.tmp";
constexpr size_t kNameBytes = 4 + 1 + 16;

static_assert(kCheckpointPieceBytesMax < kEndLength);

std::string encode_header(const CheckpointHeader& header) {
  std::string bytes(kHeaderBytes, '\0');
  char* at = bytes.data();
  std::memcpy(at, kMagic.data(), kMagic.size());
  put_u32(at + 8, kCheckpointFormatVersion);
  put_u32(at + 12, header.engine_version);
  put_u16(at + 16, header.shard);
  put_u64(at + 24, header.index);
  put_u64(at + 32, static_cast<uint64_t>(header.time_ms));
  put_u64(at + 40, header.log_id);
  std::memcpy(at + 48, header.engine.data(), std::min(header.engine.size(), kEngineNameBytesMax));
  put_u32(at + kHeaderCrcAt, crc32c(0, {at, kHeaderCrcAt}));
  return bytes;
}

// Covers the block's number, the length in `block` and what follows the CRC.
uint32_t block_crc(uint32_t seed, uint64_t number, const char* block, std::string_view payload) {
  char bytes[12];
  put_u64(bytes, number);
  std::memcpy(bytes + 8, block, 4);
  return crc32c(crc32c(seed, {bytes, sizeof(bytes)}), payload);
}

struct ParsedName {
  ShardId shard = 0;
  uint64_t index = 0;
};

std::optional<ParsedName> parse_checkpoint_name(std::string_view name) {
  if (name.size() != kNameBytes + kSuffix.size() || !name.ends_with(kSuffix)) return std::nullopt;
  ParsedName parsed;
  std::from_chars(name.data(), name.data() + 4, parsed.shard, 16);
  std::from_chars(name.data() + 5, name.data() + kNameBytes, parsed.index, 16);
  // Only the one spelling is a name of ours.
  if (checkpoint_name(parsed.shard, parsed.index) != name) return std::nullopt;
  return parsed;
}

}  // namespace

std::string checkpoint_name(ShardId shard, uint64_t index) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string name(kNameBytes, '-');
  for (size_t i = 0; i < 4; ++i) name[3 - i] = kDigits[(shard >> (4 * i)) & 15];
  for (size_t i = 0; i < 16; ++i) name[kNameBytes - 1 - i] = kDigits[(index >> (4 * i)) & 15];
  return name.append(kSuffix);
}

// Writing.

CheckpointWriter::CheckpointWriter(env::Disk& disk, env::Reactor& on, std::string folder, std::string name,
                                   CheckpointWriterOptions options)
    : disk_(disk), on_(on), folder_(std::move(folder)), name_(std::move(name)), options_(options) {}

Result<std::unique_ptr<CheckpointWriter>> CheckpointWriter::create(env::Disk& disk, env::Reactor& on,
                                                                   const std::string& folder,
                                                                   const CheckpointHeader& header,
                                                                   CheckpointWriterOptions options) {
  if (header.engine.size() > kEngineNameBytesMax) {
    return fail(env::DiskErrc::kInvalid, "checkpoint: the engine's name is too long: " + header.engine);
  }
  std::unique_ptr<CheckpointWriter> writer;
  writer.reset(new CheckpointWriter(disk, on, folder, checkpoint_name(header.shard, header.index), options));
  const std::string path = writer->unfinished_path();
  if (Status status = disk.remove(path); !status.ok() && status.error().code() != env::DiskErrc::kNotFound) {
    return forward_error(status);
  }
  Result<std::unique_ptr<env::File>> file = disk.open(path, env::OpenMode::kCreate);
  if (!file.ok()) return forward_error(file);
  writer->file_ = std::move(*file);
  writer->leaves_file_ = true;
  const std::string bytes = encode_header(header);
  writer->seed_ = get_u32(bytes.data() + kHeaderCrcAt);
  if (Status status = writer->write(bytes); !status.ok()) return forward_error(status);
  return writer;
}

CheckpointWriter::~CheckpointWriter() {
  if (!leaves_file_) return;
  file_.reset();
  if (Status status = disk_.remove(unfinished_path()); !status.ok()) {
    log_debug("log", "an unfinished checkpoint stays until the next start", {{"error", status.error().message()}});
  }
}

std::string CheckpointWriter::unfinished_path() const { return folder_ + "/" + name_ + ".tmp"; }

Status CheckpointWriter::write(std::string_view bytes) {
  if (Status status = file_->write_at(offset_, bytes); !status.ok()) return status;
  offset_ += bytes.size();
  unsynced_bytes_ += bytes.size();
  return {};
}

Task<Status> CheckpointWriter::append(std::string_view piece) {
  if (piece.empty()) co_return Status();
  if (piece.size() > kCheckpointPieceBytesMax) {
    co_return fail(LogErrc::kTooLarge, "checkpoint: a piece of " + std::to_string(piece.size()) + " bytes");
  }
  char block[kBlockHeaderBytes];
  put_u32(block, static_cast<uint32_t>(piece.size()));
  put_u32(block + 4, block_crc(seed_, blocks_, block, piece));
  if (Status status = write({block, sizeof(block)}); !status.ok()) co_return status;
  if (Status status = write(piece); !status.ok()) co_return status;
  ++blocks_;
  payload_bytes_ += piece.size();
  if (unsynced_bytes_ < options_.sync_every_bytes || options_.faults.skip_sync) co_return Status();
  unsynced_bytes_ = 0;
  co_return co_await file_->sync(on_);
}

Task<Status> CheckpointWriter::finish() {
  char end[kEndBytes];
  put_u32(end, kEndLength);
  put_u64(end + 8, blocks_);
  put_u64(end + 16, payload_bytes_);
  put_u32(end + 4, block_crc(seed_, blocks_, end, {end + kBlockHeaderBytes, kEndBytes - kBlockHeaderBytes}));
  Status status = write({end, sizeof(end)});
  if (!status.ok()) co_return status;
  if (!options_.faults.skip_sync) status = co_await file_->sync(on_);
  if (!status.ok()) co_return status;
  file_.reset();
  status = disk_.rename(unfinished_path(), folder_ + "/" + name_);
  if (!status.ok()) co_return status;
  leaves_file_ = false;
  if (options_.faults.skip_folder_sync) co_return status;
  co_return co_await disk_.sync_folder(folder_, on_);
}

// Reading.

CheckpointReader::CheckpointReader(std::unique_ptr<env::File> file, std::string path, LogFaults faults)
    : file_(std::move(file)), path_(std::move(path)), faults_(faults) {}

std::unexpected<Error> CheckpointReader::damaged(uint64_t offset, const char* what) const {
  return fail(LogErrc::kDamaged,
              "checkpoint: " + path_ + " is damaged at offset " + std::to_string(offset) + ": " + what);
}

Result<std::unique_ptr<CheckpointReader>> CheckpointReader::open(env::Disk& disk, const std::string& path,
                                                                 LogFaults faults) {
  Result<std::unique_ptr<env::File>> file = disk.open(path, env::OpenMode::kRead);
  if (!file.ok()) return forward_error(file);
  std::unique_ptr<CheckpointReader> reader;
  reader.reset(new CheckpointReader(std::move(*file), path, faults));
  if (Status status = reader->read_header(); !status.ok()) return forward_error(status);
  if (Status status = reader->check_end_is_there(); !status.ok()) return forward_error(status);
  return reader;
}

Status CheckpointReader::fill(size_t bytes) {
  constexpr size_t kReadBytes = size_t{256} << 10;
  while (buffer_.size() < bytes) {
    const uint64_t from = offset_ + buffer_.size();
    const uint64_t left = file_bytes_ - std::min(from, file_bytes_);
    const size_t wanted = std::min<uint64_t>(std::max(bytes - buffer_.size(), kReadBytes), left);
    if (wanted == 0) return damaged(from, "it ends too early");
    char* to = buffer_.reserve(wanted);
    Result<size_t> count = file_->read_at(from, {to, wanted});
    if (!count.ok()) return forward_error(count);
    if (*count == 0) return damaged(from, "it ends too early");
    buffer_.commit(*count);
  }
  return {};
}

Status CheckpointReader::read_header() {
  Result<uint64_t> size = file_->size();
  if (!size.ok()) return forward_error(size);
  file_bytes_ = *size;
  if (Status status = fill(kHeaderBytes); !status.ok()) return status;
  const char* at = buffer_.data();
  if (std::string_view(at, kMagic.size()) != kMagic) return damaged(0, "it does not begin as a checkpoint does");
  seed_ = get_u32(at + kHeaderCrcAt);
  if (seed_ != crc32c(0, {at, kHeaderCrcAt})) return damaged(0, "the header's CRC is wrong");
  if (get_u32(at + 8) != kCheckpointFormatVersion) {
    return fail(LogErrc::kDamaged, "checkpoint: " + path_ + " has format version " + std::to_string(get_u32(at + 8)) +
                                       ", this program reads version 1");
  }
  header_.engine_version = get_u32(at + 12);
  header_.shard = get_u16(at + 16);
  header_.index = get_u64(at + 24);
  header_.time_ms = static_cast<int64_t>(get_u64(at + 32));
  header_.log_id = get_u64(at + 40);
  const std::string_view name(at + 48, kEngineNameBytesMax);
  header_.engine = name.substr(0, name.find('\0'));
  buffer_.consume(kHeaderBytes);
  offset_ = kHeaderBytes;
  return {};
}

Status CheckpointReader::check_end_is_there() {
  if (file_bytes_ < kHeaderBytes + kEndBytes) return damaged(file_bytes_, "it has no end");
  const uint64_t at = file_bytes_ - kEndBytes;
  char end[kEndBytes];
  Result<size_t> count = file_->read_at(at, end);
  if (!count.ok()) return forward_error(count);
  const uint64_t blocks = get_u64(end + 8);
  const uint32_t crc = block_crc(seed_, blocks, end, {end + kBlockHeaderBytes, kEndBytes - kBlockHeaderBytes});
  if (*count == kEndBytes && get_u32(end) == kEndLength && (get_u32(end + 4) == crc || faults_.ignore_crc)) return {};
  return damaged(at, "it has no valid end");
}

Result<std::optional<std::string_view>> CheckpointReader::next() {
  buffer_.consume(last_piece_bytes_);
  offset_ += std::exchange(last_piece_bytes_, 0);
  if (Status status = fill(kBlockHeaderBytes); !status.ok()) return forward_error(status);
  const uint32_t length = get_u32(buffer_.data());
  const bool is_end = length == kEndLength;
  const uint64_t whole = is_end ? kEndBytes : kBlockHeaderBytes + uint64_t{length};
  if (length == 0 || (!is_end && length > kCheckpointPieceBytesMax) || whole > file_bytes_ - offset_) {
    return damaged(offset_, "a block's length is impossible");
  }
  if (Status status = fill(whole); !status.ok()) return forward_error(status);
  const std::string_view payload = buffer_.view().substr(kBlockHeaderBytes, whole - kBlockHeaderBytes);
  if (get_u32(buffer_.data() + 4) != block_crc(seed_, blocks_, buffer_.data(), payload) && !faults_.ignore_crc) {
    return damaged(offset_, "a block's CRC is wrong");
  }
  if (is_end) {
    const bool agrees = get_u64(payload.data()) == blocks_ && get_u64(payload.data() + 8) == payload_bytes_;
    if (!agrees || offset_ + whole != file_bytes_) return damaged(offset_, "its end does not agree with its blocks");
    return std::optional<std::string_view>();
  }
  ++blocks_;
  payload_bytes_ += length;
  last_piece_bytes_ = whole;
  return std::optional<std::string_view>(payload);
}

// Folders of them.

Result<std::vector<CheckpointFile>> list_checkpoints(env::Disk& disk, const std::string& folder) {
  Result<std::vector<std::string>> names = disk.list(folder);
  if (!names.ok()) return forward_error(names);
  std::vector<CheckpointFile> files;
  for (const std::string& name : *names) {
    if (const auto parsed = parse_checkpoint_name(name)) {
      files.push_back({parsed->shard, parsed->index, folder + "/" + name});
    }
  }
  std::sort(files.begin(), files.end(), [](const CheckpointFile& a, const CheckpointFile& b) {
    return a.shard != b.shard ? a.shard < b.shard : a.index > b.index;
  });
  return files;
}

Status remove_unfinished_checkpoints(env::Disk& disk, const std::string& folder) {
  Result<std::vector<std::string>> names = disk.list(folder);
  if (!names.ok()) return forward_error(names);
  for (const std::string& name : *names) {
    if (!name.ends_with(kUnfinishedSuffix)) continue;
    if (Status status = disk.remove(folder + "/" + name); !status.ok()) return status;
  }
  return {};
}

Status remove_older_checkpoints(env::Disk& disk, const std::string& folder, ShardId shard, uint64_t index) {
  Result<std::vector<CheckpointFile>> files = list_checkpoints(disk, folder);
  if (!files.ok()) return forward_error(files);
  for (const CheckpointFile& file : *files) {
    if (file.shard != shard || file.index >= index) continue;
    if (Status status = disk.remove(file.path); !status.ok()) return status;
  }
  return {};
}

}  // namespace keelson::log
