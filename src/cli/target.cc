#include "cli/target.h"

#include <utility>

namespace keelson::cli {

Task<Result<OpenTarget>> open_target(env::Env& env, Target target) {
  Result<env::Address> address = env::Address::parse(target.address);
  if (!address.ok()) co_return forward_error(address);
  if (address->host.empty() && address->unix_path.empty()) address->host = "127.0.0.1";
  OpenTarget open;
  if (target.tls) {
    net::TlsClientOptions options;
    options.ca_file = target.ca_file;
    options.certificate_file = target.certificate_file;
    options.key_file = target.key_file;
    options.verify = !target.insecure;
    auto made = net::TlsContext::client(env.disk(), options);
    if (!made.ok()) co_return forward_error(made);
    open.tls = std::move(*made);
  }
  auto connected = co_await env.network().connect(env.reactor(0), *address);
  if (!connected.ok()) {
    std::string advice = connected.error().code() == env::NetErrc::kRefused ? ". Is the server running there?" : "";
    co_return fail(connected.error().code(), connected.error().message() + advice);
  }
  open.stream = std::move(*connected);
  if (open.tls != nullptr) {
    open.stream =
        open.tls->wrap(std::move(open.stream), target.server_name.empty() ? address->host : target.server_name);
  }
  co_return open;
}

std::string with_tls_reason(const OpenTarget& target, std::string sentence) {
  const std::string why = target.stream != nullptr ? net::TlsContext::failure_of(*target.stream) : std::string();
  return why.empty() ? sentence : sentence + " (TLS: " + why + ")";
}

}  // namespace keelson::cli
