#include "net/grpc/server.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "net/grpc/timeout.h"

namespace keelson::net::grpc {

void Methods::add(std::string_view path, MethodHandler handler) {
  const auto place =
      std::lower_bound(by_path_.begin(), by_path_.end(), path,
                       [this](size_t index, std::string_view key) { return methods_[index].path < key; });
  KEELSON_CHECK(place == by_path_.end() || methods_[*place].path != path, "two methods have one path");
  by_path_.insert(place, methods_.size());
  methods_.push_back({path, std::move(handler)});
}

const Methods::Method* Methods::find(std::string_view path) const {
  const auto place =
      std::lower_bound(by_path_.begin(), by_path_.end(), path,
                       [this](size_t index, std::string_view key) { return methods_[index].path < key; });
  if (place == by_path_.end() || methods_[*place].path != path) return nullptr;
  return &methods_[*place];
}

bool Methods::is_grpc(const http::Request& request) {
  constexpr std::string_view kType = "application/grpc";
  if (request.version() != http::Version::kHttp2 || request.method() != "POST") return false;
  const std::string_view type = request.fields().find("content-type").value_or("");
  if (!type.starts_with(kType)) return false;
  return type.size() == kType.size() || type[kType.size()] == '+' || type[kType.size()] == ';';
}

CallStatus Methods::no_such_method(std::string_view path) const {
  const size_t slash = path.rfind('/');
  if (path.empty() || path.front() != '/' || slash == 0) {
    return {Code::kUnimplemented, "malformed method name: \"" + std::string(path) + "\""};
  }
  const std::string service(path.substr(1, slash - 1));
  const bool is_known = std::any_of(methods_.begin(), methods_.end(), [&](const Method& method) {
    return method.path.starts_with(path.substr(0, slash + 1));
  });
  if (!is_known) return {Code::kUnimplemented, "unknown service " + service};
  return {Code::kUnimplemented, "unknown method " + std::string(path.substr(slash + 1)) + " for service " + service};
}

Task<void> Methods::handle(http::Exchange& exchange) const {
  const http::Request& request = exchange.request();
  const http::Fields& fields = request.fields();
  CallStatus bad;
  std::optional<int64_t> timeout_ns;
  if (const auto text = fields.find("grpc-timeout")) {
    timeout_ns = parse_timeout_ns(*text);
    if (!timeout_ns) bad = {Code::kInternal, "malformed grpc-timeout"};
  }
  const std::string_view encoding = fields.find("grpc-encoding").value_or("identity");
  if (encoding != "identity") {
    exchange.add_field("grpc-accept-encoding", "identity");
    bad = {Code::kUnimplemented,
           "grpc: Decompressor is not installed for grpc-encoding \"" + std::string(encoding) + "\""};
  }
  const Method* const method = find(request.raw_path());
  if (method == nullptr) bad = no_such_method(request.raw_path());
  Call call(exchange, message_bytes_max_, timeout_ns);
  if (bad.ok()) bad = co_await method->handler(call, static_cast<size_t>(method - methods_.data()));
  co_await call.finish(std::move(bad));
}

}  // namespace keelson::net::grpc
