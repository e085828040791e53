#include "server/data_folder.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <span>
#include <utility>

#include "base/crc32c.h"
#include "base/numbers.h"
#include "env/random.h"

namespace keelson::server {

namespace {

constexpr std::string_view kFirstLine = "keelson data folder 1\n";
constexpr uint64_t kNodeBytesMax = 4096;
constexpr size_t kIdDigits = 40;
constexpr std::string_view kShardsSuffix = "-shards";

class FolderCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "data folder"; }
  std::string message(int code) const override {
    switch (static_cast<FolderErrc>(code)) {
      case FolderErrc::kOk:
        return "ok";
      case FolderErrc::kInUse:
        return "another server uses the data folder";
      case FolderErrc::kUnusable:
        return "the data folder cannot be used";
      case FolderErrc::kDamaged:
        return "the data folder is damaged";
      case FolderErrc::kMismatch:
        return "the data folder was made with other settings";
    }
    return "unknown";
  }
};

std::string to_hex(uint64_t value, size_t digits) {
  std::string text(digits, '0');
  for (size_t i = digits; i > 0; --i, value >>= 4) text[i - 1] = "0123456789abcdef"[value & 15];
  return text;
}

std::optional<uint64_t> from_hex(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The rest of the line "name = ..." and its removal from `text`.
std::optional<std::string_view> take_line(std::string_view& text, std::string_view name) {
  const std::string start = std::string(name) + " = ";
  const size_t end = text.find('\n');
  if (!text.starts_with(start) || end == std::string_view::npos) return std::nullopt;
  const std::string_view value = text.substr(start.size(), end - start.size());
  text.remove_prefix(end + 1);
  return value;
}

bool take_service(std::string_view& text, std::vector<ServiceShards>& services) {
  const std::string_view name = text.substr(0, text.find(kShardsSuffix));
  const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
  if (name.empty() || !std::ranges::all_of(name, is_letter)) return false;
  const auto value = take_line(text, std::string(name) + std::string(kShardsSuffix));
  const auto count = value ? parse_int64(*value) : std::nullopt;
  if (!count || *count < 1 || *count > UINT16_MAX) return false;
  services.push_back({std::string(name), static_cast<uint16_t>(*count)});
  return true;
}

std::optional<NodeFile> parse_node(std::string_view text) {
  NodeFile node;
  const std::string_view whole = text;
  if (!text.starts_with(kFirstLine)) return std::nullopt;
  text.remove_prefix(kFirstLine.size());
  const auto id = take_line(text, "id");
  const auto shards = take_line(text, "shards");
  const auto databases = take_line(text, "databases");
  const auto secret = take_line(text, "hash-secret");
  // "blob-shards = 16": a folder of an earlier version has none of these.
  while (!text.starts_with("crc = ")) {
    if (!take_service(text, node.services)) return std::nullopt;
  }
  const size_t covered = whole.size() - text.size();
  const auto crc = take_line(text, "crc");
  if (!id || !shards || !databases || !secret || !crc || !text.empty()) return std::nullopt;
  if (from_hex(*crc) != std::optional<uint64_t>(crc32c(0, whole.substr(0, covered)))) return std::nullopt;
  const auto shard_count = parse_int64(*shards);
  const auto database_count = parse_int64(*databases);
  const auto hash_secret = from_hex(*secret);
  if (id->size() != kIdDigits || !shard_count || !database_count || !hash_secret) return std::nullopt;
  if (*shard_count < 1 || *shard_count > UINT16_MAX || *database_count < 1 || *database_count > UINT16_MAX)
    return std::nullopt;
  node.id = *id;
  node.shards = static_cast<uint16_t>(*shard_count);
  node.databases = static_cast<uint16_t>(*database_count);
  node.hash_secret = *hash_secret;
  return node;
}

std::unexpected<Error> unusable(const std::string& path, const Error& error) {
  std::string advice = ". Give the server's user the right to write there, or choose another folder with --data-dir";
  if (error.code() == env::DiskErrc::kFull) advice = ". Make room on that disk";
  return fail(FolderErrc::kUnusable, "cannot use the data folder " + path + ": " + error.message() + advice);
}

NodeFile new_node(env::Random& random, const FolderWish& wish) {
  std::array<char, kIdDigits / 2> id{};
  random.fill_secret(id);
  std::array<char, 8> secret{};
  random.fill_secret(secret);
  NodeFile node;
  for (char byte : id) node.id += to_hex(static_cast<unsigned char>(byte), 2);
  for (char byte : secret) node.hash_secret = node.hash_secret << 8 | static_cast<unsigned char>(byte);
  if (wish.hash_secret) node.hash_secret = *wish.hash_secret;
  node.shards = wish.shards;
  node.databases = wish.databases;
  node.services = wish.services;
  return node;
}

// What is already there decides; a wish that contradicts it is refused.
Status check_wish(const std::string& path, const NodeFile& node, const FolderWish& wish) {
  if (wish.is_shards_explicit && wish.shards != node.shards) {
    return fail(FolderErrc::kMismatch, "the data folder " + path +
                                           " was made with kv.shards = " + std::to_string(node.shards) +
                                           ", and it cannot be changed to " + std::to_string(wish.shards) +
                                           " now. Leave kv.shards out, or start with a new folder");
  }
  if (wish.databases < node.databases) {
    return fail(FolderErrc::kMismatch,
                "the data folder " + path + " has been used with kv.databases = " + std::to_string(node.databases) +
                    "; it cannot be less than that (" + std::to_string(wish.databases) + " is asked for)");
  }
  return {};
}

}  // namespace

