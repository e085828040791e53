// The house's HTTP server with a handler that answers 100 fixed bytes, and nothing else around it: what nginx and h2o
// are measured against (bench/run http). http_answer PORT: on 127.0.0.1 until SIGTERM, on one reactor.
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/numbers.h"
#include "env/real/real_env.h"
#include "net/http/server.h"

namespace {

using keelson::Task;
using keelson::net::http::Exchange;

constexpr std::string_view kBody =
    "All's well; the ship answers with a hundred bytes, as she is asked to, and so do all her peers here\n";
static_assert(kBody.size() == 100);

Task<void> answer(Exchange& exchange) { (void)co_await exchange.respond(200, "text/plain", kBody); }

Task<void> stop(keelson::net::http::Server& server, keelson::env::RealEnv& env) {
  co_await server.stop();
  env.stop();
}

}  // namespace

int main(int argc, char** argv) {
  const auto port = keelson::parse_uint64(argc == 2 ? argv[1] : "");
  if (!port) {
    std::fputs("usage: http_answer PORT\n", stderr);
    return 2;
  }
  auto env = keelson::env::RealEnv::make({.reactors = 1});
  KEELSON_CHECK(env.ok(), "a reactor can be made");
  keelson::env::RealEnv& world = **env;
  keelson::net::http::ServerOptions options;
  options.connections_max = 10'000;
  auto server = std::make_unique<keelson::net::http::Server>(world.network(), world.reactor(0), options, answer);
  auto scope = std::make_unique<keelson::env::TaskScope>(world.reactor(0));
  KEELSON_CHECK(world.watch_signals([&](int) { scope->spawn(stop(*server, world)); }).ok(), "signals can be watched");
  world.reactor(0).post([&] {
    const auto done = server->listen({"127.0.0.1", static_cast<uint16_t>(*port), ""}, nullptr);
    KEELSON_CHECK(done.ok(), "the port is free");
  });
  world.run();
  scope.reset();
  server.reset();
  return 0;
}
