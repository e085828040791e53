#include "env/real/sockets.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

namespace keelson::env {

namespace {

// Unless somebody asks for another: a dead peer is noticed after 300 s + 3 x 100 s, as Redis's tcp-keepalive 300 does.
constexpr uint32_t kKeepaliveIdleS = 300;
constexpr int kKeepaliveProbes = 3;

void set_option(int fd, int level, int name, int value) {
  // None of them is needed for correctness, and a Unix socket refuses the TCP ones.
  (void)::setsockopt(fd, level, name, &value, sizeof(value));
}

template <class Name>
SocketName name_of(const Name& name, size_t size = sizeof(Name)) {
  SocketName result;
  std::memcpy(&result.storage, &name, sizeof(name));
  result.size = static_cast<socklen_t>(size);
  return result;
}

Result<SocketName> unix_name(const std::string& path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (path.size() >= sizeof(name.sun_path))
    return fail(NetErrc::kInvalid, "the path of a Unix socket is too long: " + path);
  path.copy(name.sun_path, path.size());
  return name_of(name, offsetof(sockaddr_un, sun_path) + path.size() + 1);
}

sockaddr_in ipv4_name(in_addr host, uint16_t port) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr = host;
  name.sin_port = htons(port);
  return name;
}

sockaddr_in6 ipv6_name(const in6_addr& host, uint16_t port) {
  sockaddr_in6 name{};
  name.sin6_family = AF_INET6;
  name.sin6_addr = host;
  name.sin6_port = htons(port);
  return name;
}

std::string host_text(int family, const void* host) {
  char text[INET6_ADDRSTRLEN] = {};
  return ::inet_ntop(family, host, text, sizeof(text)) != nullptr ? text : "";
}

}  // namespace

Result<SocketName> to_socket_name(const Address& address, bool of_ipv6) {
  if (!address.unix_path.empty()) return unix_name(address.unix_path);
  if (address.host.empty()) {
    if (of_ipv6) return name_of(ipv6_name(in6addr_any, address.port));
    return name_of(ipv4_name({.s_addr = htonl(INADDR_ANY)}, address.port));
  }
  in_addr v4{};
  if (::inet_pton(AF_INET, address.host.c_str(), &v4) == 1) return name_of(ipv4_name(v4, address.port));
  const size_t zone = address.host.find('%');
  in6_addr v6{};
  if (::inet_pton(AF_INET6, address.host.substr(0, zone).c_str(), &v6) != 1) {
    return fail(NetErrc::kInvalid, "'" + address.host + "' is no numeric address");
  }
  sockaddr_in6 name = ipv6_name(v6, address.port);
  if (zone != std::string::npos) name.sin6_scope_id = ::if_nametoindex(address.host.c_str() + zone + 1);
  return name_of(name);
}

Address from_socket_name(const sockaddr* name, socklen_t size) {
  Address address;
  if (name->sa_family == AF_UNIX) {
    sockaddr_un local{};
    std::memcpy(&local, name, std::min<size_t>(size, sizeof(local)));
    const size_t path_bytes = size > offsetof(sockaddr_un, sun_path) ? size - offsetof(sockaddr_un, sun_path) : 0;
    address.unix_path.assign(local.sun_path, ::strnlen(local.sun_path, std::min(path_bytes, sizeof(local.sun_path))));
    // A client's socket has no name, but an Address without host and path would read as a port on every interface.
    if (address.unix_path.empty()) address.unix_path = "unnamed";
  } else if (name->sa_family == AF_INET && size >= sizeof(sockaddr_in)) {
    sockaddr_in v4{};
    std::memcpy(&v4, name, sizeof(v4));
    address.port = ntohs(v4.sin_port);
    if (v4.sin_addr.s_addr != htonl(INADDR_ANY)) address.host = host_text(AF_INET, &v4.sin_addr);
  } else if (name->sa_family == AF_INET6 && size >= sizeof(sockaddr_in6)) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, name, sizeof(v6));
    address.port = ntohs(v6.sin6_port);
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
      address.host = host_text(AF_INET, &v6.sin6_addr.s6_addr[12]);
    } else if (!IN6_IS_ADDR_UNSPECIFIED(&v6.sin6_addr)) {
      address.host = host_text(AF_INET6, &v6.sin6_addr);
    }
  }
  return address;
}

NetErrc to_net_errc(int error) {
  switch (error) {
    case 0:
      return NetErrc::kOk;
    case ECONNREFUSED:
    case ENOENT:
      return NetErrc::kRefused;  // the latter of a Unix socket
    case ETIMEDOUT:
      return NetErrc::kTimedOut;
    case EADDRINUSE:
      return NetErrc::kAddressInUse;
    case ECANCELED:
      return NetErrc::kClosed;
    case ECONNRESET:
    case EPIPE:
      return NetErrc::kReset;
    default:
      return NetErrc::kInvalid;
  }
}

Address local_address(int fd) {
  SocketName name;
  name.size = sizeof(name.storage);
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&name.storage), &name.size) != 0) return {};
  return from_socket_name(name.data(), name.size);
}

void set_keepalive_option(int fd, uint32_t idle_s) {
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, idle_s != 0 ? 1 : 0);
  if (idle_s == 0) return;
  const int idle = static_cast<int>(std::min<uint32_t>(idle_s, 32767));  // the kernel's limit
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, idle);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, std::max(idle / kKeepaliveProbes, 1));
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, kKeepaliveProbes);
}

void set_stream_options(int fd) {
  (void)::ioctl(fd, FIOCLEX);
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_keepalive_option(fd, kKeepaliveIdleS);
}

}  // namespace keelson::env
