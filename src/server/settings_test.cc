#include "server/settings.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace keelson::server {
namespace {

LoadedSettings from_file(std::string text) {
  return load_settings({.file_name = "k.toml", .file_text = std::move(text), .variables = {}, .flags = {}});
}
LoadedSettings from_flags(Pairs flags) {
  return load_settings({.file_name = "", .file_text = "", .variables = {}, .flags = std::move(flags)});
}

std::string only_error(const LoadedSettings& loaded) {
  EXPECT_EQ(loaded.errors.size(), 1u);
  return loaded.errors.empty() ? "" : loaded.errors.front().text();
}

TEST(SettingTable, IsConsistent) {
  std::set<std::string_view> keys;
  std::set<std::string> variables;
  std::set<std::string_view> groups_done;
  std::string_view group;
  for (const SettingSpec& spec : setting_table()) {
    EXPECT_TRUE(keys.insert(spec.key).second) << spec.key;
    EXPECT_TRUE(variables.insert(variable_of(spec)).second) << spec.key;
    EXPECT_TRUE(parse_setting(spec, spec.default_text).ok()) << spec.key;
    EXPECT_TRUE(spec.description.ends_with(".")) << spec.key;
    EXPECT_EQ(spec.choices.empty(), spec.type != SettingType::kChoice) << spec.key;
    const size_t dot = spec.key.rfind('.');
    const std::string_view of = dot == std::string_view::npos ? std::string_view() : spec.key.substr(0, dot);
    if (of != group) {
      EXPECT_TRUE(groups_done.insert(of).second) << "the group of " << spec.key << " stands in two places";
      group = of;
    }
  }
}

TEST(SettingTable, DefaultsPassTheCheck) { EXPECT_TRUE(check_settings(Settings(), {}).empty()); }

TEST(DefaultFile, SaysNothingButTheDefaults) {
  const LoadedSettings loaded = from_file(default_settings_file());
  EXPECT_TRUE(loaded.errors.empty()) << loaded.errors.front().text();
  for (const SettingSpec& spec : setting_table()) {
    EXPECT_EQ(loaded.settings.origin(spec.key).kind, Origin::Kind::kDefault) << spec.key;
  }
}

TEST(DefaultFile, WithTheMarksTakenOffSetsEverySettingToItsDefault) {
  std::string text;
  const std::string file = default_settings_file();
  std::string_view whole = file;
  while (!whole.empty()) {
    const size_t end = whole.find('\n');
    std::string_view line = whole.substr(0, end);
    if (line.starts_with("#") && !line.starts_with("# ")) line.remove_prefix(1);
    text.append(line).append("\n");
    whole.remove_prefix(end + 1);
  }
  const LoadedSettings loaded = from_file(text);
  for (const SettingError& error : loaded.errors) ADD_FAILURE() << error.text();
  const Settings defaults;
  for (const SettingSpec& spec : setting_table()) {
    EXPECT_EQ(loaded.settings.origin(spec.key).kind, Origin::Kind::kFile) << spec.key;
    EXPECT_EQ(loaded.settings.text(spec.key), defaults.text(spec.key)) << spec.key;
  }
}

TEST(Markdown, NamesEverySetting) {
  const std::string text = settings_markdown();
  for (const SettingSpec& spec : setting_table()) {
    EXPECT_NE(text.find("| `" + std::string(spec.key) + "` |"), std::string::npos) << spec.key;
  }
}

TEST(LoadSettings, FlagsWinOverVariablesThoseOverTheFile) {
  SettingSources sources{.file_name = "k.toml",
                         .file_text = "[kv]\nmaxmemory = \"1gb\"\nmaxclients = 5\ntimeout = 7\n",
                         .variables = {{"KEELSON_KV_MAXMEMORY", "2gb"}, {"KEELSON_KV_MAXCLIENTS", "6"}, {"HOME", "/"}},
                         .flags = {{"kv.maxmemory", "3gb"}}};
  const LoadedSettings loaded = load_settings(sources);
  EXPECT_TRUE(loaded.errors.empty());
  EXPECT_TRUE(loaded.warnings.empty());
  EXPECT_EQ(loaded.settings.number("kv.maxmemory"), int64_t{3} << 30);
  EXPECT_EQ(loaded.settings.origin("kv.maxmemory").text(), "--kv.maxmemory");
  EXPECT_EQ(loaded.settings.number("kv.maxclients"), 6);
  EXPECT_EQ(loaded.settings.origin("kv.maxclients").text(), "KEELSON_KV_MAXCLIENTS");
  EXPECT_EQ(loaded.settings.number("kv.timeout"), 7);
  EXPECT_EQ(loaded.settings.origin("kv.timeout").text(), "k.toml:4");
  EXPECT_EQ(loaded.settings.origin("kv.databases").text(), "default");
}

TEST(LoadSettings, ErrorsNameFileLineAndKey) {
  EXPECT_EQ(only_error(from_file("[kv]\n\ndurability = \"sometimes\"\n")),
            "k.toml:3: kv.durability: \"sometimes\" is not one of always, interval, never");
  EXPECT_EQ(only_error(from_file("[kv]\nlistn = \"x\"\n")),
            "k.toml:2: kv.listn: there is no such setting; did you mean kv.listen?");
  EXPECT_EQ(only_error(from_file("listen = \"x\"\n")).find("k.toml:1: listen: there is no such setting; did you mean "),
            0u);
  EXPECT_EQ(only_error(from_file("kv.shards = \"16\"\n")),
            "k.toml:1: kv.shards: this wants a whole number, not a string");
  EXPECT_EQ(only_error(from_file("kv.shards = 0\n")),
            "k.toml:1: kv.shards: \"0\" is out of range: it can be from 1 to 1024");
  EXPECT_EQ(only_error(from_file("[kv]\nshards = \n")).find("k.toml:2: this is not TOML: "), 0u);
  EXPECT_EQ(only_error(from_file("kv = 5\n")).find("k.toml:1: kv: "), 0u);
  EXPECT_EQ(only_error(from_file("[kv.listen]\na = 1\n")).find("k.toml:1: kv.listen: this wants a string"), 0u);
  EXPECT_EQ(only_error(from_flags({{"kv.maxmemory", "lots"}})),
            "--kv.maxmemory: \"lots\" is not a size such as 1048576, 512kb, 64mb or 2gb");
  EXPECT_EQ(only_error(from_flags({{"kv.maxmemry", "1"}})),
            "--kv.maxmemry: there is no such setting; did you mean kv.maxmemory?");
  EXPECT_EQ(only_error(from_flags({{"log.segment-size", "1kb"}})),
            "--log.segment-size: \"1kb\" is out of range: it can be from 1mb to 4gb");
  EXPECT_EQ(only_error(from_flags({{"kv.sync-interval", "5"}})),
            "--kv.sync-interval: \"5\" is not a time such as 500ms, 1s, 5m or 1h");
}

TEST(LoadSettings, NamesTheLineOfWhatTomlPlusPlusAssertsOn) {
  EXPECT_EQ(only_error(from_file("a = 1\n\n[\n# x\n")),
            "k.toml:3: this is not TOML: something is missing or out of place");
  EXPECT_EQ(only_error(from_file("[\n")).find("k.toml:1: this is not TOML"), 0u);
}

TEST(LoadSettings, TellsAllErrorsAtOnce) {
  EXPECT_EQ(from_file("a = 1\nb = 2\nkv.timeout = true\n").errors.size(), 3u);
}

TEST(LoadSettings, NeverShowsASecret) {
  for (const LoadedSettings& loaded :
       {from_flags({{"kv.password", "hunter2\n"}}), from_file("kv.password = \"hunter2\\n\"\n")}) {
    EXPECT_EQ(only_error(loaded).find("hunter2"), std::string::npos);
  }
}

TEST(LoadSettings, PassesOverAVariableThatIsNoSetting) {
  const LoadedSettings loaded =
      load_settings({.file_name = "",
                     .file_text = "",
                     .variables = {{"KEELSON_PORT", "tcp://1.2.3.4"}, {"KEELSON_CONFIG", "x"}},
                     .flags = {}});
  EXPECT_TRUE(loaded.errors.empty());
  ASSERT_EQ(loaded.warnings.size(), 1u);
  EXPECT_EQ(loaded.warnings[0].text(), "KEELSON_PORT: there is no such setting; the variable is passed over");
}

TEST(LoadSettings, ReadsEveryType) {
  const LoadedSettings loaded = from_file(
      "data-dir = \"/d\"\n[kv]\nlisten = [\"127.0.0.1:1\", \"unix:/s\"]\nproto-max-bulk-len = 1048576\nsync-interval = "
      "\"250ms\"\n"
      "[checkpoint]\nat-stop = false\n");
  for (const SettingError& error : loaded.errors) ADD_FAILURE() << error.text();
  EXPECT_EQ(loaded.settings.text("data-dir"), "/d");
  ASSERT_EQ(loaded.settings.addresses("kv.listen").size(), 2u);
  EXPECT_EQ(loaded.settings.addresses("kv.listen")[1].unix_path, "/s");
  EXPECT_EQ(loaded.settings.number("kv.proto-max-bulk-len"), 1 << 20);
  EXPECT_EQ(loaded.settings.number("kv.sync-interval"), 250);
  EXPECT_FALSE(loaded.settings.flag("checkpoint.at-stop"));
}

TEST(ParseSetting, SizesAndTimes) {
  const SettingSpec bytes{.key = "b", .type = SettingType::kBytes, .default_text = "0", .most = INT64_MAX};
  const SettingSpec time{.key = "t", .type = SettingType::kDuration, .default_text = "0", .most = INT64_MAX};
  EXPECT_EQ(parse_setting(bytes, "1k")->number, 1000);
  EXPECT_EQ(parse_setting(bytes, "1KB")->number, 1024);
  EXPECT_EQ(parse_setting(bytes, "3 gb")->number, int64_t{3} << 30);
  EXPECT_FALSE(parse_setting(bytes, "-1").ok());
  EXPECT_FALSE(parse_setting(bytes, "1.5gb").ok());
  EXPECT_FALSE(parse_setting(bytes, "9999999999tb").ok());
  EXPECT_FALSE(parse_setting(bytes, "").ok());
  EXPECT_EQ(parse_setting(time, "2m")->number, 120'000);
  EXPECT_EQ(parse_setting(time, "0")->number, 0);
  EXPECT_FALSE(parse_setting(time, "m").ok());
}

TEST(CheckSettings, RefusesToListenToTheWorldWithoutAPassword) {
  const LoadedSettings open = from_flags({{"kv.listen", "0.0.0.0:6379"}});
  const std::vector<SettingError> errors = check_settings(open.settings, {});
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(
      errors[0].text(),
      "--kv.listen: 0.0.0.0:6379 can be reached from other machines, and no password is set. Set kv.password-file (or "
      "kv.password), or listen on 127.0.0.1 or a Unix socket");
  EXPECT_TRUE(check_settings(open.settings, {.has_kv = true}).empty());
  EXPECT_EQ(check_settings(from_flags({{"kv.listen", ":6379"}}).settings, {}).size(), 1u);
  EXPECT_TRUE(check_settings(from_flags({{"kv.listen", "[::1]:6379,unix:/s"}}).settings, {}).empty());
  EXPECT_EQ(check_settings(from_flags({{"http.listen", "10.0.0.1:80"}}).settings, {}).size(), 1u);
  EXPECT_TRUE(check_settings(from_flags({{"http.listen", "10.0.0.1:80"}}).settings, {.has_http = true}).empty());
}

TEST(CheckSettings, WantsTlsWhole) {
  EXPECT_EQ(check_settings(from_flags({{"kv.tls.listen", "127.0.0.1:1"}}).settings, {}).size(), 2u);
  EXPECT_EQ(check_settings(from_flags({{"http.tls.cert", "c"}}).settings, {}).size(), 1u);
  EXPECT_EQ(check_settings(from_flags({{"kv.tls.auth-clients", "yes"}}).settings, {}).size(), 1u);
  EXPECT_EQ(check_settings(from_flags({{"kv.listen", ""}}).settings, {}).size(), 1u);
}

TEST(RewriteToml, ChangesAValueAndNothingElse) {
  const std::string file = "# mine\n[kv]\nmaxmemory = \"1gb\"   # plenty\nmaxclients=5\n";
  const Result<std::string> changed = rewrite_toml("k.toml", file, {{"kv.maxmemory", "2gb"}, {"kv.maxclients", "77"}});
  ASSERT_TRUE(changed.ok()) << changed.error().message();
  EXPECT_EQ(*changed, "# mine\n[kv]\nmaxmemory = \"2gb\"   # plenty\nmaxclients=77\n");
}

TEST(RewriteToml, AddsWhatIsNotThere) {
  EXPECT_EQ(*rewrite_toml("k", "", {{"kv.timeout", "5"}}), "\n[kv]\ntimeout = 5\n");
  EXPECT_EQ(*rewrite_toml("k", "[kv]", {{"kv.timeout", "5"}}), "[kv]\ntimeout = 5\n");
  EXPECT_EQ(*rewrite_toml("k", "[log]\n", {{"kv.password", "a\"b\\c"}}), "[log]\n\n[kv]\npassword = \"a\\\"b\\\\c\"\n");
  EXPECT_EQ(*rewrite_toml("k", "[log]\n", {{"data-dir", "/x"}}), "data-dir = \"/x\"\n[log]\n");
  // Dotted keys of a table cannot be followed by that table: said, not done.
  EXPECT_FALSE(rewrite_toml("k", "kv.timeout = 1\n", {{"kv.maxclients", "5"}}).ok());
  EXPECT_FALSE(rewrite_toml("k", "][", {{"kv.maxclients", "5"}}).ok());
}

TEST(ReadToml, RefusesLettersOutsideAsciiWhereTomlAllowsNone) {
  // The second one sends toml++ 3.3 into code that it holds to be unreachable.
  for (const std::string& line : std::vector<std::string>{"n\xc3\xa4me = 1",
                                                          "cpu\xd1\x92"
                                                          "ax = 25",
                                                          "[\xd1\x92]", "x = \"a\\\"b\" \xd1\x92"}) {
    const LoadedSettings loaded = from_file("[kv]\n" + line + "\n");
    ASSERT_EQ(loaded.errors.size(), 1u) << line;
    EXPECT_EQ(loaded.errors[0].origin.line, 2u) << line;
  }
  EXPECT_TRUE(
      from_file("# \xd1\x92\n[kv]\npassword = \"\xd1\x92'#\" # \xd1\x92\nlisten = '127.0.0.1:1'\n").errors.empty());
}

TEST(RewriteToml, OfTheDefaultFileReadsBack) {
  std::mt19937_64 random(7);
  std::string file = default_settings_file();
  Settings wanted;
  for (int round = 0; round < 200; ++round) {
    const SettingSpec& spec = setting_table()[random() % setting_table().size()];
    if (spec.type != SettingType::kInteger) continue;
    // Unsigned: the widest range is all of int64_t but a little.
    const auto least = static_cast<uint64_t>(spec.least);
    const uint64_t count = static_cast<uint64_t>(spec.most) - least + 1;
    const std::string value = std::to_string(static_cast<int64_t>(least + random() % count));
    const Result<std::string> changed = rewrite_toml("k", file, {{std::string(spec.key), value}});
    ASSERT_TRUE(changed.ok()) << changed.error().message();
    file = *changed;
    wanted.set(spec, *parse_setting(spec, value));
    const LoadedSettings loaded = from_file(file);
    ASSERT_TRUE(loaded.errors.empty());
    for (const SettingSpec& each : setting_table())
      ASSERT_EQ(loaded.settings.text(each.key), wanted.text(each.key)) << each.key;
  }
}

}  // namespace
}  // namespace keelson::server
