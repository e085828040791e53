#include "peer/handshake.h"

#include <algorithm>

#include "base/coding.h"
#include "net/keyed_hash.h"

namespace keelson::peer {

namespace {

void append_book(Buffer& out, const std::vector<BookEntry>& book) {
  append_varint(out, book.size());
  for (const BookEntry& entry : book) {
    append_varint(out, entry.node);
    append_varint(out, entry.revision);
    append_string(out, entry.address);
  }
}

bool read_text(std::string_view& from, size_t bytes_max, std::string& text) {
  std::string_view bytes;
  if (!read_string(from, bytes) || bytes.size() > bytes_max) return false;
  text = bytes;
  return true;
}

bool read_book(std::string_view& from, std::vector<BookEntry>& book) {
  uint64_t count = 0;
  if (!read_varint(from, count) || count > kBookNodesMax) return false;
  for (uint64_t i = 0; i < count; ++i) {
    BookEntry& entry = book.emplace_back();
    if (!read_varint(from, entry.node) || !read_varint(from, entry.revision) ||
        !read_text(from, kAddressBytesMax, entry.address)) {
      return false;
    }
  }
  return true;
}

std::string proof(std::string_view secret, std::string_view role, const Hello& hello, const Challenge& challenge) {
  if (secret.empty()) return {};
  Buffer said;
  append_string(said, role);
  append_string(said, hello.said);
  append_varint(said, challenge.version);
  append_string(said, challenge.cluster);
  append_varint(said, challenge.node);
  append_string(said, challenge.nonce);
  return net::keyed_hash(secret, said.view());
}

}  // namespace

void Hello::append(Buffer& out) {
  const size_t begun = out.size();
  out.append(kMagic);
  append_varint(out, version_min);
  append_varint(out, version_max);
  append_string(out, cluster);
  append_varint(out, node);
  append_varint(out, wanted);
  append_varint(out, reactor);
  append_string(out, nonce);
  append_book(out, book);
  said = out.view().substr(begun);
}

bool Hello::read(std::string_view body) {
  said = body;
  if (!body.starts_with(kMagic)) return false;
  body.remove_prefix(kMagic.size());
  return read_varint(body, version_min) && read_varint(body, version_max) &&
         read_text(body, kClusterIdBytesMax, cluster) && read_varint(body, node) && read_varint(body, wanted) &&
         read_varint(body, reactor) && read_text(body, kNonceBytes, nonce) && nonce.size() == kNonceBytes &&
         read_book(body, book);
}

void Challenge::append(Buffer& out) const {
  append_varint(out, version);
  append_string(out, cluster);
  append_varint(out, node);
  append_string(out, nonce);
  append_string(out, proof);
}

bool Challenge::read(std::string_view body) {
  return read_varint(body, version) && read_text(body, kClusterIdBytesMax, cluster) && read_varint(body, node) &&
         read_text(body, kNonceBytes, nonce) && nonce.size() == kNonceBytes &&
         read_text(body, net::kKeyedHashBytes, proof);
}

void Welcome::append(Buffer& out) const { append_book(out, book); }

bool Welcome::read(std::string_view body) { return read_book(body, book); }

void Refusal::append(Buffer& out) const {
  append_varint(out, static_cast<uint64_t>(code));
  append_string(out, sentence);
}

bool Refusal::read(std::string_view body) {
  constexpr size_t kSentenceBytesMax = 1024;
  uint64_t number = 0;
  if (!read_varint(body, number) || number == 0 || number > UINT8_MAX) return false;
  code = static_cast<RefusalCode>(number);
  return read_text(body, kSentenceBytesMax, sentence);
}

Refusal judge(const Identity& self, const Hello& hello, bool is_removed) {
  if (hello.version_min > kVersionMax || hello.version_max < kVersionMin) {
    return {RefusalCode::kVersion, "it speaks versions " + std::to_string(hello.version_min) + " to " +
                                       std::to_string(hello.version_max) + " of the protocol, this node " +
                                       std::to_string(kVersionMin) + " to " + std::to_string(kVersionMax)};
  }
  if (self.cluster.empty()) return {RefusalCode::kNoCluster, "this node belongs to no cluster yet"};
  if (!hello.cluster.empty() && hello.cluster != self.cluster) {
    return {RefusalCode::kOtherCluster, "it belongs to cluster " + hello.cluster + ", this node to " + self.cluster};
  }
  if (hello.cluster.empty() != (hello.node == 0)) {
    return {RefusalCode::kNotUnderstood, "a node without a cluster, or a member without a number"};
  }
  if (hello.wanted != 0 && hello.wanted != self.node) {
    return {RefusalCode::kOtherNode, "it means node " + std::to_string(hello.wanted) + ", this is node " +
                                         std::to_string(self.node) + ": an address has changed hands"};
  }
  if (hello.node == self.node) {
    return {RefusalCode::kOtherNode, "it says to be node " + std::to_string(self.node) + ", as this one is"};
  }
  if (is_removed) {
    return {RefusalCode::kRemoved, "node " + std::to_string(hello.node) + " was removed from the cluster"};
  }
  return {};
}

Refusal judge(const Identity& self, const Hello& hello, const Challenge& challenge) {
  if (challenge.version < hello.version_min || challenge.version > hello.version_max) {
    return {RefusalCode::kVersion, "it picked a version of the protocol that was not offered"};
  }
  if (!hello.cluster.empty() && challenge.cluster != hello.cluster) {
    return {RefusalCode::kOtherCluster,
            "it belongs to cluster " + challenge.cluster + ", this node to " + hello.cluster};
  }
  if (hello.wanted != 0 && challenge.node != hello.wanted) {
    return {RefusalCode::kOtherNode, "it is node " + std::to_string(challenge.node) + ", not node " +
                                         std::to_string(hello.wanted) + ": an address has changed hands"};
  }
  if (!net::equal_in_constant_time(challenge.proof, server_proof(self.secret, hello, challenge))) {
    return {RefusalCode::kSecret, "the two have different cluster.secret settings, or only one of them has one"};
  }
  return {};
}

std::string server_proof(std::string_view secret, const Hello& hello, const Challenge& challenge) {
  return proof(secret, "server", hello, challenge);
}

std::string client_proof(std::string_view secret, const Hello& hello, const Challenge& challenge) {
  return proof(secret, "client", hello, challenge);
}

bool is_proved(std::string_view secret, const Hello& hello, const Challenge& challenge, std::string_view proof) {
  return net::equal_in_constant_time(proof, client_proof(secret, hello, challenge));
}

}  // namespace keelson::peer
