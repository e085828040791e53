// Lifecycle rules over months of simulated time: the clock is put forward by hours and days, rules run, the machine
// crashes in the middle of it, and what is left is what an oracle says (lifecycle_oracle.h).
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/base64.h"
#include "base/logging.h"
#include "env/sim/gtest_seeds.h"
#include "env/sim/sim.h"
#include "protocol/s3/dates.h"
#include "protocol/s3/digest.h"
#include "tests/sim/lifecycle_oracle.h"
#include "tests/sim/s3_caller.h"
#include "tests/sim/s3_node.h"

namespace keelson::sim_test {
namespace {

using env::sim::for_each_seed;
using env::sim::kSecond;

constexpr int64_t kDayMs = int64_t{86'400'000};
constexpr int64_t kHourMs = kDayMs / 24;
// Wed, 15 Jan 2014 10:30:00 GMT: the example of Amazon's user guide.
constexpr int64_t kStartMs = 1'389'781'800'000;
constexpr uint64_t kSeeds = 500;
constexpr uint64_t kSeedsToFindABug = 20;
constexpr int kSteps = 16;
constexpr int kRounds = 4;  // what one round leaves to the next: a marker that is alone now, say
constexpr std::string_view kBucket = "bucket";

[[maybe_unused]] const bool is_quiet = [] {
  set_log_sink([](LogLevel, std::string_view, std::string_view, LogFields) {});
  return true;
}();

// A server and one client that goes step by step.
class Site {
 public:
  explicit Site(uint64_t seed, s3::S3Faults faults = {})
      : world_(seed, options()),
        machine_(world_.add_node(2)),
        users_(world_.add_node()),
        caller_(users_.env(), users_.reactor(), machine_.address(S3Node::kPort)) {
    S3NodeOptions node;
    node.s3.faults = faults;
    node.s3.part_bytes_min = 0;
    node.blobs.log.segment_bytes = 64 << 10;  // recovery looks through all of it
    machine_.run_program([node](env::Env& env) { return std::make_unique<S3Node>(env, node); });
    wait_until_served();
  }

  S3Reply call(BlobRequest what) {
    what.bucket = kBucket;
    if (!what.content.empty() && what.key.empty()) {
      what.headers.emplace_back("content-md5", to_base64(s3::digest_of(s3::DigestKind::kMd5, what.content)));
    }
    S3Reply reply = world_.run(users_.reactor(), caller_.call(what));
    // The connection that was kept broke when the machine crashed.
    if (!reply.is_answered()) reply = world_.run(users_.reactor(), caller_.call(std::move(what)));
    return reply;
  }
  S3Reply expect(uint16_t status, BlobRequest what) {
    const std::string place = what.method + " " + what.key;
    S3Reply reply = call(std::move(what));
    EXPECT_EQ(reply.status, status) << place << ": " << reply.text();
    return reply;
  }

  void advance(int64_t by_ms) {
    machine_.jump_wall_clock(by_ms);
    users_.jump_wall_clock(by_ms);
  }
  [[nodiscard]] int64_t now_ms() { return users_.env().clock().wall_ms(); }
  // To that time of this day or the next.
  void advance_to(int64_t time_of_day_ms) { advance((time_of_day_ms - now_ms() % kDayMs + kDayMs) % kDayMs); }

  void run_rules() { world_.run(machine_.reactor(0), node().service().run_lifecycle()); }
  // Begins a round and takes the power away in the middle of it.
  void run_rules_and_crash(int64_t after_ns) {
    auto scope = std::make_unique<env::TaskScope>(machine_.reactor(0));
    world_.run_on(machine_.reactor(0), [&] { scope->spawn(node().service().run_lifecycle()); });
    world_.run_for(after_ns);
    node().blobs().abandon();
    scope.reset();
    machine_.crash();
    machine_.restart();
    wait_until_served();
  }
  env::Random& random() { return world_.random(); }

 private:
  static env::sim::SimOptions options() {
    env::sim::SimOptions options;
    options.wall_start_ms = kStartMs;
    return options;
  }
  S3Node& node() { return *static_cast<S3Node*>(machine_.program()); }
  void wait_until_served() {
    ASSERT_TRUE(world_.run_until([this] { return node().is_serving(); }, 60 * kSecond)) << node().failure();
  }

