// Any bytes as a client's messages while it logs in (PLAIN, SCRAM), and as what is kept of users, access lists and
// quotas. The first byte says as what.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "protocol/kafka/acl.h"
#include "protocol/kafka/quota_table.h"
#include "protocol/kafka/scram.h"

using namespace keelson::kafka;  // tidy: using namespace, because this file is about nothing else

namespace {

// The client's first message up to the first zero byte, its last behind it. No bytes prove a password that is not
// known.
void exchange(std::string_view text) {
  const size_t end = std::min(text.find('\0'), text.size());
  std::optional<ScramFirst> first = read_scram_first(text.substr(0, end));
  if (!first) return;
  KEELSON_CHECK(!first->name.empty() && !first->nonce.empty(), "a message that is taken says who");
  KEELSON_CHECK(text.substr(0, end) == first->gs2_header + first->bare, "it is cut into two, and nothing is lost");
  const ScramCredential nobody = credential_of_nobody(ScramMechanism::kSha256, first->name, "secret");
  const ScramExchange exchange(std::move(*first), nobody, "nonce");
  KEELSON_CHECK(!exchange.finish(text.substr(std::min(end + 1, text.size()))), "nobody has no password");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 6) {
    case 0:
      (void)read_plain(text);
      break;
    case 1:
      exchange(text);
      break;
    case 2:
      if (const auto read = read_credential(text))
        KEELSON_CHECK(read_credential(credential_text(*read)) == read, "same");
      break;
    case 3:
      if (const auto read = read_binding(text)) KEELSON_CHECK(read_binding(binding_text(*read)) == read, "same");
      break;
    case 4:
      if (const auto read = read_quota_entity(text))
        KEELSON_CHECK(read_quota_entity(quota_entity_text(*read)) == read, "same");
      break;
    default:
      if (const auto read = read_quota_values(text))
        KEELSON_CHECK(read_quota_values(quota_values_text(*read)) == read, "same");
      break;
  }
  return 0;
}
