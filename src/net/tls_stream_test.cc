#include "net/tls_stream.h"

#include <gtest/gtest.h>

#include <random>

#include "env/disk.h"
#include "env/sim/gtest_seeds.h"
#include "env/sim/sim.h"
#include "net/test_support.h"

namespace keelson::net {
namespace {

using env::IoOutcome;
using env::NetErrc;
using env::sim::World;

const Pem& server_pem() {
  static const Pem pem = make_certificate("DNS:ship.test,IP:10.0.0.1");
  return pem;
}
const Pem& other_pem() {
  static const Pem pem = make_certificate("DNS:ship.test,IP:10.0.0.1");
  return pem;
}

void put(env::Disk& disk, const std::string& path, std::string_view content) {
  if (disk.exists(path)) ASSERT_TRUE(disk.remove(path).ok());
  auto file = disk.open(path, env::OpenMode::kCreate);
  ASSERT_TRUE(file.ok()) << file.error().message();
  ASSERT_TRUE((*file)->write_at(0, content).ok());
}

Task<bool> write_all(env::Stream& stream, std::string_view bytes) { co_return (co_await stream.write(bytes)).ok(); }

// Sends everything back until the other side ends; then ends too.
Task<void> echo(std::unique_ptr<env::Stream> stream, NetErrc& ended) {
  std::string bytes(10'000, '\0');
  while (true) {
    const IoOutcome got = co_await stream->read(bytes);
    ended = got.error;
    if (!got.ok()) break;
    const std::string back = bytes.substr(0, got.count);
    size_t sent = stream->try_write(back).count;
    if (sent < back.size() && !co_await write_all(*stream, std::string_view(back).substr(sent))) break;
  }
  stream->shutdown_write();
  (void)co_await stream->read(bytes);  // until the peer has gone
}

class TlsTest : public testing::Test {
 protected:
  void set_up(uint64_t seed, env::sim::SimOptions options = {}) {
    world_ = std::make_unique<World>(seed, options);
    server_ = &world_->add_node();
    client_ = &world_->add_node();
    for (env::sim::Node* node : {server_, client_}) {
      env::Disk& disk = node->env().disk();
      ASSERT_TRUE(disk.make_folder("d").ok());
      put(disk, "d/cert", server_pem().certificate);
      put(disk, "d/key", server_pem().key);
      put(disk, "d/other-cert", other_pem().certificate);
      put(disk, "d/other-key", other_pem().key);
    }
  }
  void TearDown() override {
    scope_.reset();
    listener_.reset();
    contexts_.clear();
    world_.reset();
  }

  env::Disk& disk() { return server_->env().disk(); }
  TlsContext& server_context(TlsServerOptions options = {}) {
    if (options.certificate_file.empty()) options.certificate_file = "d/cert";
    if (options.key_file.empty()) options.key_file = "d/key";
    auto made = TlsContext::server(disk(), options);
    EXPECT_TRUE(made.ok()) << made.error().message();
    contexts_.push_back(std::move(*made));
    return *contexts_.back();
  }
  TlsContext& client_context(TlsClientOptions options = {.ca_file = "d/cert", .certificate_file = "", .key_file = ""}) {
    auto made = TlsContext::client(client_->env().disk(), options);
    EXPECT_TRUE(made.ok()) << made.error().message();
    contexts_.push_back(std::move(*made));
    return *contexts_.back();
  }

  static Task<void> accept_and_echo(env::Listener& listener, env::Reactor& reactor, TlsContext& tls, NetErrc& ended,
                                    std::span<const std::string_view> offers) {
    auto accepted = co_await listener.accept(reactor);
    if (!accepted.ok()) co_return;
    co_await echo(tls.wrap(std::move(*accepted), {}, offers), ended);
  }

  // A plain connection to the server, which speaks TLS on its side.
  std::unique_ptr<env::Stream> connect(TlsContext& server_tls) {
    env::Reactor& reactor = server_->reactor();
    world_->run_on(reactor, [&] {
      auto listener = server_->env().network().listen(reactor, server_->address(0));
      ASSERT_TRUE(listener.ok());
      listener_ = std::move(*listener);
      scope_ = std::make_unique<env::TaskScope>(reactor);
      scope_->spawn(accept_and_echo(*listener_, reactor, server_tls, server_ended_, server_protocols_));
    });
    auto connected =
        world_->run(client_->reactor(), client_->env().network().connect(client_->reactor(), listener_->local()));
    EXPECT_TRUE(connected.ok());
    return std::move(*connected);
  }

  static Task<std::string> converse(env::Stream& stream, std::string all, uint64_t seed) {
    std::mt19937_64 random(seed);
    std::string got;
    size_t sent = 0;
    std::string into(20'000, '\0');
    while (got.size() < all.size()) {
      if (sent < all.size()) {
        const size_t piece = std::min<size_t>(1 + random() % 60'000, all.size() - sent);
        const std::string_view part = std::string_view(all).substr(sent, piece);
        if (random() % 2 == 0) {
          const IoOutcome taken = stream.try_write(part);
          if (!taken.ok()) co_return "try_write failed";
          sent += taken.count;
          if (taken.count == 0 && !co_await write_all(stream, part)) co_return "write failed";
          if (taken.count == 0) sent += piece;
        } else {
          if (!co_await write_all(stream, part)) co_return "write failed";
          sent += piece;
        }
      }
      while (got.size() < sent) {
        const IoOutcome outcome = co_await stream.read(std::span(into.data(), 1 + random() % into.size()));
        if (!outcome.ok()) co_return "read failed " + std::to_string(static_cast<int>(outcome.error));
        got.append(into, 0, outcome.count);
      }
    }
    stream.shutdown_write();
    const IoOutcome end = co_await stream.read(into);
    if (end.error != NetErrc::kEof) co_return "no clean end " + std::to_string(static_cast<int>(end.error));
    co_return got;
  }

  static Task<NetErrc> read_once(env::Stream& stream) {
    std::string into(100, '\0');
    co_return (co_await stream.read(into)).error;
  }

  // The error of a client's first read, with the reason.
  std::pair<NetErrc, std::string> first_read(TlsContext& client_tls, TlsContext& server_tls, std::string_view name) {
    auto stream = client_tls.wrap(connect(server_tls), name);
    const NetErrc error = world_->run(client_->reactor(), read_once(*stream), 600 * env::sim::kSecond);
    std::string why = TlsContext::failure_of(*stream);
    world_->run_on(client_->reactor(), [&] { stream.reset(); });
    return {error, why};
  }

  std::vector<std::string_view> server_protocols_;
  NetErrc server_ended_ = NetErrc::kOk;
  std::unique_ptr<World> world_;
  env::sim::Node* server_ = nullptr;
  env::sim::Node* client_ = nullptr;
  std::vector<std::unique_ptr<TlsContext>> contexts_;
  std::unique_ptr<env::Listener> listener_;
  std::unique_ptr<env::TaskScope> scope_;
};

TEST_F(TlsTest, CarriesBytesBothWaysInAnyPieces) {
  env::sim::for_each_seed(1, 20, [&](uint64_t seed) {
    env::sim::SimOptions options;
    options.network.short_transfer_probability = 0.3;
    set_up(seed, options);
    std::mt19937_64 random(seed);
    std::string all(1 + random() % 300'000, '\0');
    for (char& c : all) c = static_cast<char>(random());
    auto stream = client_context().wrap(connect(server_context()), seed % 2 == 0 ? "ship.test" : "10.0.0.1");
    EXPECT_EQ(world_->run(client_->reactor(), converse(*stream, all, seed)), all);
    EXPECT_EQ(server_ended_, NetErrc::kEof);
    world_->run_on(client_->reactor(), [&] { stream.reset(); });
    TearDown();
  });
}

TEST_F(TlsTest, AgreesOnAProtocol) {  // RFC 7301
  struct Row {
    std::vector<std::string_view> server, client;
    std::string_view picked;
    bool is_refused = false;
  };
  const Row rows[] = {{{"h2", "http/1.1"}, {"http/1.1", "h2"}, "h2"},
                      {{"h2", "http/1.1"}, {"http/1.1"}, "http/1.1"},
                      {{"h2", "http/1.1"}, {}, ""},
                      {{}, {"h2"}, ""},
                      {{"h2"}, {"redis"}, "", true}};
  for (const Row& row : rows) {
    set_up(1);
    server_protocols_ = row.server;
    auto stream = client_context().wrap(connect(server_context()), "ship.test", row.client);
    EXPECT_EQ(world_->run(client_->reactor(), converse(*stream, "hello", 1)) == "hello", !row.is_refused);
    EXPECT_EQ(TlsContext::protocol_of(*stream), row.picked);
    world_->run_on(client_->reactor(), [&] { stream.reset(); });
    TearDown();
  }
}

TEST_F(TlsTest, Tls12And13AreSpoken) {
  set_up(1);
  auto stream = client_context().wrap(connect(server_context({.certificate_file = "",
                                                              .key_file = "",
                                                              .ca_file = "",
                                                              .protocol_min = "1.3",
                                                              .ciphers = "",
                                                              .cipher_suites = ""})),
                                      "ship.test");
  EXPECT_EQ(world_->run(client_->reactor(), converse(*stream, "hello", 1)), "hello");
  world_->run_on(client_->reactor(), [&] { stream.reset(); });
}

TEST_F(TlsTest, TheClientChecksChainAndName) {
  set_up(1);
  const auto [name_error, name_why] = first_read(client_context(), server_context(), "wrong.test");
  EXPECT_EQ(name_error, NetErrc::kReset);
  EXPECT_NE(name_why.find("hostname mismatch"), std::string::npos) << name_why;
  const auto [chain_error, chain_why] =
      first_read(client_context({.ca_file = "d/other-cert", .certificate_file = "", .key_file = ""}), server_context(),
                 "ship.test");
  EXPECT_EQ(chain_error, NetErrc::kReset);
  EXPECT_NE(chain_why.find("self-signed certificate"), std::string::npos) << chain_why;
  auto trusting = client_context({.ca_file = "", .certificate_file = "", .key_file = "", .verify = false})
                      .wrap(connect(server_context()), "wrong.test");
  EXPECT_EQ(world_->run(client_->reactor(), converse(*trusting, "x", 1)), "x");
  world_->run_on(client_->reactor(), [&] { trusting.reset(); });
}

TEST_F(TlsTest, TheServerChecksClientCertificates) {
  set_up(1);
  const TlsServerOptions strict{.certificate_file = "",
                                .key_file = "",
                                .ca_file = "d/other-cert",
                                .client_certificate = ClientCertificate::kRequired,
                                .ciphers = "",
                                .cipher_suites = ""};
  const auto [error, why] = first_read(client_context(), server_context(strict), "ship.test");
  EXPECT_EQ(error, NetErrc::kReset);
  auto known = client_context({.ca_file = "d/cert", .certificate_file = "d/other-cert", .key_file = "d/other-key"})
                   .wrap(connect(server_context(strict)), "ship.test");
  EXPECT_EQ(world_->run(client_->reactor(), converse(*known, "hello", 1)), "hello");
  world_->run_on(client_->reactor(), [&] { known.reset(); });
}

TEST_F(TlsTest, SomebodyWhoDoesNotSpeakTlsIsRefused) {
  set_up(1);
  auto plain = connect(server_context());
  const auto talk = [](env::Stream& stream) -> Task<NetErrc> {
    (void)co_await write_all(stream, "PING\r\nPING\r\n");
    std::string into(1000, '\0');
    IoOutcome got;
    do got = co_await stream.read(into);
    while (got.ok());
    co_return got.error;
  };
  world_->run(client_->reactor(), talk(*plain));
  EXPECT_EQ(server_ended_, NetErrc::kReset);
  world_->run_on(client_->reactor(), [&] { plain.reset(); });
}

TEST_F(TlsTest, ACutConnectionIsNoCleanEnd) {
  set_up(1);
  auto inner = connect(server_context());
  env::Stream& raw = *inner;
  auto stream = client_context().wrap(std::move(inner), "ship.test");
  const auto talk = [](env::Stream& tls, env::Stream& under) -> Task<void> {
    (void)co_await write_all(tls, "x");
    std::string into(10, '\0');
    (void)co_await tls.read(into);
    under.shutdown_write();  // the FIN without TLS's close_notify
  };
  world_->run(client_->reactor(), talk(*stream, raw));
  world_->run_until([&] { return server_ended_ != NetErrc::kOk; });
  EXPECT_EQ(server_ended_, NetErrc::kReset);
  world_->run_on(client_->reactor(), [&] { stream.reset(); });
}

TEST_F(TlsTest, AHandshakeThatStallsIsGivenUp) {
  set_up(1);
  auto plain = connect(server_context());  // says nothing
  world_->run_until([&] { return server_ended_ != NetErrc::kOk; }, 60 * env::sim::kSecond);
  EXPECT_EQ(server_ended_, NetErrc::kTimedOut);
  world_->run_on(client_->reactor(), [&] { plain.reset(); });
}

TEST_F(TlsTest, CloseEndsWhatIsUnderWay) {
  set_up(1);
  auto stream = client_context().wrap(connect(server_context()), "ship.test");
  NetErrc outcome = NetErrc::kOk;
  const auto wait = [](env::Stream& from, NetErrc& into) -> Task<void> { into = co_await read_once(from); };
  env::TaskScope scope(client_->reactor());
  world_->run_on(client_->reactor(), [&] { scope.spawn(wait(*stream, outcome)); });
  world_->run_for(env::sim::kSecond);
  EXPECT_EQ(outcome, NetErrc::kOk);
  world_->run_on(client_->reactor(), [&] { stream->close(); });
  world_->run_for(env::sim::kSecond);
  EXPECT_EQ(outcome, NetErrc::kClosed);
  world_->run_on(client_->reactor(), [&] { stream.reset(); });
}

TEST_F(TlsTest, BadFilesAreNamed) {
  set_up(1);
  const auto why = [&](std::string certificate, std::string key, std::string ca = "",
                       ClientCertificate mode = ClientCertificate::kNone) {
    auto made = TlsContext::server(disk(), {.certificate_file = std::move(certificate),
                                            .key_file = std::move(key),
                                            .ca_file = std::move(ca),
                                            .client_certificate = mode,
                                            .ciphers = "",
                                            .cipher_suites = ""});
    return made.ok() ? std::string() : made.error().message();
  };
  put(disk(), "d/junk", "not a certificate");
  EXPECT_NE(why("d/none", "d/key").find("d/none"), std::string::npos);
  EXPECT_NE(why("d/junk", "d/key").find("d/junk holds no usable PEM certificate"), std::string::npos);
  EXPECT_NE(why("d/cert", "d/junk").find("d/junk holds no usable PEM private key"), std::string::npos);
  EXPECT_NE(why("d/cert", "d/other-key").find("does not belong to the certificate"), std::string::npos);
  EXPECT_NE(why("d/cert", "d/key", "d/junk", ClientCertificate::kOptional).find("d/junk holds no PEM certificate"),
            std::string::npos);
  EXPECT_NE(why("d/cert", "d/key", "", ClientCertificate::kOptional), "");
  EXPECT_EQ(why("d/cert", "d/key"), "");
  TlsServerOptions options{.certificate_file = "d/cert",
                           .key_file = "d/key",
                           .ca_file = "",
                           .protocol_min = "1.1",
                           .ciphers = "",
                           .cipher_suites = ""};
  EXPECT_FALSE(TlsContext::server(disk(), options).ok());
  options.protocol_min = "1.2";
  options.ciphers = "NO-SUCH";
  EXPECT_FALSE(TlsContext::server(disk(), options).ok());
}

TEST_F(TlsTest, ReloadTakesNewFilesAndKeepsTheOldOnAnError) {
  set_up(1);
  TlsContext& server = server_context();
  put(disk(), "d/cert", "damaged");
  EXPECT_FALSE(server.reload(disk()).ok());
  auto stream = client_context().wrap(connect(server), "ship.test");
  EXPECT_EQ(world_->run(client_->reactor(), converse(*stream, "old", 1)), "old");
  world_->run_on(client_->reactor(), [&] { stream.reset(); });
  put(disk(), "d/cert", other_pem().certificate);
  put(disk(), "d/key", other_pem().key);
  ASSERT_TRUE(server.reload(disk()).ok());
  auto next = client_context({.ca_file = "d/other-cert", .certificate_file = "", .key_file = ""})
                  .wrap(connect(server), "ship.test");
  EXPECT_EQ(world_->run(client_->reactor(), converse(*next, "new", 1)), "new");
  world_->run_on(client_->reactor(), [&] { next.reset(); });
}

}  // namespace
}  // namespace keelson::net
