#include "protocol/kafka/scram.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/base64.h"

namespace keelson::kafka {
namespace {

using namespace std::string_view_literals;

// RFC 7677, section 3: user "user", password "pencil".
constexpr std::string_view kFirst = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
constexpr std::string_view kServerNonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
constexpr std::string_view kSalt = "W22ZaJ0SNY7soEsUEjb6gQ==";
constexpr std::string_view kServerFirst =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
constexpr std::string_view kFinal =
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
constexpr std::string_view kServerFinal = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

ScramExchange rfc_exchange(std::string_view password = "pencil") {
  return {*read_scram_first(kFirst), make_credential(ScramMechanism::kSha256, password, *from_base64(kSalt), 4096),
          kServerNonce};
}

TEST(KafkaScram, SpeaksTheExchangeOfRfc7677) {
  const ScramExchange exchange = rfc_exchange();
  EXPECT_EQ(exchange.first().name, "user");
  EXPECT_EQ(exchange.server_first(), kServerFirst);
  EXPECT_EQ(exchange.finish(kFinal), kServerFinal);
  EXPECT_EQ(rfc_exchange("pencils").finish(kFinal), std::nullopt);
}

TEST(KafkaScram, TakesTheNonceThatOldLibrdkafkaSends) {
  // Made by Python's hmac and hashlib: the client's part of the nonce stands in it twice, and the proof covers that.
  EXPECT_TRUE(
      rfc_exchange().finish("c=biws,r=rOprNGfwEbeRWgbNEkqOrOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=1Y75+"
                            "q7XaCGJj/r6vyQWwoNxSzV5ksS8xhp5Lqyriec="));
}

TEST(KafkaScram, RefusesFinalsThatDoNotFit) {
  const ScramExchange exchange = rfc_exchange();
  for (const std::string_view final :
       {"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVE="sv,
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="sv,
        "c=eSws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="sv,
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzb"sv,
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"sv, "p=dHzbZapWIk4j"sv, ""sv, ",p="sv}) {
    EXPECT_EQ(exchange.finish(final), std::nullopt) << final;
  }
}

TEST(KafkaScram, ReadsFirstMessages) {
  EXPECT_EQ(read_scram_first("n,,n=a=2Cb=3Dc,r=x")->name, "a,b=c");
  EXPECT_EQ(read_scram_first("n,a=b,n=a,r=x")->authorization_id, "b");
  EXPECT_EQ(read_scram_first("n,a=b,n=a,r=x")->gs2_header, "n,a=b,");
  EXPECT_EQ(read_scram_first("y,,n=a,r=x,tokenauth=true")->bare, "n=a,r=x,tokenauth=true");
  for (const std::string_view bad :
       {"p=tls-unique,,n=a,r=x"sv, "n,,n=,r=x"sv, "n,,n=a"sv, "n,,n=a,r="sv, "n,,r=x,n=a"sv, "n,,m=1,n=a,r=x"sv,
        "n,,n=a=2,r=x"sv, "n,,n=a=41,r=x"sv, "n,b=a,n=a,r=x"sv, ""sv, "n"sv, "n,,"sv, "n,,n=a,r=x y"sv}) {
    EXPECT_EQ(read_scram_first(bad), std::nullopt) << bad;
  }
}

TEST(KafkaScram, CredentialsAreKeptAsText) {
  for (const ScramMechanism mechanism : {ScramMechanism::kSha256, ScramMechanism::kSha512}) {
    const ScramCredential credential = make_credential(mechanism, "secret", "salt", 4096);
    EXPECT_EQ(read_credential(credential_text(credential)), credential);
    EXPECT_TRUE(is_password(credential, "secret"));
    EXPECT_FALSE(is_password(credential, "Secret"));
    EXPECT_FALSE(is_password(credential, ""));
  }
  const std::string text = credential_text(make_credential(ScramMechanism::kSha256, "x", "salt", 4096));
  for (size_t size = 0; size < text.size(); ++size) EXPECT_EQ(read_credential(text.substr(0, size)), std::nullopt);
  EXPECT_EQ(read_credential(text + ","), std::optional<ScramCredential>(read_credential(text)));
  EXPECT_EQ(read_credential(text + "x"), std::nullopt);
}

TEST(KafkaScram, NobodysCredentialsStayTheSameAndFitNothing) {
  const ScramCredential nobody = credential_of_nobody(ScramMechanism::kSha256, "ann", "secret of the server");
  EXPECT_EQ(nobody, credential_of_nobody(ScramMechanism::kSha256, "ann", "secret of the server"));
  EXPECT_NE(nobody.salt, credential_of_nobody(ScramMechanism::kSha256, "bob", "secret of the server").salt);
  EXPECT_EQ(nobody.salt.size(), kScramSaltBytes);
  EXPECT_FALSE(is_password(nobody, ""));
}

TEST(KafkaPlain, IsThreePartsWithNulsBetween) {
  const std::optional<PlainMessage> plain = read_plain("\0ann\0secret"sv);
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->authorization_id, "");
  EXPECT_EQ(plain->name, "ann");
  EXPECT_EQ(plain->password, "secret");
  EXPECT_EQ(read_plain("x\0ann\0secret"sv)->authorization_id, "x");
  for (const std::string_view bad : {""sv, "ann"sv, "\0ann"sv, "\0\0secret"sv, "\0ann\0"sv, "\0ann\0se\0cret"sv}) {
    EXPECT_FALSE(read_plain(bad)) << bad;
  }
}

}  // namespace
}  // namespace keelson::kafka
