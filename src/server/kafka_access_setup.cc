#include "server/kafka_access_setup.h"

#include <algorithm>
#include <array>
#include <utility>

#include "protocol/kafka/scram.h"

namespace keelson::server {

namespace {

constexpr std::string_view kMechanisms = "kafka.sasl.mechanisms";
constexpr std::string_view kUsersFile = "kafka.sasl.users-file";
constexpr std::array<std::string_view, 3> kKnownMechanisms = {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"};
constexpr size_t kUsersMax = 1000;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

// Parts between any of the separators, without those that are empty.
std::vector<std::string> parts_of(std::string_view text, std::string_view separators) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of(separators), text.size());
    if (const std::string_view part = trimmed(text.substr(0, end)); !part.empty()) parts.emplace_back(part);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

}  // namespace

std::map<std::string, std::string> read_kafka_users(const Settings& settings, std::string_view text,
                                                    std::vector<SettingError>& errors) {
  std::map<std::string, std::string> users;
  const auto wrong = [&](size_t line, std::string_view why) {
    errors.push_back({settings.origin(kUsersFile), std::string(kUsersFile),
                      settings.text(kUsersFile) + ", line " + std::to_string(line) + ": " + std::string(why)});
  };
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (trimmed(line).empty() || line.starts_with('#')) continue;
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0 || colon + 1 == line.size()) {
      wrong(number, "a user is written name:password");
    } else if (colon > kafka::kSaslNameBytesMax) {
      wrong(number, "the name is longer than 1024 bytes");
    } else if (!users.emplace(line.substr(0, colon), line.substr(colon + 1)).second) {
      wrong(number, "this user stands in the file twice");
    } else if (users.size() > kUsersMax) {
      wrong(number, "a file holds at most 1000 users; make the others with kafka-configs (SCRAM credentials)");
      break;
    }
  }
  return users;
}

void check_kafka_access(const Settings& settings, std::vector<SettingError>& errors) {
  const auto wrong = [&](std::string_view key, std::string why) {
    errors.push_back({settings.origin(key), std::string(key), std::move(why)});
  };
  const std::vector<std::string> mechanisms = parts_of(settings.text(kMechanisms), ", ");
  for (const std::string& mechanism : mechanisms) {
    if (std::ranges::find(kKnownMechanisms, mechanism) == kKnownMechanisms.end()) {
      wrong(kMechanisms, mechanism + " is not known; there are PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512");
    }
  }
  if (mechanisms.empty() && !settings.text(kUsersFile).empty()) {
    wrong(kUsersFile, "this needs kafka.sasl.mechanisms as well");
  }
  for (const std::string& user : parts_of(settings.text("kafka.super-users"), ";,")) {
    if (!user.starts_with("User:")) wrong("kafka.super-users", user + " is not written User:name");
  }
}

bool needs_kafka_login(const Settings& settings) { return !parts_of(settings.text(kMechanisms), ", ").empty(); }

kafka::SecurityOptions make_kafka_access(const Settings& settings, std::map<std::string, std::string> users) {
  kafka::SecurityOptions options;
  options.mechanisms = parts_of(settings.text(kMechanisms), ", ");
  options.passwords = std::move(users);
  options.has_acls = settings.flag("kafka.acls");
  for (std::string& user : parts_of(settings.text("kafka.super-users"), ";,"))
    options.super_users.insert(std::move(user));
  options.allow_if_no_acl = settings.flag("kafka.allow-everyone-if-no-acl-found");
  options.reauthenticate_ms = settings.number("kafka.sasl.max-reauth");
  return options;
}

}  // namespace keelson::server
