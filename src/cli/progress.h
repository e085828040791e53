// A line of progress on standard error: rewritten in place on a terminal, now and then a new line otherwise.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "env/clock.h"

namespace keelson::cli {

class Progress {
 public:
  Progress(const env::Clock& clock, bool quiet);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void say(std::string_view text);
  // "what 12 MiB of 40 MiB (30 %), 8 MiB/s"
  void bytes(std::string_view what, uint64_t done, uint64_t total);
  // Ends the line.
  void done();
  // The last word: shown however short ago another was.
  void done(std::string_view text);
  // Takes the line back, so that other lines can be shown.
  void clear();

 private:
  void show(std::string_view text, bool is_forced);

  const env::Clock& clock_;
  const bool quiet_;
  const bool is_terminal_;
  const int64_t began_ns_;
  int64_t shown_ns_ = 0;
  bool has_line_ = false;
  std::string last_;
};

// "12.3 MiB"
std::string readable_bytes(uint64_t bytes);

}  // namespace keelson::cli
