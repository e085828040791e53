// Any bytes as a configuration file: settings or errors that name a line, never a crash; and what is good can be
// changed and reads back as wanted.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "server/settings.h"

using keelson::server::LoadedSettings;
using keelson::server::SettingSpec;

namespace {

LoadedSettings load(std::string text) {
  return keelson::server::load_settings({.file_name = "f", .file_text = std::move(text), .variables = {}, .flags = {}});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const LoadedSettings loaded = load(text);
  for (const auto& error : loaded.errors) {
    KEELSON_CHECK(error.origin.line >= 1, "an error names its line");
    KEELSON_CHECK(error.text().starts_with("f:"), "an error names its file");
  }
  if (!loaded.errors.empty()) return 0;

  (void)keelson::server::check_settings(loaded.settings, {});
  for (const SettingSpec& spec : keelson::server::setting_table()) {
    const std::string& value = loaded.settings.text(spec.key);
    const auto again = keelson::server::parse_setting(spec, value);
    KEELSON_CHECK(again.ok() && again->text == value, "a value reads back as itself");
  }
  const auto changed =
      keelson::server::rewrite_toml("f", text, {{"kv.maxclients", "77"}, {"kv.maxmemory-policy", "allkeys-lru"}});
  if (!changed.ok()) return 0;
  const LoadedSettings after = load(*changed);
  KEELSON_CHECK(after.errors.empty() && after.settings.number("kv.maxclients") == 77, "a change reads back");
  for (const SettingSpec& spec : keelson::server::setting_table()) {
    if (spec.key == "kv.maxclients" || spec.key == "kv.maxmemory-policy") continue;
    KEELSON_CHECK(after.settings.text(spec.key) == loaded.settings.text(spec.key), "a change touches nothing else");
  }
  return 0;
}
