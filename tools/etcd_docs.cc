// Prints the table of docs/etcd.md from the server's own table of methods: every method of etcd's API, supported or
// not. tools/table_docs.py puts it into the page, and compares the page with it in ./check.
#include <algorithm>
#include <iostream>
#include <string_view>

#include "protocol/etcd/methods.h"

int main() {
  using keelson::etcd::is_supported;
  using keelson::etcd::MethodRow;
  const auto table = keelson::etcd::method_table();
  const auto supported =
      std::count_if(table.begin(), table.end(), [](const MethodRow& row) { return is_supported(row.kind); });
  std::cout << "Of the " << table.size() << " methods of etcd's API, " << supported
            << " are supported; the others answer `UNIMPLEMENTED` (501 through the gateway).\n";
  std::string_view service;
  for (const MethodRow& row : table) {
    if (row.service != service) {
      service = row.service;
      std::cout << "\n### " << service << "\n\n| method | supported | gateway | note |\n|---|---|---|---|\n";
    }
    std::cout << "| `" << row.name << "` | " << (is_supported(row.kind) ? "yes" : "no") << " | `/v3" << row.json_path
              << "` | " << row.note << " |\n";
  }
  return 0;
}
