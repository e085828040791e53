// What a simulated S3 client knows of its keys: the state that was acknowledged and, while an answer is missing, every
// state that may be. And what all clients together know of the keys that they write under conditions.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/blob_model.h"

namespace keelson::sim_test {

// Of a version that is locked: it must stay until then, or while it is held.
struct KnownLock {
  bool is_compliance = false;
  int64_t until_ms = 0;  // 0: no retention
  bool is_held = false;
  bool operator==(const KnownLock&) const = default;
};

struct S3Version {
  std::string id = {};  // as clients see it; empty: not told
  bool is_marker = false;
  std::vector<Stretch> content = {};
  bool is_multipart = false;  // one stretch for each part
  std::string tag = {};       // the value of its one tag; empty: none
  KnownLock lock = {};
  [[nodiscard]] uint64_t size_bytes() const {
    uint64_t bytes = 0;
    for (const Stretch& stretch : content) bytes += stretch.length;
    return bytes;
  }
};

struct S3Upload {
  std::string id = {};  // empty: not told
  std::map<uint32_t, Stretch> parts = {};
};

// One state of a key: its versions, newest first, and the upload that is under way.
struct S3State {
  std::vector<S3Version> versions = {};
  std::optional<S3Upload> upload = {};
};

struct S3Key {
  // The first is what was acknowledged last; others are there while a change is in doubt.
  std::vector<S3State> possible{S3State{}};
  // A request whose answer is missing may still be carried out: until this time, or the server's next start.
  int64_t settled_at_ns = 0;
  uint64_t doubt_boot = 0;
  [[nodiscard]] bool is_known() const { return possible.size() == 1; }
};

// "If-None-Match: *" and If-Match on keys that every client writes: what was tried, and on top of which content.
struct Attempt {
  enum class Outcome : uint8_t { kOpen, kWon, kLost };
  std::string base_etag;  // empty: nothing was there
  Stretch content;
  Outcome outcome = Outcome::kOpen;
};
struct ContestedKey {
  std::map<std::string, Attempt> attempts;  // by their entity tag, without quotes
  bool is_verified = false;                 // at the end; then it goes
};

// What all clients of a run share.
struct S3World {
  uint64_t boots = 0;  // of the server
  std::map<std::string, ContestedKey> contested;
};

// What a run may see beside answers that are right.
struct S3Allowed {
  bool server_errors = false;  // 503 and 500: a full disk, a log that fails
  bool damaged = false;        // reads may break off (and never hand out wrong bytes)
};

}  // namespace keelson::sim_test
