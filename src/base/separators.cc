#include "base/separators.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"

namespace keelson {

namespace {

static_assert(std::endian::native == std::endian::little);

uint64_t head_of(std::string_view bytes) {
  uint64_t head = 0;
  // No bytes may have no address.
  if (!bytes.empty()) std::memcpy(&head, bytes.data(), std::min(bytes.size(), sizeof(head)));
  return __builtin_bswap64(head);
}

// Strings up to this length lie within their object (libstdc++).
const size_t kInPlaceBytes = std::string().capacity();

}  // namespace

size_t Separators::count_not_greater(std::string_view key) const {
  const int order = key.substr(0, shared_.size()).compare(shared_);
  if (order != 0) return order < 0 ? 0 : size();
  const std::string_view rest = key.substr(shared_.size());
  const uint64_t head = head_of(rest);
  const auto from = std::ranges::lower_bound(heads_, head);
  auto to = from;
  if (from == heads_.end() || *from != head) return static_cast<size_t>(from - heads_.begin());
  to = std::upper_bound(from, heads_.end(), head);
  const auto first = rests_.begin() + (from - heads_.begin());
  const auto last = rests_.begin() + (to - heads_.begin());
  return static_cast<size_t>(std::upper_bound(first, last, rest) - rests_.begin());
}

std::string Separators::text(size_t at) const { return shared_ + rests_[at]; }
void Separators::copy_text(size_t at, std::string& to) const { to.assign(shared_).append(rests_[at]); }

// Makes what is kept once as long as `length`, which all share.
void Separators::set_shared(size_t length) {
  if (length == shared_.size()) return;
  if (length < shared_.size()) {
    const std::string back = shared_.substr(length);
    for (std::string& rest : rests_) rest.insert(0, back);
    shared_.resize(length);
  } else {
    const size_t more = length - shared_.size();
    shared_.append(rests_.front(), 0, more);
    for (std::string& rest : rests_) rest = rest.substr(more);
  }
  for (size_t i = 0; i < rests_.size(); ++i) heads_[i] = head_of(rests_[i]);
}

// As much as there is in common: the first and the last say how much.
void Separators::widen() {
  if (rests_.empty()) {
    shared_.clear();
    return;
  }
  // One alone shares everything with itself, and would have to give it back to the next.
  if (rests_.size() > 1) set_shared(shared_.size() + common_prefix(rests_.front(), rests_.back()));
}

void Separators::insert(size_t at, std::string_view separator) {
  KEELSON_CHECK(at <= size(), "a separator is inserted behind the end");
  set_shared(std::min(shared_.size(), common_prefix(shared_, separator)));
  const std::string_view rest = separator.substr(shared_.size());
  heads_.insert(heads_.begin() + static_cast<ptrdiff_t>(at), head_of(rest));
  rests_.emplace(rests_.begin() + static_cast<ptrdiff_t>(at), rest);
  if (size() == 2) widen();
}

void Separators::erase(size_t at) {
  KEELSON_CHECK(at < size(), "a separator is removed that is not there");
  heads_.erase(heads_.begin() + static_cast<ptrdiff_t>(at));
  rests_.erase(rests_.begin() + static_cast<ptrdiff_t>(at));
  if (rests_.empty()) shared_.clear();
}

Separators Separators::split(size_t from) {
  Separators right;
  right.shared_ = shared_;
  right.heads_.assign(heads_.begin() + static_cast<ptrdiff_t>(from), heads_.end());
  right.rests_.assign(std::make_move_iterator(rests_.begin() + static_cast<ptrdiff_t>(from)),
                      std::make_move_iterator(rests_.end()));
  heads_.resize(from);
  rests_.resize(from);
  heads_.shrink_to_fit();
  rests_.shrink_to_fit();
  widen();
  right.widen();
  return right;
}

size_t Separators::bytes_used() const {
  size_t bytes = heads_.capacity() * sizeof(uint64_t) + rests_.capacity() * sizeof(std::string);
  for (const std::string& rest : rests_) bytes += rest.capacity() > kInPlaceBytes ? rest.capacity() + 1 : 0;
  return bytes;
}

}  // namespace keelson
