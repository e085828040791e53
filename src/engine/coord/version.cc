#include "engine/coord/version.h"

#include <new>

#include "base/check.h"

namespace keelson::coord {

Version* Version::find_jump(Version* older, uint32_t depth, Revision compacted) {
  if (depth == 0 || depth % kJumpEvery != 0) return nullptr;
  const uint32_t target = depth & (depth - 1);
  Version* at = older;
  while (at != nullptr && at->depth_ > target) {
    const bool can_jump = at->depth_ % kJumpEvery == 0 && (at->depth_ & (at->depth_ - 1)) >= target;
    if (!can_jump) {
      at = at->older_;
      continue;
    }
    // Where this one leads is not before the target: if that is compacted, so is the target, and the way to it is long.
    if (!at->has(kJump) || at->get<Revision>(kJump, 8) <= compacted) return nullptr;
    at = at->get<Version*>(kJump, 0);
  }
  return at != nullptr && at->depth_ == target && at->main_ > compacted ? at : nullptr;
}

Version* Version::make(const Content& content, Version* older, Revision compacted) {
  KEELSON_CHECK(content.key.size() <= kKeyBytesMax && content.value.size() <= kValueBytesMax,
                "coord: a key or value is too long for a version");
  const uint32_t depth = older == nullptr ? 0 : older->depth_ + 1;
  Version* const jump = find_jump(older, depth, compacted);
  const bool has_first = content.count > 1 || (content.count == 1 && content.create != content.main);
  unsigned flags = content.count == 0 ? unsigned{kDeletion} : 0;
  if (has_first) flags |= kFirst;
  if (content.lease != 0) flags |= kLease;
  if (jump != nullptr) flags |= kJump;
  const size_t bytes = sizeof(Version) + (has_first ? 16 : 0) + (content.lease != 0 ? 24 : 0) +
                       (jump != nullptr ? 16 : 0) + content.key.size() + content.value.size();
  auto* version = ::new (::operator new(bytes)) Version();
  version->older_ = older;
  version->main_ = content.main;
  version->sub_ = content.sub;
  version->depth_ = depth;
  version->value_size_ = static_cast<uint32_t>(content.value.size());
  version->key_size_ = static_cast<uint32_t>(content.key.size());
  version->flags_ = static_cast<uint8_t>(flags);
  if (has_first) {
    version->put(kFirst, 0, content.create);
    version->put(kFirst, 8, content.count);
  }
  if (content.lease != 0) {
    version->put(kLease, 0, content.lease);
    version->put(kLease, 8, static_cast<Version*>(nullptr));
    version->put(kLease, 16, static_cast<Version*>(nullptr));
  }
  if (jump != nullptr) {
    version->put(kJump, 0, jump);
    version->put(kJump, 8, jump->main_);
  }
  char* to = reinterpret_cast<char*>(version) + version->offset(kContent);
  content.key.copy(to, content.key.size());
  content.value.copy(to + content.key.size(), content.value.size());
  return version;
}

void Version::destroy(Version* version) {
  ::operator delete(version);  // tidy: naked delete, because a version ends in bytes that no type says the length of.
}

KeyValue Version::key_value() const {
  if (is_deletion()) {
    KeyValue deleted;
    deleted.key = key();
    deleted.mod_revision = main_;
    return deleted;
  }
  return {.key = key(),
          .value = value(),
          .create_revision = create(),
          .mod_revision = main_,
          .version = count(),
          .lease = lease()};
}

const Version* Version::at(Revision main) const {
  const Version* at = this;
  while (at != nullptr && at->main_ > main) {
    if (at->has(kJump) && at->get<Revision>(kJump, 8) > main) {
      at = at->get<Version*>(kJump, 0);
    } else {
      at = at->older_;
    }
  }
  return at;
}

}  // namespace keelson::coord
