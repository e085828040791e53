// The TOML side of settings: reading a file with the line of every key, and changing one in place.
#include "server/settings.h"

// toml++ 3.3 asserts on some bad files ("[" and a line end, say). Here such an assertion is one more way to say that a
// file is no TOML: it throws, and the exception is caught where the parser is called. (Without NDEBUG, which would let
// it go on.)
#undef NDEBUG
namespace keelson::server {
namespace {
struct TomlAssertion {};
[[noreturn]] void toml_assertion_failed() {
  throw TomlAssertion();  // tidy: throw, because toml++ cannot return an error there
}
}  // namespace
}  // namespace keelson::server
#define TOML_ASSERT(condition) \
  (static_cast<bool>(condition) ? static_cast<void>(0) : ::keelson::server::toml_assertion_failed())
#define TOML_EXCEPTIONS 1
#define TOML_ENABLE_FORMATTERS 0
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

#include <algorithm>
#include <optional>
#include <variant>
#include <vector>

namespace keelson::server {

namespace {

struct BadToml {
  uint32_t line = 0;
  std::string why;
};

// The line of the first letter outside ASCII that stands in no string and no comment, where TOML allows none.
// toml++ 3.3 runs into code that it holds to be unreachable on some of them (U+0452).
std::optional<uint32_t> line_of_stray_letter(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  constexpr std::string_view kBeforeString = " \t\r\n=[,{.";  // a quote behind anything else opens none
  uint32_t line = 1;
  std::string_view quote;  // ends the string that is open; empty: none is
  bool is_comment = false;
  for (size_t i = text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n') {
      ++line;
      is_comment = false;
      if (quote.size() == 1) quote = {};
    } else if (is_comment) {
      continue;
    } else if (!quote.empty()) {
      if (c == '\\' && quote[0] == '"' && i + 1 < text.size() && text[i + 1] != '\n') {
        ++i;
      } else if (text.substr(i).starts_with(quote)) {
        i += quote.size() - 1;
        quote = {};
      }
    } else if (c == '#') {
      is_comment = true;
    } else if ((c == '"' || c == '\'') && (i == 0 || kBeforeString.find(text[i - 1]) != std::string_view::npos)) {
      const std::string_view three = c == '"' ? "\"\"\"" : "'''";
      quote = text.substr(i).starts_with(three) ? three : three.substr(0, 1);
      i += quote.size() - 1;
    } else if (static_cast<unsigned char>(c) >= 0x80) {
      return line;
    }
  }
  return std::nullopt;
}

// The table, or what is wrong with the text.
std::variant<toml::table, BadToml> parse_toml(std::string_view text) {
  if (const std::optional<uint32_t> line = line_of_stray_letter(text)) {
    return BadToml{*line, "only ASCII may stand outside of strings and comments"};
  }
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    return BadToml{error.source().begin.line, std::string(error.description())};
  } catch (const TomlAssertion&) {
    return BadToml{0, "something is missing or out of place"};
  }
}

// The parser reads from the start to the end, so the first lines up to the one with the fault fail in the same way, and
// fewer do not.
uint32_t line_of_assertion(std::string_view text) {
  std::vector<size_t> ends;
  for (size_t at = text.find('\n'); at != std::string_view::npos; at = text.find('\n', at + 1)) ends.push_back(at + 1);
  ends.push_back(text.size());
  const auto fails = [text](size_t end) {
    const auto parsed = parse_toml(text.substr(0, end));
    const auto* bad = std::get_if<BadToml>(&parsed);
    return bad != nullptr && bad->line == 0;
  };
  const auto first = std::partition_point(ends.begin(), ends.end(), [&](size_t end) { return !fails(end); });
  return static_cast<uint32_t>(std::min<ptrdiff_t>(first - ends.begin() + 1, std::ssize(ends)));
}

std::variant<toml::table, BadToml> parse_with_line(std::string_view text) {
  auto parsed = parse_toml(text);
  auto* bad = std::get_if<BadToml>(&parsed);
  if (bad != nullptr && bad->line == 0) bad->line = line_of_assertion(text);
  return parsed;
}

