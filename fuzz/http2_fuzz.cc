// Any bytes behind the connection preface of HTTP/2, to the whole server in simulation: nothing crashes, handlers are
// no more than the limit allows, and when the client has gone so is its connection.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "env/sim/sim.h"
#include "net/http/http2_connection.h"
#include "net/http/server.h"

using namespace keelson;             // tidy: using namespace, because this file is about nothing else
using namespace keelson::net::http;  // tidy: using namespace, because this file is about nothing else

namespace {

constexpr uint32_t kStreamsMax = 4;

Task<void> answer(Exchange& exchange, uint32_t& running) {
  KEELSON_CHECK(++running <= kStreamsMax, "no more handlers than streams");
  const bool is_echo = exchange.request().path() == "/";
  if (is_echo && !co_await exchange.begin(200, "")) {
    --running;
    co_return;
  }
  while (true) {
    Result<std::string_view> piece = co_await exchange.read_body();
    if (!piece.ok() || piece->empty()) break;
    if (is_echo && !co_await exchange.send(*piece)) break;
  }
  for (const Field& field : exchange.trailers()) (void)field.name.size();
  if (is_echo) (void)co_await exchange.end();
  --running;
}

Task<void> talk(env::Env& env, env::Address to, std::string bytes, size_t piece) {
  auto stream = co_await env.network().connect(env.reactor(0), to);
  KEELSON_CHECK(stream.ok(), "the simulated network connects");
  for (size_t at = 0; at < bytes.size(); at += piece) {
    const env::IoOutcome sent = co_await (*stream)->write(std::string_view(bytes).substr(at, piece));
    if (!sent.ok()) break;
  }
  (*stream)->shutdown_write();
  std::string into(4096, '\0');
  while ((co_await (*stream)->read(into)).ok()) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string bytes(Http2Connection::kPreface);
  // A client's SETTINGS, so that what follows is frames; and then again not.
  if (data[0] % 4 != 0) bytes.append(std::string_view("\0\0\0\4\0\0\0\0\0", 9));
  bytes.append(reinterpret_cast<const char*>(data) + 1, size - 1);
  env::sim::World world(1);
  env::sim::Node& node = world.add_node();
  env::sim::Node& client = world.add_node();
  ServerOptions options;
  options.http2.streams_max = kStreamsMax;
  uint32_t running = 0;
  Server server(node.env().network(), node.reactor(), options,
                [&running](Exchange& exchange) { return answer(exchange, running); });
  world.run_on(node.reactor(), [&] { KEELSON_CHECK(server.listen(node.address(0), nullptr).ok(), "it listens"); });
  world.run(client.reactor(),
            talk(client.env(), server.addresses().front(), std::move(bytes), data[0] % 2 == 0 ? 7 : 4096));
  world.run(node.reactor(), server.stop());
  KEELSON_CHECK(running == 0 && server.connection_count() == 0, "nothing is left of a client that has gone");
  return 0;
}
