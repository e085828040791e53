// A client of the blob store in simulation: it alone writes its keys, knows what each must hold, and looks after every
// crash whether that is so, bit for bit.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "base/task.h"
#include "blobstore/store.h"
#include "tests/sim/blob_model.h"

namespace keelson::sim_test {

struct BlobAllowed {
  bool full = false;     // refusals because the disk is full
  bool failed = false;   // the log, or a volume, fails
  bool damaged = false;  // reads may say that bytes are damaged (never hand them out)
};

class BlobClient {
 public:
  BlobClient(unsigned number, unsigned keys, uint64_t seed, BlobAllowed allowed);

  // Verifies everything, then works until it is told to finish, and verifies again.
  Task<void> run(blobstore::Store& store, env::Reactor& here);
  // From outside: the next run() only verifies and removes everything; then is_done().
  void finish() { is_finishing_ = true; }
  [[nodiscard]] bool is_done() const { return is_done_; }

  [[nodiscard]] const std::string& violation() const { return violation_; }
  [[nodiscard]] uint64_t acknowledged() const { return acknowledged_; }
  [[nodiscard]] uint64_t verified() const { return verified_; }
  [[nodiscard]] uint64_t damaged() const { return damaged_; }

 private:
  using Store = blobstore::Store;

  uint64_t pick(uint64_t count) { return random_() % count; }
  void violate(const std::string& what) {
    if (violation_.empty()) violation_ = "client " + std::to_string(number_) + ": " + what;
  }
  [[nodiscard]] bool is_stuck() const { return !violation_.empty(); }
  // Was it done? kRefused-like outcomes leave no doubt; others may.
  bool settle(log::LogErrc outcome, KeyModel& key, KnownKey after);
  bool may_fail(const Status& status, const char* what);
  uint64_t pick_length();
  // Sealed or not, compressed or not.
  void draw_encoding(blobstore::WriterOptions& options);

  Task<bool> prepare(Store& store, env::Reactor& here);
  Task<void> verify_key(Store& store, env::Reactor& here, size_t at);
  Task<void> verify_upload(Store& store, env::Reactor& here, size_t at);
  // What a version holds; nothing: it could not be read, and that is told.
  Task<std::optional<std::string>> read_all(blobstore::BlobReader& reader);
  Task<bool> holds(Store& store, env::Reactor& here, size_t at, const blob::ObjectInfo& found,
                   const KnownVersion& known);
  Task<std::optional<blob::Payload>> write(blobstore::BlobWriter& writer, Stretch stretch);

  Task<void> step(Store& store, env::Reactor& here);
  Task<void> put(Store& store, env::Reactor& here, size_t at);
  Task<void> remove(Store& store, env::Reactor& here, size_t at);
  Task<void> remove_version(Store& store, env::Reactor& here, size_t at);
  Task<void> remove_everything(Store& store, env::Reactor& here);
  Task<void> read_slowly(Store& store, env::Reactor& here, size_t at);
  Task<void> begin_upload(Store& store, env::Reactor& here, size_t at);
  Task<void> put_part(Store& store, env::Reactor& here, size_t at);
  Task<void> end_upload(Store& store, env::Reactor& here, size_t at);
  void apply_put(KnownKey& key, KnownVersion version) const;
  [[nodiscard]] std::string key_of(size_t at) const {
    return "client/" + std::to_string(number_) + "/" + std::to_string(at);
  }

  const unsigned number_;
  const bool is_versioned_;
  const BlobAllowed allowed_;
  const blobstore::SecretKey key_;  // of what it seals
  std::mt19937_64 random_;
  blob::BucketId bucket_ = 0;
  std::vector<KeyModel> keys_;
  bool is_finishing_ = false;
  bool is_done_ = false;
  std::string violation_;
  uint64_t acknowledged_ = 0;
  uint64_t verified_ = 0;
  uint64_t damaged_ = 0;
};

}  // namespace keelson::sim_test
