// RESP2 as clients in simulation speak it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace keelson::sim_test {

struct Reply {
  char kind = '$';  // RESP2's first byte; '_' for a null
  std::string text;
  std::vector<Reply> items;
  // ":3", "$abc", "nil", "[$a $b ]", "-ERR ..."
  [[nodiscard]] std::string shown() const;
};

[[nodiscard]] std::string encode_command(const std::vector<std::string>& args);
// Takes one answer off the front; false if it is not complete.
[[nodiscard]] bool parse_reply(std::string_view& from, Reply& reply);

}  // namespace keelson::sim_test
