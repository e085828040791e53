// Files on Linux. Reads and writes go straight to the page cache. What waits for the device has threads of its own:
// some for syncs, some for reads of what is not cached, one for hints; so none of the three waits for another kind.
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

  // Runs `work` on one of the threads for syncs.
  void run(Callback work);
  // On one of those for reads, of which there are File::kFetchesMax.
  void run_read(Callback work);
  // Drops it if too many wait.
  void run_hint(Callback work);

 private:
  struct Pools;
  std::unique_ptr<Pools> pools_;
};

}  // namespace keelson::env