std::string_view kind_of(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "an array";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "a whole number";
    case toml::node_type::floating_point:
      return "a number with a fraction";
    case toml::node_type::boolean:
      return "true or false";
    default:
      return "a date or time";
  }
}

std::unexpected<Error> wants(std::string_view wanted, const toml::node& node) {
  return fail(SettingErrc::kBadValue, "this wants " + std::string(wanted) + ", not " + std::string(kind_of(node)));
}

Result<std::string> addresses_text(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  const toml::array* array = node.as_array();
  if (array == nullptr) return wants("a string, or an array of strings", node);
  std::string joined;
  for (const toml::node& element : *array) {
    const auto* text = element.as_string();
    if (text == nullptr) return wants("a string, or an array of strings", element);
    if (text->get().empty()) return fail(SettingErrc::kBadValue, "an address is empty");
    joined.append(joined.empty() ? "" : ",").append(text->get());
  }
  return joined;
}

Result<std::string> as_text(const SettingSpec& spec, const toml::node& node) {
  switch (spec.type) {
    case SettingType::kAddresses:
      return addresses_text(node);
    case SettingType::kBool:
      if (const auto* value = node.as_boolean()) return std::string(value->get() ? "yes" : "no");
      return wants("true or false", node);
    case SettingType::kInteger:
      if (const auto* value = node.as_integer()) return std::to_string(value->get());
      return wants("a whole number", node);
    case SettingType::kBytes:
    case SettingType::kDuration:
      if (const auto* value = node.as_integer()) return std::to_string(value->get());
      if (const auto* value = node.as_string()) return value->get();
      return wants(spec.type == SettingType::kBytes ? "a size such as \"64mb\"" : "a time such as \"1s\"", node);
    default:
      if (const auto* value = node.as_string()) return value->get();
      return wants("a string", node);
  }
}

// Is there a setting below this name ("kv.tls")?
bool is_group(std::string_view name) {
  const auto table = setting_table();
  return std::any_of(table.begin(), table.end(), [&](const SettingSpec& spec) {
    return spec.key.size() > name.size() && spec.key.starts_with(name) && spec.key[name.size()] == '.';
  });
}

void read_table(const std::string& file_name, const toml::table& table, const std::string& prefix, Settings& settings,
                std::vector<SettingError>& errors) {
  for (const auto& [toml_key, node] : table) {
    const std::string key = prefix + std::string(toml_key.str());
    const Origin origin{Origin::Kind::kFile, file_name, toml_key.source().begin.line};
    const SettingSpec* spec = find_setting(key);
    if (spec == nullptr) {
      const toml::table* inner = node.as_table();
      if (inner != nullptr && is_group(key)) {
        read_table(file_name, *inner, key + ".", settings, errors);
      } else {
        errors.push_back({origin, key, unknown_setting(key)});
      }
      continue;
    }
    Result<std::string> text = as_text(*spec, node);
    Result<SettingValue> value = text.ok() ? parse_setting(*spec, *text) : Result<SettingValue>(forward_error(text));
    if (!value.ok()) {
      const bool may_show = spec->type != SettingType::kSecret || !text.ok();
      errors.push_back({origin, key, may_show ? value.error().message() : "the value cannot be used"});
      continue;
    }
    value->origin = origin;
    settings.set(*spec, std::move(*value));
  }
}

// A TOML basic string; control characters do not get this far (parse_setting).
std::string toml_string(std::string_view text) {
  std::string quoted = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') quoted.push_back('\\');
    quoted.push_back(c);
  }
  return quoted + "\"";
}

std::string toml_value(const SettingSpec& spec, const SettingValue& value) {
  if (spec.type == SettingType::kInteger) return value.text;
  if (spec.type == SettingType::kBool) return value.number != 0 ? "true" : "false";
  return toml_string(value.text);
}

const toml::node* find_node(const toml::table& root, std::string_view key) {
  const toml::table* table = &root;
  while (true) {
    const size_t dot = key.find('.');
    const toml::node* node = table->get(key.substr(0, dot));
    if (node == nullptr || dot == std::string_view::npos) return node;
    table = node->as_table();
    if (table == nullptr) return nullptr;
    key.remove_prefix(dot + 1);
  }
}

