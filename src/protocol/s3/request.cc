#include "protocol/s3/request.h"

#include <algorithm>

namespace keelson::s3 {

bool is_header(std::string_view name, std::string_view lower_name) {
  return name.size() == lower_name.size() &&
         std::equal(name.begin(), name.end(), lower_name.begin(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b; });
}

std::optional<std::string_view> RequestView::header(std::string_view lower_name) const {
  for (const auto& [name, value] : headers) {
    if (is_header(name, lower_name)) return value;
  }
  return std::nullopt;
}

}  // namespace keelson::s3
