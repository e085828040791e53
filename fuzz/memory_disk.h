// A disk that holds one folder of files in memory, for reading alone: what the fuzzers of file readers read from.
#pragma once

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "env/disk.h"

namespace keelson::fuzz {

class MemoryFile final : public env::File {
 public:
  explicit MemoryFile(const std::string& bytes) : bytes_(bytes) {}
  Result<size_t> read_at(uint64_t offset, std::span<char> into) override {
    if (offset >= bytes_.size()) return size_t{0};
    const size_t count = std::min<size_t>(into.size(), bytes_.size() - offset);
    std::memcpy(into.data(), bytes_.data() + offset, count);
    return count;
  }
  Status write_at(uint64_t offset, std::string_view bytes) override { return refuse(); }
  Task<Status> sync(env::Reactor& on) override { co_return refuse(); }
  Status preallocate(uint64_t size) override { return refuse(); }
  Status truncate(uint64_t size) override { return refuse(); }
  [[nodiscard]] Result<uint64_t> size() const override { return uint64_t{bytes_.size()}; }

 private:
  static Status refuse() { return fail(env::DiskErrc::kReadOnly, "this disk is for reading alone"); }
  const std::string& bytes_;
};

class MemoryDisk final : public env::Disk {
 public:
  // By name, without the folder.
  std::map<std::string, std::string> files;

  Result<std::unique_ptr<env::File>> open(const std::string& path, env::OpenMode mode) override {
    const auto file = files.find(path.substr(path.rfind('/') + 1));
    if (file == files.end()) return fail(env::DiskErrc::kNotFound, "no file " + path);
    return std::make_unique<MemoryFile>(file->second);
  }
  Status rename(const std::string& from, const std::string& to) override { return refuse(); }
  Status remove(const std::string& path) override { return refuse(); }
  Result<std::vector<std::string>> list(const std::string& folder) override {
    std::vector<std::string> names;
    for (const auto& [name, bytes] : files) names.push_back(name);
    return names;
  }
  Status make_folder(const std::string& folder) override { return {}; }
  Task<Status> sync_folder(const std::string& folder, env::Reactor& on) override { co_return refuse(); }
  [[nodiscard]] bool exists(const std::string& path) override {
    return files.contains(path.substr(path.rfind('/') + 1));
  }
  Result<env::FileInfo> info(const std::string& path) override {
    const auto file = files.find(path.substr(path.rfind('/') + 1));
    if (file == files.end()) return fail(env::DiskErrc::kNotFound, "no file " + path);
    return env::FileInfo{.kind = env::FileKind::kFile, .size_bytes = file->second.size()};
  }
  Result<uint64_t> free_bytes(const std::string& folder) override { return uint64_t{0}; }
  Result<std::unique_ptr<env::FileLock>> lock(const std::string& path) override {
    return fail(env::DiskErrc::kReadOnly, "this disk is for reading alone");
  }

 private:
  static Status refuse() { return fail(env::DiskErrc::kReadOnly, "this disk is for reading alone"); }
};

}  // namespace keelson::fuzz
