// Patterns as Redis matches keys, channels and parameters: * ? [abc] [a-z] [^x] and \ to take the next byte as it is.
#pragma once

#include <string_view>

namespace keelson {

enum class GlobCase : bool { kSensitive, kIgnore };

// The same answer as Redis's stringmatchlen(), oddities included: a '[' that is never closed ends with the pattern, a
// range may be given backwards, bytes compare as signed, "*" does not match an empty string. Never slower than the
// product of both lengths. Any thread.
[[nodiscard]] bool glob_match(std::string_view pattern, std::string_view text, GlobCase mode = GlobCase::kSensitive);

}  // namespace keelson
