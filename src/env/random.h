// Chance, as the house sees it.
#pragma once

#include <cstdint>
#include <span>

namespace keelson::env {

// One for each reactor; used on that reactor's thread alone.
class Random {
 public:
  virtual ~Random() = default;
  [[nodiscard]] virtual uint64_t next() = 0;
  // Bytes fit for a secret (in simulation they come from the seed like everything else).
  virtual void fill_secret(std::span<char> into) = 0;
};

}  // namespace keelson::env
