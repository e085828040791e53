// A request as the codecs of this folder see it: views into what came over HTTP. Nothing here owns bytes.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <utility>

namespace keelson::s3 {

using HeaderView = std::pair<std::string_view, std::string_view>;

struct RequestView {
  std::string_view method;
  std::string_view raw_path;   // of the target, as sent, up to '?'
  std::string_view raw_query;  // behind it
  std::span<const HeaderView> headers;

  // The first with this name (lower case given; any case sent), or nullopt.
  [[nodiscard]] std::optional<std::string_view> header(std::string_view lower_name) const;
  // The same, empty if it is not there.
  [[nodiscard]] std::string_view header_or_empty(std::string_view lower_name) const {
    return header(lower_name).value_or(std::string_view());
  }
};

// Is `name` the same, but for case, as `lower_name`, which is in lower case?
[[nodiscard]] bool is_header(std::string_view name, std::string_view lower_name);

}  // namespace keelson::s3
