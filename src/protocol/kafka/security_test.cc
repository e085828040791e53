#include "protocol/kafka/security.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/kafka/apis.h"
#include "protocol/kafka/errors.h"
#include "protocol/kafka/handlers.h"
#include "protocol/kafka/messages/alter_client_quotas.h"
#include "protocol/kafka/messages/alter_user_scram_credentials.h"
#include "protocol/kafka/messages/create_acls.h"
#include "protocol/kafka/messages/delete_acls.h"
#include "protocol/kafka/messages/describe_acls.h"
#include "protocol/kafka/messages/describe_client_quotas.h"
#include "protocol/kafka/messages/describe_user_scram_credentials.h"
#include "protocol/kafka/messages/metadata.h"
#include "protocol/kafka/messages/sasl_authenticate.h"
#include "protocol/kafka/messages/sasl_handshake.h"
#include "protocol/kafka/service_test_support.h"

namespace keelson::kafka {
namespace {

int16_t code(ErrorCode error) { return number(error); }

TestOptions guarded(bool has_acls = true) {
  TestOptions options;
  options.kafka.needs_authentication = true;
  options.security = {.mechanisms = {"PLAIN", "SCRAM-SHA-256"},
                      .passwords = {{"admin", "admin-secret"}, {"ann", "ann-secret"}},
                      .has_acls = has_acls,
                      .super_users = {"User:admin"}};
  return options;
}

TestOptions open_to_all() {
  TestOptions options;
  options.security = SecurityOptions{};
  return options;
}

int16_t log_in(TestClient& client, std::string_view user, std::string_view password) {
  if (!client.ask<SaslHandshakeResponse>(1, SaslHandshakeRequest{.mechanism = "PLAIN"})) return -2;
  const std::string message = std::string(1, '\0') + std::string(user) + std::string(1, '\0') + std::string(password);
  const auto told = client.ask<SaslAuthenticateResponse>(2, SaslAuthenticateRequest{.auth_bytes = message});
  return told ? told->error_code : int16_t{-2};
}

std::unique_ptr<TestClient> connect_as(TestKafka& kafka, std::string_view user) {
  std::unique_ptr<TestClient> client = kafka.connect();
  EXPECT_EQ(log_in(*client, user, std::string(user) + "-secret"), 0) << user;
  return client;
}

int16_t produce(TestClient& client, std::string_view topic) {
  const std::string batch = batch_of({"x"});
  const auto told = client.ask<ProduceResponse>(9, produce_request(topic, 0, batch));
  return told ? told->topics.at(0).partitions.at(0).error_code : int16_t{-2};
}

CreateAclsRequest ann_may_write(std::string_view topic) {
  return {.creations = {{.resource_type = 2,
                         .resource_name = topic,
                         .resource_pattern_type = 3,
                         .principal = "User:ann",
                         .host = "*",
                         .operation = static_cast<int8_t>(AclOperation::kWrite),
                         .permission_type = 3}}};
}

TEST(KafkaSecurity, NothingIsDoneForWhoHasNotLoggedIn) {
  TestKafka kafka(guarded());
  const auto client = kafka.connect();
  EXPECT_FALSE(client->ask<MetadataResponse>(4, MetadataRequest{}));
  const auto wrong = kafka.connect();
  EXPECT_EQ(log_in(*wrong, "admin", "secret"), code(ErrorCode::kSaslAuthenticationFailed));
  EXPECT_TRUE(wrong->wait_closed());
  const auto nobody = kafka.connect();
  EXPECT_EQ(log_in(*nobody, "nobody", "secret"), code(ErrorCode::kSaslAuthenticationFailed));
  const auto admin = connect_as(kafka, "admin");
  EXPECT_TRUE(admin->ask<MetadataResponse>(4, MetadataRequest{}));
}

// To look at a name that is not in the file takes a hash, on a worker that may have to be waited for.
TEST(KafkaSecurity, FailedLoginsTakeAsLongWhoeverIsNamed) {
  TestKafka kafka(guarded());
  const env::Clock& clock = kafka.server().env().reactor(0).clock();
  const auto took_ms = [&](std::string_view user) {
    const auto client = kafka.connect();
    EXPECT_TRUE(client->ask<SaslHandshakeResponse>(1, SaslHandshakeRequest{.mechanism = "PLAIN"}));
    const std::string message = std::string(1, '\0') + std::string(user) + std::string("\0wrong", 6);
    const int64_t from_ns = clock.monotonic_ns();
    const auto told = client->ask<SaslAuthenticateResponse>(2, SaslAuthenticateRequest{.auth_bytes = message});
    EXPECT_EQ(told->error_code, code(ErrorCode::kSaslAuthenticationFailed));
    return static_cast<double>(clock.monotonic_ns() - from_ns) / 1e6;
  };
  for (int round = 0; round < 16; ++round) {
    EXPECT_NEAR(took_ms("admin"), kFailedLoginMs, 0.5);
    EXPECT_NEAR(took_ms("nobody"), kFailedLoginMs, 0.5);
  }
}

TEST(KafkaSecurity, AccessListsHoldOnEveryReactorOnceTheyAreAnswered) {
  TestKafka kafka(guarded(), 3);
  const auto admin = connect_as(kafka, "admin");
  EXPECT_EQ(create_topic(*admin, "ships", 1), 0);
  std::vector<std::unique_ptr<TestClient>> anns;  // of all reactors
  for (int i = 0; i < 6; ++i) anns.push_back(connect_as(kafka, "ann"));
  for (const auto& ann : anns) EXPECT_EQ(produce(*ann, "ships"), code(ErrorCode::kTopicAuthorizationFailed));
  EXPECT_EQ(anns[0]->ask<CreateAclsResponse>(3, ann_may_write("ships"))->results.at(0).error_code,
            code(ErrorCode::kClusterAuthorizationFailed));
  EXPECT_EQ(admin->ask<CreateAclsResponse>(3, ann_may_write("ships"))->results.at(0).error_code, 0);
  for (const auto& ann : anns) EXPECT_EQ(produce(*ann, "ships"), 0);
  const DeleteAclsRequest remove{.filters = {{.resource_type_filter = 1,
                                              .resource_name_filter = "ships",
                                              .pattern_type_filter = 2,
                                              .operation = 1,
                                              .permission_type = 1}}};
  EXPECT_EQ(admin->ask<DeleteAclsResponse>(3, remove)->filter_results.at(0).matching_acls.size(), 1U);
  for (const auto& ann : anns) EXPECT_EQ(produce(*ann, "ships"), code(ErrorCode::kTopicAuthorizationFailed));
}

TEST(KafkaSecurity, WhatWasChangedSurvivesACrash) {
  TestKafka kafka(guarded());
  const std::string salt = "salt of bob";
  {
    const auto admin = connect_as(kafka, "admin");
    EXPECT_EQ(create_topic(*admin, "ships", 1), 0);
    EXPECT_EQ(admin->ask<CreateAclsResponse>(3, ann_may_write("ships"))->results.at(0).error_code, 0);
    EXPECT_EQ(admin->ask<CreateAclsResponse>(3, ann_may_write("boats"))->results.at(0).error_code, 0);
    const AlterUserScramCredentialsRequest user{
        .upsertions = {{.name = "bob",
                        .mechanism = 1,
                        .iterations = 4096,
                        .salt = salt,
                        .salted_password = "32 bytes that Hi() would have made"}}};
    EXPECT_EQ(admin->ask<AlterUserScramCredentialsResponse>(0, user)->results.at(0).error_code,
              code(ErrorCode::kUnacceptableCredential));
    AlterUserScramCredentialsRequest good = user;
    good.upsertions[0].salted_password = good.upsertions[0].salted_password.substr(0, 32);
    EXPECT_EQ(admin->ask<AlterUserScramCredentialsResponse>(0, good)->results.at(0).error_code, 0);
    const AlterClientQuotasRequest quota{
        .entries = {{.entity = {{.entity_type = "user", .entity_name = "ann"}},
                     .ops = {{.key = "producer_byte_rate", .value = 5}, {.key = "consumer_byte_rate", .value = 7}}}}};
    EXPECT_EQ(admin->ask<AlterClientQuotasResponse>(1, quota)->entries.at(0).error_code, 0);
    const AlterClientQuotasRequest less{.entries = {{.entity = {{.entity_type = "user", .entity_name = "ann"}},
                                                     .ops = {{.key = "producer_byte_rate", .remove = true}}}}};
    EXPECT_EQ(admin->ask<AlterClientQuotasResponse>(1, less)->entries.at(0).error_code, 0);
  }
  kafka.crash_and_restart();
  const auto admin = connect_as(kafka, "admin");
  const auto acls = admin->ask<DescribeAclsResponse>(
      3,
      DescribeAclsRequest{.resource_type_filter = 1, .pattern_type_filter = 1, .operation = 1, .permission_type = 1});
  ASSERT_EQ(acls->resources.size(), 2U);
  EXPECT_EQ(acls->resources[0].resource_name, "boats");
  EXPECT_EQ(acls->resources[1].acls.at(0).principal, "User:ann");
  const auto users = admin->ask<DescribeUserScramCredentialsResponse>(0, DescribeUserScramCredentialsRequest{});
  ASSERT_EQ(users->results.size(), 1U);
  EXPECT_EQ(users->results[0].user, "bob");
  EXPECT_EQ(users->results[0].credential_infos.at(0).iterations, 4096);
  const auto quotas = admin->ask<DescribeClientQuotasResponse>(1, DescribeClientQuotasRequest{});
  ASSERT_EQ(quotas->entries->size(), 1U);
  ASSERT_EQ(quotas->entries->at(0).values.size(), 1U);
  EXPECT_EQ(quotas->entries->at(0).values[0].key, "consumer_byte_rate");
  EXPECT_EQ(produce(*connect_as(kafka, "ann"), "ships"), 0);
}

TEST(KafkaSecurity, SessionsEndWhenTheirTimeIsOver) {
  TestOptions options = guarded();
  options.security->reauthenticate_ms = 5000;
  TestKafka kafka(options);
  const auto client = connect_as(kafka, "admin");
  EXPECT_TRUE(client->ask<MetadataResponse>(4, MetadataRequest{}));
  const auto another = connect_as(kafka, "admin");
  EXPECT_EQ(log_in(*another, "ann", "ann-secret"), code(ErrorCode::kSaslAuthenticationFailed));
  EXPECT_TRUE(client->wait_closed());
}

TEST(KafkaSecurity, QuotasMuteConnectionsForAsLongAsTheySay) {
  TestKafka kafka(open_to_all());
  const auto client = kafka.connect();
  EXPECT_EQ(create_topic(*client, "ships", 1), 0);
  const AlterClientQuotasRequest quota{
      .entries = {{.entity = {{.entity_type = "client-id"}}, .ops = {{.key = "producer_byte_rate", .value = 1000}}}}};
  EXPECT_EQ(client->ask<AlterClientQuotasResponse>(1, quota)->entries.at(0).error_code, 0);
  const std::string batch = batch_of({std::string(3000, 'x')});
  const auto told = client->ask<ProduceResponse>(9, produce_request("ships", 0, batch));
  ASSERT_TRUE(told);
  EXPECT_EQ(told->topics.at(0).partitions.at(0).error_code, 0);
  // A second's worth is forgiven.
  EXPECT_NEAR(told->throttle_time_ms, static_cast<int>(batch.size()) - 1000, 2);
  env::Reactor& clock = kafka.server().env().reactor(0);
  const int64_t from_ns = clock.clock().monotonic_ns();
  EXPECT_TRUE(client->ask<MetadataResponse>(4, MetadataRequest{}));
  EXPECT_GE(clock.clock().monotonic_ns() - from_ns, int64_t{told->throttle_time_ms - 1} * 1'000'000);
  // Another connection of the same client shares the quota, whichever reactor it is on; one may begin once.
  const auto other = kafka.connect();
  EXPECT_GT(other->ask<ProduceResponse>(9, produce_request("ships", 0, batch))->throttle_time_ms, 1000);
}

TEST(KafkaSecurity, NewQuotasForgetWhatIsOwed) {
  TestKafka kafka(open_to_all(), 2);
  const auto admin = kafka.connect();
  const auto client = kafka.connect();
  EXPECT_EQ(create_topic(*admin, "ships", 1), 0);
  const auto set_rate = [&](double rate) {
    const AlterClientQuotasRequest quota{
        .entries = {{.entity = {{.entity_type = "client-id"}}, .ops = {{.key = "producer_byte_rate", .value = rate}}}}};
    EXPECT_EQ(admin->ask<AlterClientQuotasResponse>(1, quota)->entries.at(0).error_code, 0);
  };
  const std::string batch = batch_of({std::string(3000, 'x')});
  const auto throttle_ms = [&] {
    return client->ask<ProduceResponse>(9, produce_request("ships", 0, batch))->throttle_time_ms;
  };
  set_rate(1);
  EXPECT_EQ(throttle_ms(), kThrottleMsMax);  // of most of an hour
  EXPECT_EQ(throttle_ms(), kThrottleMsMax);
  set_rate(1e9);
  EXPECT_EQ(throttle_ms(), 0);
}

// docs/topic.md is made from the table, and ApiVersions tells what has a handler: they must not differ.
TEST(KafkaHandlers, AreThereForWhatTheTableSays) {
  for (const ApiRow& row : api_table()) EXPECT_EQ(find_handler(row.key) != nullptr, row.is_served) << row.name;
}

TEST(KafkaSecurity, WithoutLoginsThereIsNothingToLogInTo) {
  TestKafka kafka(open_to_all());
  const auto client = kafka.connect();
  EXPECT_EQ(client->ask<SaslHandshakeResponse>(1, SaslHandshakeRequest{.mechanism = "PLAIN"})->error_code,
            code(ErrorCode::kIllegalSaslState));
  EXPECT_EQ(client->ask<CreateAclsResponse>(3, ann_may_write("ships"))->results.at(0).error_code,
            code(ErrorCode::kSecurityDisabled));
}

}  // namespace
}  // namespace keelson::kafka
