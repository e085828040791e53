// The one table of S3's operations (operation_table.def): routing, permissions, docs/blob.md and NotImplemented come
// from it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "protocol/s3/error.h"
#include "protocol/s3/request.h"
#include "protocol/s3/uri.h"

namespace keelson::s3 {

enum class Operation : uint8_t {
#define S3_YES(name, method, level, parameters, header, permission, note) k##name,
#define S3_NO(name, method, level, parameters, header, note) k##name,
#include "protocol/s3/operation_table.def"
#undef S3_YES
#undef S3_NO
};

enum class Level : uint8_t { kService, kBucket, kObject };

struct OperationSpec {
  Operation operation;
  std::string_view name;
  std::string_view method;
  Level level;
  std::string_view parameters;
  std::string_view header;
  std::string_view permission;  // empty: not supported
  bool is_supported;
  std::string_view note;
};

// In the table's order, which is Operation's.
[[nodiscard]] std::span<const OperationSpec> operation_table();
[[nodiscard]] const OperationSpec& operation_spec(Operation operation);

// The operation that a request asks for, supported or not. kMethodNotAllowed if there is none.
[[nodiscard]] S3Result<const OperationSpec*> find_operation(std::string_view method, Level level, const Query& query,
                                                            const RequestView& request);

}  // namespace keelson::s3
