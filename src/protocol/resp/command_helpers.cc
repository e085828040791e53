#include "protocol/resp/command_helpers.h"

#include <algorithm>
#include <cstdio>
#include <vector>

#include "base/numbers.h"

namespace keelson::resp {

namespace {
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }
}  // namespace

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

std::string lower_case(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), lower);
  return result;
}

std::optional<int64_t> integer_argument(kv::ReplySink& out, std::string_view text, int64_t least,
                                        std::string_view error) {
  const std::optional<int64_t> value = parse_int64(text);
  if (value && *value >= least) return value;
  out.error(error);
  return std::nullopt;
}

std::string human_bytes(uint64_t bytes) {
  constexpr std::string_view kUnits = "KMGTP";
  char text[32];
  if (bytes < 1024) return std::to_string(bytes) + "B";
  double amount = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  for (; amount >= 1024 && unit + 1 < kUnits.size(); ++unit) amount /= 1024;
  std::snprintf(text, sizeof text, "%.2f%c", amount, kUnits[unit]);
  return text;
}

bool secrets_equal(std::string_view a, std::string_view b) {
  // Reads all of `a`, which is what the client sent, whatever it finds.
  uint8_t difference = a.size() == b.size() ? 0 : 1;
  for (size_t i = 0; i < a.size(); ++i) {
    const char expected = b.empty() ? '\0' : b[i % b.size()];
    difference = static_cast<uint8_t>(difference | (a[i] ^ expected));
  }
  return difference == 0 && a.size() == b.size();
}

void reply_help(kv::ReplySink& out, std::string_view container) {
  std::vector<std::string> lines;
  lines.push_back(std::string(container) + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
  const kv::CommandSpec* spec = kv::find_command(container);
  if (spec != nullptr) {
    for (const kv::CommandSpec& sub : kv::subcommands_of(*spec)) {
      if (sub.home == kv::Home::kUnsupported) continue;
      const std::string_view name = sub.name.substr(sub.name.find('|') + 1);
      if (name == "HELP") continue;
      lines.push_back(std::string(name) + (sub.syntax.empty() ? "" : " ") + std::string(sub.syntax));
      lines.push_back("    " + std::string(sub.summary));
    }
  }
  lines.emplace_back("HELP");
  lines.emplace_back("    Prints this help.");
  out.array(lines.size());
  for (const std::string& line : lines) out.status(line);
}

}  // namespace keelson::resp
