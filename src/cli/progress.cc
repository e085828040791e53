#include "cli/progress.h"

#include <unistd.h>

#include <cstdio>

namespace keelson::cli {

namespace {

constexpr int64_t kTerminalEveryNs = 100'000'000;
constexpr int64_t kLineEveryNs = 2'000'000'000;

}  // namespace

std::string readable_bytes(uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) value /= 1024, ++unit;
  char text[32];
  std::snprintf(text, sizeof(text), unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text;
}

Progress::Progress(const env::Clock& clock, bool quiet)
    : clock_(clock), quiet_(quiet), is_terminal_(::isatty(STDERR_FILENO) == 1), began_ns_(clock.monotonic_ns()) {}

Progress::~Progress() { done(); }

void Progress::say(std::string_view text) { show(text, false); }

void Progress::bytes(std::string_view what, uint64_t done, uint64_t total) {
  const int64_t took_ns = clock_.monotonic_ns() - began_ns_;
  std::string text(what);
  text.append(" ").append(readable_bytes(done)).append(" of ").append(readable_bytes(total));
  if (total != 0) text.append(" (").append(std::to_string(done * 100 / total)).append(" %)");
  if (took_ns > 1'000'000'000) {
    text.append(", ")
        .append(readable_bytes(static_cast<uint64_t>(static_cast<double>(done) * 1e9 / static_cast<double>(took_ns))))
        .append("/s");
  }
  show(text, done == total);
}

void Progress::show(std::string_view text, bool is_forced) {
  if (quiet_ || text == last_) return;
  const int64_t now_ns = clock_.monotonic_ns();
  if (!is_forced && shown_ns_ != 0 && now_ns - shown_ns_ < (is_terminal_ ? kTerminalEveryNs : kLineEveryNs)) return;
  shown_ns_ = now_ns;
  last_ = text;
  std::fprintf(stderr, is_terminal_ ? "\r\x1b[K%s" : "%s\n", last_.c_str());
  std::fflush(stderr);
  has_line_ = is_terminal_;
}

void Progress::clear() {
  if (has_line_) std::fputs("\r\x1b[K", stderr);
  if (has_line_) std::fflush(stderr);
  has_line_ = false;
  last_.clear();
}

void Progress::done() {
  if (has_line_) std::fputs("\n", stderr);
  has_line_ = false;
}

void Progress::done(std::string_view text) {
  show(text, true);
  done();
}

}  // namespace keelson::cli
