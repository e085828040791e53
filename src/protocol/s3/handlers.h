// The operations' handlers, one for each supported row of operation_table.def. A handler is called when the request is
// authenticated, its bucket found, and the row's permission granted; it answers through the call or hands an error
// back.
#pragma once

#include "base/task.h"
#include "protocol/s3/call.h"
#include "protocol/s3/error.h"

namespace keelson::s3 {

namespace handlers {
#define S3_YES(name, method, level, parameters, header, permission, note) Task<S3Result<>> name(Call& call);
#define S3_NO(name, method, level, parameters, header, note)
#include "protocol/s3/operation_table.def"
#undef S3_YES
#undef S3_NO
}  // namespace handlers

// Null for what is not supported.
[[nodiscard]] Handler handler_of(Operation operation);

// A CORS preflight (OPTIONS). The bucket is found; nobody needs to sign.
Task<S3Result<>> answer_preflight(Call& call);
// Adds Access-Control- fields to the answer of a request that has an Origin, if a rule allows it.
void add_cors_fields(Call& call);
// A request on a website's host.
Task<void> answer_website(Call& call);

}  // namespace keelson::s3
