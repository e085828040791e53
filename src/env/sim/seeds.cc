#include "env/sim/seeds.h"

#include <cerrno>  // program_invocation_name
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::env::sim {

namespace {

std::optional<uint64_t> parse_number(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

[[noreturn]] void refuse(const std::string& source, const std::string& text) {
  std::fprintf(stderr, "%s: '%s' is no seed and no range of seeds (17, or first:count as in 1000:500)\n",
               source.c_str(), text.c_str());
  std::exit(2);
}

// A run that ends the process (a failed check, a bad access) must name its seed as well.
class CrashNotice {
 public:
  CrashNotice() {
    for (size_t i = 0; i < std::size(kSignals); ++i) before_[i] = std::signal(kSignals[i], tell);
  }
  ~CrashNotice() {
    for (size_t i = 0; i < std::size(kSignals); ++i) std::signal(kSignals[i], before_[i]);
  }
  void running(uint64_t seed, const std::string& filter) {
    text_ = "seed " + std::to_string(seed) + " ended the process; again: " + replay_command(seed, filter) + "\n";
  }

 private:
  static constexpr int kSignals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};

  // stderr has no buffer; what a handler may not do besides hardly matters to a process that is ending.
  static void tell(int signal) {
    std::fputs(text_.c_str(), stderr);
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }

  static inline std::string text_;
  void (*before_[std::size(kSignals)])(int) = {};
};

SeedRange parse_or_refuse(const std::string& source, const std::string& text) {
  const std::optional<SeedRange> range = parse_seeds(text);
  if (!range) refuse(source, text);
  return *range;
}

}  // namespace

std::optional<SeedRange> parse_seeds(const std::string& text) {
  const size_t colon = text.find(':');
  const auto first = parse_number(std::string_view(text).substr(0, colon));
  if (!first) return std::nullopt;
  if (colon == std::string::npos) return SeedRange{*first, 1};
  const auto count = parse_number(std::string_view(text).substr(colon + 1));
  if (!count || *count == 0) return std::nullopt;
  return SeedRange{*first, *count};
}

SeedRange choose_seeds(SeedRange otherwise, const std::vector<std::string>& arguments) {
  for (const std::string& argument : arguments) {
    for (const std::string_view flag : {"--seed=", "--seeds="}) {
      if (argument.starts_with(flag)) return parse_or_refuse(std::string(flag), argument.substr(flag.size()));
    }
  }
  for (const char* name : {"KEELSON_SEED", "KEELSON_SEEDS"}) {
    if (const char* text = std::getenv(name); text != nullptr && *text != '\0') return parse_or_refuse(name, text);
  }
  return otherwise;
}

std::string replay_command(uint64_t seed, const std::string& filter) {
  std::string command = "KEELSON_SEED=" + std::to_string(seed) + " " + std::string(program_invocation_name);
  if (!filter.empty()) command += " --gtest_filter=" + filter;
  return command;
}

std::optional<uint64_t> run_seeds(SeedRange range, const std::string& filter,
                                  const std::function<bool(uint64_t)>& run) {
  CrashNotice notice;
  for (uint64_t seed = range.first; seed - range.first < range.count; ++seed) {
    notice.running(seed, filter);
    if (run(seed)) continue;
    std::fprintf(stderr, "seed %llu failed; again: %s\n", static_cast<unsigned long long>(seed),
                 replay_command(seed, filter).c_str());
    return seed;
  }
  return std::nullopt;
}

}  // namespace keelson::env::sim
