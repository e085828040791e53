// For tests of the engine's parts: commands and queries as an engine would hand them on.
#pragma once

#include <memory>
#include <string>

#include "base/check.h"
#include "engine/topic/part.h"

namespace keelson::topic {

class PartHarness {
 public:
  explicit PartHarness(std::unique_ptr<Part> (*make)()) : make_(make), part_(make()) {}

  template <class Body>
  Answer apply(const Body& body) {
    Answer answer;
    part_->apply({{.index = ++index_, .time_ms = now_ms}, claim}, Body::kCode, encode(body), &answer);
    return answer;
  }
  template <class Body>
  [[nodiscard]] Answer query(const Body& body) const {
    Answer answer;
    part_->query({.index = 0, .time_ms = now_ms}, Body::kCode, encode(body), answer);
    return answer;
  }
  [[nodiscard]] std::string saved() const {
    Buffer out;
    part_->save(out);
    return std::string(out.view());
  }
  // As after a restart with a checkpoint of this moment.
  void reload() {
    const std::string bytes = saved();
    std::unique_ptr<Part> fresh = make_();
    KEELSON_CHECK(fresh->load(bytes).ok(), "a part does not load what it saved");
    part_ = std::move(fresh);
    KEELSON_CHECK(saved() == bytes, "a part saves something else than what it loaded");
  }
  [[nodiscard]] Part& part() { return *part_; }

  int64_t now_ms = 1'000;
  int32_t claim = 0;  // the shard's present one

 private:
  std::unique_ptr<Part> (*make_)();
  std::unique_ptr<Part> part_;
  uint64_t index_ = 0;
};

}  // namespace keelson::topic
