#include "peer/greeting.h"

#include <algorithm>
#include <utility>

#include "base/coding.h"
#include "net/tls_stream.h"
#include "peer/errors.h"

namespace keelson::peer {

namespace {

std::string new_nonce(env::Random& random) {
  std::string nonce(kNonceBytes, '\0');
  random.fill_secret(nonce);
  return nonce;
}

// The next frame of the handshake, which views into the wire's buffer until the next one is asked for.
Task<Result<Frame>> next_frame(Wire& wire) {
  Frame frame;
  while (!wire.take(kHandshakeBodyBytesMax, frame)) {
    switch (co_await wire.read(kHandshakeBodyBytesMax)) {
      case Wire::Outcome::kFrames:
        break;
      case Wire::Outcome::kEnd:
      case Wire::Outcome::kBroken: {
        const std::string tls = net::TlsContext::failure_of(wire.stream());
        co_return fail(PeerErrc::kUnreachable,
                       tls.empty() ? "the connection ended before the handshake" : "TLS: " + tls);
      }
      case Wire::Outcome::kDamaged:
        co_return fail(PeerErrc::kRefused,
                       "what it sends is not this protocol; does one side use TLS and the other not?");
    }
  }
  co_return frame;
}

std::unexpected<Error> refused(const Refusal& refusal) { return fail(PeerErrc::kRefused, refusal.sentence); }

// The frame's body as the one that is expected, or what the other side says instead.
template <class Body>
Status expect(const Frame& frame, FrameType type, Body& body) {
  if (frame.type == FrameType::kRefusal) {
    Refusal refusal;
    if (refusal.read(frame.body)) return refused(refusal);
  }
  if (frame.type == type && body.read(frame.body)) return {};
  return fail(PeerErrc::kRefused, "its handshake is not understood");
}

}  // namespace

Task<Result<Greeted>> greet_as_client(Wire& wire, const Identity& self, Hello hello, env::Random& random) {
  hello.nonce = new_nonce(random);
  wire.append_body(FrameType::kHello, 0, hello);
  Result<Frame> frame = co_await next_frame(wire);
  if (!frame.ok()) co_return forward_error(frame);
  Challenge challenge;
  if (Status read = expect(*frame, FrameType::kChallenge, challenge); !read.ok()) co_return forward_error(read);
  if (const Refusal no = judge(self, hello, challenge); no.code != RefusalCode::kNone) co_return refused(no);
  wire.append(FrameType::kProof, 0, client_proof(self.secret, hello, challenge));
  frame = co_await next_frame(wire);
  if (!frame.ok()) co_return forward_error(frame);
  Welcome welcome;
  if (Status read = expect(*frame, FrameType::kWelcome, welcome); !read.ok()) co_return forward_error(read);
  co_return Greeted{.version = challenge.version,
                    .cluster = std::move(challenge.cluster),
                    .node = challenge.node,
                    .book = std::move(welcome.book)};
}

Task<Result<Greeted>> greet_as_server(Wire& wire, const Gatekeeper& gatekeeper, env::Random& random) {
  Result<Frame> frame = co_await next_frame(wire);
  if (!frame.ok()) co_return forward_error(frame);
  Hello hello;
  if (frame->type != FrameType::kHello || !hello.read(frame->body)) {
    const Refusal no{RefusalCode::kNotUnderstood, "the handshake is not understood"};
    wire.append_body(FrameType::kRefusal, 0, no);
    co_return refused(no);
  }
  const Identity self = gatekeeper.identity();  // it may change meanwhile
  const Refusal no = judge(self, hello, gatekeeper.is_removed(hello.node));
  if (no.code != RefusalCode::kNone) {
    wire.append_body(FrameType::kRefusal, 0, no);
    co_return refused(no);
  }
  Challenge challenge{.version = std::min(kVersionMax, hello.version_max),
                      .cluster = self.cluster,
                      .node = self.node,
                      .nonce = new_nonce(random),
                      .proof = {}};
  challenge.proof = server_proof(self.secret, hello, challenge);
  wire.append_body(FrameType::kChallenge, 0, challenge);
  frame = co_await next_frame(wire);
  if (!frame.ok()) co_return forward_error(frame);
  if (frame->type != FrameType::kProof || !is_proved(self.secret, hello, challenge, frame->body)) {
    const Refusal wrong{RefusalCode::kSecret,
                        "the two have different cluster.secret settings, or only one of them has one"};
    wire.append_body(FrameType::kRefusal, 0, wrong);
    co_return refused(wrong);
  }
  wire.append_body(FrameType::kWelcome, 0, Welcome{gatekeeper.book()});
  co_return Greeted{.version = challenge.version,
                    .cluster = std::move(hello.cluster),
                    .node = hello.node,
                    .book = std::move(hello.book)};
}

}  // namespace keelson::peer
