// A checkpoint that came from another node, with the files that came along: where they lie until they are taken over.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "env/disk.h"
#include "raft/messenger.h"

namespace keelson::raft {

// Owns the files: what is still here when it is destroyed is removed.
class Arrival {
 public:
  // The disk outlives it.
  Arrival(env::Disk& disk, std::string path, std::vector<SideFile> beside)
      : disk_(&disk), path_(std::move(path)), beside_(std::move(beside)) {}
  ~Arrival();
  Arrival(Arrival&& other) noexcept
      : disk_(other.disk_), path_(std::exchange(other.path_, {})), beside_(std::exchange(other.beside_, {})) {}
  Arrival& operator=(Arrival&&) = delete;
  Arrival(const Arrival&) = delete;
  Arrival& operator=(const Arrival&) = delete;

  // Of the checkpoint.
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const std::vector<SideFile>& beside() const { return beside_; }
  // The file has got another owner (and another name).
  void release(size_t place) { beside_[place].path.clear(); }

 private:
  void remove(const std::string& path);

  env::Disk* disk_;
  std::string path_;
  std::vector<SideFile> beside_;
};

}  // namespace keelson::raft
