#include "peer/handshake.h"

#include <gtest/gtest.h>

#include <string>

#include "net/keyed_hash.h"

namespace keelson::peer {
namespace {

Hello hello_of(std::string cluster, NodeId node, NodeId wanted = 0) {
  Hello hello;
  hello.cluster = std::move(cluster);
  hello.node = node;
  hello.wanted = wanted;
  hello.nonce = std::string(kNonceBytes, 'c');
  Buffer out;
  hello.append(out);
  return hello;
}

Challenge challenge_of(std::string cluster, NodeId node) {
  Challenge challenge;
  challenge.version = 1;
  challenge.cluster = std::move(cluster);
  challenge.node = node;
  challenge.nonce = std::string(kNonceBytes, 's');
  return challenge;
}

TEST(KeyedHash, IsThatOfRfc4231) {
  // RFC 4231, test case 2.
  const std::string hash = net::keyed_hash("Jefe", "what do ya want for nothing?");
  std::string hex;
  for (const char byte : hash) {
    constexpr char kDigits[] = "0123456789abcdef";
    hex += kDigits[static_cast<uint8_t>(byte) >> 4];
    hex += kDigits[static_cast<uint8_t>(byte) & 15];
  }
  EXPECT_EQ(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Handshake, HelloComesBackWithItsBook) {
  Hello hello = hello_of("c1", 4, 2);
  hello.book = {{4, 9, "10.0.0.4:7400"}, {2, 1, "[::1]:7400"}};
  Buffer out;
  hello.append(out);
  Hello read;
  ASSERT_TRUE(read.read(out.view()));
  EXPECT_EQ(read.cluster, "c1");
  EXPECT_EQ(read.node, 4U);
  EXPECT_EQ(read.wanted, 2U);
  EXPECT_EQ(read.book, hello.book);
  EXPECT_EQ(read.said, hello.said);
  for (size_t size = 0; size < out.size(); ++size) EXPECT_FALSE(read.read(out.view().substr(0, size))) << size;
}

TEST(Handshake, WhoIsLetIn) {
  const Identity self{.cluster = "c1", .node = 1, .secret = {}};
  EXPECT_EQ(judge(self, hello_of("c1", 2), false).code, RefusalCode::kNone);
  EXPECT_EQ(judge(self, hello_of("c1", 2, 1), false).code, RefusalCode::kNone);
  EXPECT_EQ(judge(self, hello_of("", 0), false).code, RefusalCode::kNone);
  EXPECT_EQ(judge(self, hello_of("c2", 2), false).code, RefusalCode::kOtherCluster);
  EXPECT_EQ(judge(self, hello_of("c1", 2, 3), false).code, RefusalCode::kOtherNode);
  EXPECT_EQ(judge(self, hello_of("c1", 1), false).code, RefusalCode::kOtherNode);
  EXPECT_EQ(judge(self, hello_of("c1", 2), true).code, RefusalCode::kRemoved);
  EXPECT_EQ(judge(self, hello_of("c1", 0), false).code, RefusalCode::kNotUnderstood);
  EXPECT_EQ(judge(self, hello_of("", 3), false).code, RefusalCode::kNotUnderstood);
  EXPECT_EQ(judge(Identity{}, hello_of("c1", 2), false).code, RefusalCode::kNoCluster);
}

TEST(Handshake, VersionsMustMeet) {
  const Identity self{.cluster = "c1", .node = 1, .secret = {}};
  // The next version, which still speaks this one.
  Hello next = hello_of("c1", 2);
  next.version_max = kVersionMax + 1;
  EXPECT_EQ(judge(self, next, false).code, RefusalCode::kNone);
  next.version_min = kVersionMax + 1;
  EXPECT_EQ(judge(self, next, false).code, RefusalCode::kVersion);
}

TEST(Handshake, SecretIsProvedBothWays) {
  const Identity self{.cluster = "c1", .node = 2, .secret = "keel"};
  const Hello hello = hello_of("c1", 2);
  Challenge challenge = challenge_of("c1", 1);
  EXPECT_EQ(judge(self, hello, challenge).code, RefusalCode::kSecret);
  challenge.proof = server_proof("other", hello, challenge);
  EXPECT_EQ(judge(self, hello, challenge).code, RefusalCode::kSecret);
  challenge.proof = server_proof("keel", hello, challenge);
  EXPECT_EQ(judge(self, hello, challenge).code, RefusalCode::kNone);
  // The server's own proof does not pass for the client's.
  EXPECT_FALSE(is_proved("keel", hello, challenge, challenge.proof));
  EXPECT_TRUE(is_proved("keel", hello, challenge, client_proof("keel", hello, challenge)));
  // Nor does one of another connection.
  Challenge later = challenge;
  later.nonce = std::string(kNonceBytes, 't');
  EXPECT_FALSE(is_proved("keel", hello, later, client_proof("keel", hello, challenge)));
  // A node without a secret does not talk to one that has one, in either direction.
  EXPECT_EQ(judge(Identity{.cluster = "c1", .node = 2, .secret = {}}, hello, challenge).code, RefusalCode::kSecret);
  EXPECT_FALSE(is_proved("keel", hello, challenge, ""));
}

TEST(Handshake, ProofCoversWhatALaterVersionAdds) {
  Hello hello = hello_of("c1", 2);
  Buffer out;
  hello.append(out);
  out.append("later");
  Hello read;
  ASSERT_TRUE(read.read(out.view()));
  EXPECT_NE(client_proof("keel", read, challenge_of("c1", 1)), client_proof("keel", hello, challenge_of("c1", 1)));
}

}  // namespace
}  // namespace keelson::peer
