// The table of settings as text for people: the default file and the tables of docs/configuration.md.
#include <string>

#include "server/settings.h"

namespace keelson::server {

namespace {

constexpr size_t kColumns = 100;

std::string_view group_of(std::string_view key) {
  const size_t dot = key.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : key.substr(0, dot);
}

std::string_view name_of(std::string_view key) {
  const size_t dot = key.rfind('.');
  return dot == std::string_view::npos ? key : key.substr(dot + 1);
}

// What may be written there, in a few words.
std::string range_of(const SettingSpec& spec) {
  switch (spec.type) {
    case SettingType::kText:
    case SettingType::kSecret:
      return "text";
    case SettingType::kPath:
      return "path";
    case SettingType::kBool:
      return "true or false";
    case SettingType::kChoice: {
      std::string list;
      for (char c : spec.choices) list.append(c == '|' ? std::string(", ") : std::string(1, c));
      return list;
    }
    case SettingType::kAddresses:
      return "addresses";
    case SettingType::kInteger: {
      std::string range = std::to_string(spec.least) + " to " + std::to_string(spec.most);
      return spec.unit.empty() ? range : range.append(" ").append(spec.unit);
    }
    case SettingType::kBytes:
      return "size (\"64mb\")";
    case SettingType::kDuration:
      return "time (\"500ms\", \"1s\")";
  }
  return "";
}

std::string default_in_toml(const SettingSpec& spec) {
  if (spec.type == SettingType::kInteger) return std::string(spec.default_text);
  if (spec.type == SettingType::kBool) return spec.default_text == "yes" ? "true" : "false";
  return "\"" + std::string(spec.default_text) + "\"";
}

void append_wrapped(std::string& to, std::string_view prefix, std::string_view sentences) {
  std::string line(prefix);
  while (!sentences.empty()) {
    const size_t end = std::min(sentences.find(' '), sentences.size());
    if (line.size() + 1 + end > kColumns && line.size() > prefix.size()) {
      to.append(line).append("\n");
      line = prefix;
    }
    if (line.size() > prefix.size()) line.push_back(' ');
    line.append(sentences.substr(0, end));
    sentences.remove_prefix(std::min(end + 1, sentences.size()));
  }
  to.append(line).append("\n");
}

}  // namespace

std::string default_settings_file() {
  std::string text =
      "# Keelson's configuration: every setting with its default. Take the # off a line to change it.\n"
      "# The same names are flags (--kv.maxmemory 2gb) and variables (KEELSON_KV_MAXMEMORY=2gb); flags win over "
      "variables, those\n"
      "# over this file. `keelson config check --config FILE` checks a file. \"Dynamic\" settings can be changed by "
      "CONFIG SET while\n"
      "# the server runs; the others take effect at its next start.\n";
  std::string_view group;
  for (const SettingSpec& spec : setting_table()) {
    if (group_of(spec.key) != group) {
      group = group_of(spec.key);
      text.append("\n[").append(group).append("]\n");
    }
    text.append("\n");
    append_wrapped(text, "# ", spec.description);
    append_wrapped(text, "# ", (spec.is_dynamic ? "Dynamic. " : "") + range_of(spec) + ".");
    text.append("#").append(name_of(spec.key)).append(" = ").append(default_in_toml(spec)).append("\n");
  }
  return text;
}

std::string settings_markdown() {
  std::string text;
  std::string_view group = "?";
  for (const SettingSpec& spec : setting_table()) {
    if (group_of(spec.key) != group) {
      group = group_of(spec.key);
      text.append(text.empty() ? "" : "\n").append("### ");
      text.append(group.empty() ? std::string("The node") : "`[" + std::string(group) + "]`");
      text.append("\n\n| setting | default | takes | changes | what it does |\n|---|---|---|---|---|\n");
    }
    text.append("| `").append(spec.key).append("` | ");
    if (!spec.default_text.empty()) text.append("`").append(spec.default_text).append("` ");
    text.append("| ").append(range_of(spec)).append(" | ").append(spec.is_dynamic ? "live" : "at start").append(" | ");
    for (char c : spec.description) text.append(c == '|' ? std::string("\\|") : std::string(1, c));
    text.append(" |\n");
  }
  return text;
}

}  // namespace keelson::server
