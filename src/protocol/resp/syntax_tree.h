// The arguments of a command as a tree, read from the one line of syntax that the command table has: what COMMAND DOCS
// gives to clients that show hints (redis.io, "COMMAND DOCS", "Command arguments"). A pure function over text.
//
// The notation is that of Redis's own documentation: CAPITALS are tokens, the rest are names of arguments, [..] is
// optional, <a|b> or [a|b] is one of several, and "x [x ...]" may be given several times.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace keelson::resp {

struct SyntaxNode {
  std::string name;
  // "key", "string", "integer", "double", "pattern", "unix-time", "pure-token", "oneof" or "block".
  std::string_view type;
  std::string token;  // stands before it; empty: none
  bool is_optional = false;
  bool is_multiple = false;
  bool is_token_repeated = false;    // of several: each has the token before it
  std::vector<SyntaxNode> children;  // of oneof and block
};

// The table's lines are well-formed (a test reads all of them); of others, what can be read.
std::vector<SyntaxNode> parse_syntax(std::string_view line);

}  // namespace keelson::resp
