// Prints the table of docs/blob.md from the server's own table of operations: every operation of S3, supported or not.
// tools/table_docs.py puts it into the page, and compares the page with it in ./check.
#include <algorithm>
#include <iostream>
#include <string>
#include <string_view>

#include "protocol/s3/operations.h"

namespace {

using keelson::s3::Level;
using keelson::s3::OperationSpec;

// How a request asks for it: "PUT /bucket/key?partNumber&uploadId".
std::string request_of(const OperationSpec& spec) {
  std::string text(spec.method);
  text += spec.level == Level::kService ? " /" : spec.level == Level::kBucket ? " /bucket" : " /bucket/key";
  if (!spec.parameters.empty()) text.append("?").append(spec.parameters);
  return text;
}

void print_level(std::string_view heading, Level level) {
  std::cout << "\n### " << heading
            << "\n\n| operation | supported | request | permission | note |\n|---|---|---|---|---|\n";
  for (const OperationSpec& spec : keelson::s3::operation_table()) {
    if (spec.level != level) continue;
    std::cout << "| `" << spec.name << "` | " << (spec.is_supported ? "yes" : "no") << " | `" << request_of(spec)
              << '`';
    if (!spec.header.empty()) std::cout << " with `" << spec.header << '`';
    std::cout << " | ";
    if (!spec.permission.empty()) std::cout << '`' << spec.permission << '`';
    std::cout << " | " << spec.note << " |\n";
  }
}

}  // namespace

int main() {
  const auto table = keelson::s3::operation_table();
  const auto supported =
      std::count_if(table.begin(), table.end(), [](const OperationSpec& spec) { return spec.is_supported; });
  std::cout << "Of the " << table.size() << " operations of the S3 API, " << supported
            << " are supported; the others answer `NotImplemented` (501).\n";
  print_level("The service", Level::kService);
  print_level("Buckets", Level::kBucket);
  print_level("Objects", Level::kObject);
  return 0;
}
