// An S3 client in simulation. It alone writes its bucket, knows what every key must hold, and looks after each restart
// of the server whether that is so, bit for bit: versions, bytes, tags, locks, uploads with their parts, listings.
// A bucket of every third client has no versions, of another third has, of the rest has object lock as well.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/task.h"
#include "tests/sim/s3_caller.h"
#include "tests/sim/s3_model.h"

namespace keelson::sim_test {

enum class S3Phase : uint8_t { kWork, kVerify, kRemove };

class S3Client {
 public:
  S3Client(unsigned number, unsigned keys, uint64_t seed, S3Allowed allowed, S3World& world, S3Caller caller);

  // To its end: after kRemove, or a violation.
  Task<void> run();
  // From outside.
  void enter(S3Phase phase) { phase_ = phase; }
  // Everything of this phase is done.
  [[nodiscard]] bool has_done(S3Phase phase) const { return done_ && *done_ >= phase; }

  [[nodiscard]] const std::string& violation() const { return violation_; }
  [[nodiscard]] uint64_t acknowledged() const { return acknowledged_; }
  [[nodiscard]] uint64_t verified() const { return verified_; }
  [[nodiscard]] uint64_t doubts() const { return caller_.doubts(); }
  [[nodiscard]] uint64_t refused_by_lock() const { return refused_by_lock_; }
  // Bytes of everything that is known to be there.
  [[nodiscard]] uint64_t live_bytes() const;

 private:
  uint64_t pick(uint64_t count) { return random_() % count; }
  void violate(const std::string& what) {
    if (violation_.empty()) violation_ = "client " + std::to_string(number_) + ": " + what;
  }
  [[nodiscard]] bool is_stuck() const { return !violation_.empty(); }
  [[nodiscard]] std::string key_of(size_t at) const {
    return "dir" + std::to_string(at % 2) + "/key " + std::to_string(at) + (at % 3 == 0 ? "/é+%" : "");
  }
  [[nodiscard]] bool is_versioned() const { return kind_ != 0; }
  [[nodiscard]] bool has_locks() const { return kind_ == 2; }
  uint64_t pick_length();
  BlobRequest request(std::string method, size_t at, std::string content = {}) const;
  Task<S3Reply> call(BlobRequest what) { return caller_.call(std::move(what)); }

  // A change of a key: sent, and the key's states set by what was answered. True: it was done.
  Task<bool> change(size_t at, BlobRequest what, S3State after, S3Reply* told = nullptr);
  void in_doubt(S3Key& key, S3State after);
  // The change cannot be done as the key is now. As long as its request may still be under way nothing else may change.
  void must_be_refused(S3Key& key);
  // 5xx where none may be, and everything else that no request of ours deserves.
  void judge(const S3Reply& reply, const BlobRequest& what);
  // A key that may be changed, if there is one at this place.
  bool is_ready(size_t at) const;
  void add_version(S3State& state, S3Version version) const;

  Task<bool> prepare();
  Task<void> work();
  Task<void> step();
  Task<void> put(size_t at);
  Task<void> put_conditionally(size_t at);
  Task<void> put_cut_short(size_t at);
  Task<void> copy(size_t at);
  Task<void> remove(size_t at);
  Task<void> remove_version(size_t at, bool bypasses);
  Task<void> remove_many();
  Task<void> tag(size_t at);
  Task<void> lock(size_t at);
  Task<void> upload(size_t at);
  Task<void> put_part(size_t at);
  Task<void> end_upload(size_t at);
  Task<void> compete();

  // s3_client_checks.cc. False: the server could not be asked.
  Task<bool> verify_all();
  Task<bool> verify_key(size_t at);
  Task<bool> verify_listing();
  Task<bool> verify_contested();
  void verify_chain(const std::string& name, const ContestedKey& key, std::string at);
  Task<std::optional<bool>> is_state(size_t at, const std::vector<s3::XmlElement>& listed,
                                     const std::vector<std::string>& uploads, const S3State& state);
  Task<std::optional<bool>> holds(size_t at, const s3::XmlElement& listed, const S3Version& known);
  Task<std::optional<bool>> holds_bytes(size_t at, const std::string& id, const S3Version& known);
  Task<std::optional<bool>> holds_parts(size_t at, const std::string& id, const S3Upload& known);
  Task<std::optional<std::vector<std::string>>> uploads_of(size_t at);
  Task<void> remove_everything();

  const unsigned number_;
  const unsigned kind_;
  const S3Allowed allowed_;
  S3World& world_;
  S3Caller caller_;
  std::mt19937_64 random_;
  const std::string bucket_;
  bool has_bucket_ = false;
  std::vector<S3Key> keys_;
  uint64_t seen_boots_ = 0;
  S3Phase phase_ = S3Phase::kWork;
  std::optional<S3Phase> done_;
  std::string violation_;
  uint64_t acknowledged_ = 0;
  uint64_t verified_ = 0;
  uint64_t refused_by_lock_ = 0;
};

// The entity tag of such a version, without quotes.
[[nodiscard]] std::string etag_of(const S3Version& version);
[[nodiscard]] std::string etag_of(const Stretch& stretch);

inline constexpr std::string_view kContestedBucket = "contested";

}  // namespace keelson::sim_test
