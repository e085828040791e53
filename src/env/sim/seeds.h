// Which seeds a simulation runs, and how a failing one is run again.
//
//   KEELSON_SEED=17 ./test_log --gtest_filter=Crash.Anywhere      one seed
//   KEELSON_SEEDS=1000:500 ./test_log                             500 seeds from 1000
//   ./test_log --seed=17        --seeds=1000:500                  the same as arguments
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace keelson::env::sim {

struct SeedRange {
  uint64_t first = 1;
  uint64_t count = 1;
};

// What the program's arguments or the environment ask for, else `otherwise`. Malformed: said on standard error, and the
// program ends with status 2, since a test that silently ran other seeds than those asked for would be worse.
[[nodiscard]] SeedRange choose_seeds(SeedRange otherwise, const std::vector<std::string>& arguments);

// "17" or "1000:500".
[[nodiscard]] std::optional<SeedRange> parse_seeds(const std::string& text);

// The command that runs this seed again; `filter` is the test's full name, empty if the program has only one.
[[nodiscard]] std::string replay_command(uint64_t seed, const std::string& filter);

// Runs each seed until one fails (`run` returns false), tells how to run that one again on standard error, and returns
// it.
std::optional<uint64_t> run_seeds(SeedRange range, const std::string& filter, const std::function<bool(uint64_t)>& run);

}  // namespace keelson::env::sim
