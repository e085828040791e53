// The data folder: who uses it, and what was fixed when it was first used.
//
//   LOCK          held by the server that runs on it
//   node          text: the node's id, kv's number of shards and databases, the secret of the tables' hash, further
//                 services' numbers of shards in the order in which they were added, and a CRC32C; the last file that a
//                 new or restored folder gets
//   log/          segments (log/format.h)
//   checkpoints/  (log/checkpoint_file.h)
//   blob/         <shard>/<volume> (blobstore/format.h)
//   topic/        <shard>/<segment> (engine/topic/segment_file.h)
//   cluster       of a node in a cluster: which one, and the node's number there (cluster/identity.h)
//   cluster-incoming/  files that come from other nodes; emptied at start
//   s3-root-key   the key that the server made for S3, if it had to (protocol/s3/root_key.h)
//   s3-master-keys  what wraps the keys of encrypted objects, unless it stands elsewhere (protocol/s3/master_keys.h)
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "env/disk.h"
#include "env/reactor.h"

namespace keelson::server {

enum class FolderErrc : uint8_t {
  kOk = 0,
  kInUse,     // another server runs on it
  kUnusable,  // it cannot be made, read or written
  kDamaged,   // `node` is not what was written
  kMismatch,  // made with other fixed settings
};
std::error_code make_error_code(FolderErrc code);

struct ServiceShards {
  std::string name;  // lower-case letters
  uint16_t shards = 0;
  bool operator==(const ServiceShards&) const = default;
};

struct NodeFile {
  std::string id;       // 40 hex digits
  uint16_t shards = 0;  // kv's
  uint16_t databases = 0;
  uint64_t hash_secret = 0;
  std::vector<ServiceShards> services;  // besides kv
  // 0: the folder knows no such service.
  [[nodiscard]] uint16_t shards_of(std::string_view service) const;
};
std::string write_node_file(const NodeFile& node);
Result<NodeFile> read_node_file(std::string_view text, const std::string& path);

inline constexpr std::string_view kLockName = "LOCK";
inline constexpr std::string_view kNodeName = "node";
inline constexpr std::string_view kLogFolder = "log";
inline constexpr std::string_view kCheckpointFolder = "checkpoints";
inline constexpr std::string_view kBlobFolder = "blob";
inline constexpr std::string_view kRootKeyName = "s3-root-key";
inline constexpr std::string_view kMasterKeysName = "s3-master-keys";

struct FolderWish {
  uint16_t shards = 16;
  bool is_shards_explicit = false;  // somebody asked for this number: another one in the folder is an error
  uint16_t databases = 16;
  // Besides kv, in the order of their shards. One that the folder does not know yet is added behind those it knows; one
  // that it knows keeps the number of shards that it has.
  std::vector<ServiceShards> services;
  // A folder that is there keeps its services and their numbers of shards and databases, whatever is asked for: they
  // are its cluster's.
  bool keeps_numbers = false;
  // Of a new folder: the secret of its tables' hash, which is the same on all nodes of a cluster. None: by chance.
  std::optional<uint64_t> hash_secret;
};

// An open data folder: locked until destroyed.
class DataFolder {
 public:
  // Makes what is missing. The sentence of an error says what to do.
  static Task<Result<std::unique_ptr<DataFolder>>> open(env::Disk& disk, env::Reactor& on, std::string path,
                                                        FolderWish wish);

  [[nodiscard]] const NodeFile& node() const { return node_; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  DataFolder(std::string path, std::unique_ptr<env::FileLock> lock) : path_(std::move(path)), lock_(std::move(lock)) {}

  std::string path_;
  std::unique_ptr<env::FileLock> lock_;
  NodeFile node_;
};

// For tools that work on a folder that no server may be using.
Result<std::unique_ptr<env::FileLock>> lock_folder(env::Disk& disk, const std::string& path);

}  // namespace keelson::server

template <>
struct std::is_error_code_enum<keelson::server::FolderErrc> : std::true_type {};
