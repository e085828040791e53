// A disk over another one, which it never changes: what is written stays in memory, and is read back as if it had been
// written. So a tool can run the parts that recover, open and close a data folder, and leave the folder as it was.
//
// Costs memory for what is written (pages of 4 KiB). lock() and free_bytes() are the other disk's: locks are real.
// Files below must not change meanwhile, which the folder's lock sees to. Used by one thread, unlike other disks.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "env/disk.h"
#include "env/env.h"

namespace keelson::server {

class OverlayDisk final : public env::Disk {
 public:
  // `below` outlives it, and it outlives its files.
  explicit OverlayDisk(env::Disk& below) : below_(below) {}

  Result<std::unique_ptr<env::File>> open(const std::string& path, env::OpenMode mode) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& folder) override;
  Status make_folder(const std::string& folder) override;
  Task<Status> sync_folder(const std::string& folder, env::Reactor& on) override;
  [[nodiscard]] bool exists(const std::string& path) override;
  Result<env::FileInfo> info(const std::string& path) override;
  Result<uint64_t> free_bytes(const std::string& folder) override { return below_.free_bytes(folder); }
  Result<std::unique_ptr<env::FileLock>> lock(const std::string& path) override { return below_.lock(path); }

 private:
  class Content;
  class OpenFile;
  // tidy: shared_ptr, because a content lives as long as a name or an open file needs it, as an inode does.
  using Shared = std::shared_ptr<Content>;
  // tidy: shared_ptr, because it follows the one above.
  using Weak = std::weak_ptr<Content>;

  Result<Shared> content_of(const std::string& path);

  env::Disk& below_;
  // What is another than below; null: removed.
  std::map<std::string, Shared> changed_;
  // Open and not changed yet, so that all who have a file open see the same.
  std::map<std::string, Weak> open_;
  std::set<std::string> folders_;  // made here
};

// An Env with another disk.
class OverlayEnv final : public env::Env {
 public:
  explicit OverlayEnv(env::Env& below) : below_(below), disk_(below.disk()) {}
  [[nodiscard]] unsigned reactor_count() const override { return below_.reactor_count(); }
  [[nodiscard]] env::Reactor& reactor(unsigned index) override { return below_.reactor(index); }
  [[nodiscard]] env::Disk& disk() override { return disk_; }
  [[nodiscard]] env::Network& network() override { return below_.network(); }
  [[nodiscard]] env::Workers& workers() override { return below_.workers(); }
  [[nodiscard]] const env::Clock& clock() const override { return below_.clock(); }
  [[nodiscard]] uint64_t memory_used_bytes() const override { return below_.memory_used_bytes(); }

 private:
  env::Env& below_;
  OverlayDisk disk_;
};

}  // namespace keelson::server
