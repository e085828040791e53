// Socket addresses between the kernel's form and ours, and the options that every stream gets.
#pragma once

#include <sys/socket.h>

#include "base/result.h"
#include "env/network.h"

namespace keelson::env {

struct SocketName {
  sockaddr_storage storage{};
  socklen_t size = 0;
  [[nodiscard]] const sockaddr* data() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

// An empty host is every interface: of IPv6 (which may take IPv4 along) if `of_ipv6`, else of IPv4.
Result<SocketName> to_socket_name(const Address& address, bool of_ipv6);
Address from_socket_name(const sockaddr* name, socklen_t size);
// From errno, as Asio's system errors carry it too.
[[nodiscard]] NetErrc to_net_errc(int error);
// What this end is called; empty if the kernel does not tell.
[[nodiscard]] Address local_address(int fd);
// TCP: small writes go out at once, dead peers are found out. Not inherited by child processes.
void set_stream_options(int fd);
// As Redis does: a peer that does not answer three probes, a third of `idle_s` apart, is gone. 0: no probes.
void set_keepalive_option(int fd, uint32_t idle_s);

}  // namespace keelson::env
