// What several reactors hold at once: immutable, counted, freed by the last holder.
//
// Unlike std::shared_ptr it is one pointer wide, and one holder can take shares for many at the cost of one locked
// instruction: ten thousand watchers of a key share one event.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace keelson::coord {

template <class T>
class Shared;

// Base of what is shared. Any thread may hold and drop; nobody changes it once it is held by more than one.
class Counted {
 public:
  Counted() = default;
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  template <class T>
  friend class Shared;
  mutable std::atomic<uint32_t> holders_{1};
};

template <class T>
class Shared {
 public:
  Shared() = default;
  Shared(const Shared& other) : to_(other.to_) {
    if (to_ != nullptr) to_->holders_.fetch_add(1, std::memory_order_relaxed);
  }
  Shared(Shared&& other) noexcept : to_(std::exchange(other.to_, nullptr)) {}
  Shared& operator=(Shared other) noexcept {
    std::swap(to_, other.to_);
    return *this;
  }
  ~Shared() {
    if (to_ != nullptr && to_->holders_.fetch_sub(1, std::memory_order_acq_rel) == 1)
      delete to_;  // tidy: naked delete, because the count stands in the object.
  }

  template <class... Arguments>
  [[nodiscard]] static Shared make(Arguments&&... arguments) {
    return Shared(new T(std::forward<Arguments>(arguments)...));  // tidy: naked new, likewise.
  }

  [[nodiscard]] explicit operator bool() const { return to_ != nullptr; }
  const T& operator*() const { return *to_; }
  const T* operator->() const { return to_; }
  [[nodiscard]] const T* get() const { return to_; }
  friend bool operator==(const Shared& one, const Shared& other) { return one.to_ == other.to_; }

 private:
  explicit Shared(const T* to) : to_(to) {}
  const T* to_ = nullptr;
};

}  // namespace keelson::coord
