#include "env/network.h"

#include <array>
#include <charconv>
#include <optional>
#include <utility>

namespace keelson::env {

namespace {

class NetCategory : public std::error_category {
 public:
  const char* name() const noexcept override { return "network"; }
  std::string message(int code) const override {
    switch (static_cast<NetErrc>(code)) {
      case NetErrc::kOk:
        return "ok";
      case NetErrc::kEof:
        return "the peer has finished sending";
      case NetErrc::kReset:
        return "the connection broke";
      case NetErrc::kRefused:
        return "the connection was refused";
      case NetErrc::kTimedOut:
        return "the peer does not answer";
      case NetErrc::kClosed:
        return "it was closed here";
      case NetErrc::kAddressInUse:
        return "the address is in use";
      case NetErrc::kInvalid:
        return "the address or the operation is not possible";
    }
    return "unknown error";
  }
};

constexpr std::string_view kUnixPrefix = "unix:";
constexpr size_t kUnixPathBytesMax = 107;  // sun_path less its NUL

template <class Integer>
std::optional<Integer> parse_number(std::string_view text, int base, size_t digits_max) {
  Integer value = 0;
  if (text.empty() || text.size() > digits_max) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_ipv4(std::string_view text) {
  for (int part = 0; part < 4; ++part) {
    const size_t dot = part < 3 ? text.find('.') : text.size();
    if (dot == std::string_view::npos) return false;
    const auto value = parse_number<unsigned>(text.substr(0, dot), 10, 3);
    if (!value || *value > 255) return false;
    text.remove_prefix(part < 3 ? dot + 1 : dot);
  }
  return true;
}

// RFC 4291, 2.2: eight groups, at most one run of them left out as "::", the last two perhaps as an IPv4 address. A
// zone
// ("%eth0") may follow.
bool is_ipv6(std::string_view text) {
  if (const size_t zone = text.find('%'); zone != std::string_view::npos) {
    if (zone + 1 == text.size()) return false;
    text = text.substr(0, zone);
  }
  size_t groups = 0;
  bool gap = false;
  if (text.starts_with("::")) {
    gap = true;
    text.remove_prefix(2);
  }
  while (!text.empty()) {
    const size_t colon = text.find(':');
    const std::string_view group = text.substr(0, colon);
    if (colon == std::string_view::npos && group.find('.') != std::string_view::npos) {
      if (!is_ipv4(group)) return false;
      groups += 2;
      break;
    }
    if (!parse_number<unsigned>(group, 16, 4)) return false;
    ++groups;
    if (colon == std::string_view::npos) break;
    text.remove_prefix(colon + 1);
    if (text.empty()) return false;
    if (text.front() == ':') {
      if (gap) return false;
      gap = true;
      text.remove_prefix(1);
    }
  }
  return gap ? groups < 8 : groups == 8;
}

std::unexpected<Error> bad_address(std::string_view text, std::string_view why) {
  std::string message = "'";
  message.append(text).append("' is no address: ").append(why);
  return fail(NetErrc::kInvalid, std::move(message));
}

}  // namespace

std::error_code make_error_code(NetErrc code) {
  static const NetCategory category;
  return {static_cast<int>(code), category};
}

std::string Address::text() const {
  if (!unix_path.empty()) return std::string(kUnixPrefix) + unix_path;
  const bool is_v6 = host.find(':') != std::string::npos;
  return (is_v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

bool Address::is_loopback() const {
  return !unix_path.empty() || host == "::1" || (host.starts_with("127.") && is_ipv4(host));
}

Result<Address> Address::parse(std::string_view text) {
  Address address;
  if (text.starts_with(kUnixPrefix)) {
    address.unix_path = text.substr(kUnixPrefix.size());
    if (address.unix_path.empty()) return bad_address(text, "a path must follow 'unix:'");
    if (address.unix_path.size() > kUnixPathBytesMax) {
      return bad_address(text, "a Unix socket's path has at most " + std::to_string(kUnixPathBytesMax) + " bytes");
    }
    return address;
  }
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad_address(text, "write host:port, [IPv6]:port or unix:/path");
  const auto port = parse_number<uint16_t>(text.substr(colon + 1), 10, 5);
  if (!port) return bad_address(text, "the port is a number from 0 to 65535");
  address.port = *port;
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']') && host.size() >= 2) {
    host = host.substr(1, host.size() - 2);
    if (!is_ipv6(host)) return bad_address(text, "what stands in brackets is no IPv6 address");
  } else if (host == "localhost") {
    host = "127.0.0.1";
  } else if (host == "*") {
    host = "";
  } else if (!host.empty() && !is_ipv4(host)) {
    return bad_address(
        text, is_ipv6(host) ? "an IPv6 address stands in brackets" : "names are not looked up, give a numeric address");
  }
  address.host = host;
  return address;
}

}  // namespace keelson::env
