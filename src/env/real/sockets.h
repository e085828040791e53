// Socket addresses between Asio's form and ours, and the options that every stream gets. For env/real's .cc files
// alone.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>

#include "base/result.h"
#include "env/network.h"

namespace keelson::env {

using StreamProtocol = boost::asio::generic::stream_protocol;

// An empty host is every interface: of IPv6 and IPv4 if `both`, else of IPv4 alone.
Result<StreamProtocol::endpoint> to_endpoint(const Address& address, bool both);
Address from_endpoint(const StreamProtocol::endpoint& endpoint);
[[nodiscard]] NetErrc to_net_errc(const boost::system::error_code& error);
// What the other end and this one are called; empty if the kernel does not tell.
[[nodiscard]] Address local_address(int fd);
// TCP: small writes go out at once, dead peers are found out. Not inherited by child processes.
void set_stream_options(int fd);

}  // namespace keelson::env
