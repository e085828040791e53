#include "server/kafka_access_setup.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "server/topic_setup.h"

namespace keelson::server {
namespace {

Settings settings_of(const std::string& kafka) {
  LoadedSettings loaded = load_settings({.file_name = "k.toml", .file_text = kafka, .variables = {}, .flags = {}});
  EXPECT_TRUE(loaded.errors.empty()) << (loaded.errors.empty() ? "" : loaded.errors[0].text());
  return std::move(loaded.settings);
}

std::string errors_of(const std::string& kafka) {
  std::vector<SettingError> errors;
  check_topic_settings(settings_of(kafka), errors);
  std::string all;
  for (const SettingError& error : errors) all += error.text() + "\n";
  return all;
}

TEST(KafkaAccess, ReadsUsers) {
  const Settings settings = settings_of("[kafka.sasl]\nusers-file = \"users\"\n");
  std::vector<SettingError> errors;
  const std::map<std::string, std::string> users =
      read_kafka_users(settings, "# people\n\nann:se:cret \r\nbob: x\n", errors);
  EXPECT_TRUE(errors.empty());
  EXPECT_EQ(users, (std::map<std::string, std::string>{{"ann", "se:cret "}, {"bob", " x"}}));
  (void)read_kafka_users(settings, "ann:hush\nann:hush\nbob\n:hush\ncarl:\n", errors);
  ASSERT_EQ(errors.size(), 4U);
  for (const SettingError& error : errors) EXPECT_EQ(error.text().find("hush"), std::string::npos) << error.text();
  EXPECT_NE(errors[0].text().find("line 2"), std::string::npos) << errors[0].text();
}

TEST(KafkaAccess, RefusesWhatMakesNoSense) {
  EXPECT_EQ(
      errors_of(
          "[kafka]\nacls = true\nsuper-users = \"User:admin; User:ops\"\nsasl.mechanisms = \"PLAIN, SCRAM-SHA-512\"\n"),
      "");
  EXPECT_NE(errors_of("[kafka]\nsasl.mechanisms = \"GSSAPI\"\n").find("GSSAPI is not known"), std::string::npos);
  EXPECT_NE(errors_of("[kafka]\nsuper-users = \"admin\"\n").find("User:name"), std::string::npos);
  EXPECT_NE(errors_of("[kafka]\nsasl.users-file = \"users\"\n").find("kafka.sasl.mechanisms"), std::string::npos);
}

TEST(KafkaAccess, OtherMachinesNeedLogins) {
  EXPECT_NE(errors_of("[kafka]\nlisten = \"0.0.0.0:9092\"\n").find("kafka.sasl.mechanisms"), std::string::npos);
  EXPECT_EQ(errors_of("[kafka]\nlisten = \"0.0.0.0:9092\"\nsasl.mechanisms = \"SCRAM-SHA-256\"\n"), "");
  EXPECT_TRUE(needs_kafka_login(settings_of("[kafka]\nsasl.mechanisms = \"PLAIN\"\n")));
  EXPECT_FALSE(needs_kafka_login(settings_of("")));
}

TEST(KafkaAccess, BecomesOptions) {
  const kafka::SecurityOptions options = make_kafka_access(
      settings_of(
          "[kafka]\nacls = true\nsuper-users = \"User:admin;User:ops\"\nsasl.mechanisms = \"PLAIN,SCRAM-SHA-256\"\n"
          "sasl.max-reauth = \"5s\"\n"),
      {{"ann", "x"}});
  EXPECT_EQ(options.mechanisms, (std::vector<std::string>{"PLAIN", "SCRAM-SHA-256"}));
  EXPECT_TRUE(options.has_acls && !options.allow_if_no_acl);
  EXPECT_TRUE(options.super_users.contains("User:ops"));
  EXPECT_EQ(options.reauthenticate_ms, 5000);
  EXPECT_EQ(options.passwords.at("ann"), "x");
}

}  // namespace
}  // namespace keelson::server