  env::sim::World world_;
  env::sim::Node& machine_;
  env::sim::Node& users_;
  S3Caller caller_;
};

std::string text_of(const s3::XmlElement& element, std::string_view child) {
  return std::string(element.child_text(child).value_or(""));
}

// One bucket that is used at random, and its rules.
class Months {
 public:
  Months(uint64_t seed, s3::S3Faults faults) : site_(seed, faults), kind_(seed % 3) {}

  // What is there in the end is not what the oracle says: how.
  std::string run() {
    make_bucket();
    for (int step = 0; step < kSteps; ++step) {
      if (step % 4 == 0) change_rules();
      if (kind_ == 1 && pick(6) == 0) switch_versioning();
      for (uint64_t i = pick(8); i != 0; --i) use();
      site_.advance(pick(3) == 0 ? static_cast<int64_t>(pick(kDayMs)) : static_cast<int64_t>(pick(6 * kDayMs)));
      keep_off_the_edges();
      if (std::string flaw = run_step(); !flaw.empty()) return "step " + std::to_string(step) + ": " + flaw;
      if (testing::Test::HasFailure()) return "a request failed";
    }
    return {};
  }
  [[nodiscard]] uint64_t gone() const { return gone_; }
  [[nodiscard]] uint64_t kept_by_locks() const { return kept_by_locks_; }

 private:
  uint64_t pick(uint64_t count) { return site_.random().next() % count; }
  std::string pick_key() { return std::string(1, static_cast<char>('a' + pick(2))) + "/" + std::to_string(pick(3)); }

  void make_bucket() {
    BlobRequest create{.method = "PUT"};
    if (kind_ == 2) create.headers.emplace_back("x-amz-bucket-object-lock-enabled", "true");
    site_.expect(200, create);
    bucket_.versioning = kind_ == 0 ? OracleVersioning::kOff : OracleVersioning::kOn;
    if (kind_ == 1) set_versioning();
  }

  void set_versioning() {
    const char* word = bucket_.versioning == OracleVersioning::kOn ? "Enabled" : "Suspended";
    site_.expect(200, {.method = "PUT",
                       .query = {{"versioning", ""}},
                       .content = std::string("<VersioningConfiguration><Status>") + word +
                                  "</Status></VersioningConfiguration>"});
  }
  void switch_versioning() {
    const bool is_on = bucket_.versioning == OracleVersioning::kOn;
    bucket_.versioning = is_on ? OracleVersioning::kSuspended : OracleVersioning::kOn;
    set_versioning();
  }

  void change_rules() {
    rules_.clear();
    for (uint64_t i = 0; i < 1 + pick(4); ++i) rules_.push_back(random_rule("rule " + std::to_string(i)));
    site_.expect(200, {.method = "PUT", .query = {{"lifecycle", ""}}, .content = document_of(rules_)});
  }

  OracleRule random_rule(std::string id) {
    OracleRule rule{.id = std::move(id), .is_enabled = pick(5) != 0};
    if (pick(2) == 0) rule.filter.prefix = pick(2) == 0 ? "a/" : "b";
    switch (pick(5)) {
      case 0:
        rule.expires_markers = true;
        if (pick(2) == 0) rule.noncurrent_days = 1 + static_cast<int>(pick(10));
        return rule;
      case 1:
        rule.abort_days = 1 + static_cast<int>(pick(6));
        return rule;
      case 2:
        rule.expire_date_ms = (site_.now_ms() / kDayMs + 1 + static_cast<int64_t>(pick(12))) * kDayMs;
        break;
      case 3:
        rule.expire_days = 1 + static_cast<int>(pick(12));
        break;
      default:
        rule.noncurrent_days = 1 + static_cast<int>(pick(8));
        if (pick(2) == 0) rule.noncurrent_kept = 1 + static_cast<unsigned>(pick(3));
        if (pick(3) == 0) rule.expire_days = 1 + static_cast<int>(pick(12));
    }
    if (pick(3) == 0) rule.filter.tag = std::to_string(pick(2));
    if (pick(3) == 0) rule.filter.above = pick(2) * 1000;
    if (pick(3) == 0) rule.filter.below = 1001 + pick(2) * 1000;
    return rule;
  }

