// What a client may be called (CLIENT SETNAME, HELLO ... SETNAME).
#pragma once

#include <algorithm>
#include <string_view>

namespace keelson::resp {

inline constexpr std::string_view kErrClientName =
    "ERR Client names cannot contain spaces, newlines or special characters.";

// Printable ASCII without blanks, so that CLIENT LIST stays readable; empty takes the name away.
[[nodiscard]] inline bool is_valid_client_name(std::string_view name) {
  return std::ranges::all_of(name, [](char c) { return c >= '!' && c <= '~'; });
}

}  // namespace keelson::resp
