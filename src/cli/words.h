// A line typed at the prompt, cut into arguments as redis-cli does it.
//
// Blanks separate; "..." knows \n \r \t \b \a \\ \" and \xHH; '...' knows \' alone. A quote must be followed by a blank
// or the end. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::cli {

// None if a quote is not closed, or is followed by something else than a blank.
std::optional<std::vector<std::string>> split_words(std::string_view line);
// The same bytes between double quotes, with everything that is not printable ASCII escaped.
std::string quote(std::string_view bytes);

}  // namespace keelson::cli