  void use() {
    const std::string key = pick_key();
    switch (pick(8)) {
      case 0:
        site_.expect(204, {.method = "DELETE", .key = key});
        return;
      case 1:
        site_.expect(200, {.method = "POST", .key = key, .query = {{"uploads", ""}}});
        return;
      default:
        put(key);
    }
  }

  void put(const std::string& key) {
    OracleVersion more;
    BlobRequest what{.method = "PUT", .key = key, .content = std::string(pick(4) * 1000, 'x')};
    if (pick(2) == 0) {
      more.tag = std::to_string(pick(2));
      what.headers.emplace_back("x-amz-tagging", "t=" + more.tag);
    }
    if (kind_ == 2 && pick(2) == 0) {
      if (pick(3) == 0) {
        more.is_held = true;
        what.headers.emplace_back("x-amz-object-lock-legal-hold", "ON");
      } else {
        // Noon of a day: looked at some seconds away from it alone.
        more.locked_until_ms = (site_.now_ms() / kDayMs + 1 + static_cast<int64_t>(pick(20))) * kDayMs + kDayMs / 2;
        what.headers.emplace_back("x-amz-object-lock-mode", "GOVERNANCE");
        what.headers.emplace_back("x-amz-object-lock-retain-until-date", s3::format_iso8601(more.locked_until_ms));
      }
    }
    const S3Reply reply = site_.expect(200, std::move(what));
    const std::string id = reply.field("x-amz-version-id");
    more_[{key, id.empty() ? "null" : id}] = more;
  }

  // Midnight and noon are when something ends.
  void keep_off_the_edges() {
    constexpr int64_t kMarginMs = 20'000;
    const int64_t into_ms = (site_.now_ms() + kMarginMs) % (kDayMs / 2);
    if (into_ms < 2 * kMarginMs) site_.advance(2 * kMarginMs);
  }

  OracleBucket look() {
    OracleBucket found{.versioning = bucket_.versioning};
    const s3::XmlElement versions = site_.expect(200, {.query = {{"versions", ""}}}).xml();
    for (const s3::XmlElement& child : versions.children) {
      if (child.name != "Version" && child.name != "DeleteMarker") continue;
      const std::string key = text_of(child, "Key");
      if (found.keys.empty() || found.keys.back().key != key) found.keys.push_back({key, {}});
      const std::string id = text_of(child, "VersionId");
      OracleVersion version = child.name == "Version" ? more_[{key, id}] : OracleVersion{};
      version.id = id;
      version.is_marker = child.name == "DeleteMarker";
      version.made_ms = s3::parse_iso8601(text_of(child, "LastModified")).value_or(0);
      version.size = version.is_marker ? 0 : std::stoull(text_of(child, "Size"));
      found.keys.back().versions.push_back(version);
    }
    const s3::XmlElement uploads = site_.expect(200, {.query = {{"uploads", ""}}}).xml();
    for (const s3::XmlElement& child : uploads.children) {
      if (child.name != "Upload") continue;
      found.uploads.push_back({text_of(child, "Key"), text_of(child, "UploadId"),
                               s3::parse_iso8601(text_of(child, "Initiated")).value_or(0)});
    }
    return found;
  }

  // Versions that were not there before are "new".
  static void name_new(const OracleBucket& before, OracleBucket& after) {
    for (OracleKey& key : after.keys) {
      for (OracleVersion& version : key.versions) {
        const bool is_old = std::ranges::any_of(before.keys, [&](const OracleKey& old) {
          return old.key == key.key &&
                 std::ranges::any_of(old.versions, [&](const OracleVersion& one) { return one.id == version.id; });
        });
        if (!is_old && version.id != "null") version.id = "new";
      }
    }
  }

