// How two nodes find out, before anything else flows, that they belong together.
//
//   client                                   server
//   Hello (who I am, versions, a nonce)  ->
//                                        <-  Challenge (who I am, the version, a nonce, what shows that I know the
//                                        secret)
//   Proof (that I know the secret)       ->
//                                        <-  Welcome (where the other nodes are), or at any point
//                                        <-  Refusal (a code and a sentence for the log)
//
// Without a secret the proofs are empty. With one, a proof is HMAC-SHA256(secret, role || Hello || Challenge's version,
// cluster, node and nonce): each side has put 32 random bytes into what is signed, so nothing can be played again, and
// the secret itself never travels. It proves who speaks when the connection begins, not what is said later: only TLS
// does that.
//
// A node that belongs to no cluster yet says so by an empty cluster id; then it may only call methods that are open to
// guests. Versions: both sides speak all versions from version_min to version_max; the highest common one is taken.
// Pure functions over bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "peer/frame.h"

namespace keelson::peer {

inline constexpr std::string_view kMagic = "keelson-peer";
inline constexpr uint64_t kVersionMin = 1;
inline constexpr uint64_t kVersionMax = 1;
inline constexpr size_t kNonceBytes = 32;
// Until the other side is known, a frame's body may not be longer: an address book of kBookNodesMax entries fits.
inline constexpr size_t kHandshakeBodyBytesMax = 256 << 10;
inline constexpr size_t kBookNodesMax = 1024;
inline constexpr size_t kAddressBytesMax = 128;
inline constexpr size_t kClusterIdBytesMax = 64;

// Where a node can be reached. `revision` grows each time that the node starts: the highest is the truth.
struct BookEntry {
  NodeId node = 0;
  uint64_t revision = 0;
  std::string address;  // env::Address as text
  bool operator==(const BookEntry&) const = default;
};

struct Hello {
  uint64_t version_min = kVersionMin;
  uint64_t version_max = kVersionMax;
  std::string cluster;  // empty: of none yet
  NodeId node = 0;      // 0: a guest
  NodeId wanted = 0;    // whom it means to speak to; 0: whoever is there
  uint64_t reactor = 0;
  std::string nonce;
  std::vector<BookEntry> book;  // its own address first, if it has one
  // The body as it was sent, which is what proofs are made over: a later version's has more than is read here.
  std::string said;
  // Keeps what it appends in `said`.
  void append(Buffer& out);
  [[nodiscard]] bool read(std::string_view body);
};

struct Challenge {
  uint64_t version = 0;
  std::string cluster;
  NodeId node = 0;
  std::string nonce;
  std::string proof;
  void append(Buffer& out) const;
  [[nodiscard]] bool read(std::string_view body);
};

// Body of kProof: a string.

struct Welcome {
  std::vector<BookEntry> book;
  void append(Buffer& out) const;
  [[nodiscard]] bool read(std::string_view body);
};

// The numbers are the protocol's.
enum class RefusalCode : uint8_t {
  kNone = 0,
  kNotUnderstood = 1,
  kVersion = 2,
  kOtherCluster = 3,
  kOtherNode = 4,
  kRemoved = 5,
  kSecret = 6,
  kBusy = 7,
  kNoCluster = 8,  // it belongs to no cluster itself
};

struct Refusal {
  RefusalCode code = RefusalCode::kNone;
  std::string sentence;
  void append(Buffer& out) const;
  [[nodiscard]] bool read(std::string_view body);
};

// What a node knows of itself and of whom it trusts.
struct Identity {
  std::string cluster;  // empty: of none yet
  NodeId node = 0;
  std::string secret;  // empty: none is asked for
};

// The server's judgement of a Hello: kNone, or why not.
[[nodiscard]] Refusal judge(const Identity& self, const Hello& hello, bool is_removed);
// The client's judgement of a Challenge; `hello` is what it sent. The proof is looked at, too.
[[nodiscard]] Refusal judge(const Identity& self, const Hello& hello, const Challenge& challenge);
[[nodiscard]] std::string server_proof(std::string_view secret, const Hello& hello, const Challenge& challenge);
[[nodiscard]] std::string client_proof(std::string_view secret, const Hello& hello, const Challenge& challenge);
// The server's look at the client's proof.
[[nodiscard]] bool is_proved(std::string_view secret, const Hello& hello, const Challenge& challenge,
                             std::string_view proof);

}  // namespace keelson::peer
