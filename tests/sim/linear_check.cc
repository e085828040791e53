// Judges histories of keys that a test of real processes wrote down (format: linear_register.h).
//
//   linear_check [--steps N] FILE...    0: linearizable   1: not, and why   2: undecided, or no history
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/sim/linear_register.h"

namespace {

using keelson::sim_test::linear::Judgement;
using keelson::sim_test::linear::Limits;
using keelson::sim_test::linear::Verdict;

int judge_file(const std::string& path, Limits limits) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  if (!(text << file.rdbuf()) && !file) {
    std::printf("%s: cannot be read\n", path.c_str());
    return 2;
  }
  const auto history = keelson::sim_test::linear::parse_history(text.str());
  if (!history.ok()) {
    std::printf("%s: %s\n", path.c_str(), history.error().message().c_str());
    return 2;
  }
  size_t calls = 0;
  size_t unanswered = 0;
  for (const auto& [key, all] : *history) {
    calls += all.size();
    for (const auto& one : all) unanswered += one.is_answered() ? 0 : 1;
  }
  // What was not written down proves nothing.
  if (calls == 0) {
    std::printf("%s: no history: not one call stands in it\n", path.c_str());
    return 2;
  }
  const Judgement judgement = judge_keys(*history, limits);
  constexpr const char* kVerdicts[] = {"linearizable", "NOT LINEARIZABLE", "undecided"};
  std::printf("%s: %s: %zu keys, %zu calls, %zu of them without an answer, %llu steps\n", path.c_str(),
              kVerdicts[static_cast<size_t>(judgement.verdict)], history->size(), calls, unanswered,
              static_cast<unsigned long long>(judgement.steps));
  if (!judgement.explanation.empty()) std::printf("%s\n", judgement.explanation.c_str());
  return static_cast<int>(judgement.verdict);
}

}  // namespace

int main(int argc, char** argv) {
  Limits limits;
  int worst = 0;
  int first = 1;
  if (argc > 2 && std::string(argv[1]) == "--steps") {
    limits.steps_max = std::strtoull(argv[2], nullptr, 10);
    first = 3;
  }
  if (argc <= first) {
    std::fprintf(stderr, "usage: linear_check [--steps N] FILE...\n");
    return 2;
  }
  for (int i = first; i < argc; ++i) {
    const int verdict = judge_file(argv[i], limits);
    if (worst != 1 && verdict != 0) worst = verdict;
  }
  return worst;
}
