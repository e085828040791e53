#include "net/grpc/timeout.h"

#include "base/numbers.h"

namespace keelson::net::grpc {

std::optional<int64_t> parse_timeout_ns(std::string_view text) {
  constexpr size_t kDigitsMax = 8;
  // 99999999 hours would not fit; nobody waits for more than three hundred years less an hour.
  constexpr int64_t kNsMax = INT64_MAX / 2;
  if (text.size() < 2 || text.size() > kDigitsMax + 1) return std::nullopt;
  int64_t unit_ns = 0;
  switch (text.back()) {
    case 'n':
      unit_ns = 1;
      break;
    case 'u':
      unit_ns = 1'000;
      break;
    case 'm':
      unit_ns = 1'000'000;
      break;
    case 'S':
      unit_ns = 1'000'000'000;
      break;
    case 'M':
      unit_ns = 60'000'000'000;
      break;
    case 'H':
      unit_ns = 3'600'000'000'000;
      break;
    default:
      return std::nullopt;
  }
  const std::optional<uint64_t> count = parse_uint64(text.substr(0, text.size() - 1));
  if (!count) return std::nullopt;
  const auto number = static_cast<int64_t>(*count);
  return number > kNsMax / unit_ns ? kNsMax : number * unit_ns;
}

}  // namespace keelson::net::grpc
