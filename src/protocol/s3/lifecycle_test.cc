#include "protocol/s3/lifecycle.h"

#include <gtest/gtest.h>

#include <string>

#include "protocol/s3/dates.h"

namespace keelson::s3 {
namespace {

std::string rule(std::string_view inside) {
  return "<LifecycleConfiguration><Rule>" + std::string(inside) + "</Rule></LifecycleConfiguration>";
}
// The error's code, or "".
std::string fault(const std::string& xml) {
  const auto parsed = LifecycleConfiguration::parse(xml);
  return parsed ? "" : std::string(parsed.error().spec().code);
}
LifecycleConfiguration parse(const std::string& xml) {
  auto parsed = LifecycleConfiguration::parse(xml);
  EXPECT_TRUE(parsed.has_value()) << xml;
  return parsed.value_or(LifecycleConfiguration{});
}
int64_t at(std::string_view text) { return *parse_iso8601(text); }

constexpr std::string_view kOn = "<Status>Enabled</Status>";
constexpr std::string_view kOneDay = "<Expiration><Days>1</Days></Expiration>";

TEST(Lifecycle, ReadsBackWhatWasWritten) {
  constexpr std::string_view kRules[] = {
      "<ID>a</ID><Prefix>logs/</Prefix><Status>Enabled</Status><Expiration><Days>30</Days></Expiration>",
      "<ID>b</ID><Prefix></Prefix><Status>Disabled</Status><Expiration><Days>30</Days></Expiration>",
      "<ID>c</ID><Filter><Prefix></Prefix></Filter><Status>Enabled</Status><Expiration>"
      "<Date>2030-01-01T00:00:00.000Z</Date></Expiration>",
      "<ID>d</ID><Filter><Tag><Key>k</Key><Value>v</Value></Tag></Filter><Status>Enabled</Status>"
      "<NoncurrentVersionExpiration><NoncurrentDays>3</NoncurrentDays>"
      "<NewerNoncurrentVersions>2</NewerNoncurrentVersions></NoncurrentVersionExpiration>",
      "<ID>e</ID><Filter><And><Prefix>p</Prefix><Tag><Key>k</Key><Value>v</Value></Tag><Tag><Key>l</Key><Value></Value>"
      "</Tag><ObjectSizeGreaterThan>10</ObjectSizeGreaterThan><ObjectSizeLessThan>20</ObjectSizeLessThan></And>"
      "</Filter><Status>Enabled</Status><Expiration><Days>1</Days></Expiration>",
      "<ID>f</ID><Filter><ObjectSizeGreaterThan>0</ObjectSizeGreaterThan></Filter><Status>Enabled</Status><Expiration>"
      "<Days>1</Days></Expiration>",
      "<ID>g</ID><Filter><Prefix></Prefix></Filter><Status>Enabled</Status><Expiration>"
      "<ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration><AbortIncompleteMultipartUpload>"
      "<DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload>"};
  for (const std::string_view one : kRules) {
    EXPECT_NE(parse(rule(one)).document().find("<Rule>" + std::string(one) + "</Rule>"), std::string::npos)
        << parse(rule(one)).document();
  }
}

TEST(Lifecycle, RefusesWhatS3Refuses) {
  const std::string on(kOn);
  const std::string one(kOneDay);
  const std::string id(256, 'i');
  const struct {
    std::string xml;
    std::string_view code;
  } rows[] = {
      {"", "MalformedXML"},
      {"<LifecycleConfiguration></LifecycleConfiguration>", "MalformedXML"},
      {"<Lifecycle><Rule/></Lifecycle>", "MalformedXML"},
      {"<LifecycleConfiguration><Role/></LifecycleConfiguration>", "MalformedXML"},
      {rule(on), "InvalidRequest"},
      {rule(one), "MalformedXML"},
      {rule("<Status>enabled</Status>" + one), "MalformedXML"},
      {rule(on + on + one), "MalformedXML"},
      {rule(on + one + one), "MalformedXML"},
      {rule(on + "<Prefix/><Filter/>" + one), "MalformedXML"},
      {rule(on + "<Colour>red</Colour>" + one), "MalformedXML"},
      {rule(on + "<ID>" + id + "</ID>" + one), "InvalidArgument"},
      {rule(on + "<Expiration><Days>0</Days></Expiration>"), "InvalidArgument"},
      {rule(on + "<Expiration><Days>-1</Days></Expiration>"), "InvalidArgument"},
      {rule(on + "<Expiration><Days>1.5</Days></Expiration>"), "InvalidArgument"},
      {rule(on + "<Expiration><Days>99999999999</Days></Expiration>"), "InvalidArgument"},
      {rule(on + "<Expiration><Days>1</Days><Date>2030-01-01</Date></Expiration>"), "MalformedXML"},
      {rule(on + "<Expiration><Date>tomorrow</Date></Expiration>"), "MalformedXML"},
      {rule(on + "<Expiration><Date>2030-01-01T10:00:00Z</Date></Expiration>"), "InvalidArgument"},
      {rule(on + "<Expiration/>"), "MalformedXML"},
      {rule(on + "<NoncurrentVersionExpiration><NewerNoncurrentVersions>1</NewerNoncurrentVersions>"
                 "</NoncurrentVersionExpiration>"),
       "MalformedXML"},
      {rule(on + "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays><NewerNoncurrentVersions>101"
                 "</NewerNoncurrentVersions></NoncurrentVersionExpiration>"),
       "InvalidArgument"},
      {rule(on + "<AbortIncompleteMultipartUpload/>"), "MalformedXML"},
      {rule(on + "<Filter><Tag><Key>k</Key></Tag></Filter>" + one), "MalformedXML"},
      {rule(on + "<Filter><Prefix>a</Prefix><Prefix>b</Prefix></Filter>" + one), "MalformedXML"},
      {rule(on + "<Filter><And><Colour/></And></Filter>" + one), "MalformedXML"},
      {rule(on +
            "<Filter><And><ObjectSizeGreaterThan>9</ObjectSizeGreaterThan><ObjectSizeLessThan>9"
            "</ObjectSizeLessThan></And></Filter>" +
            one),
       "InvalidRequest"},
      {rule(on + "<Filter><Tag><Key>k</Key><Value>v</Value></Tag></Filter><AbortIncompleteMultipartUpload>"
                 "<DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>"),
       "InvalidRequest"},
      {rule(on + "<Transition><Days>1</Days><StorageClass>GLACIER</StorageClass></Transition>"), "NotImplemented"},
      {"<LifecycleConfiguration><Rule><ID>x</ID>" + on + one + "</Rule><Rule><ID>x</ID>" + on + one +
           "</Rule></LifecycleConfiguration>",
       "InvalidArgument"},
  };
  for (const auto& row : rows) EXPECT_EQ(fault(row.xml), row.code) << row.xml;
  std::string many = "<LifecycleConfiguration>";
  for (size_t i = 0; i <= LifecycleConfiguration::kRulesMax; ++i) many += "<Rule>" + on + one + "</Rule>";
  EXPECT_EQ(fault(many + "</LifecycleConfiguration>"), "MalformedXML");
}

TEST(Lifecycle, RulesWithoutIdsGetSome) {
  const auto rules =
      parse("<LifecycleConfiguration><Rule>" + std::string(kOn) + std::string(kOneDay) + "</Rule><Rule>" +
            std::string(kOn) + std::string(kOneDay) + "</Rule></LifecycleConfiguration>");
  EXPECT_EQ(rules.rules[0].id, "rule-1");
  EXPECT_EQ(rules.rules[1].id, "rule-2");
}

TEST(Lifecycle, FiltersPick) {
  const Tags tags = {{"a", "1"}, {"b", "2"}};
  const struct {
    LifecycleFilter filter;
    bool matches;
  } rows[] = {
      {{}, true},
      {{.prefix = "dir/"}, true},
      {{.prefix = "dir/key"}, true},
      {{.prefix = "dir/key2"}, false},
      {{.prefix = "other"}, false},
      {{.tags = {{"a", "1"}}}, true},
      {{.tags = {{"b", "2"}, {"a", "1"}}}, true},
      {{.tags = {{"a", "2"}}}, false},
      {{.tags = {{"a", "1"}, {"c", "3"}}}, false},
      {{.size_above = 99}, true},
      {{.size_above = 100}, false},
      {{.size_below = 101}, true},
      {{.size_below = 100}, false},
      {{.prefix = "dir", .tags = {{"a", "1"}}, .size_above = 1, .size_below = 1000}, true},
      {{.prefix = "dir", .tags = {{"a", "9"}}, .size_above = 1, .size_below = 1000}, false},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(matches_filter(row.filter, {"dir/key", &tags, 100}), row.matches) << &row - rows;
  }
  EXPECT_FALSE(matches_filter({.tags = {{"a", "1"}}}, {"dir/key", nullptr, 100}));
}

// "an object created on 1/15/2014 10:30 AM UTC", 3 days: "1/19/2014 00:00 UTC".
TEST(Lifecycle, DaysAreRoundedUpToMidnight) {
  const struct {
    std::string_view made;
    uint32_t days;
    std::string_view due;
  } rows[] = {
      {"2014-01-15T10:30:00Z", 3, "2014-01-19T00:00:00Z"},     {"2014-01-15T00:00:00Z", 1, "2014-01-16T00:00:00Z"},
      {"2014-01-15T00:00:00.001Z", 1, "2014-01-17T00:00:00Z"}, {"2014-01-15T23:59:59.999Z", 1, "2014-01-17T00:00:00Z"},
      {"2016-02-28T12:00:00Z", 1, "2016-03-01T00:00:00Z"},     {"2014-12-31T12:00:00Z", 365, "2016-01-01T00:00:00Z"},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(format_iso8601(due_ms(at(row.made), row.days, kDayMs)), format_iso8601(at(row.due))) << row.made;
  }
  EXPECT_EQ(due_ms(1234, 3, 1000), 4234) << "a short day, for tests, is not rounded";
}

TEST(Lifecycle, TheEarliestRuleDecides) {
  LifecycleConfiguration rules;
  rules.rules = {{.id = "off", .is_enabled = false, .expire_days = 1},
                 {.id = "ten", .is_enabled = true, .expire_days = 10},
                 {.id = "date", .is_enabled = true, .filter = {.prefix = "d"}, .expire_date_ms = at("2014-01-18")},
                 {.id = "old", .is_enabled = true, .noncurrent_days = 1}};
  const int64_t made = at("2014-01-15T10:30:00Z");
  const auto d = expiration_of(rules, {"d", nullptr, 0}, made, kDayMs);
  EXPECT_EQ(d->rule_id, "date");
  EXPECT_EQ(d->at_ms, at("2014-01-18"));
  EXPECT_EQ(expiration_of(rules, {"e", nullptr, 0}, made, kDayMs)->rule_id, "ten");
  rules.rules.erase(rules.rules.begin() + 1);
  EXPECT_FALSE(expiration_of(rules, {"e", nullptr, 0}, made, kDayMs));
}

TEST(Lifecycle, NoncurrentVersionsMarkersAndUploads) {
  LifecycleConfiguration rules;
  rules.rules = {{.id = "n", .is_enabled = true, .noncurrent_days = 2, .noncurrent_kept = 2}};
  const int64_t since = at("2014-01-15T10:30:00Z");
  const int64_t due = at("2014-01-18");
  const LifecycleObject object{"k", nullptr, 0};
  EXPECT_FALSE(is_noncurrent_due(rules, object, since, 2, due - 1, kDayMs));
  EXPECT_TRUE(is_noncurrent_due(rules, object, since, 2, due, kDayMs));
  EXPECT_FALSE(is_noncurrent_due(rules, object, since, 1, due, kDayMs)) << "two are kept";
  EXPECT_FALSE(expires_delete_marker(rules, "k", since, due, kDayMs));
  EXPECT_FALSE(is_upload_due(rules, "k", since, due, kDayMs));

  rules.rules = {{.id = "m", .is_enabled = true, .filter = {.prefix = "k"}, .expire_delete_marker = true},
                 {.id = "u", .is_enabled = true, .filter = {.prefix = "u"}, .abort_upload_days = 2},
                 {.id = "e", .is_enabled = true, .filter = {.prefix = "e"}, .expire_days = 2}};
  EXPECT_TRUE(expires_delete_marker(rules, "k", since, since, kDayMs));
  EXPECT_FALSE(expires_delete_marker(rules, "j", since, due, kDayMs));
  EXPECT_FALSE(expires_delete_marker(rules, "e", since, due - 1, kDayMs));
  EXPECT_TRUE(expires_delete_marker(rules, "e", since, due, kDayMs));
  EXPECT_FALSE(is_upload_due(rules, "u", since, due - 1, kDayMs));
  EXPECT_TRUE(is_upload_due(rules, "u", since, due, kDayMs));
  EXPECT_FALSE(is_upload_due(rules, "k", since, due, kDayMs));
  for (LifecycleRule& one : rules.rules) one.is_enabled = false;
  EXPECT_FALSE(expires_delete_marker(rules, "k", since, due, kDayMs));
  EXPECT_FALSE(is_upload_due(rules, "u", since, due, kDayMs));
}

}  // namespace
}  // namespace keelson::s3
