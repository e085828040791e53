// Prints the table of docs/topic.md from the server's own table of APIs: what Kafka clients may ask, in which versions.
// tools/table_docs.py puts it into the page, and compares the page with it in ./check.
#include <algorithm>
#include <iostream>

#include "protocol/kafka/apis.h"

int main() {
  using keelson::kafka::ApiRow;
  const auto table = keelson::kafka::api_table();
  std::cout
      << "Of the " << table.size() << " APIs of Kafka's protocol that are listed here, "
      << std::ranges::count_if(table, &ApiRow::is_served)
      << " are served, in these versions; the others are not told to clients, and a client that asks all the same is "
         "disconnected, as by Kafka.\n\n"
      << "| key | API | versions | flexible from | note |\n|---|---|---|---|---|\n";
  for (const ApiRow& row : table) {
    std::cout << "| " << static_cast<int>(row.key) << " | `" << row.name << "` | ";
    if (row.is_served) {
      std::cout << row.version_min << "–" << row.version_max << " | ";
      if (row.flexible_from == keelson::kafka::kNeverFlexible) {
        std::cout << "never";
      } else {
        std::cout << row.flexible_from;
      }
    } else {
      std::cout << "no | ";
    }
    std::cout << " | " << row.note << " |\n";
  }
  return 0;
}
