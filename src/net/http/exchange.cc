#include "net/http/exchange.h"

#include "base/check.h"
#include "net/http/scan.h"

namespace keelson::net::http {

void Request::reset(const RequestHead& head, Version version, bool is_tls, const env::Address& remote) {
  head_ = head;
  version_ = version;
  is_tls_ = is_tls;
  remote_ = &remote;
  has_path_ = has_parameters_ = false;
}

std::string_view Request::path() const {
  if (head_.path.find('%') == std::string_view::npos) return head_.path;
  if (!has_path_) {
    (void)percent_decode(head_.path, false, path_);  // its escapes are good, or it would not be here
    has_path_ = true;
  }
  return path_;
}

const std::vector<Parameter>& Request::parameters() const {
  if (!has_parameters_) {
    parameters_ = parse_query(head_.query);
    has_parameters_ = true;
  }
  return parameters_;
}

std::optional<std::string_view> Request::parameter(std::string_view name) const {
  for (const Parameter& parameter : parameters()) {
    if (parameter.name == name) return parameter.value;
  }
  return std::nullopt;
}

std::string_view Request::host() const {
  const std::string_view all = head_.host;
  const size_t close = all.rfind(']');
  const size_t colon = all.rfind(':');
  if (colon == std::string_view::npos || (close != std::string_view::npos && colon < close)) return all;
  return all.substr(0, colon);
}

Task<Result<std::string>> Exchange::read_all(size_t bytes_max) {
  std::string all;
  while (true) {
    Result<std::string_view> piece = co_await read_body();
    if (!piece.ok()) co_return forward_error(piece);
    if (piece->empty()) co_return all;
    if (piece->size() > bytes_max - all.size()) {
      co_return fail(HttpErrc::kTooLarge,
                     "http: the body is larger than the " + std::to_string(bytes_max) + " bytes that are taken here");
    }
    all.append(*piece);
  }
}

void Exchange::add_field(std::string_view name, std::string_view value) {
  KEELSON_CHECK(is_token(name) && is_field_value(value), "a field of an answer would break its head");
  fields_.add(name, value);
}

void Exchange::add_trailer(std::string_view name, std::string_view value) {
  KEELSON_CHECK(is_token(name) && is_field_value(value), "a trailer of an answer would break it");
  trailers_.add(name, value);
}

}  // namespace keelson::net::http
