// One part of the topic engine's state: groups, transactions, cursors. Parts know nothing of each other; the engine
// hands each the commands of its codes (codes.h).
#pragma once

#include <cstdint>
#include <string_view>

#include "base/buffer.h"
#include "base/result.h"
#include "engine/engine.h"
#include "engine/topic/answer.h"
#include "engine/topic/codes.h"
#include "engine/topic/types.h"

namespace keelson::topic {

struct PartContext : engine::ApplyContext {
  int32_t claim = 0;  // the shard's present one (ClaimShard); 0: there was none yet
};

// Reads the body of a command, which may carry a claim: kInvalid if it is malformed, kFencedClaim if the claim is not
// the shard's present one. 0: it is of nobody, and always taken.
template <class Body>
[[nodiscard]] TopicErrc admit(const PartContext& context, std::string_view bytes, Body& body) {
  if (!decode(bytes, body)) return TopicErrc::kInvalid;
  if constexpr (requires { body.claim; }) {
    if (body.claim != 0 && body.claim != context.claim) return TopicErrc::kFencedClaim;
  }
  return TopicErrc::kOk;
}

class Part {
 public:
  virtual ~Part() = default;
  // `answer` may be null: nobody listens. A body that is malformed is answered with kInvalid and changes nothing.
  virtual void apply(const PartContext& context, Code code, std::string_view body, Answer* answer) = 0;
  virtual void query(const engine::ApplyContext& context, Code code, std::string_view body, Answer& answer) const = 0;
  // Appends the whole state as blocks of this part's own format, in one go: what parts hold is small beside what the
  // partitions hold.
  virtual void save(Buffer& out) const = 0;
  // What save() made, once, into an empty part. An error says what is wrong with the bytes.
  virtual Status load(std::string_view saved) = 0;
  virtual void reset() = 0;
};

}  // namespace keelson::topic