// The byte where a place of toml++ (line and column from 1, columns in code points) stands.
std::optional<size_t> offset_of(std::string_view text, toml::source_position place) {
  size_t at = 0;
  for (toml::source_index line = 1; line < place.line; ++line) {
    const size_t end = text.find('\n', at);
    if (end == std::string_view::npos) return std::nullopt;
    at = end + 1;
  }
  for (toml::source_index column = 1; column < place.column; ++column) {
    if (at >= text.size()) return std::nullopt;
    ++at;
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) ++at;
  }
  return at;
}

// Where the text of a new key goes, and what it is: behind the header of its table, or in a new table at the end.
void add_key(std::string& text, const SettingSpec& spec, const std::string& value) {
  const size_t dot = spec.key.rfind('.');
  if (dot == std::string_view::npos) {
    text.insert(0, std::string(spec.key) + " = " + value + "\n");
    return;
  }
  const std::string header = "[" + std::string(spec.key.substr(0, dot)) + "]";
  const std::string line = std::string(spec.key.substr(dot + 1)) + " = " + value + "\n";
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string_view one = std::string_view(text).substr(at, end - at);
    while (!one.empty() && (one.front() == ' ' || one.front() == '\t')) one.remove_prefix(1);
    if (one.starts_with(header)) {
      if (end == text.size()) text.push_back('\n');
      text.insert(end + 1, line);
      return;
    }
    at = end + 1;
  }
  if (!text.empty() && text.back() != '\n') text.push_back('\n');
  text.append("\n").append(header).append("\n").append(line);
}

}  // namespace

void read_toml(const std::string& file_name, std::string_view text, Settings& settings,
               std::vector<SettingError>& errors) {
  const auto parsed = parse_with_line(text);
  if (const auto* bad = std::get_if<BadToml>(&parsed)) {
    errors.push_back({Origin{Origin::Kind::kFile, file_name, bad->line}, "", "this is not TOML: " + bad->why});
    return;
  }
  read_table(file_name, std::get<toml::table>(parsed), "", settings, errors);
}

Result<std::string> rewrite_toml(const std::string& file_name, std::string_view text, const Pairs& changes) {
  std::string result(text);
  for (const auto& [key, new_text] : changes) {
    const SettingSpec* spec = find_setting(key);
    if (spec == nullptr) return fail(SettingErrc::kBadValue, key + ": " + unknown_setting(key));
    Result<SettingValue> value = parse_setting(*spec, new_text);
    if (!value.ok()) return fail(SettingErrc::kBadValue, key + ": " + value.error().message());
    const auto parsed = parse_with_line(result);
    if (const auto* bad_toml = std::get_if<BadToml>(&parsed)) {
      return fail(SettingErrc::kBadFile,
                  file_name + ":" + std::to_string(bad_toml->line) + ": this is not TOML: " + bad_toml->why);
    }
    const toml::node* node = find_node(std::get<toml::table>(parsed), key);
    if (node == nullptr) {
      add_key(result, *spec, toml_value(*spec, *value));
      continue;
    }
    const std::optional<size_t> begin = offset_of(result, node->source().begin);
    const std::optional<size_t> end = offset_of(result, node->source().end);
    if (!begin || !end || *end < *begin) {
      return fail(SettingErrc::kBadFile, file_name + ": cannot find where the value of " + key + " stands");
    }
    result.replace(*begin, *end - *begin, toml_value(*spec, *value));
  }

  // Only what reads back as wanted is handed out.
  Settings read_back;
  std::vector<SettingError> errors;
  read_toml(file_name, result, read_back, errors);
  if (!errors.empty())
    return fail(SettingErrc::kBadFile, "the changed file would not be valid: " + errors.front().text());
  for (const auto& [key, new_text] : changes) {
    if (read_back.text(key) != parse_setting(*find_setting(key), new_text)->text) {
      return fail(SettingErrc::kBadFile, file_name + ": " + key + " cannot be changed in this file; edit it by hand");
    }
  }
  return result;
}

}  // namespace keelson::server
