// Assertions that stay on in release builds.
//
// Use KEELSON_CHECK for what can only be false through a defect of ours: it prints where and why and aborts,
// since going on could damage data. What the environment or a client can cause is a Result, never a check.
#pragma once

namespace keelson {

[[noreturn]] void check_failed(const char* expression, const char* file, int line, const char* why);

}  // namespace keelson

#define KEELSON_CHECK(condition, why) \
  (static_cast<bool>(condition) ? static_cast<void>(0) : ::keelson::check_failed(#condition, __FILE__, __LINE__, why))
