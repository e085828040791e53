// Files on Linux. Reads and writes go straight to the page cache; syncs run on a few threads of their own.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "env/disk.h"
#include "env/reactor.h"

namespace keelson::env {

class RealDisk final : public Disk {
 public:
  // `threads` syncs may be under way at a time.
  explicit RealDisk(unsigned threads);
  // Waits for the syncs under way.
  ~RealDisk() override;

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& folder) override;
  Status make_folder(const std::string& folder) override;
  Task<Status> sync_folder(const std::string& folder, Reactor& on) override;
  [[nodiscard]] bool exists(const std::string& path) override;
  Result<FileInfo> info(const std::string& path) override;
  Result<uint64_t> free_bytes(const std::string& folder) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;

  // Runs `work` on one of the threads.
  void run(Callback work);

 private:
  struct Pool;
  std::unique_ptr<Pool> pool_;
};

}  // namespace keelson::env
