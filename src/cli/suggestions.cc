#include "cli/suggestions.h"

#include <algorithm>
#include <set>

#include "cli/words.h"
#include "engine/kv/command.h"

namespace keelson::cli {

namespace {

char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string to_upper(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), upper);
  return result;
}

// "CONFIG|GET" as it is typed.
std::string typed_name(const kv::CommandSpec& spec) {
  std::string name(spec.name);
  std::replace(name.begin(), name.end(), '|', ' ');
  return name;
}

bool is_shown(const kv::CommandSpec& spec) { return !spec.name.starts_with('_'); }

struct Found {
  const kv::CommandSpec* spec = nullptr;
  size_t words = 0;  // that its name takes
};

Found find(const std::vector<std::string>& words) {
  if (words.empty()) return {};
  const kv::CommandSpec* spec = kv::find_command(words[0]);
  if (spec == nullptr) return {};
  if (words.size() > 1) {
    if (const kv::CommandSpec* sub = kv::find_subcommand(*spec, words[1])) return {sub, 2};
  }
  return {spec, 1};
}

// The syntax in its parts: what stands in brackets belongs together.
std::vector<std::string> parts_of(std::string_view syntax) {
  std::vector<std::string> parts;
  int depth = 0;
  std::string part;
  for (char c : syntax) {
    if (c == '[' || c == '<') ++depth;
    if (c == ']' || c == '>') --depth;
    if (c == ' ' && depth == 0) {
      if (!part.empty()) parts.push_back(std::move(part));
      part.clear();
    } else {
      part.push_back(c);
    }
  }
  if (!part.empty()) parts.push_back(std::move(part));
  return parts;
}

std::string joined(const std::vector<std::string>& parts, size_t from) {
  std::string text;
  for (size_t i = from; i < parts.size(); ++i) text.append(text.empty() ? "" : " ").append(parts[i]);
  return text;
}

}  // namespace

std::vector<std::string> completions(std::string_view line) {
  const size_t begin = std::min(line.find_first_not_of(' '), line.size());
  const std::string_view typed = line.substr(begin);
  if (typed.empty()) return {};
  const std::string wanted = to_upper(typed);
  const bool is_lower = std::any_of(typed.begin(), typed.end(), [](char c) { return c >= 'a' && c <= 'z'; });
  std::vector<std::string> found;
  for (const kv::CommandSpec& spec : kv::command_table()) {
    if (!is_shown(spec) || spec.home == kv::Home::kUnsupported) continue;
    std::string name = typed_name(spec);
    // Subcommands come once their container is typed.
    if (!name.starts_with(wanted) || name.size() == wanted.size()) continue;
    if (name.find(' ') != std::string::npos && wanted.find(' ') == std::string::npos) continue;
    if (is_lower) std::transform(name.begin(), name.end(), name.begin(), lower);
    found.push_back(std::string(line.substr(0, begin)) + name);
  }
  return found;
}

std::string hint(std::string_view line) {
  std::optional<std::vector<std::string>> words = split_words(line);
  if (!words || words->empty()) return {};
  const Found found = find(*words);
  if (found.spec == nullptr || !is_shown(*found.spec)) return {};
  const bool ends_with_blank = line.back() == ' ';
  // The word that is being typed is an argument already.
  if (words->size() == found.words && !ends_with_blank)
    return found.spec->syntax.empty() ? "" : " " + std::string(found.spec->syntax);
  const std::vector<std::string> parts = parts_of(found.spec->syntax);
  const size_t given = words->size() - found.words;
  // Options may come in any order: from the first of them on, all that is left is shown.
  size_t plain = 0;
  while (plain < parts.size() && parts[plain].front() != '[') ++plain;
  const std::string rest = joined(parts, std::min(given, plain));
  if (rest.empty()) return {};
  return (ends_with_blank ? "" : " ") + rest;
}

std::string help_text(const std::vector<std::string>& words) {
  const std::vector<std::string> about(words.begin() + std::min<ptrdiff_t>(1, std::ssize(words)), words.end());
  const Found found = find(about);
  if (found.spec != nullptr) {
    const kv::CommandSpec& spec = *found.spec;
    std::string text = "  " + typed_name(spec);
    if (!spec.syntax.empty()) text.append(" ").append(spec.syntax);
    text.append("\n  ").append(spec.summary);
    if (spec.home == kv::Home::kUnsupported) text.append("\n  This server does not support it.");
    text.append("\n  group: ").append(spec.group).append("; since Redis ").append(spec.since);
    if (!spec.complexity.empty()) text.append("; ").append(spec.complexity);
    return text.append("\n");
  }
  std::set<std::string_view> groups;
  for (const kv::CommandSpec& spec : kv::command_table()) {
    if (is_shown(spec)) groups.insert(spec.group);
  }
  const std::string group = about.empty() ? "" : about[0].starts_with('@') ? about[0].substr(1) : about[0];
  if (groups.contains(group)) {
    std::string text;
    for (const kv::CommandSpec& spec : kv::command_table()) {
      if (is_shown(spec) && spec.group == group)
        text.append("  ").append(typed_name(spec)).append("  ").append(spec.summary).append("\n");
    }
    return text;
  }
  std::string text = about.empty() ? "" : "  There is no command and no group with this name.\n";
  text.append(
      "  help COMMAND    what a command does, and its arguments\n  help @GROUP     the commands of a group:\n    ");
  for (std::string_view name : groups) text.append(" @").append(name);
  return text.append(
      "\n  TAB completes; the arrow keys go through the history; Ctrl-R searches it; exit or Ctrl-D leaves.\n");
}

}  // namespace keelson::cli
