#include "protocol/s3/operations.h"

#include <algorithm>

namespace keelson::s3 {

namespace {

constexpr OperationSpec kTable[] = {
#define S3_YES(name, method, level, parameters, header, permission, note) \
  {Operation::k##name, #name, method, Level::level, parameters, header, permission, true, note},
#define S3_NO(name, method, level, parameters, header, note) \
  {Operation::k##name, #name, method, Level::level, parameters, header, "", false, note},
#include "protocol/s3/operation_table.def"
#undef S3_YES
#undef S3_NO
};

bool has_parameters(std::string_view parameters, const Query& query) {
  while (!parameters.empty()) {
    const size_t end = std::min(parameters.find('&'), parameters.size());
    const std::string_view one = parameters.substr(0, end);
    parameters.remove_prefix(std::min(end + 1, parameters.size()));
    const size_t equals = one.find('=');
    const std::string* value = query.find(one.substr(0, equals));
    if (value == nullptr || (equals != std::string_view::npos && *value != one.substr(equals + 1))) return false;
  }
  return true;
}

// Parameters that choose an operation: a request that has one, but fits no row for its method, is not the plain
// operation.
bool chooses(std::string_view name) {
  return std::any_of(std::begin(kTable), std::end(kTable), [&](const OperationSpec& spec) {
    const std::string_view parameters = spec.parameters;
    return parameters.find('=') == std::string_view::npos && parameters.substr(0, parameters.find('&')) == name;
  });
}

}  // namespace

std::span<const OperationSpec> operation_table() { return kTable; }

const OperationSpec& operation_spec(Operation operation) { return kTable[static_cast<size_t>(operation)]; }

S3Result<const OperationSpec*> find_operation(std::string_view method, Level level, const Query& query,
                                              const RequestView& request) {
  // Most requests have no parameters but those of their signature.
  const bool has_own = std::any_of(query.pairs().begin(), query.pairs().end(),
                                   [](const auto& pair) { return !pair.first.starts_with("X-Amz-"); });
  for (const OperationSpec& spec : kTable) {
    if (spec.level != level || (!has_own && !spec.parameters.empty())) continue;
    if (spec.method != method || !has_parameters(spec.parameters, query)) continue;
    if (!spec.header.empty() && !request.header(spec.header)) continue;
    const bool is_plain = spec.parameters.empty();
    // GET of an object takes partNumber beside it, and an uploadId alone is no part.
    const bool is_other = is_plain && method != "GET" && method != "HEAD" &&
                          std::any_of(query.pairs().begin(), query.pairs().end(), [](const auto& pair) {
                            return pair.first != "uploadId" && pair.first != "partNumber" && chooses(pair.first);
                          });
    if (!is_other) return &spec;
  }
  S3Error error{.code = ErrorCode::kMethodNotAllowed};
  error.details.emplace_back("Method", method);
  return std::unexpected(std::move(error));
}

}  // namespace keelson::s3