std::error_code make_error_code(FolderErrc code) {
  static const FolderCategory category;
  return {static_cast<int>(code), category};
}

uint16_t NodeFile::shards_of(std::string_view service) const {
  for (const ServiceShards& known : services) {
    if (known.name == service) return known.shards;
  }
  return 0;
}

std::string write_node_file(const NodeFile& node) {
  std::string text(kFirstLine);
  text.append("id = ").append(node.id).append("\n");
  text.append("shards = ").append(std::to_string(node.shards)).append("\n");
  text.append("databases = ").append(std::to_string(node.databases)).append("\n");
  text.append("hash-secret = ").append(to_hex(node.hash_secret, 16)).append("\n");
  for (const ServiceShards& service : node.services) {
    text.append(service.name).append(kShardsSuffix).append(" = ").append(std::to_string(service.shards)).append("\n");
  }
  const uint32_t crc = crc32c(0, text);
  return text.append("crc = ").append(to_hex(crc, 8)).append("\n");
}

Result<NodeFile> read_node_file(std::string_view text, const std::string& path) {
  std::optional<NodeFile> node = parse_node(text);
  if (!node) {
    return fail(FolderErrc::kDamaged,
                path + " is damaged or was written by another version of Keelson. Restore the folder from a backup");
  }
  return std::move(*node);
}

Result<std::unique_ptr<env::FileLock>> lock_folder(env::Disk& disk, const std::string& path) {
  Result<std::unique_ptr<env::FileLock>> lock = disk.lock(path + "/" + std::string(kLockName));
  if (lock.ok()) return lock;
  if (lock.error().code() == env::DiskErrc::kLocked) {
    return fail(FolderErrc::kInUse, "another server is running on the data folder " + path +
                                        ". Stop it first, or give this one a folder of its own with --data-dir");
  }
  return unusable(path, lock.error());
}

Task<Result<std::unique_ptr<DataFolder>>> DataFolder::open(env::Disk& disk, env::Reactor& on, std::string path,
                                                           FolderWish wish) {
  if (Status made = disk.make_folder(path); !made.ok()) co_return unusable(path, made.error());
  Result<std::unique_ptr<env::FileLock>> lock = lock_folder(disk, path);
  if (!lock.ok()) co_return forward_error(lock);
  // tidy: naked new, because the constructor is private.
  std::unique_ptr<DataFolder> folder(new DataFolder(path, std::move(*lock)));

  const std::string node_path = path + "/" + std::string(kNodeName);
  NodeFile node;
  bool is_written = false;
  if (disk.exists(node_path)) {
    Result<std::string> text = env::read_file(disk, node_path, kNodeBytesMax);
    if (!text.ok()) co_return unusable(path, text.error());
    Result<NodeFile> read = read_node_file(*text, node_path);
    if (!read.ok()) co_return forward_error(read);
    node = std::move(*read);
    if (wish.keeps_numbers) {
      wish.shards = node.shards;
      wish.databases = node.databases;
    }
    if (Status fits = check_wish(path, node, wish); !fits.ok()) co_return forward_error(fits);
    is_written = node.databases == wish.databases;
    node.databases = wish.databases;
    for (const ServiceShards& service : wish.services) {
      if (wish.keeps_numbers || node.shards_of(service.name) != 0) continue;
      node.services.push_back(service);
      is_written = false;
    }
  } else if (disk.exists(path + "/" + std::string(kLogFolder)) ||
             disk.exists(path + "/" + std::string(kCheckpointFolder))) {
    co_return fail(FolderErrc::kDamaged,
                   "the data folder " + path + " holds data but no file \"" + std::string(kNodeName) +
                       "\": a restore was cut short, or the file was removed. Restore into an empty folder again");
  } else {
    node = new_node(on.random(), wish);
  }
  if (!is_written) {
    Status written = co_await env::replace_file(disk, on, path, std::string(kNodeName), write_node_file(node));
    if (!written.ok()) co_return unusable(path, written.error());
  }
  folder->node_ = std::move(node);
  co_return folder;
}

}  // namespace keelson::server
