#include "net/keyed_hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/check.h"

namespace keelson::net {

std::string keyed_hash(std::string_view secret, std::string_view bytes) {
  std::string hash(kKeyedHashBytes, '\0');
  unsigned int size = 0;
  const unsigned char* made = HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
                                   reinterpret_cast<unsigned char*>(hash.data()), &size);
  KEELSON_CHECK(made != nullptr && size == kKeyedHashBytes, "OpenSSL cannot compute an HMAC of SHA-256");
  return hash;
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace keelson::net
