// TLS 1.2 and 1.3 over any env::Stream, as another env::Stream.
//
// OpenSSL works on memory buffers alone (BIO_s_mem): what arrives on the inner stream is fed to it, what it produces is
// written to the inner stream. So TLS runs over sockets and over the simulator alike. The handshake happens with the
// first read or write; while it is under way try_write() takes nothing. An end of the inner stream without TLS's
// close_notify is kReset, since somebody may have cut the connection; with it, kEof (RFC 8446 §6.1).
//
// Renegotiation and compression are off. Keys, nonces and handshake randoms are OpenSSL's own, so bytes on the wire
// differ from run to run even in simulation; the plain text and the order of events do not.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include "base/result.h"
#include "env/disk.h"
#include "env/network.h"

namespace keelson::net {

enum class TlsErrc : uint8_t {
  kOk = 0,
  kBadFile,    // a certificate, key or CA file is missing, unreadable or damaged
  kMismatch,   // the key does not belong to the certificate
  kBadOption,  // an unknown protocol version or cipher
  kInternal,   // OpenSSL failed for a reason of its own
};
std::error_code make_error_code(TlsErrc code);

// Whether a client must show a certificate that the CA has signed.
enum class ClientCertificate : uint8_t { kNone, kOptional, kRequired };

// What a connection has agreed on, in OpenSSL's names: "TLSv1.3", "TLS_AES_256_GCM_SHA384". Empty before the handshake
// is done, and without TLS. They live as long as the program.
struct TlsDetails {
  std::string_view version;
  std::string_view cipher;
};

struct TlsServerOptions {
  std::string certificate_file;  // PEM; the server's certificate, then its chain
  std::string key_file;          // PEM, without a passphrase
  std::string ca_file;           // PEM; whom client certificates are checked against
  ClientCertificate client_certificate = ClientCertificate::kNone;
  std::string protocol_min = "1.2";  // or "1.3"
  std::string ciphers;               // TLS 1.2, OpenSSL's names; empty: OpenSSL's default
  std::string cipher_suites;         // TLS 1.3
  uint32_t handshake_timeout_ms = 10'000;
};

struct TlsClientOptions {
  std::string ca_file;           // PEM; empty: the machine's own store
  std::string certificate_file;  // optional, for servers that ask for one
  std::string key_file;
  bool verify = true;  // the chain and the name (or address) of the server
  uint32_t handshake_timeout_ms = 10'000;
};

// What the connections of one listener (or one client) share. Files are read once, when it is made. wrap() is safe from
// every thread; each stream belongs to its inner stream's reactor. Must live longer than its streams.
class TlsContext {
 public:
  static Result<std::unique_ptr<TlsContext>> server(env::Disk& disk, const TlsServerOptions& options);
  static Result<std::unique_ptr<TlsContext>> client(env::Disk& disk, const TlsClientOptions& options);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  // Reads the files again; new connections use them. On an error the old ones stay. From one thread at a time, beside
  // wrap().
  Status reload(env::Disk& disk);

  // Speaks TLS over `inner`, as server or client according to the context. `server_name` is for clients: a host name or
  // numeric address that the certificate must carry. `protocols` are what may be spoken inside, the preferred one first
  // (ALPN, RFC 7301: "h2", "http/1.1"): a client offers them; a server picks the first of its own that the client
  // offers, and refuses a client that offers others only. Without any the extension is left out, or ignored.
  std::unique_ptr<env::Stream> wrap(std::unique_ptr<env::Stream> inner, std::string_view server_name = {},
                                    std::span<const std::string_view> protocols = {});

  // What a stream that wrap() made has agreed on by ALPN, once bytes have come over it; empty if nothing.
  static std::string_view protocol_of(const env::Stream& stream);
  static TlsDetails details_of(const env::Stream& stream);

  // One line for people about a failed handshake of a stream that wrap() made ("certificate verify failed: ..."); empty
  // if there was none.
  static std::string failure_of(const env::Stream& stream);

 private:
  struct State;
  explicit TlsContext(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace keelson::net

template <>
struct std::is_error_code_enum<keelson::net::TlsErrc> : std::true_type {};
