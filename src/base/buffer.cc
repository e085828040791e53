#include "base/buffer.h"

#include <algorithm>

namespace keelson {

namespace {
constexpr size_t kBufferBytesMin = 512;
}

void Buffer::make_room(size_t extra) {
  const size_t used = size();
  // Moving down is worth it only when it frees at least half: otherwise a slow reader would make each append a move.
  if (capacity_ - used >= extra && begin_ >= used) {
    std::memmove(bytes_.get(), bytes_.get() + begin_, used);
  } else {
    const size_t wanted = std::max({kBufferBytesMin, used + extra, used * 2});
    std::unique_ptr<char[]> grown(new char[wanted]);
    if (used != 0) std::memcpy(grown.get(), bytes_.get() + begin_, used);
    bytes_ = std::move(grown);
    capacity_ = wanted;
  }
  begin_ = 0;
  end_ = used;
}

void Buffer::shrink_if_empty(size_t keep) {
  if (!empty() || capacity_ <= keep) return;
  bytes_.reset();
  begin_ = end_ = capacity_ = 0;
}

}  // namespace keelson
