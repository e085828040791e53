// Prints the tables of docs/kv.md from the server's own command table: every command of Redis 7, supported or not.
// tools/table_docs.py puts them into the page, and compares the page with them in ./check.
#include <iostream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/kv/command.h"

namespace {

using keelson::kv::CommandSpec;
using keelson::kv::Home;

// The groups in the page's order, with their headings; groups that are not named here follow by their own names.
constexpr std::pair<std::string_view, std::string_view> kGroups[] = {
    {"string", "Strings"},
    {"bitmap", "Bitmaps"},
    {"hash", "Hashes"},
    {"list", "Lists"},
    {"set", "Sets"},
    {"sorted-set", "Sorted sets"},
    {"generic", "Keys of any type"},
    {"transactions", "Transactions"},
    {"pubsub", "Publish and subscribe"},
    {"connection", "Connections"},
    {"server", "Server"},
};

std::string with_blanks(std::string_view name) {
  std::string text(name);
  for (char& c : text) {
    if (c == '|') c = ' ';
  }
  return text;
}

// A '|' would end the cell.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

void print_group(std::string_view heading, const std::vector<const CommandSpec*>& commands) {
  std::cout << "\n### " << heading
            << "\n\n| command | supported | arguments | since | cost | what it does |\n|---|---|---|---|---|---|\n";
  for (const CommandSpec* spec : commands) {
    std::cout << "| `" << with_blanks(spec->name) << "` | " << (spec->home == Home::kUnsupported ? "no" : "yes")
              << " | ";
    if (!spec->syntax.empty()) std::cout << '`' << cell(spec->syntax) << '`';
    std::cout << " | " << spec->since << " | " << cell(spec->complexity) << " | " << cell(spec->summary) << " |\n";
  }
}

}  // namespace

int main() {
  std::map<std::string_view, std::vector<const CommandSpec*>> groups;
  size_t supported = 0;
  size_t known = 0;
  for (const CommandSpec& spec : keelson::kv::command_table()) {
    if (keelson::kv::is_internal(spec)) continue;
    groups[spec.group].push_back(&spec);
    ++known;
    supported += spec.home != Home::kUnsupported ? 1 : 0;
  }
  std::cout << "Of the " << known << " commands and subcommands of Redis 7.0, " << supported << " are supported.\n";
  for (const auto& [group, heading] : kGroups) {
    const auto found = groups.find(group);
    if (found == groups.end()) continue;
    print_group(heading, found->second);
    groups.erase(found);
  }
  for (const auto& [group, commands] : groups) print_group(group, commands);
  return 0;
}
