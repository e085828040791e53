#include "protocol/kafka/headers.h"

namespace keelson::kafka {
namespace {

bool is_flexible(int16_t key, int16_t version) {
  const ApiRow* row = find_api(key);
  return row != nullptr && version >= row->flexible_from;
}

bool has_response_tags(ApiKey key, int16_t version) {
  return key != ApiKey::kApiVersions && is_flexible(static_cast<int16_t>(key), version);
}

}  // namespace

bool read_request_header(Reader& reader, RequestHeader& header) {
  header.key = reader.int16();
  header.version = reader.int16();
  header.correlation_id = reader.int32();
  if (reader.failed() || find_api(header.key) == nullptr) return false;
  header.client_id = reader.nullable_string(false);
  if (is_flexible(header.key, header.version)) reader.skip_tags();
  return !reader.failed();
}

void write_request_header(Writer& writer, const RequestHeader& header) {
  writer.int16(header.key);
  writer.int16(header.version);
  writer.int32(header.correlation_id);
  writer.nullable_string(header.client_id, false);
  if (is_flexible(header.key, header.version)) writer.uvarint(0);
}

bool read_response_header(Reader& reader, ApiKey key, int16_t version, int32_t& correlation_id) {
  correlation_id = reader.int32();
  if (has_response_tags(key, version)) reader.skip_tags();
  return !reader.failed();
}

void write_response_header(Writer& writer, ApiKey key, int16_t version, int32_t correlation_id) {
  writer.int32(correlation_id);
  if (has_response_tags(key, version)) writer.uvarint(0);
}

}  // namespace keelson::kafka
