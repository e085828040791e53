// From settings to logins, access lists and quotas of Kafka's protocol.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/kafka/security.h"
#include "server/settings.h"

namespace keelson::server {

// Of kafka.sasl.users-file: a user in each line, "name:password". Empty lines and those that begin with # say nothing.
// What is wrong becomes an error of that setting, without the password.
[[nodiscard]] std::map<std::string, std::string> read_kafka_users(const Settings& settings, std::string_view text,
                                                                  std::vector<SettingError>& errors);
// What single values cannot show.
void check_kafka_access(const Settings& settings, std::vector<SettingError>& errors);
// Whether a client has to log in before it can do anything.
[[nodiscard]] bool needs_kafka_login(const Settings& settings);
[[nodiscard]] kafka::SecurityOptions make_kafka_access(const Settings& settings,
                                                       std::map<std::string, std::string> users);

}  // namespace keelson::server
