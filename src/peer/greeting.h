// The handshake as it runs over a wire, from both sides; what is said is in handshake.h.
//
// Neither has a time-out of its own: whoever holds the wire closes it.
#pragma once

#include "base/result.h"
#include "base/task.h"
#include "env/random.h"
#include "peer/handshake.h"
#include "peer/wire.h"

namespace keelson::peer {

struct Greeted {
  uint64_t version = 0;
  std::string cluster;
  NodeId node = 0;  // of the other side; 0: a guest
  std::vector<BookEntry> book;
};

// `hello` with everything but its nonce.
Task<Result<Greeted>> greet_as_client(Wire& wire, const Identity& self, Hello hello, env::Random& random);

// What the server's side needs to know while it judges.
class Gatekeeper {
 public:
  virtual ~Gatekeeper() = default;
  [[nodiscard]] virtual const Identity& identity() const = 0;
  [[nodiscard]] virtual bool is_removed(NodeId node) const = 0;
  [[nodiscard]] virtual std::vector<BookEntry> book() const = 0;
};
// A refusal has been sent when it returns an error.
Task<Result<Greeted>> greet_as_server(Wire& wire, const Gatekeeper& gatekeeper, env::Random& random);

}  // namespace keelson::peer
