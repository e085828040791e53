#include "env/real/sockets.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <cstddef>
#include <cstring>
#include <string>

namespace keelson::env {

namespace asio = boost::asio;

namespace {

// A dead peer is noticed after 300 s + 3 x 100 s, as Redis's tcp-keepalive 300 does.
constexpr int kKeepaliveIdleS = 300;
constexpr int kKeepaliveIntervalS = 100;
constexpr int kKeepaliveProbes = 3;

void set_option(int fd, int level, int name, int value) {
  // None of them is needed for correctness, and a Unix socket refuses the TCP ones.
  (void)::setsockopt(fd, level, name, &value, sizeof(value));
}

}  // namespace

Result<StreamProtocol::endpoint> to_endpoint(const Address& address, bool both) {
  if (!address.unix_path.empty()) {
    if (address.unix_path.size() >= sizeof(sockaddr_un::sun_path)) {
      return fail(NetErrc::kInvalid, "the path of a Unix socket is too long: " + address.unix_path);
    }
    return StreamProtocol::endpoint(asio::local::stream_protocol::endpoint(address.unix_path));
  }
  if (address.host.empty()) {
    return StreamProtocol::endpoint(
        asio::ip::tcp::endpoint(both ? asio::ip::tcp::v6() : asio::ip::tcp::v4(), address.port));
  }
  boost::system::error_code error;
  const asio::ip::address host = asio::ip::make_address(address.host, error);
  if (error) return fail(NetErrc::kInvalid, "'" + address.host + "' is no numeric address");
  return StreamProtocol::endpoint(asio::ip::tcp::endpoint(host, address.port));
}

Address from_endpoint(const StreamProtocol::endpoint& endpoint) {
  Address address;
  const int family = endpoint.data()->sa_family;
  if (family == AF_UNIX) {
    sockaddr_un name{};
    std::memcpy(&name, endpoint.data(), std::min(endpoint.size(), sizeof(name)));
    const size_t path_bytes = endpoint.size() - std::min(endpoint.size(), offsetof(sockaddr_un, sun_path));
    address.unix_path.assign(name.sun_path, ::strnlen(name.sun_path, path_bytes));
    // A client's socket has no name, but an Address without host and path would read as a port on every interface.
    if (address.unix_path.empty()) address.unix_path = "unnamed";
    return address;
  }
  asio::ip::tcp::endpoint tcp;
  if (endpoint.size() > tcp.capacity()) return address;
  std::memcpy(tcp.data(), endpoint.data(), endpoint.size());
  tcp.resize(endpoint.size());
  asio::ip::address host = tcp.address();
  if (host.is_v6() && host.to_v6().is_v4_mapped()) host = asio::ip::make_address_v4(asio::ip::v4_mapped, host.to_v6());
  address.host = host.is_unspecified() ? "" : host.to_string();
  address.port = tcp.port();
  return address;
}

NetErrc to_net_errc(const boost::system::error_code& error) {
  if (!error) return NetErrc::kOk;
  if (error == asio::error::connection_refused) return NetErrc::kRefused;
  if (error == boost::system::errc::no_such_file_or_directory) return NetErrc::kRefused;  // a Unix socket
  if (error == asio::error::timed_out) return NetErrc::kTimedOut;
  if (error == asio::error::address_in_use) return NetErrc::kAddressInUse;
  if (error == asio::error::operation_aborted) return NetErrc::kClosed;
  if (error == asio::error::connection_reset || error == asio::error::broken_pipe) return NetErrc::kReset;
  return NetErrc::kInvalid;
}

Address local_address(int fd) {
  StreamProtocol::endpoint endpoint;
  auto size = static_cast<socklen_t>(endpoint.capacity());
  if (::getsockname(fd, endpoint.data(), &size) != 0) return {};
  endpoint.resize(size);
  return from_endpoint(endpoint);
}

void set_stream_options(int fd) {
  (void)::ioctl(fd, FIOCLEX);
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, kKeepaliveIdleS);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, kKeepaliveIntervalS);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, kKeepaliveProbes);
}

}  // namespace keelson::env
