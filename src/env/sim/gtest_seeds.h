// for_each_seed for GoogleTest: stops at the first seed with a failed assertion and says how to run it again.
//
//   TEST(Crash, Anywhere) {
//     sim::for_each_seed(1, 500, [](uint64_t seed) { ... EXPECT_EQ(...) ... });
//   }
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <string>

#include "env/sim/seeds.h"

namespace keelson::env::sim {

inline void for_each_seed(uint64_t first, uint64_t count, const std::function<void(uint64_t)>& run) {
  const auto* info = testing::UnitTest::GetInstance()->current_test_info();
  const std::string filter = std::string(info->test_suite_name()) + "." + info->name();
  const bool failed_before = testing::Test::HasFailure();
  const auto failed =
      run_seeds(choose_seeds({first, count}, testing::internal::GetArgvs()), filter, [&](uint64_t seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        run(seed);
        return failed_before || !testing::Test::HasFailure();
      });
  if (failed) ADD_FAILURE() << "seed " << *failed << " failed; again: " << replay_command(*failed, filter);
}

}  // namespace keelson::env::sim
