// Object lock, websites, tags: documents and headers, and what they mean.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "protocol/s3/dates.h"
#include "protocol/s3/object_lock.h"
#include "protocol/s3/tags.h"
#include "protocol/s3/website.h"

namespace keelson::s3 {
namespace {

template <class T>
std::string fault(const S3Result<T>& result) {
  return result ? "" : std::string(result.error().spec().code);
}

constexpr int64_t kNowMs = 1'700'000'000'000;  // 2023-11-14T22:13:20Z

// Object lock.

std::string lock_document(std::string_view inside) {
  return "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>" + std::string(inside) +
         "</ObjectLockConfiguration>";
}
std::string lock_rule(std::string_view inside) {
  return lock_document("<Rule><DefaultRetention>" + std::string(inside) + "</DefaultRetention></Rule>");
}

TEST(ObjectLock, ConfigurationsReadBack) {
  for (const std::string& xml : {lock_document(""), lock_rule("<Mode>GOVERNANCE</Mode><Days>1</Days>"),
                                 lock_rule("<Mode>COMPLIANCE</Mode><Years>100</Years>")}) {
    const auto parsed = ObjectLockConfiguration::parse(xml);
    ASSERT_TRUE(parsed.has_value()) << xml;
    const std::string body = xml.substr(xml.find('>') + 1);
    EXPECT_TRUE(parsed->document().ends_with(body)) << parsed->document();
  }
  const auto years = ObjectLockConfiguration::parse(lock_rule("<Mode>COMPLIANCE</Mode><Years>2</Years>"));
  EXPECT_EQ(years->retention_at(kNowMs), (Retention{RetentionMode::kCompliance, kNowMs + 730 * 86'400'000LL}));
  EXPECT_EQ(ObjectLockConfiguration{}.retention_at(kNowMs), Retention{});
}

TEST(ObjectLock, ConfigurationsThatAreRefused) {
  const struct {
    std::string xml;
    std::string_view code;
  } rows[] = {
      {"", "MalformedXML"},
      {"<ObjectLockConfiguration/>", "MalformedXML"},
      {"<ObjectLockConfiguration><ObjectLockEnabled>Disabled</ObjectLockEnabled></ObjectLockConfiguration>",
       "MalformedXML"},
      {lock_document("<Rule/>"), "MalformedXML"},
      {lock_rule(""), "MalformedXML"},
      {lock_rule("<Mode>GOVERNANCE</Mode>"), "MalformedXML"},
      {lock_rule("<Mode>governance</Mode><Days>1</Days>"), "MalformedXML"},
      {lock_rule("<Mode>GOVERNANCE</Mode><Days>1</Days><Years>1</Years>"), "MalformedXML"},
      {lock_rule("<Mode>GOVERNANCE</Mode><Days>one</Days>"), "MalformedXML"},
      {lock_rule("<Mode>GOVERNANCE</Mode><Days>0</Days>"), "InvalidArgument"},
      {lock_rule("<Mode>GOVERNANCE</Mode><Days>36501</Days>"), "InvalidArgument"},
      {lock_rule("<Mode>GOVERNANCE</Mode><Years>101</Years>"), "InvalidArgument"},
  };
  for (const auto& row : rows) EXPECT_EQ(fault(ObjectLockConfiguration::parse(row.xml)), row.code) << row.xml;
}

TEST(ObjectLock, RetentionsAndHolds) {
  const std::string until = format_iso8601(kNowMs + 1000);
  const auto retention = [](std::string_view mode, std::string_view date) {
    return "<Retention><Mode>" + std::string(mode) + "</Mode><RetainUntilDate>" + std::string(date) +
           "</RetainUntilDate></Retention>";
  };
  const auto good = parse_retention(retention("COMPLIANCE", until), kNowMs);
  EXPECT_EQ(*good, (Retention{RetentionMode::kCompliance, kNowMs + 1000}));
  EXPECT_NE(retention_document(*good).find("<Mode>COMPLIANCE</Mode><RetainUntilDate>" + until), std::string::npos);
  EXPECT_EQ(*parse_retention("<Retention/>", kNowMs), Retention{}) << "an empty one lifts it";
  EXPECT_EQ(fault(parse_retention(retention("COMPLIANCE", format_iso8601(kNowMs)), kNowMs)), "InvalidArgument");
  EXPECT_EQ(fault(parse_retention(retention("COMPLIANCE", "soon"), kNowMs)), "InvalidArgument");
  EXPECT_EQ(fault(parse_retention(retention("NONE", until), kNowMs)), "MalformedXML");
  EXPECT_EQ(fault(parse_retention("<Retention><Mode>GOVERNANCE</Mode></Retention>", kNowMs)), "MalformedXML");
  EXPECT_EQ(fault(parse_retention("<Retained/>", kNowMs)), "MalformedXML");
  for (const bool is_on : {true, false}) EXPECT_EQ(*parse_legal_hold(legal_hold_document(is_on)), is_on);
  EXPECT_EQ(fault(parse_legal_hold("<LegalHold><Status>on</Status></LegalHold>")), "MalformedXML");
  EXPECT_EQ(fault(parse_legal_hold("<LegalHold/>")), "MalformedXML");
}

S3Result<LockHeaders> lock_of(const std::vector<HeaderView>& headers) {
  RequestView request;
  request.headers = headers;
  return lock_of_headers(request, kNowMs);
}

TEST(ObjectLock, Headers) {
  const std::string future = format_iso8601(kNowMs + 1);
  const std::string mode = "x-amz-object-lock-mode";
  const std::string date = "x-amz-object-lock-retain-until-date";
  const std::string hold = "x-amz-object-lock-legal-hold";
  const struct {
    std::vector<HeaderView> headers;
    std::string_view code;
  } rows[] = {
      {{}, ""},
      {{{mode, "GOVERNANCE"}, {date, future}}, ""},
      {{{hold, "ON"}}, ""},
      {{{hold, "OFF"}}, ""},
      {{{hold, "on"}}, "InvalidArgument"},
      {{{mode, "GOVERNANCE"}}, "InvalidArgument"},
      {{{date, future}}, "InvalidArgument"},
      {{{mode, "SOFT"}, {date, future}}, "InvalidArgument"},
      {{{mode, "COMPLIANCE"}, {date, "2001-01-01T00:00:00Z"}}, "InvalidArgument"},
      {{{mode, "COMPLIANCE"}, {date, "later"}}, "InvalidArgument"},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(fault(lock_of(row.headers)), row.code) << &row - rows;
  }
  const auto lock = lock_of(rows[1].headers);
  EXPECT_EQ(*lock->retention, (Retention{RetentionMode::kGovernance, kNowMs + 1}));
  EXPECT_FALSE(lock->legal_hold);
  EXPECT_TRUE(*lock_of(rows[2].headers)->legal_hold);
}

// Websites.

std::string website(std::string_view inside) {
  return "<WebsiteConfiguration>" + std::string(inside) + "</WebsiteConfiguration>";
}
constexpr std::string_view kIndex = "<IndexDocument><Suffix>index.html</Suffix></IndexDocument>";
std::string routed(std::string_view inside) {
  return website(std::string(kIndex) + "<RoutingRules><RoutingRule>" + std::string(inside) +
                 "</RoutingRule></RoutingRules>");
}

TEST(Website, ConfigurationsReadBack) {
  const std::string rule =
      "<Condition><KeyPrefixEquals>docs/</KeyPrefixEquals><HttpErrorCodeReturnedEquals>404"
      "</HttpErrorCodeReturnedEquals></Condition><Redirect><HostName>h</HostName><Protocol>https</Protocol>"
      "<ReplaceKeyPrefixWith>d/</ReplaceKeyPrefixWith><HttpRedirectCode>302</HttpRedirectCode></Redirect>";
  for (const std::string& xml :
       {website(kIndex), website(std::string(kIndex) + "<ErrorDocument><Key>e</Key></ErrorDocument>"), routed(rule),
        website("<RedirectAllRequestsTo><HostName>h</HostName><Protocol>http</Protocol></RedirectAllRequestsTo>")}) {
    const auto parsed = WebsiteConfiguration::parse(xml);
    ASSERT_TRUE(parsed.has_value()) << xml;
    EXPECT_TRUE(parsed->document().ends_with(xml.substr(xml.find('>') + 1))) << parsed->document();
  }
}

TEST(Website, ConfigurationsThatAreRefused) {
  const struct {
    std::string xml;
    std::string_view code;
  } rows[] = {
      {"", "MalformedXML"},
      {"<Website/>", "MalformedXML"},
      {website(""), "InvalidArgument"},
      {website("<IndexDocument/>"), "InvalidArgument"},
      {website("<IndexDocument><Suffix>a/b</Suffix></IndexDocument>"), "InvalidArgument"},
      {website(std::string(kIndex) + "<ErrorDocument/>"), "InvalidArgument"},
      {website(std::string(kIndex) + "<RoutingRules/>"), "MalformedXML"},
      {website("<RedirectAllRequestsTo/>"), "MalformedXML"},
      {website("<RedirectAllRequestsTo><HostName>a b</HostName></RedirectAllRequestsTo>"), "MalformedXML"},
      {website("<RedirectAllRequestsTo><HostName>h</HostName></RedirectAllRequestsTo>" + std::string(kIndex)),
       "MalformedXML"},
      {routed(""), "MalformedXML"},
      {routed("<Redirect><Colour>red</Colour></Redirect>"), "MalformedXML"},
      {routed("<Redirect><Protocol>ftp</Protocol></Redirect>"), "InvalidRequest"},
      {routed("<Redirect><HttpRedirectCode>200</HttpRedirectCode></Redirect>"), "InvalidRequest"},
      {routed("<Redirect><ReplaceKeyWith>a</ReplaceKeyWith><ReplaceKeyPrefixWith>b</ReplaceKeyPrefixWith></Redirect>"),
       "InvalidRequest"},
      {routed("<Condition><HttpErrorCodeReturnedEquals>200</HttpErrorCodeReturnedEquals></Condition>"
              "<Redirect><HostName>h</HostName></Redirect>"),
       "InvalidRequest"},
  };
  for (const auto& row : rows) EXPECT_EQ(fault(WebsiteConfiguration::parse(row.xml)), row.code) << row.xml;
}

TEST(Website, KeysRulesAndLocations) {
  WebsiteConfiguration site;
  site.index_suffix = "index.html";
  EXPECT_EQ(site.index_key(""), "index.html");
  EXPECT_EQ(site.index_key("a/"), "a/index.html");
  EXPECT_EQ(site.index_key("a"), "a");
  site.rules = {{.key_prefix = "a/", .error_status = {}, .redirect = {.host = "first"}},
                {.key_prefix = "", .error_status = 404, .redirect = {.host = "second"}},
                {.key_prefix = "a/b", .error_status = {}, .redirect = {.host = "third"}}};
  EXPECT_EQ(site.find_rule("a/b", {})->redirect.host, "first") << "the first that fits";
  EXPECT_EQ(site.find_rule("b", {}), nullptr);
  EXPECT_EQ(site.find_rule("b", 404)->redirect.host, "second");
  EXPECT_EQ(site.find_rule("b", 403), nullptr);
  const struct {
    WebsiteRedirect redirect;
    std::string_view location;
  } rows[] = {
      {{}, "http://here/docs/a b"},
      {{.protocol = "https"}, "https://here/docs/a b"},
      {{.host = "there:81"}, "http://there:81/docs/a b"},
      {{.replace_prefix = "d/"}, "http://here/d/a b"},
      {{.replace_prefix = ""}, "http://here/a b"},
      {{.replace_key = "one"}, "http://here/one"},
  };
  for (const auto& row : rows) {
    std::string wanted(row.location);
    if (const size_t blank = wanted.find(' '); blank != std::string::npos) wanted.replace(blank, 1, "%20");
    EXPECT_EQ(redirect_location(row.redirect, "docs/a b", "docs/", "here", "http"), wanted);
  }
}

// Tags.

std::string tagging(std::string_view inside) {
  return "<Tagging><TagSet>" + std::string(inside) + "</TagSet></Tagging>";
}
std::string tag(std::string_view key, std::string_view value) {
  return "<Tag><Key>" + std::string(key) + "</Key><Value>" + std::string(value) + "</Value></Tag>";
}

TEST(Tags, DocumentsAndHeaders) {
  const Tags tags = {{"b", "2 +"}, {"a", ""}, {"ä", "ü=@"}};
  EXPECT_EQ(*parse_tagging_document(tagging_document(tags), kObjectTagsMax), tags) << "in the writer's order";
  EXPECT_EQ(*parse_tagging_document(tagging(""), kObjectTagsMax), Tags{});
  EXPECT_EQ(*parse_tagging_header("b=2%20%2B&a=&%C3%A4=%C3%BC%3D%40"), tags);
  EXPECT_EQ(*parse_tagging_header(""), Tags{});
  std::string ten;
  for (int i = 0; i < 10; ++i) ten += tag("k" + std::to_string(i), "v");
  EXPECT_EQ(parse_tagging_document(tagging(ten), kObjectTagsMax)->size(), 10U);
  const struct {
    std::string xml;
    std::string_view code;
  } rows[] = {
      {"", "MalformedXML"},
      {"<Tagging/>", "MalformedXML"},
      {"<Tagging><TagSet/><TagSet/></Tagging>", "MalformedXML"},
      {tagging("<Tag><Key>a</Key></Tag>"), "MalformedXML"},
      {tagging("<Mark><Key>a</Key><Value/></Mark>"), "MalformedXML"},
      {tagging(tag("", "v")), "InvalidTag"},
      {tagging(tag("a", "1") + tag("a", "2")), "InvalidTag"},
      {tagging(tag("aws:a", "1")), "InvalidTag"},
      {tagging(tag(std::string(129, 'k'), "1")), "InvalidTag"},
      {tagging(tag("k", std::string(257, 'v'))), "InvalidTag"},
      {tagging(ten + tag("one more", "v")), "BadRequest"},
  };
  for (const auto& row : rows) EXPECT_EQ(fault(parse_tagging_document(row.xml, kObjectTagsMax)), row.code) << row.xml;
  EXPECT_TRUE(parse_tagging_document(tagging(ten + tag("one more", "v")), kBucketTagsMax).has_value());
  EXPECT_EQ(fault(parse_tagging_header("a=1&a=2")), "InvalidArgument");
  EXPECT_EQ(fault(parse_tagging_header("a=%zz")), "InvalidArgument");
}

}  // namespace
}  // namespace keelson::s3
