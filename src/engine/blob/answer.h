// What the blob engine answers with.
//
// The engine writes into the Answer that the sink shows; a sink without one (a replay's, which several threads share)
// hears nothing.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/blob/errors.h"
#include "engine/blob/object.h"
#include "engine/engine.h"

namespace keelson::blob {

// One page of a listing, in order: entries and common prefixes are each sorted, and together they are the first
// `count_max` of everything that was asked for.
struct ListPage {
  std::vector<ObjectInfo> entries;
  std::vector<std::string> prefixes;  // each ends in the delimiter
  bool is_truncated = false;
  // If truncated: ListObjects::after and after_version of the next page.
  std::string next_after;
  Version next_after_version = 0;
  // Not empty: the walk stopped behind this key since it has passed by many keys that are not listed, with less than
  // was asked for. ListObjects::walk_after of the next page; `after` stays if next_after is empty.
  std::string walked_to;
};

struct UsageInfo {
  uint64_t versions = 0;  // delete markers included
  uint64_t delete_markers = 0;
  uint64_t payload_bytes = 0;  // of all versions
  uint64_t uploads = 0;
  uint64_t upload_bytes = 0;  // of parts under way
  uint64_t index_bytes = 0;   // memory of the ordered index; whole shard
  // Live bytes on disk (chunk headers included) of each volume that has any.
  std::map<uint32_t, uint64_t> volume_live_bytes;
  uint32_t highest_volume = 0;  // that any extent ever named
};

// Something that holds extents.
struct ExtentHolder {
  BucketId bucket = 0;
  std::string key;
  Version version = 0;
  UploadId upload = 0;
  uint32_t part_number = 0;
  std::vector<Extent> extents;
};

struct Answer {
  BlobErrc error = BlobErrc::kOk;
  ObjectInfo object;
  UploadInfo upload;
  ListPage page;
  std::vector<std::shared_ptr<const Bucket>> buckets;
  Pairs documents;
  std::vector<UploadInfo> uploads;
  std::vector<std::string> prefixes;
  std::vector<UploadPart> parts;
  bool is_truncated = false;
  UsageInfo usage;
  std::vector<ExtentHolder> holders;
  std::string next_cursor;
  uint64_t count = 0;
  // Extents that the command has made dead.
  std::vector<Extent> dead;
  [[nodiscard]] bool ok() const { return error == BlobErrc::kOk; }
};

class AnswerSink : public engine::ReplySink {
 public:
  // Where to write, or null: nobody listens.
  [[nodiscard]] virtual Answer* answer() = 0;
};

class OneAnswer final : public AnswerSink {
 public:
  explicit OneAnswer(Answer& answer) : answer_(answer) {}
  [[nodiscard]] Answer* answer() override { return &answer_; }

 private:
  Answer& answer_;
};

// Swallows answers; any thread.
class NullAnswer final : public AnswerSink {
 public:
  [[nodiscard]] Answer* answer() override { return nullptr; }
};

}  // namespace keelson::blob
