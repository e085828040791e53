// Who asks: finds the signature of a request in whichever form it comes, and checks it.
#pragma once

#include "protocol/s3/call.h"
#include "protocol/s3/error.h"

namespace keelson::s3 {

// Sets the call's key, payload kind and seed. A request without a signature is anonymous and passes; what it may do is
// another question (authorize.h).
[[nodiscard]] S3Result<> authenticate(Call& call);

// The key with this id, that may sign. kInvalidAccessKeyId.
[[nodiscard]] S3Result<std::shared_ptr<const AccessKey>> find_key(Call& call, std::string_view id);

}  // namespace keelson::s3
