// What is there: the files below a folder and the objects below a prefix, one after the other in the order of their
// names' bytes, so that two of them can be compared in one go and neither is held in memory.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "cli/blob_documents.h"
#include "cli/blob_plan.h"
#include "cli/blob_service.h"
#include "env/disk.h"

namespace keelson::cli {

class EntrySource {
 public:
  virtual ~EntrySource() = default;
  // Nullopt at the end. After an error no more.
  virtual Task<Result<std::optional<Entry>>> next() = 0;
};

// Symbolic links are followed; a folder that leads back into itself ends at this depth, with an error.
inline constexpr size_t kFolderDepthMax = 64;

// Files below `folder`. Sockets, devices and the like are left out, as are downloads under way (kPartialEnding).
std::unique_ptr<EntrySource> walk_folder(env::Disk& disk, std::string folder);
// Objects whose key begins with `prefix`, named by the rest. Nothing is left out but a key that equals the prefix, and
// those that end in a slash and are empty: markers that some programs make for folders.
std::unique_ptr<EntrySource> walk_objects(BlobService& service, std::string bucket, std::string prefix);

// Unfinished downloads lie beside their target under its name and this.
inline constexpr std::string_view kPartialEnding = ".keelson-partial";

// Pages of ListObjectsV2.
class ObjectPages {
 public:
  // With a delimiter what lies below it comes as prefixes.
  ObjectPages(BlobService& service, std::string bucket, std::string prefix, std::string delimiter = {})
      : service_(service), bucket_(std::move(bucket)), prefix_(std::move(prefix)), delimiter_(std::move(delimiter)) {}
  // Nullopt at the end.
  [[nodiscard]] Task<Result<std::optional<ListPage>>> next();

 private:
  BlobService& service_;
  const std::string bucket_;
  const std::string prefix_;
  const std::string delimiter_;
  std::string token_;
  bool is_done_ = false;
};

// Pages of ListObjectVersions.
class VersionPages {
 public:
  VersionPages(BlobService& service, std::string bucket, std::string prefix, std::string delimiter = {})
      : service_(service), bucket_(std::move(bucket)), prefix_(std::move(prefix)), delimiter_(std::move(delimiter)) {}
  [[nodiscard]] Task<Result<std::optional<ListPage>>> next();

 private:
  BlobService& service_;
  const std::string bucket_;
  const std::string prefix_;
  const std::string delimiter_;
  std::string key_marker_;
  std::string version_marker_;
  bool is_done_ = false;
};

// Pages of ListMultipartUploads.
class UploadPages {
 public:
  UploadPages(BlobService& service, std::string bucket, std::string prefix)
      : service_(service), bucket_(std::move(bucket)), prefix_(std::move(prefix)) {}
  [[nodiscard]] Task<Result<std::optional<UploadPage>>> next();

 private:
  BlobService& service_;
  const std::string bucket_;
  const std::string prefix_;
  std::string key_marker_;
  std::string id_marker_;
  bool is_done_ = false;
};

}  // namespace keelson::cli
