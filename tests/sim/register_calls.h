// Calls of one key (linear_register.h) as Redis commands, and what a cluster's answers mean for them. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/linear_register.h"
#include "tests/sim/resp_text.h"

namespace keelson::sim_test {

[[nodiscard]] std::vector<std::string> command_of(const std::string& key, const linear::RegisterCall& call);

// Errors that mean that a command had no effect, such as leave it open, and such as no client of these tests may get.
enum class Fate : uint8_t { kNoEffect, kUnknown, kUnexpected };
[[nodiscard]] Fate fate_of(std::string_view error);

// Takes the answer down. False: no such answer to that command.
[[nodiscard]] bool read_answer(const Reply& reply, linear::RegisterCall& call);

}  // namespace keelson::sim_test
