// The simulator's dice (SplitMix64): small, and the same on every machine.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "base/hash.h"
#include "env/random.h"

namespace keelson::env::sim {

class Chance final : public Random {
 public:
  explicit Chance(uint64_t seed) : state_(seed) {}

  [[nodiscard]] uint64_t next() override {
    state_ += 0x9e3779b97f4a7c15ULL;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  void fill_secret(std::span<char> into) override {
    for (char& byte : into) byte = static_cast<char>(next() >> 56);
  }

  // 0 .. count-1; 0 if count is 0.
  [[nodiscard]] uint64_t below(uint64_t count) { return count == 0 ? 0 : next() % count; }
  // least .. most; least if most is less.
  [[nodiscard]] int64_t between(int64_t least, int64_t most) {
    return most <= least ? least : least + static_cast<int64_t>(below(static_cast<uint64_t>(most - least) + 1));
  }
  // Draws only if it could happen, so that a fault that is switched off does not change the rest of the run.
  [[nodiscard]] bool happens(double probability) {
    if (probability <= 0) return false;
    return static_cast<double>(next() >> 11) * 0x1.0p-53 < probability;
  }

 private:
  uint64_t state_;
};

}  // namespace keelson::env::sim
