// What INFO shows as a rate or as a peak: sampled, about once a second, from counters that only grow.
#pragma once

#include <algorithm>
#include <cstdint>

namespace keelson::resp {

// Of one reactor, on its thread.
class RateSampler {
 public:
  // Total counts so far, and the memory that the program holds now.
  void sample(int64_t now_ns, uint64_t commands, uint64_t input_bytes, uint64_t output_bytes, uint64_t memory_bytes) {
    constexpr double kNsPerS = 1e9;
    memory_peak_bytes_ = std::max(memory_peak_bytes_, memory_bytes);
    const double elapsed_s = static_cast<double>(now_ns - last_ns_) / kNsPerS;
    // The first sample only sets the mark; a counter that was reset starts anew.
    const auto rate = [elapsed_s, is_first = last_ns_ == 0](uint64_t now, uint64_t before) {
      return is_first || elapsed_s <= 0 || now < before ? 0.0 : static_cast<double>(now - before) / elapsed_s;
    };
    commands_per_s_ = rate(commands, commands_);
    input_bytes_per_s_ = rate(input_bytes, input_bytes_);
    output_bytes_per_s_ = rate(output_bytes, output_bytes_);
    last_ns_ = now_ns;
    commands_ = commands;
    input_bytes_ = input_bytes;
    output_bytes_ = output_bytes;
  }

  // Over the time between the last two samples.
  [[nodiscard]] double commands_per_s() const { return commands_per_s_; }
  [[nodiscard]] double input_bytes_per_s() const { return input_bytes_per_s_; }
  [[nodiscard]] double output_bytes_per_s() const { return output_bytes_per_s_; }
  [[nodiscard]] uint64_t memory_peak_bytes() const { return memory_peak_bytes_; }

 private:
  int64_t last_ns_ = 0;
  uint64_t commands_ = 0, input_bytes_ = 0, output_bytes_ = 0;
  double commands_per_s_ = 0, input_bytes_per_s_ = 0, output_bytes_per_s_ = 0;
  uint64_t memory_peak_bytes_ = 0;
};

}  // namespace keelson::resp
