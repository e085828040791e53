// For tests: an engine that is spoken to with bodies, and whose records can be replayed.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "engine/blob/blob_engine.h"

namespace keelson::blob {

class TestEngine {
 public:
  template <class Body>
  Answer apply(const Body& body) {
    Answer answer;
    OneAnswer sink(answer);
    Encoded encoded(body);
    encoded.set_mark(mark);
    engine_->apply({++index_, now_ms, 0}, encoded.command(), sink);
    return answer;
  }
  template <class Body>
  Answer query(const Body& body) {
    Answer answer;
    OneAnswer sink(answer);
    const Encoded encoded(body);
    engine_->query({0, now_ms, 0}, encoded.command(), sink);
    return answer;
  }

  BucketId make_bucket(std::string name) {
    return apply(CreateBucket{std::move(name), {}, {}, false, {}}).buckets.at(0)->id;
  }
  Answer put(BucketId bucket, std::string key, std::string bytes) {
    PutObject body;
    body.bucket = bucket;
    body.key = std::move(key);
    body.meta.payload.size_bytes = bytes.size();
    body.meta.payload.inline_bytes = std::move(bytes);
    return apply(body);
  }
  Answer head(BucketId bucket, std::string key) { return query(HeadObject{bucket, std::move(key), {}, false}); }
  ListPage list(const ListObjects& what) { return query(what).page; }

  BlobEngine& engine() { return *engine_; }
  const BlobState& state() const { return engine_->state(); }
  // As a restart does.
  void replace(std::unique_ptr<BlobEngine> engine) { engine_ = std::move(engine); }

  int64_t now_ms = 1'800'000'000'000;
  uint16_t mark = 0;  // of the ids that commands make

 private:
  std::unique_ptr<BlobEngine> engine_ = std::make_unique<BlobEngine>();
  uint64_t index_ = 0;
};

}  // namespace keelson::blob
