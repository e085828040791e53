// The filter of a subscription (Pub/Sub's "Filtering language"): which messages it gets, by their attributes. Pure.
//
//   attributes:key                     the message has the attribute
//   attributes.key = "value"           and it has that value
//   attributes.key != "value"          it has another value, or none
//   hasPrefix(attributes.key, "value") its value begins so
//   NOT x, -x, x AND y, x OR y, (x)    AND and OR side by side need parentheses
//
// A key is [A-Za-z0-9_-]+ or a string; strings stand in double quotes, with \" \\ \n \r \t \xHH \ooo \uXXXX.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/topic/types.h"

namespace keelson::pubsub {

inline constexpr size_t kFilterBytesMax = 256;

class Filter {
 public:
  // None: no filter of this language; `error` says what is wrong. An empty text matches everything.
  [[nodiscard]] static std::optional<Filter> parse(std::string_view text, std::string& error);
  [[nodiscard]] bool matches(const topic::Pairs& attributes) const;
  [[nodiscard]] bool matches_all() const { return nodes_.empty(); }

 private:
  friend class FilterParser;
  enum class Kind : uint8_t { kHas, kEquals, kDiffers, kHasPrefix, kNot, kAnd, kOr };
  struct Node {
    Kind kind = Kind::kHas;
    std::string key{};
    std::string value{};
    std::vector<size_t> parts{};  // nodes before this one
  };
  [[nodiscard]] bool matches(size_t node, const topic::Pairs& attributes) const;

  std::vector<Node> nodes_;  // the last one is the whole
};

}  // namespace keelson::pubsub