  std::string run_step() {
    const OracleBucket before = look();
    const int64_t now_ms = site_.now_ms();
    const OracleBucket expected = after_lifecycle(before, rules_, now_ms);
    if (pick(4) == 0) site_.run_rules_and_crash(static_cast<int64_t>(pick(12'000'000)));
    for (int i = 0; i < kRounds; ++i) site_.run_rules();
    OracleBucket after = look();
    name_new(before, after);
    if (text_of(after) != text_of(expected)) {
      return "at " + s3::format_iso8601(now_ms) + "\nthere was\n" + text_of(before) + "the rules " +
             document_of(rules_) + "\nmust leave\n" + text_of(expected) + "and have left\n" + text_of(after);
    }
    gone_ += text_of(before) != text_of(after) ? 1 : 0;
    OracleBucket unlocked = before;
    for (OracleKey& key : unlocked.keys) {
      for (OracleVersion& version : key.versions) version.locked_until_ms = version.is_held = 0;
    }
    kept_by_locks_ += text_of(after_lifecycle(unlocked, rules_, now_ms)) != text_of(expected) ? 1 : 0;
    return check_headers(after);
  }

  // x-amz-expiration of every object.
  std::string check_headers(const OracleBucket& bucket) {
    for (const OracleKey& key : bucket.keys) {
      if (key.versions.front().is_marker) continue;
      const std::string told = site_.expect(200, {.method = "HEAD", .key = key.key}).field("x-amz-expiration");
      const auto expiry = oracle_expiry(key, rules_);
      const std::string date = expiry ? "expiry-date=\"" + s3::format_http_date(*expiry) + "\"" : "";
      if (expiry ? !told.starts_with(date + ", rule-id=\"rule%20") : !told.empty()) {
        return key.key + ": x-amz-expiration is '" + told + "', not " + date;
      }
    }
    return {};
  }

  Site site_;
  const uint64_t kind_;  // without versions, with, with locks too
  OracleBucket bucket_;
  std::vector<OracleRule> rules_;
  std::map<std::pair<std::string, std::string>, OracleVersion> more_;  // what listings do not tell
  uint64_t gone_ = 0;
  uint64_t kept_by_locks_ = 0;
};

TEST(LifecycleSim, MonthsGoAsTheRulesSay) {
  uint64_t lives = 0;
  uint64_t gone = 0;
  uint64_t kept_by_locks = 0;
  for_each_seed(1, kSeeds, [&](uint64_t seed) {
    Months months(seed, {});
    EXPECT_EQ(months.run(), "");
    ++lives;
    gone += months.gone();
    kept_by_locks += months.kept_by_locks();
  });
  if (lives < 10) return;
  EXPECT_GT(gone, 3 * lives) << "the rules had something to do";
  EXPECT_GT(kept_by_locks, lives / 5) << "locks kept something";
}

// The example of Amazon's user guide: created 1/15/2014 10:30 AM UTC, 3 days: gone at 1/19/2014 00:00 UTC.
TEST(LifecycleSim, DaysEndAtMidnight) {
  Site site(1);
  site.expect(200, {.method = "PUT"});
  const OracleRule rule{.id = "three days", .expire_days = 3};
  site.expect(200, {.method = "PUT", .query = {{"lifecycle", ""}}, .content = document_of({rule})});
  EXPECT_EQ(site.expect(200, {.method = "PUT", .key = "k"}).field("x-amz-expiration"),
            R"(expiry-date="Sun, 19 Jan 2014 00:00:00 GMT", rule-id="three%20days")");
  site.advance(3 * kDayMs);
  site.advance_to(kDayMs - kHourMs);
  site.run_rules();
  EXPECT_EQ(site.expect(200, {.method = "HEAD", .key = "k"}).field("x-amz-expiration"),
            R"(expiry-date="Sun, 19 Jan 2014 00:00:00 GMT", rule-id="three%20days")");
  site.advance_to(0);
  site.run_rules();
  site.expect(404, {.method = "HEAD", .key = "k"});
}

// A planted defect must be met by some seed.
void expect_found(s3::S3Faults faults) {
  for (uint64_t seed = 1; seed <= kSeedsToFindABug; ++seed) {
    const std::string flaw = Months(seed, faults).run();
    if (flaw.empty()) continue;
    std::cout << "found by seed " << seed << " in " << flaw.substr(0, flaw.find('\n')) << "\n";
    return;
  }
  ADD_FAILURE() << "a planted defect was not found";
}

TEST(LifecycleSim, FindsRulesThatIgnoreLocks) { expect_found({.lifecycle_ignores_locks = true}); }
TEST(LifecycleSim, FindsRulesThatCountADayTooMany) { expect_found({.lifecycle_is_a_day_early = true}); }

}  // namespace
}  // namespace keelson::sim_test
