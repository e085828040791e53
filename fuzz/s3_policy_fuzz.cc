// Any bytes as a policy: what is taken decides every request, and a Deny of everything never lets anything through.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "protocol/s3/keys.h"
#include "protocol/s3/policy.h"

using namespace keelson::s3;  // tidy: using namespace, because this file is about nothing else

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view json(reinterpret_cast<const char*>(data), size);
  PolicyRequest request;
  request.user = "ann";
  request.action = "s3:GetObject";
  request.resource = "arn:aws:s3:::box/home/ann/x";
  request.context = {{"aws:sourceip", "10.1.2.3"},
                     {"aws:securetransport", "false"},
                     {"aws:currenttime", "2024-01-01T00:00:00.000Z"},
                     {"s3:prefix", "home/ann/"},
                     {"s3:max-keys", "10"},
                     {"s3:existingobjecttag/a", "b"}};
  if (const auto policy = Policy::parse(json, Policy::Kind::kBucket, "box")) {
    (void)policy->decide(request);
    (void)policy->is_public();
    (void)policy->needs_object_tags();
    request.user = {};
    (void)policy->decide(request);
  }
  if (const auto policy = Policy::parse(json, Policy::Kind::kUser, {})) (void)policy->decide(request);
  (void)load_access_key("s3-key/ANN", json);
  const size_t half = size / 2;
  (void)wildcard_match(json.substr(0, half), json.substr(half));
  return 0;
}
