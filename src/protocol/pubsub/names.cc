#include "protocol/pubsub/names.h"

#include <algorithm>

#include "engine/topic/types.h"

namespace keelson::pubsub {

namespace {

constexpr size_t kIdBytesMin = 3;
constexpr size_t kIdBytesMax = 255;
constexpr size_t kProjectBytesMax = 128;
constexpr std::string_view kHexDigits = "0123456789ABCDEF";

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_alphanumeric(char c) { return is_letter(c) || (c >= '0' && c <= '9'); }
bool is_one_of(char c, std::string_view characters) { return characters.find(c) != std::string_view::npos; }

bool is_good_id(std::string_view id) {
  if (id.size() < kIdBytesMin || id.size() > kIdBytesMax || !is_letter(id.front()) || id.starts_with("goog")) {
    return false;
  }
  return std::ranges::all_of(id, [](char c) { return is_alphanumeric(c) || is_one_of(c, "-._~%+"); });
}

bool is_kafka_name(std::string_view name) {
  if (name.empty() || name.size() > topic::kTopicNameBytesMax || name == "." || name == "..") return false;
  return std::ranges::all_of(name, [](char c) { return is_alphanumeric(c) || is_one_of(c, "-._"); });
}

bool is_good_project(std::string_view project) {
  if (project.empty() || project.size() > kProjectBytesMax) return false;
  return std::ranges::all_of(project, [](char c) { return c > ' ' && c != '/' && c != 0x7f; });
}

// `plain`: the marks that stand for themselves.
std::string escape(std::string_view text, std::string_view plain) {
  std::string out;
  for (const char c : text) {
    if (is_alphanumeric(c) || is_one_of(c, plain)) {
      out += c;
      continue;
    }
    const auto byte = static_cast<uint8_t>(c);
    out += '_';
    out += kHexDigits[byte >> 4];
    out += kHexDigits[byte & 15];
  }
  return out;
}

// What is not well-formed comes out as something else, which shows when it is escaped again.
std::string unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const size_t high = text[i] == '_' && i + 2 < text.size() ? kHexDigits.find(text[i + 1]) : std::string_view::npos;
    const size_t low = high != std::string_view::npos ? kHexDigits.find(text[i + 2]) : std::string_view::npos;
    if (low == std::string_view::npos) {
      out += text[i];
      continue;
    }
    out += static_cast<char>(high << 4 | low);
    i += 2;
  }
  return out;
}

std::string encode_topic(std::string_view project, std::string_view id) {
  const bool is_plain = std::ranges::all_of(id, [](char c) { return is_alphanumeric(c) || is_one_of(c, "-._"); });
  return directory_prefix(project) + (is_plain ? std::string(id) : "." + escape(id, "-."));
}

}  // namespace

std::string_view collection_of(ResourceKind kind) {
  switch (kind) {
    case ResourceKind::kTopic:
      return "topics";
    case ResourceKind::kSubscription:
      return "subscriptions";
    case ResourceKind::kSnapshot:
      return "snapshots";
    case ResourceKind::kSchema:
      return "schemas";
  }
  return "";
}

std::optional<std::string> parse_project(std::string_view text) {
  constexpr std::string_view kPrefix = "projects/";
  if (!text.starts_with(kPrefix)) return std::nullopt;
  text.remove_prefix(kPrefix.size());
  if (!is_good_project(text)) return std::nullopt;
  return std::string(text);
}

std::optional<ResourceName> parse_name(ResourceKind kind, std::string_view text) {
  constexpr std::string_view kPrefix = "projects/";
  if (!text.starts_with(kPrefix)) return std::nullopt;
  const size_t slash = text.find('/', kPrefix.size());
  if (slash == std::string_view::npos) return std::nullopt;
  const std::string_view project = text.substr(kPrefix.size(), slash - kPrefix.size());
  const std::string_view rest = text.substr(slash + 1);
  const std::string_view collection = collection_of(kind);
  if (!rest.starts_with(collection) || rest.size() <= collection.size() || rest[collection.size()] != '/') {
    return std::nullopt;
  }
  const std::string_view id = rest.substr(collection.size() + 1);
  const bool is_foreign = kind == ResourceKind::kTopic && project == kForeignProject;
  if (!is_good_project(project) || !(is_foreign ? is_kafka_name(id) : is_good_id(id))) return std::nullopt;
  return ResourceName{std::string(project), std::string(id)};
}

std::string format_name(ResourceKind kind, std::string_view project, std::string_view id) {
  std::string name = "projects/";
  name.append(project).append("/").append(collection_of(kind)).append("/").append(id);
  return name;
}

std::string directory_prefix(std::string_view project) {
  return project == kForeignProject ? std::string() : escape(project, "-") + ".";
}

std::optional<std::string> directory_name(const ResourceName& topic) {
  std::string name = topic.project == kForeignProject ? topic.id : encode_topic(topic.project, topic.id);
  if (!is_kafka_name(name) || topic_of_directory(name).project != topic.project) return std::nullopt;
  return name;
}

ResourceName topic_of_directory(std::string_view name) {
  const size_t dot = name.find('.');
  if (dot != std::string_view::npos) {
    const std::string project = unescape(name.substr(0, dot));
    const std::string_view rest = name.substr(dot + 1);
    const std::string id = rest.starts_with('.') ? unescape(rest.substr(1)) : std::string(rest);
    if (project != kForeignProject && is_good_project(project) && is_good_id(id) && encode_topic(project, id) == name) {
      return {project, id};
    }
  }
  return {std::string(kForeignProject), std::string(name)};
}

}  // namespace keelson::pubsub
