// Replies as text: for people, in redis-cli's notation, or raw, for scripts. Pure functions.
#pragma once

#include <string>

#include "protocol/resp/reply_parser.h"

namespace keelson::cli {

// Ends with a newline.
std::string pretty_text(const resp::Reply& reply);
// Bytes as they are; elements on lines of their own.
std::string raw_text(const resp::Reply& reply);

}  // namespace keelson::cli
