// What stands before a request's and a response's body: KIP-511 and KIP-482 tell of their versions.
//
// A request's header is version 1 (key, version, correlation id, client id), or 2 if the API's version is flexible
// (with tagged fields; the client id keeps its fixed length). A response's is the correlation id, with tagged fields if
// flexible; but that of ApiVersions never has them, since a client reads it before it knows what the server speaks.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "protocol/kafka/apis.h"
#include "protocol/kafka/reader.h"
#include "protocol/kafka/writer.h"

namespace keelson::kafka {

struct RequestHeader {
  int16_t key = 0;
  int16_t version = 0;
  int32_t correlation_id = 0;
  std::optional<std::string_view> client_id;  // into the frame
};

// False: cut off, malformed, or of an API that is not in api_table.def (key, version and correlation id are read then,
// if they are there). The version may be one that is not served: of ApiVersions, that is answered with a body of
// version 0 and UNSUPPORTED_VERSION; of others there is no answer that the client could read.
[[nodiscard]] bool read_request_header(Reader& reader, RequestHeader& header);
void write_request_header(Writer& writer, const RequestHeader& header);

[[nodiscard]] bool read_response_header(Reader& reader, ApiKey key, int16_t version, int32_t& correlation_id);
// `version`: of the body that follows.
void write_response_header(Writer& writer, ApiKey key, int16_t version, int32_t correlation_id);

}  // namespace keelson::kafka
